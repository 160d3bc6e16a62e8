using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Manifests;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Programs.Tests.Packages;

/// <summary>Programs with packages, with everything real: pip and npm in sandboxes, an index and a registry that sandboxes reach by network.</summary>
public sealed class PackagesTests : IClassFixture<PackageServer>, IAsyncDisposable
{
    private readonly PackageServer _server;
    private readonly TestSwarm _swarm = new() { OnDisk = true };
    private readonly TestNode _oak;
    private readonly TestNode _elm;
    private readonly List<string> _told = [];

    public PackagesTests(PackageServer server)
    {
        _server = server;
        // As root each sandbox has a user of its own, which must be able to pass through the folder.
        File.SetUnixFileMode(_swarm.Folder.Path, (UnixFileMode)0x1C9);
        var sandbox = new SandboxRuntime(new SandboxOptions { Folder = _swarm.Folder["sandboxes"] }, TimeProvider.System, NullLogger.Instance);
        _swarm.Runtime = sandbox;
        _oak = _swarm.Add("oak", sandbox, new ProgramHostOptions { Folder = "", Hosts = false });
        _elm = _swarm.Add("elm", sandbox);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Goal: what requirements.txt lists is there for the program, in C too, installed once, with network for that step alone.
    [Fact]
    public async Task Python_packages_are_installed_once_for_programs_without_a_network()
    {
        _server.Need("pip");
        const string Program = "import greeting, fastsum, socket\nprint(greeting.of('world'), fastsum.sum_to(100))\ntry: socket.create_connection(('203.0.113.1', 9), 1)\nexcept OSError: print('no network')\n";
        _swarm.Folder.With("one/bot.py", Program).With("one/requirements.txt", _server.Requirements("greeting==1.0", "fastsum")).With("one/pc.toml", "network = \"none\"\n");
        var lines = await LinesAsync(await DeployAsync("one"));
        Assert.Equal(["Out good day, world 5050", "Out no network"], lines.Where(line => line.StartsWith("Out", StringComparison.Ordinal)));
        Assert.Contains(_told, line => line.StartsWith("pip: Collecting greeting", StringComparison.Ordinal));
        Assert.Contains(_told, line => line.StartsWith("pip: Successfully installed", StringComparison.Ordinal));
        Assert.Contains("one is written in Python 3 (bot.py) with packages of requirements.txt", _told);

        // Another program with the same list asks nobody for anything; its command finds the commands of packages.
        var requests = _server.Requests;
        _swarm.Folder.With("two/requirements.txt", _server.Requirements("greeting==1.0", "fastsum")).With("two/pc.toml", "run = \"greet\"\n");
        lines = await LinesAsync(await DeployAsync("two"));
        Assert.Contains("Out good day, command", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith("Pc pip:", StringComparison.Ordinal));
        Assert.Equal(requests, _server.Requests);
    }

    [Theory]
    [InlineData("broken", "broken needs the quux library, which is not here")]
    [InlineData("nosuch==7", "ERROR: No matching distribution found for nosuch==7")]
    public async Task What_pip_says_about_a_failure_reaches_who_deploys(string package, string sentence)
    {
        _server.Need("pip");
        _swarm.Folder.With("bot/bot.py").With("bot/requirements.txt", _server.Requirements(package));
        await Refused.WithAsync(ErrorCode.StartFailed, "elm: pip ended with exit code 1: ", () => DeployAsync("bot"));
        Assert.Contains(_told, line => line.StartsWith("pip: ", StringComparison.Ordinal) && line.EndsWith(sentence, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Node_packages_are_installed_from_the_lock_file_and_found()
    {
        _server.Need("npm");
        _server.WithNpm(_swarm.Folder, "node", "pc-greeting").With("node/bot.js", "console.log(require('pc-greeting').of('world'));\n");
        Assert.Contains("Out good day, world", await LinesAsync(await DeployAsync("node")));
        Assert.Contains(_told, line => line.StartsWith("npm: added 1 package", StringComparison.Ordinal));
        _server.WithNpm(_swarm.Folder, "node", "pc-greeting").With("node/pc.toml", "run = \"pc-greet\"\n");
        Assert.Contains("Out good day, command", await LinesAsync(await DeployAsync("node")));
    }

    [Theory]
    [InlineData("pc-broken", "pc-broken needs the quux library, which is not here")]
    [InlineData("pc-missing", "npm error 404")]
    public async Task What_npm_says_about_a_failure_reaches_who_deploys(string package, string sentence)
    {
        _server.Need("npm");
        _server.WithNpm(_swarm.Folder, "node", package).With("node/bot.js", "");
        await Refused.WithAsync(ErrorCode.StartFailed, "elm: npm ended with exit code ", () => DeployAsync("node"));
        Assert.Contains(_told, line => line.StartsWith("npm: ", StringComparison.Ordinal) && line.Contains(sentence, StringComparison.Ordinal));
    }

    // Goal: after a failover a program with packages needs nobody but the guardian. Method: the other host installs beforehand what runs on the
    // first; then it starts the program, and neither index hears of it.
    [Fact]
    public async Task A_guardian_that_installed_beforehand_starts_without_asking_anybody()
    {
        _server.Need("pip");
        var fir = _swarm.Add("fir", (SandboxRuntime)_swarm.Runtime!);
        _swarm.Folder.With("ahead/bot.py", "import greeting\nprint(greeting.of('world'))\n").With("ahead/requirements.txt", _server.Requirements("greeting==1.0"));
        var deployed = await DeployAsync("ahead");
        Assert.Contains("Out good day, world", await LinesAsync(deployed));
        var other = deployed.Host == fir.Self ? _elm : fir;
        var before = _server.Requests;
        Assert.True(await other.Host.InstallAheadAsync(deployed.Program, Token));
        Assert.True(_server.Requests > before);
        Assert.DoesNotContain(Directory.EnumerateDirectories(_swarm.Folder[$"{other.Name}/packages"]), path => Path.GetFileName(path).StartsWith("new-", StringComparison.Ordinal));

        before = _server.Requests;
        Assert.True(await other.Host.InstallAheadAsync(deployed.Program, Token)); // nothing is left to do
        await other.Host.StartAsync(deployed.Program, Token);
        var lines = new List<string>();
        await foreach (var line in other.Host.LogsAsync(deployed.Program.Id, LogStart.Last(-1), follow: true, Token)) lines.Add(line.Text);
        Assert.Contains("good day, world", lines);
        Assert.Equal(before, _server.Requests);
    }

    public ValueTask DisposeAsync() => _swarm.DisposeAsync();

    private Task<DeployResult> DeployAsync(string folder) =>
        _oak.Deployer.DeployAsync(_oak, OrderReader.Read(_swarm.Folder[folder], null), progress => _told.Add(progress.Text), Token);

    private async Task<List<string>> LinesAsync(DeployResult result)
    {
        // A program that crashes is started again for ever: its log is in the failure then.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience.Limit);
        var lines = new List<string>();
        try
        {
            await foreach (var line in _oak.LogsAsync(result.Host, result.Program.Swarm, result.Program.Id, -1, follow: true, patience.Token)) lines.Add($"{line.Source} {line.Text}");
        }
        catch (OperationCanceledException) when (!Token.IsCancellationRequested)
        {
            Assert.Fail($"it did not end: {string.Join('\n', lines)}");
        }
        return lines;
    }
}

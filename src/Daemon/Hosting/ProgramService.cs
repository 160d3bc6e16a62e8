using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Manifests;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>What a person does about programs: deploy, read logs, stop. And what the feeds demand of this host.</summary>
internal sealed class ProgramService : IAsyncDisposable
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(30);

    private readonly SwarmRegistry _swarms;
    private readonly ProgramHost _host;
    private readonly SecretService _secrets;
    private readonly ProgramMesh _mesh;
    private readonly ProgramLocator _locator;
    private readonly IBlockStore _blocks;
    private readonly BlockHolds _holds;
    private readonly ContentAccess _access;
    private readonly Func<PeerId, bool> _isConnected;
    private readonly Func<int> _seed;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly BundleMemory _bundles = new();
    private readonly Turns<(SwarmId Swarm, string Name)> _deploying = new();
    private readonly Outbox<SwarmId> _reconciling;
    private readonly IReadOnlyList<SwarmState> _loaded;

    /// <summary>Takes over the swarms that there are and those that come.</summary>
    public ProgramService(
        SwarmRegistry swarms, ProgramHost host, ProgramMesh mesh, ProgramLocator locator, IBlockStore blocks, BlockHolds holds, ContentAccess access, Func<PeerId, bool> isConnected, Func<int> seed, SecretService secrets, TimeProvider time, ILogger logger)
    {
        _secrets = secrets;
        _swarms = swarms;
        _host = host;
        _mesh = mesh;
        _locator = locator;
        _blocks = blocks;
        _holds = holds;
        _access = access;
        _isConnected = isConnected;
        _seed = seed;
        _time = time;
        _logger = logger;
        _reconciling = new Outbox<SwarmId>(int.MaxValue, e => DaemonLog.RequestFailed(logger, "bringing programs in line", e));
        _loaded = [.. swarms.All.Where(swarm => swarm.Me is not null).Select(swarm => swarm.State)];
        foreach (var swarm in swarms.All) swarm.Changed += Reconcile;
        swarms.Added += swarm =>
        {
            swarm.Changed += Reconcile;
            Reconcile(swarm);
        };
        swarms.Removed += swarm =>
        {
            swarm.Changed -= Reconcile;
            _reconciling.TryRun(swarm.Id, _ => EndAllAsync(swarm.Id, "this host is no longer in the swarm"));
        };
    }

    /// <summary>What runs on this node.</summary>
    public ProgramHost Host => _host;

    /// <summary>
    /// Starts what was placed here before the daemon ended, as it was when it started: what others bring until this node has caught up
    /// starts nothing.
    /// </summary>
    public void Resume()
    {
        foreach (var state in _loaded)
        {
            Task ended;
            lock (_reconciling) ended = _host.ReconcileAsync(state); // decided here, so that what follows ends what is not wanted any more
            _reconciling.TryRun(state.Id, _ => ended);
        }
        foreach (var swarm in _swarms.All) Reconcile(swarm);
    }

    /// <summary>Deploys a folder; <paramref name="step"/> hears of each step in order.</summary>
    public async Task<DeployReply> DeployAsync(string swarmName, DeployRequest request, Func<string, Task> step, CancellationToken cancellationToken)
    {
        var swarm = _swarms.Require(swarmName);
        swarm.RequireMembership();
        var (order, file) = Read(swarm, request);
        using (file) return ReplyOf(await DeployAsync(swarm, order, step, cancellationToken));
    }

    /// <summary>What a request wants deployed, and the single file that is staged for it, which is disposed after the deploy.</summary>
    public (DeployOrder Order, SingleFile? File) Read(LocalSwarm swarm, DeployRequest request)
    {
        var image = request.Settings?.GetValueOrDefault("image") is [var named] ? named : null;
        var isImageOnly = image is not null && (request.Path.Length == 0 || (Directory.Exists(request.Path) && !Directory.EnumerateFileSystemEntries(request.Path).Any()));
        if (!isImageOnly && !Path.IsPathRooted(request.Path)) throw new PcException(ErrorCode.BadRequest, "path is no absolute path");
        PeerId? host = request.Host is null ? null : Membership.FindMember(swarm.State, request.Host).Peer;
        var file = isImageOnly ? SingleFile.OfImage(image!) : SingleFile.Stage(request.Path, BundleLimits.Default);
        try
        {
            var order = OrderReader.Read(file?.Folder ?? request.Path, request.Settings, request.Language, request.Name ?? file?.Name, host);
            return (WithSecrets(swarm, file is null ? order : file.Started(order), request.Secrets), file);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>The order with the secrets that its program has, and new ones.</summary>
    public DeployOrder WithSecrets(LocalSwarm swarm, DeployOrder order, IReadOnlyDictionary<string, string>? given) =>
        order with { Secrets = _secrets.ForDeploy(swarm, ProgramName.Choose(order.Name, order.Path), given, order.Manifest.Secrets) };

    /// <summary>Deploys what is wanted.</summary>
    public async Task<DeployResult> DeployAsync(LocalSwarm swarm, DeployOrder order, Func<string, Task> step, CancellationToken cancellationToken)
    {
        // A bundle needs no pin: what the feeds name as deployed is kept for as long as they do. Until they do, the hold keeps it.
        using var hold = _holds.Open(_blocks);
        var adder = new UnixFsAdder(new GrantingBlockStore(hold, _access, swarm.Id));
        var deployer = new Deployer(new BundlePacker(adder.AddStreamAsync, BundleLimits.Default, _bundles), _mesh, new DeployTimeouts(), new Random(_seed()), _time);
        var steps = new StepQueue(step);
        // Each must know of the one before, which it replaces: two at once would leave two programs of one name, on two hosts.
        var name = ProgramName.Choose(order.Name, order.Path);
        using var turn = await _deploying.TakeAsync((swarm.Id, name), () => steps.Add($"another deploy of {name} is under way and goes first"), cancellationToken);
        DeployResult result;
        try
        {
            var programs = new ProgramSwarm(swarm, _mesh, _locator, _swarms.Self, _isConnected, _time);
            result = await deployer.DeployAsync(programs, order, progress => steps.Add(progress.Text), cancellationToken);
        }
        finally
        {
            await steps.WrittenAsync();
        }
        _mesh.Forget(result.Program.Id);
        return result;
    }

    /// <summary>What is said of a deploy.</summary>
    public static DeployReply ReplyOf(DeployResult result) => new(
        result.Program.Name,
        result.Program.Deployed.Bundle.ToString(),
        result.Program.Deployed.Language,
        result.HostName,
        result.Host.ToString(),
        [.. result.Candidates.Select(c => new Candidate(c.Name, c.Peer.ToString(), c.Rank is { } rank && double.IsFinite(rank) ? rank : null, c.Peer == result.Host, c.Why))],
        result.Program.Deployed.Manifest.Schedule is { } schedule ? CronSchedule.TryParse(schedule)?.NextAfter(result.Program.DeployedAt) : null);

    /// <summary>A program's log, from whoever hosts it.</summary>
    public async IAsyncEnumerable<Api.LogLine> LogsAsync(string swarmName, string programName, int tail, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var swarm = _swarms.Require(swarmName);
        swarm.RequireMembership();
        var program = Find(swarm.State, programName, liveOnly: false);
        if (!swarm.State.MayControl(_swarms.Self, program)) throw new PcException(ErrorCode.NotPermitted, $"only the owner of {program.Deployed.Name} and admins of {swarm.Name} read its log");
        if (follow)
        {
            // Who names a program by the start of a hash means this one and no newer.
            var byName = string.Equals(program.Deployed.Name, programName, StringComparison.Ordinal);
            await foreach (var (from, line) in new LogFollower(swarm, _mesh, _locator, _swarms.Self, _time).FollowAsync(program, byName, tail, cancellationToken))
                yield return Shown(line, from is { } keeper ? ProgramWords.NameOf(swarm.State, keeper) : "");
            yield break;
        }
        if (_locator.HolderOf(swarm, program) is not { } host) throw new PcException(ErrorCode.ProgramNotFound, $"{program.Deployed.Name} was not placed on a host yet");
        var hostName = ProgramWords.NameOf(swarm.State, host);
        await foreach (var line in _mesh.LogsAsync(host, swarm.Id, program.Id, tail, follow: false, cancellationToken)) yield return Shown(line, hostName);
    }

    private static Api.LogLine Shown(Programs.Logs.LogLine line, string host) => new(line.Time, line.Source switch { LogSource.Out => "out", LogSource.Err => "err", _ => "pc" }, line.Text, host);

    /// <summary>Stops a program for good. Its host is told; when it sleeps, it stops the program when it hears of it.</summary>
    public async Task<StopReply> StopAsync(string swarmName, string programName, CancellationToken cancellationToken)
    {
        var swarm = _swarms.Require(swarmName);
        swarm.RequireMembership();
        var program = Find(swarm.State, programName, liveOnly: true);
        if (!swarm.State.MayControl(_swarms.Self, program)) throw new PcException(ErrorCode.NotPermitted, $"only the owner of {program.Deployed.Name} and admins of {swarm.Name} stop it");
        var holder = _locator.HolderOf(swarm, program);
        await new ProgramSwarm(swarm, _mesh, _locator, _swarms.Self, _isConnected, _time).AppendAsync(new ProgramStopped(program.Id), cancellationToken);

        // It is stopped for good from here on; what follows only makes it quick.
        string? hostName = null;
        if (holder is { } host)
        {
            hostName = swarm.State.Members.TryGetValue(host, out var member) ? member.Name : host.ToString();
            using var timeout = new CancellationTokenSource(StopTimeout, _time);
            try
            {
                await _mesh.StopAsync(host, swarm.Id, program.Id, timeout.Token);
            }
            catch (Exception e) when (e is PcException or OperationCanceledException)
            {
                DaemonLog.NotReached(_logger, host, e.Message);
            }
        }
        _mesh.Forget(program.Id);
        return new StopReply(program.Deployed.Name, program.Deployed.Bundle.ToString(), hostName);
    }

    /// <summary>Waits for what is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        await _reconciling.DisposeAsync();
        _bundles.Dispose();
    }

    /// <summary>Brings what runs here in line with what the feeds say now; begins the work and returns.</summary>
    public void Reconcile(LocalSwarm swarm) => _reconciling.TryRun(swarm.Id, async stopping =>
    {
        Task ended;
        var settled = swarm.IsSettled;
        lock (_reconciling) ended = ReconcileNowAsync(swarm, mayStart: settled);
        await ended;
        // The owner of what is to run may have been removed while this node slept: nothing new starts before that is known.
        if (settled) return;
        await swarm.WaitUntilSettledAsync(null, stopping);
        lock (_reconciling) ended = ReconcileNowAsync(swarm, mayStart: true);
        await ended;
    });

    // Decided one after another, each by the newest state, so that an older one never starts what a newer one ended.
    private Task ReconcileNowAsync(LocalSwarm swarm, bool mayStart) =>
        swarm.Me is null ? EndAllAsync(swarm.Id, "this host is no member any more") : _host.ReconcileAsync(swarm.State, mayStart);

    private async Task EndAllAsync(SwarmId swarm, string why) =>
        await Task.WhenAll(_host.Programs.Where(program => program.Spec.Swarm == swarm).Select(program => _host.StopAsync(program.Spec.Id, why)));

    // While a newer version is on trial beside the one that it replaces, the name is still the older one's.
    private static List<SwarmProgram> NotOnTrial(List<SwarmProgram> live) =>
        live.Count == 1 ? live : [.. live.Where(program => !live.Exists(other => other.Id == program.Deployed.Replaces))];

    /// <summary>The program of a name, or of the start of a hash; of several with one name the one that was not stopped, else the last.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ProgramNotFound"/>, <see cref="ErrorCode.NameAmbiguous"/>.</exception>
    public static SwarmProgram Find(SwarmState state, string name, bool liveOnly)
    {
        var programs = state.Programs.Values.Where(program => !program.Stopped || !liveOnly).ToList();
        // One name is one running program and any number of earlier ones.
        var named = programs.Where(program => string.Equals(program.Deployed.Name, name, StringComparison.Ordinal)).ToList();
        if (named.Where(program => !program.Stopped).ToList() is { Count: > 0 } live) named = NotOnTrial(live);
        else if (named.Count > 1) named = [named.MaxBy(program => program.DeployedAt)!];
        if (named.Count == 0 && name.Length >= 6)
            named = [.. programs.Where(program => program.Deployed.Bundle.ToString().StartsWith(name, StringComparison.Ordinal) || program.Id.ToString().StartsWith(name, StringComparison.Ordinal))];
        return named.Count switch
        {
            1 => named[0],
            0 => throw new PcException(ErrorCode.ProgramNotFound, $"{state.Name} has no program '{new string([.. name.Take(80).Where(c => !char.IsControl(c))])}'{(Spelling.Nearest(name, programs.Select(program => program.Deployed.Name), most: 2) is { } near ? $"; did you mean {near}?" : "")}"),
            _ => throw new PcException(ErrorCode.NameAmbiguous, $"'{name}' fits {named.Count} programs of {state.Name}"),
        };
    }

    /// <summary>Writes steps one after another without making the deploy wait for whoever reads them.</summary>
    private sealed class StepQueue(Func<string, Task> write)
    {
        private readonly Lock _gate = new();
        private Task _written = Task.CompletedTask;

        public void Add(string text)
        {
            lock (_gate) _written = WriteAsync(_written, text);
        }

        public Task WrittenAsync()
        {
            lock (_gate) return _written;
        }

        private async Task WriteAsync(Task before, string text)
        {
            await before;
            await write(text);
        }
    }
}

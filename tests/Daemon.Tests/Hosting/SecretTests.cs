using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Secrets;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>Secrets on two real nodes with a real sandbox: the program has them, and nobody else finds them anywhere.</summary>
public sealed class SecretTests
{
    private const string Secret = "x7Qw-hunter2-secret-9pLm";
    private const string Marker = "this-is-public-and-on-the-disk";

    private const string Bot = $"""
        import hashlib, os, time
        # {Marker}
        value = os.environ.get('TOKEN', 'none')
        print(hashlib.sha256(value.encode()).hexdigest(), os.environ.get('MODE', '-'), flush=True)
        while True:
            time.sleep(0.1)
        """;

    private static SecretApiJson Json => SecretApiJson.Default;

    [Fact]
    public async Task A_program_has_its_secret_and_it_is_nowhere_else()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        using var folder = new ProgramFolder(Bot);

        await DeployAsync(oak, folder.Path, new Dictionary<string, string> { ["TOKEN"] = Secret });
        Assert.StartsWith(DigestOf(Secret), await FirstLineAsync(oak), StringComparison.Ordinal);
        await fir.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);

        // 1. No file of any home, and none of the sandboxes' folder, holds it; the search finds what is there.
        var homes = new[] { oak.Home, elm.Home, fir.Home, SandboxFolder(elm) };
        Assert.Empty(homes.SelectMany(home => FilesWith(home, Secret)));
        Assert.NotEmpty(FilesWith(elm.Home, Marker));

        // 2. Another user of the host sees it in no command line and no environment; that user sees what is public there.
        using var shown = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $": {Marker}; sleep 600"]) { UseShellExecute = false })!;
        try
        {
            var seen = ProcessesAsAnotherUser();
            Assert.Contains(Marker, seen, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, seen, StringComparison.Ordinal);
        }
        finally
        {
            shown.Kill(entireProcessTree: true);
            await shown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        // 3. No answer says it, to the owner neither.
        var names = await oak.Client.GetAsync("/v1/swarms/friends/secrets/test-bot", Json.SecretNamesReply);
        Assert.Equal(["TOKEN"], names.Names);
        Assert.True(names.Running);
        var answers = JsonSerializer.Serialize(names) + JsonSerializer.Serialize(await oak.ListAsync("friends")) + JsonSerializer.Serialize(await elm.Client.GetAsync("/v1/host", HostApiJson.Default.HostReply));
        Assert.DoesNotContain(Secret, answers, StringComparison.Ordinal);
        Assert.Empty((await fir.Client.GetAsync("/v1/swarms/friends/secrets/test-bot", Json.SecretNamesReply)).Names);
    }

    [Fact]
    public async Task Secrets_belong_to_the_name_and_come_with_each_start()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var folder = new ProgramFolder(Bot);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "pc.toml"), "secrets = [\"TOKEN\"]\nenv = { MODE = \"calm\" }\n", TestContext.Current.CancellationToken);

        // What it needs and nobody set is asked for before anything happens.
        var missing = await Assert.ThrowsAsync<ApiException>(() => oak.DeployAsync("friends", folder.Path));
        Assert.Equal($"PC{(int)ErrorCode.SecretMissing}", missing.Reply.Code);
        Assert.Contains("pc secret set friends test-bot TOKEN -", missing.Reply.Hint, StringComparison.Ordinal);

        // Set before the first deploy; a daemon that starts again opens it again; a newer value comes with the next deploy.
        await SetAsync(oak, "TOKEN", "first");
        await oak.DeployAsync("friends", folder.Path);
        Assert.Equal($"{DigestOf("first")} calm", await FirstLineAsync(oak));
        await elm.StopAsync();
        await elm.StartAgainAsync(hosts: true);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
        Assert.Equal($"{DigestOf("first")} calm", (await LinesAsync(oak)).Last(line => line.Length > 60));
        await SetAsync(oak, "TOKEN", "second");
        await SetAsync(oak, "OTHER", "more");
        await oak.DeployAsync("friends", folder.Path);
        Assert.Equal($"{DigestOf("second")} calm", await FirstLineAsync(oak));

        Assert.Equal(["TOKEN"], (await RemoveAsync(oak, "OTHER")).Names);
        Assert.Equal($"PC{(int)ErrorCode.SecretUnknown}", (await Assert.ThrowsAsync<ApiException>(() => RemoveAsync(oak, "OTHER"))).Reply.Code);
        Assert.Equal($"PC{(int)ErrorCode.SecretInvalid}", (await Assert.ThrowsAsync<ApiException>(() => SetAsync(oak, "PATH", "/tmp"))).Reply.Code);
    }

    [Fact]
    public async Task A_guardian_that_comes_later_is_given_them_and_who_is_none_opens_nothing()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        using var folder = new ProgramFolder(Bot);
        await DeployAsync(oak, folder.Path, new Dictionary<string, string> { ["TOKEN"] = Secret });

        // As if they had been set when elm was no guardian: for oak alone. It is awake, and seals them to elm.
        var (friends, self) = (oak.Node.Swarms.Require("friends"), oak.Node.Self);
        var alone = SecretBox.Seal(friends.Id, self, "test-bot", new Dictionary<string, string> { ["TOKEN"] = "anew" }, [friends.State.Find(self)!]);
        await friends.AppendAsync(alone, TestContext.Current.CancellationToken);
        await elm.WaitForAsync("friends", _ => OpenedBy(elm) == "anew");
        await fir.WaitForAsync("friends", _ => SecretsIn(fir)?.SealedKeyOf(elm.Node.Self) is not null);
        Assert.Equal(ErrorCode.SecretNotSealed, Assert.Throws<PcException>(() => OpenedBy(fir)).Code);

        ProgramSecrets? SecretsIn(TestNode node) => node.Node.Swarms.Require("friends").State.SecretsOf(self, "test-bot");

        string? OpenedBy(TestNode node)
        {
            var swarm = node.Node.Swarms.Require("friends");
            if (node == elm && SecretsIn(node)!.SealedKeyOf(node.Node.Self) is null) return null;
            return node.Node.ProgramSecrets.Open(ProgramSpec.Of(swarm.Id, swarm.State.Programs.Values.Single()))["TOKEN"];
        }
    }

    private static string DigestOf(string secret) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    private static async Task DeployAsync(TestNode node, string path, Dictionary<string, string> secrets)
    {
        var request = new DeployRequest(path, null, null, null, Secrets: secrets);
        Assert.DoesNotContain(secrets.Values.First(), request.ToString(), StringComparison.Ordinal);
        await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, "/v1/swarms/friends/deploy", JsonContent.Create(request, TestNode.Json.DeployRequest), TestNode.Json.EventDeployReply))
            Assert.DoesNotContain(secrets.Values.First(), JsonSerializer.Serialize(happened), StringComparison.Ordinal);
    }

    private static Task<SecretNamesReply> SetAsync(TestNode node, string name, string value) =>
        node.Client.PostAsync("/v1/swarms/friends/secrets/test-bot", new SetSecretsRequest(new Dictionary<string, string> { [name] = value }), Json.SetSecretsRequest, Json.SecretNamesReply);

    private static async Task<SecretNamesReply> RemoveAsync(TestNode node, string name)
    {
        using var response = await node.Client.SendAsync(HttpMethod.Delete, $"/v1/swarms/friends/secrets/test-bot/{name}");
        if (!response.IsSuccessStatusCode) throw new ApiException((await response.Content.ReadFromJsonAsync(TestNode.Json.ErrorReply))!);
        return (await response.Content.ReadFromJsonAsync(Json.SecretNamesReply))!;
    }

    private static async Task<string> FirstLineAsync(TestNode node)
    {
        await foreach (var line in node.LogsAsync("friends", "test-bot"))
            if (line.Stream == "out") return line.Text;
        throw new InvalidOperationException("the log has ended");
    }

    private static async Task<List<string>> LinesAsync(TestNode node)
    {
        var lines = new List<string>();
        await foreach (var line in node.LogsAsync("friends", "test-bot"))
        {
            lines.Add(line.Text);
            if (lines.Count(text => text.Length > 60 && line.Stream == "out") == 2) break;
        }
        return lines;
    }

    private static string SandboxFolder(TestNode node) => Environment.IsPrivilegedProcess ? "/var/lib/peoples-cloud" : Path.Combine(node.Home, "sandbox");

    // Files only: a pipe in a folder would never end. What goes while it is looked at is no finding.
    private static string[] FilesWith(string folder, string text)
    {
        if (!Directory.Exists(folder)) return [];
        using var grep = Process.Start(new ProcessStartInfo("grep", ["-rlaF", "--devices=skip", "--no-messages", "--", text, folder]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var found = grep.StandardOutput.ReadToEnd();
        grep.WaitForExit();
        return found.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    // As root the look is another user's: nobody. Everywhere it is /proc of the host, outside of the sandbox.
    private static string ProcessesAsAnotherUser()
    {
        const string script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; tr '\\0' ' ' <$p/environ; done 2>/dev/null; true";
        string[] words = Environment.IsPrivilegedProcess
            ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", script]
            : ["/bin/sh", "-c", script.Replace("tr '\\0' ' ' <$p/environ;", "", StringComparison.Ordinal)];
        using var look = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var errors = look.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var seen = look.StandardOutput.ReadToEnd();
        look.WaitForExit();
        return errors.IsCompletedSuccessfully || look.ExitCode == 0 ? seen : throw new InvalidOperationException("could not look into /proc");
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Containers;

/// <summary>
/// Each option in each form is given to Debian's docker-py too, and what it would tell the Engine API is compared with what is understood here. JSON has no
/// tuples: a list of an address and a port is docker-py's tuple of both.
/// </summary>
public sealed class SameAsDockerPyTests
{
    private const string Python = """
        import docker, json, sys
        class Told(Exception): pass
        def tell(config, name=None): raise Told(config)
        client = docker.DockerClient(base_url="tcp://127.0.0.1:1", version="1.41")
        client.api.create_container_from_config = tell
        def tuples(binding):
            if isinstance(binding, list):
                if len(binding) == 2 and isinstance(binding[0], str) and "." in binding[0]: return tuple(binding)
                return [tuples(one) for one in binding]
            return binding
        for line in sys.stdin:
            options = json.loads(line)
            if isinstance(options.get("ports"), dict): options["ports"] = {port: tuples(binding) for port, binding in options["ports"].items()}
            try: client.containers.create("image", options.pop("command", None), detach=True, **options)
            except Told as told: print(json.dumps(told.args[0]))
            except Exception as error: print(json.dumps({"error": str(error)}))
        """;

    private static readonly string[] Forms =
    [
        """{}""",
        """{"command": null, "entrypoint": null, "environment": null, "hostname": null, "labels": null, "mem_limit": null, "nano_cpus": null, "cpu_shares": null, "pids_limit": null, "network_mode": null, "read_only": null, "restart_policy": null, "tmpfs": null, "user": null, "volumes": null, "working_dir": null, "ports": null, "auto_remove": false}""",
        // Command and entrypoint: lines as a shell takes them apart, and lists.
        """{"command": "run --name 'a b' \"c\\\"d\" e\\ f ''"}""",
        """{"command": "a\tb\nc  d\\\n#e \"x\\y\" 'x\\y' x\\y \"it's\" a'b'\"c\" $HOME `x` | > &"}""",
        """{"command": "été 漢字 \u00a0x"}""",
        """{"command": ""}""",
        """{"command": "   "}""",
        """{"command": []}""",
        """{"command": ["sh", "-c", "echo 'a b'", ""]}""",
        """{"entrypoint": "sh -c", "command": "echo"}""",
        """{"entrypoint": ["sh", "-c"]}""",
        """{"entrypoint": ""}""",
        """{"entrypoint": []}""",
        """{"entrypoint": [""]}""",
        // Environment.
        """{"environment": {"A": "1", "B": "a=b", "C": "", "D": null, "E": 2, "F": true, "G": false, "H": "été"}}""",
        """{"environment": {"A": 1.5, "B": 2.0, "C": 1e3, "D": 1.50, "E": 0.00001, "F": 0.0001, "G": 1e15, "H": 1e16, "P": -12345678901234568.0, "Q": 1e17, "I": 123456789012345678901, "J": -0.0, "K": 1e400, "L": -7, "M": 1234567890123456.0, "N": 1.7976931348623157e308, "O": 0.1}}""",
        """{"environment": ["A=1", "B=a=b", "C=", "D"]}""",
        """{"environment": {}}""",
        """{"environment": []}""",
        // Texts.
        """{"hostname": "world", "user": "1000:1000", "working_dir": "/srv/world"}""",
        """{"hostname": "", "user": "", "working_dir": ""}""",
        """{"user": 1000}""",
        """{"user": 0}""",
        """{"labels": {"a": "1", "b": ""}}""",
        """{"labels": {"a": null}}""",
        """{"labels": ["a", "b=c"]}""",
        """{"labels": []}""",
        // Limits.
        """{"mem_limit": "64m"}""",
        """{"mem_limit": "64M"}""",
        """{"mem_limit": "64mb"}""",
        """{"mem_limit": "64Mb"}""",
        """{"mem_limit": "1.5g"}""",
        """{"mem_limit": "7k"}""",
        """{"mem_limit": "1024b"}""",
        """{"mem_limit": "1024"}""",
        """{"mem_limit": "64 m"}""",
        """{"mem_limit": "1e3k"}""",
        """{"mem_limit": ".5g"}""",
        """{"mem_limit": ""}""",
        """{"mem_limit": 67108864}""",
        """{"mem_limit": 0}""",
        """{"nano_cpus": 500000000, "cpu_shares": 512, "pids_limit": 64}""",
        """{"nano_cpus": 0, "cpu_shares": 0, "pids_limit": 0}""",
        """{"pids_limit": -1}""",
        // The rest.
        """{"network_mode": "bridge"}""",
        """{"network_mode": "default"}""",
        """{"network_mode": ""}""",
        """{"network_mode": "none"}""",
        """{"network_mode": "host"}""",
        """{"read_only": true, "auto_remove": true}""",
        """{"read_only": false}""",
        """{"restart_policy": {}}""",
        """{"restart_policy": {"Name": "no"}}""",
        """{"restart_policy": {"Name": ""}}""",
        """{"restart_policy": {"Name": "always"}}""",
        """{"restart_policy": {"Name": "always", "MaximumRetryCount": 0}}""",
        """{"restart_policy": {"Name": "unless-stopped"}}""",
        """{"restart_policy": {"Name": "on-failure"}}""",
        """{"restart_policy": {"Name": "on-failure", "MaximumRetryCount": 5}}""",
        """{"tmpfs": {"/a": "size=64m,mode=1777", "/b": "", "/c": null}}""",
        """{"tmpfs": ["/a:size=64m,mode=1777", "/b"]}""",
        """{"tmpfs": []}""",
        """{"volumes": {"/srv/a": {"bind": "/a", "mode": "ro"}, "/srv/b": {"bind": "/b", "mode": "rw"}, "/srv/c": {"bind": "/c"}, "/srv/d": {"bind": "/d", "ro": true}, "/srv/e": {"bind": "/e", "ro": false}}}""",
        """{"volumes": ["/srv/a:/a:ro", "/srv/b:/b:rw", "/srv/c:/c"]}""",
        """{"volumes": {}}""",
        """{"ports": {"80/tcp": 8080, "53/udp": 5353, "81": 8081, "82/tcp": "8082", "83": null, "84": ""}}""",
        """{"ports": {"80": ["127.0.0.1", 8080], "81": ["127.0.0.1", null], "82/udp": ["127.0.0.1", "8082"]}}""",
        """{"ports": {"80": [8080, "8081", null], "81": [8082, ["127.0.0.2", 8083]], "82": [["127.0.0.1", 1], ["127.0.0.2", 1]]}}""",
        """{"ports": {"80": {"HostPort": 8080}, "81": {"HostIp": "127.0.0.1", "HostPort": "8081"}, "82": [{"HostPort": null}, {"HostIp": "", "HostPort": ""}]}}""",
        """{"ports": {}}""",
    ];

    // What docker-py itself takes for a mistake is one here.
    private static readonly string[] Mistakes =
    [
        """{"command": "'open"}""", """{"command": "open\\"}""", """{"mem_limit": "much"}""", """{"mem_limit": "1x"}""", """{"mem_limit": "nan"}""", """{"nano_cpus": 0.5}""", """{"cpu_shares": "512"}""", """{"pids_limit": "5"}""",
        """{"restart_policy": "always"}""", """{"tmpfs": "/a"}""", """{"tmpfs": [5]}""", """{"volumes": {"/a": {"bind": "/a", "mode": "ro", "ro": true}}}""", """{"volumes": {"/a": {"mode": "ro"}}}""", """{"ports": {"80": {"HostIp": "127.0.0.1"}}}""", """{"privilege": true}""",
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_form_of_every_option_means_what_docker_py_makes_of_it()
    {
        var bodies = await AskAsync([.. Forms, .. Mistakes]);
        var differences = new List<string>();
        foreach (var (form, body) in Forms.Concat(Mistakes).Zip(bodies))
        {
            var (theirs, ours) = (body.TryGetProperty("error", out var error) ? $"error: {error}" : Shown(body), Ours(form));
            var areSame = Mistakes.Contains(form) ? theirs.StartsWith("error", StringComparison.Ordinal) && ours.StartsWith("error", StringComparison.Ordinal) : theirs == ours;
            if (!areSame) differences.Add($"{form}\ndocker-py: {theirs}\nhere: {ours}");
        }
        Assert.True(differences.Count == 0, string.Join("\n\n", differences));
    }

    private static async Task<List<JsonElement>> AskAsync(string[] forms)
    {
        var start = new ProcessStartInfo("/usr/bin/python3", ["-c", Python]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // A file of the user's may name a proxy, which docker-py adds to every environment.
        start.Environment["DOCKER_CONFIG"] = "/nonexistent";
        using var python = Process.Start(start)!;
        var errors = python.StandardError.ReadToEndAsync(Token);
        var output = python.StandardOutput.ReadToEndAsync(Token);
        foreach (var form in forms) await python.StandardInput.WriteLineAsync(form);
        python.StandardInput.Close();
        var lines = (await output.WaitAsync(RedisServer.Patience, Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length == forms.Length, await errors);
        return [.. lines.Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private static string Ours(string form)
    {
        var options = JsonNode.Parse(form)!.AsObject();
        options["port"] = 80;
        try
        {
            return Shown(ContainerScriptReader.Read($"image\n{options.ToJsonString()}"));
        }
        catch (PcException e) when (e.Code == ErrorCode.SessionScriptRefused)
        {
            return $"error: {e.Message}";
        }
    }

    private static string Shown(ContainerScript script) => Join(
        script.Command, script.Entrypoint, script.Environment.Select(pair => pair.Value is null ? pair.Key : $"{pair.Key}={pair.Value}"), script.Hostname, script.User, script.WorkingFolder,
        script.Labels.Select(pair => $"{pair.Key}={pair.Value}"), script.MemoryBytes, script.NanoCpus, script.CpuShares, script.PidsLimit,
        script.Network switch { ContainerNetwork.None => "none", ContainerNetwork.Host => "host", _ => "default" }, script.IsReadOnly, script.IsRemoved,
        script.Restart.Always ? "always" : script.Restart.OnFailure ? $"on-failure {script.Restart.Most}" : "no", script.Tmpfs.Select(pair => $"{pair.Key}:{pair.Value}"),
        script.Volumes.Select(volume => $"{volume.Source}:{volume.Target}:{(volume.IsReadOnly ? "ro" : "rw")}"),
        script.Ports.Select(port => $"{port.Inside}/{(port.Kind == PortKinds.Udp ? "udp" : "tcp")} {port.Address} {port.Outside}"));

    // As an engine takes it: empty texts and zeros are as if they were not there.
    private static string Shown(JsonElement body)
    {
        var host = body.GetProperty("HostConfig");
        return Join(
            Items(body, "Cmd"), Of(body, "Entrypoint") is null ? null : Items(body, "Entrypoint"), Items(body, "Env"), Of(body, "Hostname"), Of(body, "User"), Of(body, "WorkingDir"),
            Pairs(body, "Labels").Select(pair => $"{pair.Name}={Plain(pair.Value)}"), Of(host, "Memory"), Of(host, "NanoCpus"), Of(host, "CpuShares"), Of(host, "PidsLimit"),
            Of(host, "NetworkMode") is "bridge" ? "default" : Of(host, "NetworkMode"), Of(host, "ReadonlyRootfs") is "True", Of(host, "AutoRemove") is "True", Restart(),
            Pairs(host, "Tmpfs").Select(pair => $"{pair.Name}:{Plain(pair.Value)}"), Items(host, "Binds").Select(bind => bind.Split(':').Length == 3 ? bind : bind + ":rw"),
            Pairs(host, "PortBindings").SelectMany(port => port.Value.EnumerateArray().Select(binding => $"{port.Name} {Of(binding, "HostIp")} {(Of(binding, "HostPort") is { Length: > 0 } outside ? outside : "0")}")));

        string Restart()
        {
            if (!host.TryGetProperty("RestartPolicy", out var policy)) return "no";
            return Of(policy, "Name") switch
            {
                null or "" or "no" => "no",
                "on-failure" => $"on-failure {(Of(policy, "MaximumRetryCount") is "0" ? null : Of(policy, "MaximumRetryCount"))}",
                _ => "always",
            };
        }
    }

    private static string? Of(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;

    private static string Plain(JsonElement value) => value.ValueKind == JsonValueKind.Null ? "" : value.ToString();

    private static IEnumerable<string> Items(JsonElement of, string name) => Of(of, name) is null ? [] : of.GetProperty(name).EnumerateArray().Select(item => item.ToString());

    private static List<JsonProperty> Pairs(JsonElement of, string name) => Of(of, name) is null ? [] : [.. of.GetProperty(name).EnumerateObject()];

    private static string Join(params object?[] parts) => string.Join('\n', parts.Select(part => part switch
    {
        IEnumerable<string> all => JsonSerializer.Serialize(all.ToList()),
        null or "" or 0L or "0" => "-",
        _ => string.Create(CultureInfo.InvariantCulture, $"{part}"),
    }));
}

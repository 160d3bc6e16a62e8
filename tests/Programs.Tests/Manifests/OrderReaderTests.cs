using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Manifests;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Manifests;

public sealed class OrderReaderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Fact]
    public void A_folder_without_pc_toml_asks_for_nothing()
    {
        var order = OrderReader.Read(_folder.Path, null);
        Assert.Equal((ProgramManifest.Empty, new RunLimits(), NetworkMode.Internet), (order.Manifest, order.Limits, order.Network));
        Assert.Equal((null, null), (order.Language, order.Name));
    }

    [Fact]
    public void Every_key_of_pc_toml_means_something()
    {
        var order = Read("""
            name = "clock"
            language = "py3"
            run = ["python3", "-m", "clock"]
            runtime = "docker"
            image = "python:3"
            ports = [9000, "web=8080/http", "5353/udp"]
            memory = "512MiB"
            cpus = 0.5
            pids = 64
            disk = "1GiB"
            network = "none"
            data = true
            when-alone = "stop"
            schedule = "*/15 * * * mon-fri"
            secrets = ["TOKEN"]

            [env]
            MODE = "calm"
            LEVEL = 3
            """);
        Assert.Equal(("clock", "py3"), (order.Name, order.Language));
        Assert.Equal(new RunLimits { MemoryBytes = 512L << 20, Cpus = 0.5, Pids = 64, DiskBytes = 1L << 30 }, order.Limits);
        Assert.Equal(NetworkMode.None, order.Network);
        var expected = new ProgramManifest
        {
            Command = ["python3", "-m", "clock"],
            Runtime = "docker",
            Image = "python:3",
            Ports = [new(9000), new(8080, "web", ProgramPort.Http), new(5353, null, ProgramPort.Udp)],
            Environment = new Dictionary<string, string> { ["MODE"] = "calm", ["LEVEL"] = "3" },
            Secrets = ["TOKEN"],
            Data = true,
            WhenAlone = "stop",
            Schedule = "*/15 * * * mon-fri",
        };
        Assert.Equal(expected, order.Manifest);
    }

    [Theory]
    [InlineData("0 0 1 1 0")]
    [InlineData("5,10-20/5,*/7 23 31 DEC sun-sat")]
    [InlineData("  0  12 * *  mon-fri ")]
    [InlineData("@daily")]
    public void Schedules_are_as_cron_has_them(string schedule) =>
        Assert.Equal(string.Join(' ', schedule.Split(' ', StringSplitOptions.RemoveEmptyEntries)), Read($"schedule = \"{schedule}\"").Manifest.Schedule);

    [Fact]
    public void Flags_win_over_pc_toml()
    {
        _folder.With("pc.toml", "name = \"file\"\nlanguage = \"py3\"\nmemory = \"1GiB\"\nports = [80]\nenv = { A = \"file\", B = \"file\" }\n");
        var flags = new Dictionary<string, IReadOnlyList<string>> { ["memory"] = ["64MiB"], ["ports"] = ["81", "82/udp"], ["env.A"] = ["flag"], ["run"] = ["echo hello | cat"], ["data"] = ["true"] };
        var order = OrderReader.Read(_folder.Path, flags, "nodejs", "flag");
        Assert.Equal(("flag", "nodejs", 64L << 20, true), (order.Name, order.Language, order.Limits.MemoryBytes, order.Manifest.Data));
        Assert.Equal([81, 82], order.Manifest.Ports.Select(port => port.Number));
        Assert.Equal(["flag", "file"], order.Manifest.Environment.Values);
        Assert.Equal(["/bin/sh", "-c", "echo hello | cat"], order.Manifest.Command);
    }

    [Theory]
    [InlineData("memmory = \"1GiB\"", "pc.toml line 1: unknown key \"memmory\" (did you mean memory?)")]
    [InlineData("when_alone = \"run\"", "(did you mean when-alone?)")]
    [InlineData("port = 80", "(did you mean ports?)")]
    [InlineData("build.step = 1", "pc.toml line 1: 'build.step' is no key")]
    [InlineData("\n[service]\nreplicas = 3", "pc.toml line 3: unknown key \"service.replicas\" (known: name, language, run, ")]
    [InlineData("memory = 256", "memory = \"256\": a size from 16 MiB to 1 TiB, such as 512MiB")]
    [InlineData("memory = \"lots\"", "memory = \"lots\": a size")]
    [InlineData("memory = \"2TiB\"", "a size from 16 MiB to 1 TiB")]
    [InlineData("memory = [\"1GiB\", \"2GiB\"]", "memory = \"1GiB, 2GiB\": one text")]
    [InlineData("cpus = 0", "cpus = \"0\": a number from 0.05 to 1024")]
    [InlineData("cpus = -1", "a number from 0.05")]
    [InlineData("cpus = nan", "a number from 0.05")]
    [InlineData("cpus = \"NaN\"", "a number from 0.05")]
    [InlineData("pids = 1.5", "pids = \"1.5\": a whole number from 1 to 4096")]
    [InlineData("disk = \"1B\"", "disk = \"1B\": a size from 1 MiB")]
    [InlineData("network = \"wifi\"", "network = \"wifi\": none or internet or lan")]
    [InlineData("data = \"yes\"", "data = \"yes\": true or false")]
    [InlineData("ports = [0]", "ports = \"0\": a port from 1 to 65535")]
    [InlineData("ports = [\"80:8080\"]", "ports = \"80:8080\": a port from 1 to 65535, such as 8080, 8080/http")]
    [InlineData("ports = [\"80/quic\"]", "ports = \"80/quic\"")]
    [InlineData("ports = [80, \"web=80/http\"]", "port 80 is there twice")]
    [InlineData("run = []", "run = \"\": program and arguments")]
    [InlineData("run = \"\"", "run = \"\": one text")]
    [InlineData("runtime = \"podman\"", "runtime = \"podman\": sandbox or docker")]
    [InlineData("image = \"--privileged\"", "the image is no reference")]
    [InlineData("schedule = \"every day\"", "schedule = \"every day\": minute hour day month weekday")]
    [InlineData("schedule = \"* * * *\"", "such as \"*/15 * * * *\"")]
    [InlineData("schedule = \"99 * * * *\"", "schedule = \"99 * * * *\"")]
    [InlineData("schedule = \"* 24 * * *\"", "schedule = ")]
    [InlineData("schedule = \"* * 0 * *\"", "schedule = ")]
    [InlineData("schedule = \"* * * mon *\"", "schedule = ")]
    [InlineData("schedule = \"30-10 * * * *\"", "schedule = ")]
    [InlineData("schedule = \"*/0 * * * *\"", "schedule = ")]
    [InlineData("schedule = \"@reboot\"", "schedule = ")]
    [InlineData("when-alone = \"maybe\"", "when-alone = \"maybe\": run or stop")]
    [InlineData("env = { PATH = \"/tmp\" }", "PATH is set by the host")]
    [InlineData("secrets = [\"A B\"]", "a name of an environment variable is not made of letters")]
    [InlineData("secrets = [\"T\"]\nenv = { T = \"x\" }", "T is set twice")]
    [InlineData("run", "pc.toml line 1: expected key = value")]
    [InlineData("name = \"a\"\nname = \"b\"", "pc.toml line 2: name was already set on line 1")]
    public void What_is_unknown_or_impossible_is_said_with_its_line(string text, string sentence) =>
        Refused.With(ErrorCode.ManifestInvalid, sentence, () => Read(text));

    [Fact]
    public void All_problems_are_said_at_once_and_no_value_of_a_variable()
    {
        var error = Refused.With(ErrorCode.ManifestInvalid, "pc.toml line 1: cpus", () => Read("cpus = 0\npids = 0\nenv = { TOKEN = [\"hunter2\"] }\n"));
        Assert.Contains("pc.toml line 2: pids", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"env.TOKEN\" is one text", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_flag_is_named_as_it_was_written()
    {
        var flags = new Dictionary<string, IReadOnlyList<string>> { ["memory"] = ["1KiB"], ["ports"] = ["x"] };
        var error = Refused.With(ErrorCode.ManifestInvalid, "--memory: memory = \"1KiB\"", () => OrderReader.Read(_folder.Path, flags));
        Assert.Contains("--port: ports = \"x\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pc_toml_that_is_too_large_or_a_link_is_not_read()
    {
        _folder.With("pc.toml", new string('#', (64 << 10) + 1));
        Refused.With(ErrorCode.ManifestInvalid, "larger than 65536 bytes", () => OrderReader.Read(_folder.Path, null));
        File.Delete(_folder["pc.toml"]);
        File.CreateSymbolicLink(_folder["pc.toml"], "/dev/zero");
        Assert.Equal(ProgramManifest.Empty, OrderReader.Read(_folder.Path, null).Manifest);
    }

    [Fact]
    public void A_Procfile_s_web_process_is_run_and_told_its_port()
    {
        _folder.With("Procfile", "# processes\nrelease: ./migrate\nworker: ./work\nweb: python3 serve.py --port $PORT\n");
        var manifest = OrderReader.Read(_folder.Path, null).Manifest;
        Assert.Equal(["/bin/sh", "-c", "python3 serve.py --port $PORT"], manifest.Command);
        Assert.Equal(new ProgramPort(8080, "web", ProgramPort.Http), Assert.Single(manifest.Ports));
        Assert.Equal("8080", manifest.Environment["PORT"]);

        // Ports that are set are told instead, and run wins over the file.
        manifest = Read("ports = [9, \"3000/http\"]\nenv = { A = \"b\" }").Manifest;
        Assert.Equal(("3000", "b", 2), (manifest.Environment["PORT"], manifest.Environment["A"], manifest.Ports.Count));
        manifest = Read("run = [\"./other\"]").Manifest;
        Assert.Equal((1, 0), (manifest.Command!.Count, manifest.Ports.Count));
    }

    [Theory]
    [InlineData("worker: ./work\nclock: ./tick\n", "./work", null)]
    [InlineData("clock: ./tick\r\n", "./tick", null)]
    [InlineData("a: x\nb: y\n", null, "Procfile has no web or worker among a, b: set run in pc.toml")]
    [InlineData("# nothing\n", null, "Procfile has no process")]
    [InlineData("release: ./once\n", null, "Procfile has no process")]
    [InlineData("just words\n", null, "Procfile line 1: expected name: command, got \"just words\"")]
    [InlineData("web: a\nweb: b\n", null, "Procfile line 2: web is there twice")]
    public void Other_Procfiles_run_their_worker_or_their_only_process(string text, string? line, string? sentence)
    {
        _folder.With("Procfile", text);
        if (sentence is not null) Refused.With(ErrorCode.ManifestInvalid, sentence, () => OrderReader.Read(_folder.Path, null));
        else Assert.Equal(["/bin/sh", "-c", line!], OrderReader.Read(_folder.Path, null).Manifest.Command);
    }

    [Theory]
    [InlineData("hello.py", null, "python3 -u ./hello.py", "py3")]
    [InlineData("hello.py", "py2", "python2 -u ./hello.py", "py2")]
    [InlineData("hello.mjs", null, "node ./hello.mjs", "nodejs")]
    [InlineData("hello.sh", null, "./hello.sh", "exec")]
    [InlineData("hello", null, "./hello", "exec")]
    public void A_single_file_is_a_program_of_its_own(string name, string? named, string command, string language)
    {
        _folder.With($"many/{name}", "text\n").With("many/pc.toml", "memory = 1\n").With("many/secret");
        File.SetUnixFileMode(_folder[$"many/{name}"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(_folder["link"], _folder[$"many/{name}"]);
        string folder;
        using (var file = SingleFile.Stage(_folder[$"many/{name}"], BundleLimits.Default)!)
        {
            folder = file.Folder;
            Assert.Equal([name], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName));
            Assert.True(File.GetUnixFileMode(Path.Combine(folder, name)).HasFlag(UnixFileMode.UserExecute));
            Assert.Equal("hello", file.Name);
            var order = file.Started(OrderReader.Read(folder, null, named));
            Assert.Equal(command, string.Join(' ', order.Manifest.Command!));
            Assert.Equal(language, LanguageDetector.Detect(folder, order.Language, order.Manifest).Name);
            // What the person says wins.
            var own = new Dictionary<string, IReadOnlyList<string>> { ["run"] = ["cat hello"] };
            Assert.Equal("cat hello", file.Started(OrderReader.Read(folder, own)).Manifest.Command![^1]);
        }
        Assert.False(Directory.Exists(folder));
        SingleFile.Stage(_folder["link"], BundleLimits.Default)!.Dispose();
        Assert.Null(SingleFile.Stage(_folder["many"], BundleLimits.Default));
        Assert.Null(SingleFile.Stage(_folder["none"], BundleLimits.Default));
        _folder.With("text", "hello");
        using var text = SingleFile.Stage(_folder["text"], BundleLimits.Default)!;
        Refused.With(ErrorCode.LanguageNotDetected, "is no program: it may not be executed", () => text.Started(OrderReader.Read(text.Folder, new Dictionary<string, IReadOnlyList<string>>())));
        _folder.With("windows.sh", "#!/bin/sh\r\n").With("plain.sh", "#!/bin/bash\n");
        using var windows = SingleFile.Stage(_folder["windows.sh"], BundleLimits.Default)!;
        Refused.With(ErrorCode.ScriptLineEnds, "\"windows.sh\" end as in Windows", () => windows.Started(OrderReader.Read(windows.Folder, null)));
        using var plain = SingleFile.Stage(_folder["plain.sh"], BundleLimits.Default)!;
        Assert.Equal(["/bin/bash", "./plain.sh"], plain.Started(OrderReader.Read(plain.Folder, null)).Manifest.Command);
        Assert.Null(SingleFile.Stage("/dev/null", BundleLimits.Default));
        Refused.With(ErrorCode.BundleTooLarge, "a bundle holds at most 2 bytes", () => SingleFile.Stage(_folder[$"many/{name}"], new BundleLimits { MaxBytes = 2 }));
    }

    public void Dispose() => _folder.Dispose();

    private DeployOrder Read(string text) => OrderReader.Read(_folder.With("pc.toml", text).Path, null);
}

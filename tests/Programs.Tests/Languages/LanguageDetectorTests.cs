using PeoplesCloud.Base;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Languages;

public sealed class LanguageDetectorTests : IDisposable
{
    private static readonly Language Other = Language.Python3 with { Name = "other", Title = "Other", EntryFiles = ["main.other"] };

    private readonly TestFolder _folder = new();

    [Theory]
    [InlineData(null)]
    [InlineData("py3")]
    public void A_folder_with_bot_py_is_python(string? named)
    {
        _folder.With("bot.py").With("README.md");
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, named));
    }

    [Fact]
    public void Without_an_entry_file_the_error_lists_what_was_looked_for()
    {
        _folder.With("main.rs");
        Refused.With(ErrorCode.LanguageNotDetected, "looked for bot.py (py3, Python 3), bot.js, package.json or index.js (nodejs, JavaScript on Node.js)", () => LanguageDetector.Detect(_folder.Path, null));
    }

    [Fact]
    public void What_is_taken_by_name_only_was_not_looked_for_and_an_empty_folder_is_said_to_be_empty()
    {
        Refused.With(ErrorCode.LanguageNotDetected, "is empty", () => LanguageDetector.Detect(_folder.Path, null));
        _folder.With("main.rs");
        Assert.DoesNotContain("py2", Refused.With(ErrorCode.LanguageNotDetected, "looked for", () => LanguageDetector.Detect(_folder.Path, null)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("#!/bin/sh\r\nsleep 1\r\n")]
    [InlineData("sleep 1\r\n")]
    public void A_script_with_the_line_ends_of_windows_is_refused_when_it_is_deployed(string script)
    {
        _folder.With("run.sh", script);
        var error = Refused.With(ErrorCode.ScriptLineEnds, "\"run.sh\" end as in Windows", () => LanguageDetector.Detect(_folder.Path, null));
        Assert.Equal("sed -i 's/\\r$//' \"run.sh\"", error.Hint);
        // Python does not mind, and a command that is named does not start the script.
        _folder.With("bot.py", "#!/usr/bin/python3\r\nprint(1)\r\n");
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, "py3"));
        Assert.Same(Language.Executable, LanguageDetector.Detect(_folder.Path, "exec", ProgramManifest.Empty with { Command = ["./other"] }));
    }

    [Theory]
    [InlineData("#!/bin/bash\n", "/bin/bash ./run.sh")]
    [InlineData("#! /usr/bin/env -S bash -u\n", "/usr/bin/env|-S bash -u|./run.sh")]
    [InlineData("#!bash\n", "/bin/sh ./run.sh")]
    [InlineData("#!\n", "/bin/sh ./run.sh")]
    [InlineData("echo hi\n", "/bin/sh ./run.sh")]
    [InlineData("", "/bin/sh ./run.sh")]
    public void A_script_without_the_executable_bit_is_started_as_its_first_line_says(string script, string command)
    {
        _folder.With("run.sh", script);
        Assert.Equal(command.Split(command.Contains('|', StringComparison.Ordinal) ? '|' : ' '), Language.Executable.CommandIn(_folder.Path, ProgramManifest.Empty));
        File.SetUnixFileMode(_folder["run.sh"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Equal(["./run.sh"], Language.Executable.CommandIn(_folder.Path, ProgramManifest.Empty));
    }

    [Fact]
    public void An_entry_file_that_is_a_folder_is_none()
    {
        _folder.With("bot.py/x");
        Refused.With(ErrorCode.LanguageNotDetected, "bot.py", () => LanguageDetector.Detect(_folder.Path, null));
    }

    [Fact]
    public void Several_languages_must_be_told_apart_by_name()
    {
        _folder.With("bot.py").With("main.other");
        IReadOnlyList<Language> both = [Language.Python3, Other];
        var error = Refused.With(ErrorCode.LanguageAmbiguous, "bot.py (py3, Python 3), main.other (other, Other)", () => LanguageDetector.Detect(_folder.Path, null, ProgramManifest.Empty, both));
        Assert.Contains("py3 or other", error.Hint, StringComparison.Ordinal);
        Assert.Same(Other, LanguageDetector.Detect(_folder.Path, "other", ProgramManifest.Empty, both));
    }

    [Fact]
    public void An_unknown_language_is_refused_with_the_known_ones() =>
        Refused.With(ErrorCode.LanguageUnknown, "\"co\\u0007bol\" is not known; known: bot.py (py3, Python 3), ", () => LanguageDetector.Detect(_folder.Path, "co\abol"));

    [Fact]
    public void A_named_language_needs_its_entry_file() =>
        Refused.With(ErrorCode.EntryFileMissing, "no bot.py", () => LanguageDetector.Detect(_folder.Path, "py3"));

    [Theory]
    [InlineData("python3 -m clock", "py3")]
    [InlineData("A=1 /usr/bin/python main.py", "py3")]
    [InlineData("python2 main.py", "py2")]
    [InlineData("npm start", "nodejs")]
    [InlineData("./server --port 80", "exec")]
    public void A_command_tells_the_language_and_needs_no_entry_file(string line, string language)
    {
        _folder.With("main.txt");
        var manifest = new ProgramManifest { Command = ["/bin/sh", "-c", line] };
        var found = LanguageDetector.Detect(_folder.Path, null, manifest);
        Assert.Equal(language, found.Name);
        Assert.Equal(manifest.Command, found.CommandIn(_folder.Path, manifest));
    }

    [Fact]
    public void A_list_of_packages_tells_the_language_of_a_command_that_does_not()
    {
        _folder.With("requirements.txt", "");
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, null, new ProgramManifest { Command = ["./start"] }));
        _folder.With("package.json", "{}");
        Assert.Same(Language.Executable, LanguageDetector.Detect(_folder.Path, null, new ProgramManifest { Command = ["./start"] }));
    }

    [Fact]
    public void A_shell_script_or_the_only_executable_file_runs_by_itself()
    {
        _folder.With("tool", "#!/bin/sh\necho hi\n").With("README.md");
        Refused.With(ErrorCode.LanguageNotDetected, "run.sh, bot.sh or a single executable file (exec, ", () => LanguageDetector.Detect(_folder.Path, null));
        File.SetUnixFileMode(_folder["tool"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Same(Language.Executable, LanguageDetector.Detect(_folder.Path, null));
        Assert.Equal(["./tool"], Language.Executable.CommandIn(_folder.Path, ProgramManifest.Empty));
        _folder.With("other", "#!/bin/sh\n");
        File.SetUnixFileMode(_folder["other"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Refused.With(ErrorCode.LanguageNotDetected, "has no known language", () => LanguageDetector.Detect(_folder.Path, null));
        _folder.With("run.sh", "echo hi\n");
        Assert.Same(Language.Executable, LanguageDetector.Detect(_folder.Path, null));
        Assert.Equal(["/bin/sh", "./run.sh"], Language.Executable.CommandIn(_folder.Path, ProgramManifest.Empty));
        // A language's own entry file comes first: a helper script beside it is none.
        _folder.With("bot.py");
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, null));
    }

    [Fact]
    public void A_Dockerfile_or_an_image_is_a_container_image()
    {
        _folder.With("Dockerfile", "FROM python:3\n");
        Assert.Same(Language.Docker, LanguageDetector.Detect(_folder.Path, null));
        Assert.Empty(Language.Docker.CommandIn(_folder.Path, ProgramManifest.Empty));
        _folder.With("bot.py");
        var error = Refused.With(ErrorCode.LanguageAmbiguous, "bot.py (py3, Python 3), Dockerfile (docker, a container image)", () => LanguageDetector.Detect(_folder.Path, null));
        Assert.Contains("py3 or docker", error.Hint, StringComparison.Ordinal);
        Assert.Same(Language.Docker, LanguageDetector.Detect(_folder.Path, "docker"));
        // An image with an entry file runs that file; without one, whatever the image runs.
        var image = new ProgramManifest { Image = "example.org/base:1" };
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, null, image));
        Directory.Delete(_folder.Path, recursive: true);
        _folder.With("notes.md");
        Assert.Same(Language.Docker, LanguageDetector.Detect(_folder.Path, null, image));
        Assert.Same(Language.Docker, LanguageDetector.Detect(_folder.Path, "docker", image));
        Refused.With(ErrorCode.EntryFileMissing, "no Dockerfile", () => LanguageDetector.Detect(_folder.Path, "docker"));
    }

    [Fact]
    public void Python_2_is_never_guessed()
    {
        _folder.With("bot.py");
        Assert.Same(Language.Python3, LanguageDetector.Detect(_folder.Path, null));
        Assert.Same(Language.Python2, LanguageDetector.Detect(_folder.Path, "py2"));
    }

    [Theory]
    [InlineData("bot.js", "bot.js")]
    [InlineData("index.js", "index.js")]
    [InlineData("bot.js index.js package.json={\"main\":\"lib/a.js\"} lib/a.js", "bot.js")]
    [InlineData("index.js package.json={\"main\":\"./lib/a.js\"} lib/a.js", "lib/a.js")]
    [InlineData("package.json={\"main\":\"lib/a\"} lib/a.js", "lib/a.js")]
    [InlineData("package.json={\"main\":\"lib\"} lib/index.js", "lib/index.js")]
    [InlineData("package.json={\"main\":\"-e.js\"} -e.js", "./-e.js")]
    [InlineData("index.js package.json={\"main\":\"gone.js\"}", "index.js")]
    [InlineData("index.js package.json={\"name\":\"x\",\"dependencies\":{},\"devDependencies\":{\"eslint\":\"9\"}}", "index.js")]
    public void A_folder_of_javascript_starts_as_node_would_start_it(string files, string entry)
    {
        foreach (var file in files.Split(' ')) _ = file.Split('=', 2) is [var name, var text] ? _folder.With(name, text) : _folder.With(file, "");
        Assert.Same(Language.NodeJs, LanguageDetector.Detect(_folder.Path, null));
        Assert.Equal(["node", entry], Language.NodeJs.CommandIn(_folder.Path, ProgramManifest.Empty));
    }

    [Theory]
    [InlineData("../outside.js")]
    [InlineData("a/../../outside.js")]
    [InlineData("/etc/passwd")]
    [InlineData("a\\u0000b")]
    [InlineData("")]
    [InlineData("./")]
    public void A_main_file_outside_of_the_folder_is_none(string main)
    {
        // Below the test's own folder, so that the one above it is the test's too.
        var folder = _folder["program"];
        _folder.With("outside.js", "").With("program/a/b.txt", "");
        _folder.With("program/package.json", $"{{\"main\":\"{main}\"}}");
        Refused.With(ErrorCode.LanguageNotDetected, "package.json", () => LanguageDetector.Detect(folder, null));
        Refused.With(ErrorCode.EntryFileMissing, "nodejs", () => Language.NodeJs.CommandIn(folder, ProgramManifest.Empty));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"main\":7}")]
    [InlineData("{\"main\":\"\\ud800.js\"}")]
    [InlineData("{\"dependencies\":{\"\\ud800\":\"1\"}}")]
    public void A_package_that_is_not_understood_is_refused(string text)
    {
        _folder.With("package.json", text);
        Refused.With(ErrorCode.PackageJsonInvalid, "package.json cannot be understood", () => LanguageDetector.Detect(_folder.Path, null));
    }

    [Fact]
    public void A_package_that_is_too_large_or_too_deep_is_refused()
    {
        _folder.With("package.json", "{\"main\":\"" + new string('a', 1 << 20) + "\"}");
        Refused.With(ErrorCode.PackageJsonInvalid, "larger than 1 MiB", () => LanguageDetector.Detect(_folder.Path, "nodejs"));
        _folder.With("package.json", new string('[', 100_000));
        Refused.With(ErrorCode.PackageJsonInvalid, "no JSON", () => LanguageDetector.Detect(_folder.Path, "nodejs"));
    }

    [Theory]
    [InlineData("hello-bot", "hello-bot")]
    [InlineData("My Bot (new)!", "My-Bot-new")]
    [InlineData("..hidden..", "hidden")]
    [InlineData("日本", "日本")]
    [InlineData("---", "program")]
    public void A_program_is_called_like_its_folder(string folder, string name) => Assert.Equal(name, ProgramName.Choose(null, _folder[folder] + "/"));

    [Fact]
    public void A_long_folder_name_is_cut() => Assert.Equal(63, ProgramName.Choose(null, _folder[new string('x', 200)]).Length);

    [Theory]
    [InlineData("a/b")]
    [InlineData("../x")]
    [InlineData("a\nb")]
    [InlineData("")]
    public void A_given_name_must_be_one(string name) => Assert.Equal(ErrorCode.NameInvalid, Assert.Throws<PcException>(() => ProgramName.Choose(name, _folder.Path)).Code);

    public void Dispose() => _folder.Dispose();
}

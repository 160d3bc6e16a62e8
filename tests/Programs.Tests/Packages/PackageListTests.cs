using PeoplesCloud.Base;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Programs.Tests.Bundles;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Packages;

public sealed class PackageListTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Theory]
    [InlineData("")]
    [InlineData("\n  \n# nothing yet\r\n")]
    public void Empty_requirements_list_nothing(string requirements) =>
        Assert.Null(PackageList.Of(_folder.With("requirements.txt", requirements).Path, Language.Python3));

    [Fact]
    public void What_has_no_list_needs_nothing()
    {
        _folder.With("bot.py").With("Dockerfile").With("package.json", "{\"devDependencies\":{\"eslint\":\"9\"}}");
        Assert.All([Language.Python3, Language.NodeJs, Language.Docker, Language.Executable], language => Assert.Null(PackageList.Of(_folder.Path, language)));
    }

    // Reading a pipe would wait for ever; packing refuses it afterwards.
    [Fact]
    public void Requirements_that_are_a_pipe_are_not_read()
    {
        FolderScannerTests.Shell($"mkfifo {_folder["requirements.txt"]}");
        Assert.Null(PackageList.Of(_folder.Path, Language.Python3));
    }

    [Theory]
    [InlineData("discord.py==2.4\n", "requirements.txt")]
    [InlineData("--index-url https://example.org/simple\nrequests\n", "requirements.txt")]
    [InlineData("-r more.txt\n", "more.txt,requirements.txt,wheels/a.whl")]
    [InlineData("./wheels/a.whl\n", "more.txt,requirements.txt,wheels/a.whl")]
    [InlineData("a @ file:wheels/a.whl\n", "more.txt,requirements.txt,wheels/a.whl")]
    public void What_names_other_files_depends_on_all_of_them(string requirements, string inputs)
    {
        _folder.With("requirements.txt", requirements).With("more.txt", "requests\n").With("wheels/a.whl", "x");
        Assert.Equal(inputs.Split(','), PackageList.Of(_folder.Path, Language.Python3)!.Inputs);
    }

    [Fact]
    public void The_lock_file_of_npm_counts_and_so_does_its_configuration()
    {
        _folder.With("package.json", "{\"dependencies\":{\"left-pad\":\"1\"}}").With("index.js");
        Assert.Null(PackageList.Of(_folder.Path, Language.NodeJs)!.LockFile);
        _folder.With("package-lock.json", "{}").With(".npmrc", "registry=http://example.org/\n");
        var list = PackageList.Of(_folder.Path, Language.NodeJs)!;
        Assert.Equal("package-lock.json", list.LockFile);
        Assert.Equal(["package.json", "package-lock.json", ".npmrc"], list.Inputs);
    }

    [Fact]
    public void One_list_has_one_key_and_every_difference_another()
    {
        _folder.With("requirements.txt", "requests\n");
        var list = PackageList.Of(_folder.Path, Language.Python3)!;
        var key = list.KeyIn(_folder.Path, "sandbox", null, "python3.11");
        _folder.With("bot.py", "another program\n");
        Assert.Equal(key, list.KeyIn(_folder.Path, "sandbox", null, "python3.11"));
        Assert.NotEqual(key, list.KeyIn(_folder.Path, "docker", null, "python3.11"));
        Assert.NotEqual(key, list.KeyIn(_folder.Path, "sandbox", "python:3", "python3.11"));
        Assert.NotEqual(key, list.KeyIn(_folder.Path, "sandbox", null, "python3.12"));
        _folder.With("requirements.txt", "requests\n\n");
        Assert.NotEqual(key, list.KeyIn(_folder.Path, "sandbox", null, "python3.11"));
    }

    [Fact]
    public void A_list_without_end_is_refused()
    {
        _folder.With("requirements.txt", new string('a', (16 << 20) + 1));
        Refused.With(ErrorCode.BundleTooLarge, "\"requirements.txt\" is larger than 16 MiB", () => PackageList.Of(_folder.Path, Language.Python3));
    }

    public void Dispose() => _folder.Dispose();
}

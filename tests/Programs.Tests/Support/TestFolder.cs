using System.Security.Cryptography;

namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>A temporary folder of one test.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("pc-programs-").FullName;

    public string this[string relative] => System.IO.Path.Combine(Path, relative);

    /// <summary>Writes a file and the folders above it.</summary>
    public TestFolder With(string relative, string text = "print('hello')\n")
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[relative])!);
        File.WriteAllText(this[relative], text);
        return this;
    }

    public TestFolder With(string relative, byte[] bytes)
    {
        With(relative, "");
        File.WriteAllBytes(this[relative], bytes);
        return this;
    }

    /// <summary>A folder of any file system entries as text, to compare two.</summary>
    public static string Describe(string folder) => string.Join('\n', Directory
        .EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories)
        .Select(path => (Name: System.IO.Path.GetRelativePath(folder, path), Path: path))
        .OrderBy(entry => entry.Name, StringComparer.Ordinal)
        .Select(entry => Directory.Exists(entry.Path) ? entry.Name + "/" : $"{entry.Name} {File.GetUnixFileMode(entry.Path).HasFlag(UnixFileMode.UserExecute)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(entry.Path)))}"));

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
            // A test that failed may leave something running in it.
        }
    }
}

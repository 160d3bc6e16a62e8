namespace PeoplesCloud.Content.Tests;

/// <summary>A folder of a test's own, removed afterwards.</summary>
internal sealed class TestFolder : IDisposable
{
    public TestFolder() => FullPath = Directory.CreateTempSubdirectory("pc-content-").FullName;

    public string FullPath { get; }

    public string this[string name] => Path.Combine(FullPath, name);

    public string Write(string name, byte[] bytes)
    {
        var path = this[name];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}

using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>A Docker without containers: a test says which images it has.</summary>
internal sealed class FakeImages : IImageRuntime
{
    public FakeRuntime Containers { get; } = new();

    public HashSet<string> Here { get; } = [];

    /// <summary>What was built, as TAG from FILES.</summary>
    public List<string> Built { get; } = [];

    /// <summary>With what the last one was built.</summary>
    public (RunLimits Limits, NetworkMode Network) BuiltWith { get; private set; }

    public Func<Task> Build { get; set; } = () => Task.CompletedTask;

    public bool Fetches { get; set; }

    public IRuntime Runtime => Containers;

    public bool Has(string image) => Here.Contains(image);

    public async Task BuildAsync(string folder, string tag, RunLimits limits, NetworkMode network, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        BuiltWith = (limits, network);
        Built.Add($"{tag} from {string.Join(", ", Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order())}");
        await said("Step 1/1 : FROM python:3");
        await Build();
    }
}

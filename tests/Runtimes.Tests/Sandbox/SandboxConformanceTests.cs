using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>The sandbox keeps the promises of a runtime.</summary>
public sealed class SandboxConformanceTests : RuntimeConformance
{
    protected override ValueTask<IRuntime> CreateAsync()
    {
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_001_001);
        return ValueTask.FromResult<IRuntime>(new SandboxRuntime(new SandboxOptions { Folder = Path.Combine(Folder, "sandbox") }, TimeProvider.System, NullLogger.Instance));
    }
}

using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>The runtime of a host that runs container images: Docker or Podman. Thread-safe.</summary>
public interface IImageRuntime
{
    /// <summary>Runs them: <see cref="RunSpec.Image"/> is named, and an empty command is the image's own.</summary>
    IRuntime Runtime { get; }

    /// <summary>Whether it can be asked now; quick.</summary>
    bool Answers => true;

    /// <summary>Whether an image is on this host, by what was seen last; quick.</summary>
    bool Has(string image);

    /// <summary>Whether an image that is not here may be fetched.</summary>
    bool Fetches { get; }

    /// <summary>Why it builds no Dockerfiles, in words that follow the host's name; null when it does.</summary>
    string? BuildObstacle => null;

    /// <summary>Builds an image from a folder with a Dockerfile.</summary>
    /// <param name="folder">The absolute folder.</param>
    /// <param name="tag">The image's name afterwards.</param>
    /// <param name="limits">What the steps of the build may use.</param>
    /// <param name="network">What the steps of the build see.</param>
    /// <param name="said">Hears each line that the build says.</param>
    /// <param name="cancellationToken">Ends the build.</param>
    /// <exception cref="Base.PcException">It cannot be built; the message ends with what the build said last.</exception>
    Task BuildAsync(string folder, string tag, RunLimits limits, NetworkMode network, Func<string, ValueTask> said, CancellationToken cancellationToken);
}

/// <summary>Where a program runs on this host.</summary>
/// <param name="Runtime">The runtime.</param>
/// <param name="Image">The image; null in the sandbox, and for one that is built from the bundle.</param>
/// <param name="Builder">Builds the image from the bundle's Dockerfile; null when none is to be built.</param>
/// <param name="Refusal">Why it cannot run here, in words; null when it can.</param>
internal sealed record RunPlace(IRuntime Runtime, string? Image = null, IImageRuntime? Builder = null, string? Refusal = null);

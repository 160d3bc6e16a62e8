namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>The network of one sandbox.</summary>
internal static class SandboxNetwork
{
    /// <summary>Where a sandbox asks for names; slirp4netns hands the questions to the host's resolver.</summary>
    public const string NameServer = "10.0.2.3";
}

using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Daemon;

/// <summary>What holds on this machine, asked without a running daemon (<c>pc doctor</c>).</summary>
public static class HostCheck
{
    /// <summary>The sandbox's limits, each with what enforces it or what is missing and the command that installs it.</summary>
    public static async Task<IReadOnlyList<RuntimeReport>> ProbeAsync(string home, CancellationToken cancellationToken)
    {
        await using var runtime = RuntimeOf(home);
        return await runtime.ProbeAsync(cancellationToken);
    }

    /// <summary>What holds in the containers of the engine that the owner opened to programs; else a line for each engine that there is, or one that says what to try.</summary>
    public static async Task<IReadOnlyList<RuntimeReport>> ProbeDockerAsync(string home, CancellationToken cancellationToken)
    {
        var environment = DaemonConfig.ProcessEnvironment();
        string setting;
        try
        {
            setting = DaemonConfig.Load(configFile: null, new Dictionary<string, string?>(StringComparer.Ordinal) { ["home"] = home }, environment).Docker;
        }
        catch (PcException e)
        {
            return [new RuntimeReport("docker", Holds: false, e.Message)];
        }
        return await EngineCheck.ProbeAsync(home, setting, environment, File.Exists, cancellationToken);
    }

    /// <summary>Whether programs in a sandbox find a command of this name.</summary>
    public static async Task<bool> SeesAsync(string home, string command)
    {
        await using var runtime = RuntimeOf(home);
        return runtime.Sees(command);
    }

    private static SandboxRuntime RuntimeOf(string home) => new(SandboxFolders.OptionsOf(new HomePaths(home), hosts: false), TimeProvider.System, NullLogger.Instance);
}

/// <summary>Where the sandbox keeps its files on this machine.</summary>
internal static class SandboxFolders
{
    // Programs come one at a time; clients of sessions ask for a few at once, and wait for the answer.
    private const int StandbyForSessions = 4;

    /// <summary>The options for a home. A node that hosts nothing keeps no sandbox prepared, one that answers requests for sessions keeps several.</summary>
    public static SandboxOptions OptionsOf(HomePaths paths, bool hosts, bool sessions = false)
    {
        var options = new SandboxOptions();
        if (Environment.GetEnvironmentVariable("PC_TOOLS") is { Length: > 0 } tools) options = options with { ToolFolders = [tools] };
        if (!hosts) options = options with { Standby = [] };
        else if (sessions) options = options with { Standby = [.. Enumerable.Repeat(NetworkMode.Internet, StandbyForSessions)] };
        return Environment.IsPrivilegedProcess ? options : options with { Folder = Path.Combine(paths.Home, "sandbox") };
    }
}

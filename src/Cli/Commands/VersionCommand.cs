using System.Reflection;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc version.</summary>
internal static class VersionCommand
{
    /// <summary>The version of this program.</summary>
    public static string Current => typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    public static PcCommand Create() => new PcCommand("version", "Show the version of this program.").Runs(Show);

    private static int Show(Invocation invocation)
    {
        if (invocation.Json) invocation.WriteJson(new VersionReply(Current, Environment.Version.ToString()), CliJson.Default.VersionReply);
        else invocation.Terminal.Line($"pc {Current}");
        return 0;
    }
}

using System.CommandLine;

namespace PeoplesCloud.Cli.Commands;

/// <summary>Settings of the daemon that pc daemon and pc up take as flags; a flag wins over PC_ variables and the file.</summary>
internal static class DaemonOptions
{
    public static Option<string?> Name { get; } = new("--name") { Description = "What other members call this node. Default: the machine's name.", HelpName = "NAME" };

    public static Option<int?> Port { get; } = new("--port") { Description = "The mesh's TCP port; 0 takes any free one. Default: 4242, or the next free one.", HelpName = "PORT" };

    public static Option<string?> Listen { get; } = new("--listen") { Description = "The IP addresses to listen on, with commas between. Default: all of this machine's.", HelpName = "ADDRESSES" };

    public static Option<bool> NoHost { get; } = new("--no-host") { Description = "Do not run other members' programs on this node." };

    public static Option<string?> IpfsApi { get; } = new("--ipfs-api") { Description = "The API of a Kubo daemon (/ip4/127.0.0.1/tcp/5001) that is asked for content which no member has. Default: none.", HelpName = "MULTIADDR" };

    /// <summary>Adds the options to a command.</summary>
    public static void AddTo(Command command)
    {
        command.Options.Add(Name);
        command.Options.Add(Port);
        command.Options.Add(Listen);
        command.Options.Add(NoHost);
        command.Options.Add(IpfsApi);
    }

    /// <summary>The flags as keys of the configuration; null where one was not given.</summary>
    public static Dictionary<string, string?> Flags(Invocation invocation) => new(StringComparer.Ordinal)
    {
        ["home"] = invocation.Home,
        ["name"] = invocation.Value(Name),
        ["port"] = invocation.Value(Port)?.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["listen"] = invocation.Value(Listen),
        ["host"] = invocation.Value(NoHost) ? "false" : null,
        ["content.ipfs_api"] = invocation.Value(IpfsApi),
    };

    /// <summary>The flags as arguments for a daemon of its own.</summary>
    public static IEnumerable<string> Arguments(Invocation invocation)
    {
        if (invocation.Value(Name) is { } name) yield return $"--name={name}";
        if (invocation.Value(Port) is { } port) yield return $"--port={port}";
        if (invocation.Value(Listen) is { } listen) yield return $"--listen={listen}";
        if (invocation.Value(NoHost)) yield return "--no-host";
        if (invocation.Value(IpfsApi) is { } api) yield return $"--ipfs-api={api}";
    }
}

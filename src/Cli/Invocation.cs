using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli;

/// <summary>One run of a command: what it was given, where it writes, whose daemon it speaks with.</summary>
internal sealed class Invocation(ParseResult parsed, Terminal terminal)
{
    /// <summary>The parsed command line.</summary>
    public ParseResult Parsed { get; } = parsed;

    /// <summary>Where to write.</summary>
    public Terminal Terminal { get; } = terminal;

    /// <summary>Whether to write JSON instead of text.</summary>
    public bool Json { get; } = parsed.GetValue(CommonOptions.Json);

    /// <summary>The node's home.</summary>
    public string Home { get; } = HomeFolder.Resolve(parsed.GetValue(CommonOptions.Home));

    /// <summary>The home's daemon.</summary>
    public DaemonClient Client => field ??= new DaemonClient(Home);

    /// <summary>The value of an option.</summary>
    public T? Value<T>(Option<T> option) => Parsed.GetValue(option);

    /// <summary>The value of an argument.</summary>
    public T Value<T>(Argument<T> argument) => Parsed.GetRequiredValue(argument);

    /// <summary>Writes an object as one line of JSON.</summary>
    public void WriteJson<T>(T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        Terminal.Line(System.Text.Json.JsonSerializer.Serialize(value, type));

    /// <summary>The named swarm, else the only one that this node is in.</summary>
    /// <exception cref="PcException">None was named and there is none, or more than one.</exception>
    public string SwarmOr(string? named)
    {
        if (named is not null) return named;
        var swarms = Client.Get("/v1/list", LocalApiJson.Default.ListReply).Swarms;
        return swarms.Count switch
        {
            1 => swarms[0].Name,
            0 => throw new PcException(ErrorCode.NoSwarm, "this node is in no swarm", $"{Launcher.Line(Home, "create --name NAME")}, or {Launcher.Line(Home, "join TICKET")}"),
            _ => throw new PcException(ErrorCode.SwarmUnclear, $"this node is in {swarms.Count} swarms: {string.Join(", ", swarms.Select(swarm => swarm.Name))}", "name the swarm in the command"),
        };
    }

    /// <summary>A path of a swarm's route.</summary>
    public static string SwarmPath(string swarm, string rest) => $"/v1/swarms/{DaemonClient.Escape(swarm)}/{rest}";
}

using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Web;

/// <summary>
/// Names of web programs as browsers write them: <c>PROGRAM.SWARM.localhost</c>, in lower case, other scripts as in domain names. Browsers
/// ask nobody where such a name is, it is always this machine (RFC 6761); and no other name leads to a web program, so that no web site can give
/// itself a name that does (DNS rebinding).
/// </summary>
internal static class WebHostName
{
    private const string Suffix = ".localhost";
    private const int MaxLength = 253;
    private static readonly IdnMapping Idn = new();

    /// <summary>What is before .localhost in a Host header, when its port is the one that was asked.</summary>
    /// <param name="header">The header: HOST or HOST:PORT.</param>
    /// <param name="port">The port that the request came to.</param>
    /// <returns>Null when it is none of ours.</returns>
    public static string? Parse(string? header, int port)
    {
        if (header is null || header.Length > MaxLength + 6) return null;
        var end = string.Create(CultureInfo.InvariantCulture, $":{port}");
        var host = header.EndsWith(end, StringComparison.Ordinal) ? header[..^end.Length] : port == 80 ? header : null;
        if (host is null || host.Length is 0 or > MaxLength || host.Any(character => character is not ('-' or '_' or '.') && !char.IsAsciiLetterOrDigit(character))) return null;
        host = host.ToLowerInvariant();
        return host.EndsWith(Suffix, StringComparison.Ordinal) && host.Length > Suffix.Length ? host[..^Suffix.Length] : null;
    }

    /// <summary>A name of ours as part of a host's name; null when it cannot be one.</summary>
    public static string? Of(string name)
    {
        var lower = name.ToLowerInvariant();
        if (lower.All(char.IsAscii)) return lower;
        try
        {
            return Idn.GetAscii(lower.Normalize(NormalizationForm.FormC));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>The swarm of this node and the program's name; null when there is none, or more than one.</summary>
    public static (LocalSwarm Swarm, string Program)? Find(SwarmRegistry swarms, string labels)
    {
        var found =
            from swarm in swarms.All
            where swarm.Me is not null && Of(swarm.Name) is { } end && labels.EndsWith("." + end, StringComparison.Ordinal)
            let start = labels[..^(Of(swarm.Name)!.Length + 1)]
            from name in swarm.State.Programs.Values.Where(program => !program.Stopped).Select(program => program.Deployed.Name).Distinct(StringComparer.Ordinal)
            where string.Equals(Of(name), start, StringComparison.Ordinal)
            select (swarm, name);
        return found.Take(2).ToList() is [var one] ? one : null;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        if (Parse(text, 4281) is { } labels)
        {
            Invariant.Check(labels.Length <= MaxLength && labels.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.'), "a host's name holds nothing else");
            Invariant.Check(Parse($"{labels}{Suffix}:4281", 4281) == labels, "a name that was read can be written and read again");
        }
        if (Names.IsValid(text) && Of(text) is { } name) Invariant.Check(Parse($"{name}.x{Suffix}:4281", 4281) is null or [.. _, '.', 'x'], "a name of ours stays one");
    }
}

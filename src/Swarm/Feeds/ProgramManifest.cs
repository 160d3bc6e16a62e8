using System.Collections.Immutable;
using Google.Protobuf;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>A port that a program listens on inside of its sandbox or container.</summary>
/// <param name="Number">1 to 65535.</param>
/// <param name="Name">How people call it; null when it has no name.</param>
/// <param name="Protocol">What speaks there: tcp, udp or http (web programs, reached by name). A word that this version does not know is kept.</param>
public sealed record ProgramPort(int Number, string? Name = null, string Protocol = ProgramPort.Tcp)
{
    /// <summary>A stream of bytes; the default.</summary>
    public const string Tcp = "tcp";

    /// <summary>Datagrams.</summary>
    public const string Udp = "udp";

    /// <summary>A web server.</summary>
    public const string Http = "http";
}

/// <summary>
/// What a program asks for besides its limits, as its owner wrote it in pc.toml or on the command line: docs/layouts/manifest.md. Part of
/// <see cref="ProgramDeployed"/>, so it is public to the whole swarm: secrets are names here, never values. Immutable, equal by content.
/// </summary>
public sealed record ProgramManifest
{
    /// <summary>The manifest of a program that asks for nothing, and of every deploy by an earlier version.</summary>
    public static ProgramManifest Empty { get; } = new();

    /// <summary>Program and arguments; null runs the language's entry file.</summary>
    public IReadOnlyList<string>? Command { get; init; }

    /// <summary>sandbox or docker; null leaves the choice to the host. A host refuses a word that it does not know.</summary>
    public string? Runtime { get; init; }

    /// <summary>The container image that the program runs in; null for the language's, or the one built from the bundle's Dockerfile.</summary>
    public string? Image { get; init; }

    /// <summary>The ports that it listens on, by number.</summary>
    public IReadOnlyList<ProgramPort> Ports { get; init; } = [];

    /// <summary>Environment variables that everybody may know.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Names of secrets that become environment variables on the host; their values are elsewhere, sealed.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary>Whether it has a folder data/ that outlives its runs and moves with it.</summary>
    public bool Data { get; init; }

    /// <summary>What a host does that reaches no majority of guardians: run or stop; null is by the number of guardians.</summary>
    public string? WhenAlone { get; init; }

    /// <summary>When it is started, in cron's syntax; null runs it all the time.</summary>
    public string? Schedule { get; init; }

    /// <summary>Who may connect to its ports: members is everybody in the swarm; null its owner and admins.</summary>
    public string? Open { get; init; }

    /// <summary>Whether every member of the swarm may connect to its ports.</summary>
    public bool IsOpenToMembers => Open == OpenToMembers;

    /// <summary>The word for every member.</summary>
    public const string OpenToMembers = "members";

    /// <summary>Whether it asks for nothing.</summary>
    public bool IsEmpty => ToMessage().CalculateSize() == 0;

    /// <summary>What is not possible in it, as a sentence; null when it can be written into an entry.</summary>
    public string? Problem => ManifestRules.ProblemOf(this);

    /// <summary>Equal when they ask for the same.</summary>
    public bool Equals(ProgramManifest? other) => other is not null && ToMessage().Equals(other.ToMessage());

    /// <inheritdoc/>
    public override int GetHashCode() => ToMessage().GetHashCode();

    /// <summary>The bytes of one manifest; equal manifests have equal bytes.</summary>
    public byte[] Encode() => ToMessage().ToByteArray();

    /// <summary>Reads the bytes of a manifest; null when they are none or break a rule.</summary>
    public static ProgramManifest? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > SwarmLimits.MaxManifestBytes) return null;
        try
        {
            return From(ProgramManifestMessage.Parser.ParseWhole(bytes));
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return null;
        }
    }

    internal static ProgramManifest? From(ProgramManifestMessage? m)
    {
        if (m is null) return Empty;
        if (m.CalculateSize() > SwarmLimits.MaxManifestBytes || m.Ports.Any(port => port.Number > ushort.MaxValue)) return null;
        var environment = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var variable in m.Environment)
        {
            if (!environment.TryAdd(variable.Name, variable.Value)) return null;
        }
        var manifest = new ProgramManifest
        {
            Command = m.Command.Count == 0 ? null : [.. m.Command],
            Runtime = Word(m.Runtime),
            Image = Word(m.Image),
            Ports = [.. m.Ports.Select(port => new ProgramPort((int)port.Number, Word(port.Name), Word(port.Protocol) ?? ProgramPort.Tcp))],
            Environment = environment.ToImmutable(),
            Secrets = [.. m.Secrets],
            Data = m.Data,
            // The careful one of the two for a word of a later version: nothing runs twice.
            WhenAlone = m.WhenAlone is "" or "run" ? Word(m.WhenAlone) : "stop",
            Schedule = Word(m.Schedule),
            // A word of a later version opens nothing.
            Open = m.Open == OpenToMembers ? OpenToMembers : null,
        };
        return manifest.Problem is null ? manifest : null;
    }

    internal ProgramManifestMessage ToMessage()
    {
        var m = new ProgramManifestMessage { Runtime = Runtime ?? "", Image = Image ?? "", Data = Data, WhenAlone = WhenAlone ?? "", Schedule = Schedule ?? "", Open = Open ?? "" };
        m.Command.AddRange(Command ?? []);
        foreach (var port in Ports.OrderBy(port => port.Number).ThenBy(port => port.Protocol, StringComparer.Ordinal))
            m.Ports.Add(new ProgramPortMessage { Number = (uint)port.Number, Name = port.Name ?? "", Protocol = port.Protocol == ProgramPort.Tcp ? "" : port.Protocol });
        foreach (var (name, value) in Environment.OrderBy(variable => variable.Key, StringComparer.Ordinal)) m.Environment.Add(new VariableMessage { Name = name, Value = value });
        m.Secrets.AddRange(Secrets.Order(StringComparer.Ordinal));
        return m;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryDecode(input) is not { } manifest) return;
        Base.Invariant.Check(manifest.Equals(TryDecode(manifest.Encode())), "a manifest that was read can be written and read again");
    }

    private static string? Word(string text) => text.Length == 0 ? null : text;
}

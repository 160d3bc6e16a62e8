using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>A program that a host runs.</summary>
/// <param name="Program">The program's id.</param>
/// <param name="State">starting, running, restarting, failed.</param>
/// <param name="Detail">One line for people, at most 200 characters; null when there is nothing to say.</param>
/// <param name="Restarts">How often it was started again.</param>
/// <param name="Since">Since when it is in this state, by the host's clock.</param>
/// <param name="Epoch">The epoch of the lease under which it runs; 0: it does not run under one.</param>
/// <param name="Alone">Whether no majority of its guardians stands behind that: another host may run it too.</param>
public sealed record RunningProgram(EntryHash Program, string State, string? Detail, int Restarts, DateTimeOffset Since, ulong Epoch = 0, bool Alone = false)
{
    /// <summary>Of a scheduled program: its last time that is over, in seconds since 1970, and what became of it; null when none is.</summary>
    public (long Due, ScheduledResult Result)? Last { get; init; }

    /// <summary>Since when it is <see cref="Alone"/>, by the host's clock; null when it is not, or when the host's version does not say.</summary>
    public DateTimeOffset? AloneSince { get; init; }
}

/// <summary>
/// What a node says about itself right now. Every change is sent to all members, so change <see cref="Rank"/> in steps (by five
/// or more, at most every ten seconds).
/// </summary>
public sealed record PresenceInfo
{
    /// <summary>Where it is reached: multiaddrs without /p2p, at most 16 of at most 200 characters.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Whether it runs programs of others.</summary>
    public bool Hosts { get; init; }

    /// <summary>The languages that it can run, at most 32.</summary>
    public IReadOnlyList<string> Languages { get; init; } = [];

    /// <summary>How busy it is: running programs + (cpu % + memory %) / 2; lower is better.</summary>
    public double Rank { get; init; }

    /// <summary>What it runs, at most 40.</summary>
    public IReadOnlyList<RunningProgram> Running { get; init; } = [];

    /// <summary>It stops in order: it is asleep from now on, nobody needs to find out.</summary>
    public bool Leaving { get; init; }

    /// <summary>It takes no programs, and gives those that it runs to others.</summary>
    public bool Draining { get; init; }

    /// <summary>The newest way of sealing a bundle's key that it opens (docs/layouts/bundle.md, "Keys").</summary>
    public int Seals { get; init; } = 1;

    /// <summary>The version of its program.</summary>
    public string Version { get; init; } = "";
}

/// <summary>The order of one node's records: a later start wins, then a higher counter.</summary>
/// <param name="EpochMs">When the node started, in milliseconds since 1970.</param>
/// <param name="Counter">Counts the changes since then, and the suspicions that were refuted.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PresenceVersion(ulong EpochMs, uint Counter) : IComparable<PresenceVersion>
{
    /// <inheritdoc/>
    public int CompareTo(PresenceVersion other) => EpochMs != other.EpochMs ? EpochMs.CompareTo(other.EpochMs) : Counter.CompareTo(other.Counter);

    /// <summary>Later.</summary>
    public static bool operator >(PresenceVersion left, PresenceVersion right) => left.CompareTo(right) > 0;

    /// <summary>Earlier.</summary>
    public static bool operator <(PresenceVersion left, PresenceVersion right) => left.CompareTo(right) < 0;

    /// <summary>Later or equal.</summary>
    public static bool operator >=(PresenceVersion left, PresenceVersion right) => left.CompareTo(right) >= 0;

    /// <summary>Earlier or equal.</summary>
    public static bool operator <=(PresenceVersion left, PresenceVersion right) => left.CompareTo(right) <= 0;
}

/// <summary>A signed statement of a node about itself; the one with the highest version counts.</summary>
public sealed class PresenceRecord
{
    private const int MaxAddresses = 16;
    private const int MaxLanguages = 32;
    private const int MaxRunning = 40;
    private const ulong EndOfTimeMs = 253_402_300_800_000; // the year 10000
    private const int MaxText = 200;

    private PresenceRecord(byte[] bytes, SwarmId swarm, PeerId peer, PresenceVersion version, PresenceInfo info)
    {
        Bytes = bytes;
        Swarm = swarm;
        Peer = peer;
        Version = version;
        Info = info;
    }

    /// <summary>As it is sent.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The swarm.</summary>
    public SwarmId Swarm { get; }

    /// <summary>Who speaks.</summary>
    public PeerId Peer { get; }

    /// <summary>Which statement this is.</summary>
    public PresenceVersion Version { get; }

    /// <summary>What it says.</summary>
    public PresenceInfo Info { get; }

    internal static PresenceRecord Create(ISigner signer, SwarmId swarm, PresenceVersion version, PresenceInfo info)
    {
        var m = new PresenceMessage
        {
            Swarm = ByteString.CopyFrom(swarm.ToBytes()),
            Peer = ByteString.CopyFrom(signer.Self.Bytes),
            EpochMs = version.EpochMs,
            Counter = version.Counter,
            Hosts = info.Hosts,
            Rank = double.IsFinite(info.Rank) ? info.Rank : 0,
            Leaving = info.Leaving,
            Draining = info.Draining,
            Version = Cut(info.Version),
            Seals = info.Seals > 1 ? (uint)info.Seals : 0,
        };
        // What is too much is left out rather than refused: a node must be able to say that it is here.
        m.Addresses.AddRange(info.Addresses.Where(address => address.Length <= MaxText).Take(MaxAddresses));
        m.Languages.AddRange(info.Languages.Where(language => Names.IsValid(language)).Take(MaxLanguages));
        foreach (var running in info.Running.Take(MaxRunning))
        {
            m.Running.Add(new RunningProgramMessage
            {
                Program = ByteString.CopyFrom(running.Program.ToBytes()),
                State = Cut(running.State),
                Detail = Cut(running.Detail ?? ""),
                Restarts = (uint)Math.Max(0, running.Restarts),
                SinceMs = (ulong)Math.Max(0, running.Since.ToUnixTimeMilliseconds()),
                Epoch = running.Epoch,
                Alone = running.Alone,
                AloneSinceMs = (ulong)Math.Max(0, running.AloneSince?.ToUnixTimeMilliseconds() ?? 0),
                Due = (ulong)(running.Last?.Due ?? 0),
                Result = (uint)(running.Last?.Result ?? ScheduledResult.Unknown),
            });
        }
        while (m.CalculateSize() > SwarmLimits.MaxPresenceBytes - 128 && m.Running.Count > 0) m.Running.RemoveAt(m.Running.Count - 1);
        var record = m.ToByteArray();
        var signed = new SignedPresenceMessage
        {
            Record = ByteString.CopyFrom(record),
            Signature = ByteString.CopyFrom(SignatureDomain.Sign(signer, SignatureDomain.Presence, record)),
        };
        if (!TryDecode(signed.ToByteArray(), null, out var created)) throw new ArgumentException("this presence cannot be written", nameof(info));
        return created;
    }

    /// <summary>Reads and, with a verifier, checks a record; never throws.</summary>
    internal static bool TryDecode(ReadOnlySpan<byte> bytes, ISignatureVerifier? verifier, [NotNullWhen(true)] out PresenceRecord? record)
    {
        record = null;
        if (bytes.Length > SwarmLimits.MaxPresenceBytes) return false;
        try
        {
            var signed = SignedPresenceMessage.Parser.ParseWhole(bytes);
            var m = PresenceMessage.Parser.ParseWhole(signed.Record);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) || !PeerId.TryFromBytes(m.Peer.Span, out var peer)) return false;
            if (m.Addresses.Count > MaxAddresses || m.Languages.Count > MaxLanguages || m.Running.Count > MaxRunning) return false;
            if (!m.Addresses.All(IsLine) || !m.Languages.All(Names.IsValid) || !double.IsFinite(m.Rank) || !IsLine(m.Version)) return false;
            var running = new List<RunningProgram>(m.Running.Count);
            foreach (var r in m.Running)
            {
                if (!EntryHash.TryFromBytes(r.Program.Span, out var program) || !IsLine(r.State) || !IsLine(r.Detail)) return false;
                if (r.SinceMs >= EndOfTimeMs || r.AloneSinceMs >= EndOfTimeMs || r.Due >= ScheduledRun.MaxSeconds || r.Restarts > int.MaxValue) return false;
                running.Add(new RunningProgram(program, r.State, r.Detail.Length == 0 ? null : r.Detail, (int)r.Restarts, DateTimeOffset.FromUnixTimeMilliseconds((long)r.SinceMs), r.Epoch, r.Alone)
                {
                    AloneSince = r.AloneSinceMs == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds((long)r.AloneSinceMs),
                    Last = r.Due == 0 ? null : ((long)r.Due, Enum.IsDefined((ScheduledResult)r.Result) ? (ScheduledResult)r.Result : ScheduledResult.Unknown),
                });
            }
            if (signed.Signature.Length is 0 or > SwarmLimits.MaxSignatureBytes) return false;
            if (verifier is not null && !SignatureDomain.Verify(verifier, peer, SignatureDomain.Presence, signed.Record.Span, signed.Signature.Span)) return false;
            var info = new PresenceInfo
            {
                Addresses = [.. m.Addresses],
                Hosts = m.Hosts,
                Languages = [.. m.Languages],
                Rank = m.Rank,
                Running = running,
                Leaving = m.Leaving,
                Draining = m.Draining,
                Version = m.Version,
                Seals = (int)Math.Clamp(m.Seals, 1, int.MaxValue),
            };
            record = new PresenceRecord(bytes.ToArray(), swarm, peer, new PresenceVersion(m.EpochMs, m.Counter), info);
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, null, out _);

    private static bool IsLine(string text) => text.Length <= MaxText && !text.Any(char.IsControl);

    private static string Cut(string text)
    {
        var line = string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c));
        return line.Length <= MaxText ? line : line[..MaxText];
    }
}

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace PeoplesCloud.Swarm;

/// <summary>
/// What a node holds, as digests say it: the last entry of each author (of each branch, while a fork is not known to all), and
/// the forks it knows. 28 bytes an author.
/// <code>heads = *( author:u64 sequence:u32 hash:16 )   forks = *( author:u64 sequence:u32 )   big-endian</code>
/// author is the start of SHA-256 of the peer id, hash the start of the entry's hash.
/// </summary>
public sealed class FeedHeads
{
    internal const int TipBytes = 28;
    internal const int ForkBytes = 12;

    internal FeedHeads(IReadOnlyList<HeadTip> tips, IReadOnlyList<HeadFork> forks)
    {
        Tips = tips;
        Forks = forks;
        Fingerprint = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData([.. EncodeTips(), .. EncodeForks()]));
    }

    /// <summary>Nothing held.</summary>
    public static FeedHeads None { get; } = new([], []);

    /// <summary>Equal when two nodes hold the same: 8 bytes of a hash over all heads.</summary>
    public ulong Fingerprint { get; }

    internal IReadOnlyList<HeadTip> Tips { get; }

    internal IReadOnlyList<HeadFork> Forks { get; }

    /// <summary>Whether each author has one head and nobody forked: then parts of it can be compared.</summary>
    internal bool IsPlain => Forks.Count == 0 && ByAuthor.Count == Tips.Count;

    /// <summary>The sum of what all heads add; the difference of two is that of the heads that differ.</summary>
    internal ulong Sum => _sum ??= Tips.Aggregate(0UL, (sum, tip) => unchecked(sum + tip.Item));

    private Dictionary<ulong, HeadTip> ByAuthor
    {
        get
        {
            if (_byAuthor is not null) return _byAuthor;
            _byAuthor = new Dictionary<ulong, HeadTip>(Tips.Count);
            foreach (var tip in Tips) _byAuthor.TryAdd(tip.Author, tip);
            return _byAuthor;
        }
    }

    private Dictionary<ulong, HeadTip>? _byAuthor;
    private ulong? _sum;

    /// <summary>An author's head; number 0 when nothing of it is held.</summary>
    internal HeadTip TipOf(ulong author) => ByAuthor.TryGetValue(author, out var tip) ? tip : new HeadTip(author, 0, 0);

    internal byte[] EncodeTips() => EncodeTips(Tips);

    internal static byte[] EncodeTips(IReadOnlyList<HeadTip> tips)
    {
        var bytes = new byte[tips.Count * TipBytes];
        for (var i = 0; i < tips.Count; i++)
        {
            var at = bytes.AsSpan(i * TipBytes);
            BinaryPrimitives.WriteUInt64BigEndian(at, tips[i].Author);
            BinaryPrimitives.WriteUInt32BigEndian(at[8..], (uint)tips[i].Sequence);
            BinaryPrimitives.WriteUInt128BigEndian(at[12..], tips[i].Hash);
        }
        return bytes;
    }

    internal byte[] EncodeForks()
    {
        var bytes = new byte[Forks.Count * ForkBytes];
        for (var i = 0; i < Forks.Count; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(i * ForkBytes), Forks[i].Author);
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * ForkBytes + 8), (uint)Forks[i].Sequence);
        }
        return bytes;
    }

    internal static bool TryDecode(ReadOnlySpan<byte> tips, ReadOnlySpan<byte> forks, [NotNullWhen(true)] out FeedHeads? heads)
    {
        heads = null;
        if (tips.Length % TipBytes != 0 || forks.Length % ForkBytes != 0 || tips.Length > SwarmLimits.MaxAuthors * TipBytes || forks.Length > SwarmLimits.MaxAuthors * ForkBytes) return false;
        var readTips = new HeadTip[tips.Length / TipBytes];
        for (var i = 0; i < readTips.Length; i++)
        {
            var at = tips[(i * TipBytes)..];
            readTips[i] = new HeadTip(BinaryPrimitives.ReadUInt64BigEndian(at), BinaryPrimitives.ReadUInt32BigEndian(at[8..]), BinaryPrimitives.ReadUInt128BigEndian(at[12..]));
        }
        var readForks = new HeadFork[forks.Length / ForkBytes];
        for (var i = 0; i < readForks.Length; i++)
        {
            var at = forks[(i * ForkBytes)..];
            readForks[i] = new HeadFork(BinaryPrimitives.ReadUInt64BigEndian(at), BinaryPrimitives.ReadUInt32BigEndian(at[8..]));
        }
        heads = new FeedHeads(readTips, readForks);
        return true;
    }
}

/// <summary>The last entry of an author (of a branch).</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct HeadTip(ulong Author, ulong Sequence, UInt128 Hash)
{
    /// <summary>What it adds to a sum over heads. The hash is one of all that the author wrote; 0 of nothing.</summary>
    public ulong Item => (ulong)Hash;
}

/// <summary>An author whose entries do not count from a number on.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct HeadFork(ulong Author, ulong Sequence);

using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Mesh;

public sealed class EntryListTests
{
    [Fact]
    public void What_is_written_is_read_and_every_truncation_is_refused_or_ends_between_entries() => Prop.ForAll<byte[][]>(lists =>
    {
        var entries = lists.Where(bytes => bytes is { Length: > 0 }).Take(EntryList.MaxEntries).Select(bytes => new ReadOnlyMemory<byte>(bytes)).ToList();
        var encoded = EntryList.Encode(entries);
        var read = EntryList.TryDecode(encoded)!;
        Assert.Equal(entries.Select(entry => Convert.ToHexString(entry.Span)), read.Select(entry => Convert.ToHexString(entry.Span)));
        for (var length = 0; length < encoded.Length; length++)
        {
            var cut = EntryList.TryDecode(encoded.AsMemory(0, length));
            Assert.True(cut is null || (cut.Count < entries.Count && EntryList.Encode(cut).Length == length));
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Random_bytes_never_throw() => Prop.ForAll<byte[]>(bytes => _ = EntryList.TryDecode(bytes ?? [])).QuickCheckThrowOnFailure();

    [Fact]
    public void Bounds_hold()
    {
        Assert.Null(EntryList.TryDecode(new byte[] { 0 }));
        Assert.Null(EntryList.TryDecode(EntryList.Encode(Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[1], EntryList.MaxEntries + 1))));
        Assert.Null(EntryList.TryDecode(EntryList.Encode([new byte[SwarmLimits.MaxEntryBytes + 1]])));
        Assert.NotNull(EntryList.TryDecode(EntryList.Encode([new byte[SwarmLimits.MaxEntryBytes]])));
    }
}

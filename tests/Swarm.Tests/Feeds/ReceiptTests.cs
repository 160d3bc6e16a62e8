using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>What hosts say that programs of others took, and owners agree to.</summary>
public sealed class ReceiptTests
{
    private static readonly RunUse AnHour = new(TimeSpan.FromHours(1), 3600 * 128, 1000);
    private readonly Village _village = new(Role.Admin, Role.Member, Role.Guest);

    [Fact]
    public void A_receipt_counts_from_a_host_that_may_have_run_it_once_a_day_and_for_others_only()
    {
        var program = Deploy();
        var day = Receipt.DayOf(_village.Now);
        Assert.Null(_village[1].WouldRefuse(new ReceiptIssued(program, day, AnHour)));
        Assert.Equal(ErrorCode.NotAllowed, _village[0].WouldRefuse(new ReceiptIssued(program, day, AnHour))!.Code); // the owner
        Assert.Equal(ErrorCode.NotAllowed, _village[3].WouldRefuse(new ReceiptIssued(program, day, AnHour))!.Code); // a guest
        Assert.Equal(ErrorCode.SwarmProgramUnknown, _village[1].WouldRefuse(new ReceiptIssued(EntryHash.Of([1]), day, AnHour))!.Code);
        _village[1].Append(new ReceiptIssued(program, day, AnHour), _village.Now);
        Assert.NotNull(_village[1].WouldRefuse(new ReceiptIssued(program, day, AnHour)));
        Assert.Null(_village[1].WouldRefuse(new ReceiptIssued(program, day + 1, AnHour)));
    }

    [Fact]
    public void Only_the_programs_owner_countersigns_and_once()
    {
        var program = Deploy();
        var receipt = _village[1].Append(new ReceiptIssued(program, 7, AnHour), _village.Now).Hash;
        _village.MeetAll();
        Assert.NotNull(_village[1].WouldRefuse(new ReceiptCountersigned(receipt)));
        Assert.NotNull(_village[2].WouldRefuse(new ReceiptCountersigned(receipt)));
        Assert.NotNull(_village[0].WouldRefuse(new ReceiptCountersigned(EntryHash.Of([1]))));
        _village[0].Append(new ReceiptCountersigned(receipt), _village.Now);
        Assert.NotNull(_village[0].WouldRefuse(new ReceiptCountersigned(receipt)));
        _village.MeetAll();
        Assert.True(_village[2].State.Receipts[receipt].IsCountersigned);
    }

    [Fact]
    public void Favours_are_summed_by_host_and_owner()
    {
        var program = Deploy();
        var first = _village[1].Append(new ReceiptIssued(program, 7, AnHour), _village.Now).Hash;
        _village[1].Append(new ReceiptIssued(program, 8, AnHour), _village.Now);
        _village.MeetAll();
        _village[0].Append(new ReceiptCountersigned(first), _village.Now);
        var favour = Assert.Single(Favour.Of(_village[0].State));
        Assert.Equal((_village.Peer(1), _village.Peer(0), 2, 1), (favour.Host, favour.Owner, favour.Receipts, favour.Countersigned));
        Assert.Equal((TimeSpan.FromHours(2), TimeSpan.FromHours(1)), (favour.Use.Processor, favour.Agreed.Processor));
        Assert.Equal([(favour.Host, 1L), (favour.Owner, -1L)], Favour.Balances(_village[0].State).Select(one => (one.Key, one.Value)).OrderByDescending(one => one.Value));
    }

    [Fact]
    public void What_a_program_cannot_have_taken_is_not_plausible()
    {
        var id = Deploy();
        var program = _village[0].State.Programs[id];
        var limits = program.Deployed.Limits;
        var day = Receipt.DayOf(program.DeployedAt);
        bool Plausible(int on, TimeSpan processor, double mebibytes) =>
            new Receipt(EntryHash.Of([1]), program.Id, _village.Peer(1), _village.Peer(0), on, new RunUse(processor, (long)(mebibytes * 86_400), 0), false).IsPlausible(program);
        var most = TimeSpan.FromDays(limits.CpuMillis / 1000.0);
        Assert.True(Plausible(day, most, limits.MemoryBytes / 1048576.0));
        Assert.False(Plausible(day, most * 1.1, 0));
        Assert.False(Plausible(day, TimeSpan.Zero, limits.MemoryBytes / 1048576.0 * 1.1));
        Assert.False(Plausible(day - 2, TimeSpan.Zero, 0));

        // Bytes need a network or ports.
        var carried = new Receipt(EntryHash.Of([1]), program.Id, _village.Peer(1), _village.Peer(0), day, new RunUse(TimeSpan.Zero, 0, 1), false);
        var alone = program with { Deployed = program.Deployed with { Limits = limits with { Network = "none" } } };
        Assert.True(carried.IsPlausible(program));
        Assert.False(carried.IsPlausible(alone));
        Assert.True(carried.IsPlausible(alone with { Deployed = alone.Deployed with { Manifest = new ProgramManifest { Ports = [new(80)] } } }));
    }

    [Fact]
    public void Receipts_are_read_as_they_were_written()
    {
        foreach (var body in new EntryBody[] { new ReceiptIssued(EntryHash.Of([8]), 20_000, AnHour), new ReceiptCountersigned(EntryHash.Of([9])) })
            Assert.Equal(body, EntryBody.Decode((uint)body.Kind, Google.Protobuf.ByteString.CopyFrom(body.Encode())));
    }

    private EntryHash Deploy()
    {
        var program = _village[0].Append(Village.Program("bot") with { Keys = [.. Enumerable.Range(0, 3).Select(index => new SealedKey(_village.Peer(index), new byte[81]))] }, _village.Now).Hash;
        _village.MeetAll();
        return program;
    }
}

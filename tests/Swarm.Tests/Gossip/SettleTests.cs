namespace PeoplesCloud.Swarm.Tests;

// Who starts or wakes believes what was true before; it serves nobody before it has caught up. Node 3 sleeps, 2 is removed meanwhile.
public sealed class SettleTests
{
    private readonly Wires _wires = new(new Village(Role.Member, Role.Member, Role.Member));

    // All have slept: replicas of a village begin as ones that have just joined.
    public SettleTests()
    {
        for (var node = 0; node < 4; node++)
        {
            Assert.True(Settled(node));
            _wires.Engines[node].Handle(new GossipInput.Tick(), _wires.Time);
        }
        _wires.Uptime += TimeSpan.FromMinutes(1);
    }

    private bool Settled(int node) => _wires.Engines[node].IsSettled(_wires.Time);

    private void OnlyAmong(params int[] awake)
    {
        _wires.Cut.Clear();
        for (var from = 0; from < 4; from++)
        {
            for (var to = 0; to < 4; to++)
            {
                if (!awake.Contains(from) || !awake.Contains(to)) _wires.Cut.Add((from, to));
            }
        }
    }

    [Fact]
    public void A_node_is_settled_once_it_has_what_the_others_have()
    {
        Assert.False(Settled(0));
        _wires.Rounds(4);
        for (var node = 0; node < 4; node++) Assert.True(Settled(node));
        Assert.Contains(_wires.Seen, seen => seen.Effect is GossipEffect.Settled);
    }

    [Fact]
    public void A_node_that_is_alone_is_settled_at_once()
    {
        var wires = new Wires(new Village());
        wires.Do(0, new GossipInput.Tick());
        Assert.True(wires.Engines[0].IsSettled(wires.Time));
    }

    [Fact]
    public void Whoever_has_slept_is_not_settled_though_nobody_told_it_and_knows_the_removal_when_it_is()
    {
        _wires.Rounds(8);
        OnlyAmong(0, 1);
        var removal = _wires.Village.Remove(0, 2);
        _wires.Do(0, new GossipInput.EntriesAppended([removal]));
        _wires.CarryAll();
        _wires.Uptime += TimeSpan.FromMinutes(5); // 3 was suspended: no input
        Assert.False(Settled(3));

        // The removed member is the first to reach it, and all that it reaches for a while.
        OnlyAmong(2, 3);
        _wires.Do(3, new GossipInput.Tick());
        _wires.CarryAll();
        Assert.False(Settled(3));
        Assert.NotNull(_wires.Village[3].State.Find(_wires.Village.Peer(2)));

        OnlyAmong(0, 1, 2, 3);
        for (var tick = 0; tick < 100 && !Settled(3); tick++)
        {
            _wires.Uptime += _wires.Options.TickInterval;
            _wires.Do(3, new GossipInput.Tick());
            _wires.CarryAll();
        }
        Assert.True(Settled(3));
        Assert.Null(_wires.Village[3].State.Find(_wires.Village.Peer(2)));
    }

    [Fact]
    public void Whoever_reaches_nobody_settles_after_some_seconds_and_when_all_are_known_to_be_unreachable_at_once()
    {
        OnlyAmong();
        for (; !Settled(1); _wires.Uptime += _wires.Options.TickInterval) _wires.Do(1, new GossipInput.Tick());
        Assert.InRange(_wires.Uptime - TimeSpan.FromMinutes(1), _wires.Options.ProbeTimeout, _wires.Options.AloneAfter);

        _wires.Uptime += TimeSpan.FromMinutes(5);
        Assert.False(Settled(1));
        foreach (var other in new[] { 0, 2, 3 }) _wires.Do(1, new GossipInput.PeerUnreachable(_wires.Village.Peer(other)));
        Assert.True(Settled(1));
    }

    [Fact]
    public void Whoever_settled_alone_catches_up_when_somebody_is_there()
    {
        OnlyAmong();
        foreach (var other in new[] { 0, 2, 3 }) _wires.Do(1, new GossipInput.PeerUnreachable(_wires.Village.Peer(other)));
        Assert.True(Settled(1));
        Assert.True(_wires.Engines[1].IsSettledAlone);
        _wires.Do(1, new GossipInput.Contacted(_wires.Village.Peer(2)));
        Assert.False(Settled(1));
        OnlyAmong(0, 1, 2, 3);
        _wires.Rounds(4);
        Assert.True(Settled(1));
        Assert.False(_wires.Engines[1].IsSettledAlone);
    }

    [Fact]
    public void A_wall_clock_that_jumped_while_the_other_stood_still_is_a_sleep_as_well()
    {
        _wires.Rounds(4);
        var now = _wires.Time;
        Assert.True(_wires.Engines[1].IsSettled(now));
        Assert.False(_wires.Engines[1].IsSettled(now with { Wall = now.Wall + TimeSpan.FromMinutes(1) }));
    }
}

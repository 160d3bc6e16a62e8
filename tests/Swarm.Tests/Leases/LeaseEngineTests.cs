using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

public sealed class LeaseEngineTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(6);

    [Fact]
    public void The_only_guardian_holds_at_once()
    {
        var guardians = new Guardians(1);
        guardians.WatchAll(WhenAlone.Run);
        Assert.Equal(guardians.Peers, guardians.Holders);
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Equal(guardians.Peers, guardians.Holders);
        Assert.Single(guardians.Effects<LeaseEffect.Acquired>(guardians.Peers[0]));
        Assert.Empty(guardians.Effects<LeaseEffect.Lost>(guardians.Peers[0]));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Whoever_was_chosen_holds_at_once_and_keeps_it(int count)
    {
        var guardians = new Guardians(count);
        guardians.GrowUp();
        guardians.WatchAll(WhenAlone.Stop);
        guardians.Settle();
        Assert.Empty(guardians.Holders);
        var chosen = guardians.Peers[^1];
        guardians.Do(chosen, new LeaseInput.Wish(Guardians.Program));
        guardians.Settle();
        Assert.Equal([chosen], guardians.Holders);
        Assert.Equal((ulong)count, guardians.Effects<LeaseEffect.Acquired>(chosen).Single().Epoch); // the last digit is its place
        guardians.RunFor(TimeSpan.FromMinutes(2));
        Assert.Equal([chosen], guardians.Holders);
        Assert.DoesNotContain(guardians.Seen, seen => seen.Effect is LeaseEffect.Lost);
    }

    [Fact]
    public void A_host_that_dies_is_followed_by_another_within_six_seconds_with_a_higher_epoch()
    {
        var guardians = Held(3, WhenAlone.Stop, out var first);
        guardians.Down.Add(first);
        Assert.True(guardians.RunUntil(() => guardians.Holders.Any(), Soon));
        var second = guardians.Holders.Single();
        Assert.True(guardians.Effects<LeaseEffect.Acquired>(second).Single().Epoch > guardians.Effects<LeaseEffect.Acquired>(first).Single().Epoch);
    }

    [Fact]
    public void Without_a_majority_a_program_that_stops_alone_stops_when_its_lease_ends()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        foreach (var peer in guardians.Peers.Where(peer => peer != holder)) guardians.Down.Add(peer);
        guardians.RunFor(guardians.Options.Lease);
        Assert.Equal(LeaseLoss.Expired, guardians.Effects<LeaseEffect.Lost>(holder).Single().Why);
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Empty(guardians.Holders);
    }

    [Fact]
    public void Without_a_majority_a_program_that_runs_alone_goes_on_with_its_epoch()
    {
        var guardians = Held(2, WhenAlone.Run, out var holder);
        guardians.Down.Add(guardians.Peers.Single(peer => peer != holder));
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Equal([holder], guardians.Holders);
        Assert.Empty(guardians.Effects<LeaseEffect.Lost>(holder));
        Assert.True(guardians[holder].ViewOf(Guardians.Program)!.Alone);
    }

    [Fact]
    public void A_host_that_is_alone_takes_over_after_a_grace_time_and_the_lower_epoch_stops_when_they_meet()
    {
        var guardians = Held(2, WhenAlone.Run, out var first);
        var second = guardians.Peers.Single(peer => peer != first);
        var split = true;
        guardians.OnTheWay = (_, _, message) => split ? null : message;
        Assert.True(guardians.RunUntil(() => guardians.Holders.Count() == 2, Soon)); // each is alone: this is what run means
        split = false;
        guardians.RunFor(guardians.Options.RenewEvery);
        Assert.Equal([second], guardians.Holders);
        var lost = guardians.Effects<LeaseEffect.Lost>(first).Single();
        Assert.Equal(LeaseLoss.Superseded, lost.Why);
        Assert.Equal(second, lost.By!.Value.Holder);
        guardians.RunFor(TimeSpan.FromSeconds(10));
        Assert.False(guardians[second].ViewOf(Guardians.Program)!.Alone);
    }

    [Fact]
    public void A_lease_that_is_given_back_goes_to_whom_it_was_meant_for_at_once()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        var next = guardians.Peers.Last(peer => peer != holder);
        guardians.Do(holder, new LeaseInput.Drain());
        guardians.Do(holder, new LeaseInput.Release(Guardians.Program, next));
        guardians.Settle();
        Assert.Equal([next], guardians.Holders);
        Assert.Equal(LeaseLoss.Released, guardians.Effects<LeaseEffect.Lost>(holder).Single().Why);
    }

    private static Guardians Held(int count, WhenAlone whenAlone, out PeerId holder)
    {
        var guardians = new Guardians(count);
        guardians.GrowUp();
        guardians.WatchAll(whenAlone);
        holder = guardians.Peers[0];
        guardians.Do(holder, new LeaseInput.Wish(Guardians.Program));
        guardians.RunFor(TimeSpan.FromSeconds(3));
        Assert.Equal([holder], guardians.Holders);
        return guardians;
    }
}

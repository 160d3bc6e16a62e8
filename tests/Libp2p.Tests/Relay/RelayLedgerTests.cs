using PeoplesCloud.Libp2p.Relay;
using PeoplesCloud.Libp2p.Tests.Noise;

namespace PeoplesCloud.Libp2p.Tests.Relay;

public sealed class RelayLedgerTests
{
    private readonly ManualTime _time = new();

    private static PeerId Peer(int number)
    {
        var key = new byte[32];
        key[31] = (byte)number;
        return PeerId.FromEd25519(key);
    }

    private RelayLedger Ledger(RelayLimits? limits = null) => new(limits ?? new RelayLimits(), _time);

    [Fact]
    public void A_reservation_ends_with_its_time_or_its_connection()
    {
        var ledger = Ledger();
        Assert.Equal(RelayStatus.NoReservation, ledger.TryOpen(Peer(1), Peer(2), RelayGrant.Full));
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(2), out var expires));
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromHours(1), expires);
        Assert.True(ledger.Holds(Peer(2)));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(ledger.Holds(Peer(2)));
        Assert.Equal(RelayStatus.NoReservation, ledger.TryOpen(Peer(1), Peer(2), RelayGrant.Full));
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(2), out _));
        ledger.Release(Peer(2));
        Assert.False(ledger.Holds(Peer(2)));
    }

    [Fact]
    public void As_many_reservations_as_the_owner_allows()
    {
        var ledger = Ledger(new RelayLimits { MaxReservations = 2 });
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(1), out _));
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(2), out _));
        Assert.Equal(RelayStatus.ReservationRefused, ledger.TryReserve(Peer(3), out _));
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(1), out _)); // renewing takes no place
        _time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(RelayStatus.Ok, ledger.TryReserve(Peer(3), out _));
        Assert.Equal(1, ledger.Use.Reservations);
    }

    [Fact]
    public void As_many_circuits_as_the_owner_allows_in_all_and_for_each_end()
    {
        var ledger = Ledger(new RelayLimits { MaxCircuits = 3, MaxCircuitsPerPeer = 2 });
        for (var i = 1; i <= 4; i++) ledger.TryReserve(Peer(i), out _);
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(1), Peer(2), RelayGrant.Full));
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(1), Peer(3), RelayGrant.Full));
        Assert.Equal(RelayStatus.ResourceLimitExceeded, ledger.TryOpen(Peer(1), Peer(4), RelayGrant.Full)); // from one
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(4), Peer(2), RelayGrant.Full));
        Assert.Equal(RelayStatus.ResourceLimitExceeded, ledger.TryOpen(Peer(4), Peer(3), RelayGrant.Full)); // in all
        ledger.Close(Peer(1), Peer(3), RelayGrant.Full);
        Assert.Equal(RelayStatus.ResourceLimitExceeded, ledger.TryOpen(Peer(3), Peer(2), RelayGrant.Full)); // to one
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(4), Peer(3), RelayGrant.Full));
        Assert.Equal(3, ledger.Use.Circuits);
    }

    [Fact]
    public void Guests_have_few_circuits_and_leave_the_others_alone()
    {
        var ledger = Ledger(new RelayLimits { MaxGuestCircuits = 1 });
        ledger.TryReserve(Peer(1), out _);
        Assert.Equal(RelayStatus.PermissionDenied, ledger.TryOpen(Peer(2), Peer(1), RelayGrant.None));
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(2), Peer(1), RelayGrant.Guest));
        Assert.Equal(RelayStatus.ResourceLimitExceeded, ledger.TryOpen(Peer(3), Peer(1), RelayGrant.Guest));
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(3), Peer(1), RelayGrant.Full));
        ledger.Close(Peer(2), Peer(1), RelayGrant.Guest);
        Assert.Equal(RelayStatus.Ok, ledger.TryOpen(Peer(4), Peer(1), RelayGrant.Guest));
    }

    [Fact]
    public void A_rate_is_kept_over_time_with_a_short_burst()
    {
        var cap = new RateCap(1000, _time);
        Assert.True(cap.Take(100) <= TimeSpan.Zero); // the burst
        Assert.Equal(500, cap.Take(500).TotalMilliseconds, 1.0);
        _time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Equal(1000, cap.Take(1000).TotalMilliseconds, 1.0);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(900, cap.Take(1000).TotalMilliseconds, 1.0); // a long silence saves up no more than the burst
        Assert.Equal(TimeSpan.Zero, new RateCap(0, _time).Take(long.MaxValue));
    }
}

using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Relay;

namespace PeoplesCloud.Libp2p.Tests.Relay;

public sealed class RelayMessageTests
{
    private static readonly PeerId Oak = PeerId.FromEd25519(Convert.FromHexString("1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"));
    private static readonly Multiaddr Address = Multiaddr.TryParse($"/ip4/127.0.0.1/tcp/4242/p2p/{Oak}", out var address) ? address : throw new InvalidOperationException();

    private static readonly string OakHex = Convert.ToHexStringLower(Oak.Bytes);

    // Written by hand from the specification's protobuf.
    public static TheoryData<bool, string, string> Golden() => new()
    {
        { true, "reserve", "020800" },
        { true, "connect", $"2c0801 12280a26{OakHex}" },
        { true, "status 203", "05080228cb01" },
        { true, "status 100 limited", "0d0802 2207083c1080c0dd01 2864" },
        { false, "connect", $"2c0800 12280a26{OakHex}" },
        { false, "status 100", "0408012064" },
    };

    [Theory]
    [MemberData(nameof(Golden))]
    public void Messages_have_the_bytes_of_the_specification(bool isHop, string what, string hex)
    {
        var bytes = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        var message = what.Split(' ') switch
        {
            ["reserve"] => new RelayMessage(RelayMessageType.Reserve),
            ["connect"] => new RelayMessage(RelayMessageType.Connect) { Peer = Oak },
            ["status", var code] => RelayMessage.Answer((RelayStatus)int.Parse(code)),
            _ => new RelayMessage(RelayMessageType.Status) { Status = RelayStatus.Ok, Limit = new CircuitLimit(60, 3_629_056) },
        };
        Assert.Equal(Convert.ToHexStringLower(bytes), Convert.ToHexStringLower(message.Encode(isHop)));
        Assert.True(RelayMessage.TryRead(bytes.AsSpan(1), isHop, out var read));
        Assert.Equal(message, read);
    }

    [Fact]
    public void A_reservation_survives()
    {
        var message = new RelayMessage(RelayMessageType.Status) { Status = RelayStatus.Ok, Reservation = new ReservationInfo(1_900_000_000, [Address], [1, 2, 3]) };
        var bytes = message.Encode(isHop: true);
        Assert.Equal(ParseStatus.Done, Varint.TryRead(bytes, out _, out var prefix));
        Assert.True(RelayMessage.TryRead(bytes.AsSpan(prefix), isHop: true, out var read));
        Assert.Equal(1_900_000_000UL, read.Reservation!.Expire);
        Assert.Equal(Address, Assert.Single(read.Reservation.Addresses));
        Assert.Equal([1, 2, 3], read.Reservation.Voucher);
    }

    [Fact]
    public void Every_truncation_is_refused_or_means_less()
    {
        var bytes = new RelayMessage(RelayMessageType.Connect) { Peer = Oak }.Encode(isHop: true).AsSpan(1).ToArray();
        for (var length = 0; length < bytes.Length; length++) Assert.False(RelayMessage.TryRead(bytes.AsSpan(0, length), isHop: true, out _));
    }

    [Theory]
    [InlineData(true, "0803")] // no such type
    [InlineData(true, "0801")] // connect with nobody
    [InlineData(true, "0802")] // a status without one
    [InlineData(true, "080112020a00")] // no peer id
    [InlineData(true, "0a00")] // a type that is no number
    [InlineData(false, "0802")]
    public void What_cannot_be_meant_is_refused(bool isHop, string hex) => Assert.False(RelayMessage.TryRead(Convert.FromHexString(hex), isHop, out _));

    [Fact]
    public void A_voucher_is_signed_by_its_relay_and_by_nobody_else()
    {
        using var relay = new Ed25519Key(Ed25519Key.NewSeed());
        using var other = new Ed25519Key(Ed25519Key.NewSeed());
        var voucher = new ReservationVoucher(PeerId.FromEd25519(relay.PublicKey.Span), Oak, 1_900_000_000);
        var sealedVoucher = voucher.Seal(relay);
        Assert.Equal(voucher, ReservationVoucher.TryOpen(sealedVoucher));
        Assert.Null(ReservationVoucher.TryOpen(voucher.Seal(other)));
        for (var i = 0; i < sealedVoucher.Length; i++)
        {
            var damaged = sealedVoucher.ToArray();
            damaged[i] ^= 1;
            Assert.True(ReservationVoucher.TryOpen(damaged) is null, $"byte {i} is not signed");
        }
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tests.Yamux;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Tests.Noise;

public sealed class NoiseHandshakeTests
{
    private static readonly byte[] Domain = "noise-libp2p-static-key:"u8.ToArray();

    [Fact]
    public async Task Both_sides_learn_who_the_other_is_and_the_first_common_muxer_of_the_initiator()
    {
        var (first, second) = MemoryDuplex.Create();
        using var one = new Ed25519Key(Ed25519Key.NewSeed());
        using var two = new Ed25519Key(Ed25519Key.NewSeed());
        var answering = ShakeAsync(second, two, initiator: false, muxers: ["/c", "/b", "/a"]);
        await using var dialed = await ShakeAsync(first, one, initiator: true, PeerId.FromEd25519(two.PublicKey.Span), muxers: ["/x", "/a", "/b"]);
        await using var accepted = await answering;
        Assert.Equal(PeerId.FromEd25519(two.PublicKey.Span), dialed.RemotePeer);
        Assert.Equal(PeerId.FromEd25519(one.PublicKey.Span), accepted.RemotePeer);
        Assert.Equal("/a", dialed.EarlyMuxer);
        Assert.Equal("/a", accepted.EarlyMuxer);
    }

    [Fact]
    public async Task Without_a_common_muxer_none_is_agreed()
    {
        var (first, second) = MemoryDuplex.Create();
        using var one = new Ed25519Key(Ed25519Key.NewSeed());
        using var two = new Ed25519Key(Ed25519Key.NewSeed());
        var answering = ShakeAsync(second, two, initiator: false, muxers: []);
        await using var dialed = await ShakeAsync(first, one, initiator: true, muxers: ["/a"]);
        await using var accepted = await answering;
        Assert.Null(dialed.EarlyMuxer);
        Assert.Null(accepted.EarlyMuxer);
    }

    [Fact]
    public async Task Another_peer_than_expected_is_refused_and_learns_nothing_of_us()
    {
        var (first, second) = MemoryDuplex.Create();
        using var one = new Ed25519Key(Ed25519Key.NewSeed());
        using var two = new Ed25519Key(Ed25519Key.NewSeed());
        var answering = ShakeAsync(second, two, initiator: false);
        var failure = await Assert.ThrowsAsync<Libp2pException>(() => ShakeAsync(first, one, initiator: true, PeerId.FromEd25519(one.PublicKey.Span)));
        Assert.Equal(Libp2pError.WrongPeer, failure.Error);
        Assert.Equal(Libp2pError.BadHandshake, (await Assert.ThrowsAsync<Libp2pException>(() => answering)).Error); // it never got the third message
    }

    [Theory]
    [InlineData("Ed25519")]
    [InlineData("RSA")]
    [InlineData("ECDSA")]
    public async Task A_peer_with_another_type_of_key_is_accepted_when_its_signature_holds(string kind)
    {
        var (encoded, sign) = Identity(kind);
        var accepted = await AcceptAsync(key => Payload(encoded, sign([.. Domain, .. key])));
        Assert.Equal(PublicKeys.PeerIdOf(encoded), accepted.RemotePeer);
    }

    [Theory]
    [InlineData("RSA")]
    [InlineData("ECDSA")]
    [InlineData("Ed25519")]
    public async Task A_signature_over_anything_else_is_refused(string kind)
    {
        var (encoded, sign) = Identity(kind);
        await RefusesAsync(key => Payload(encoded, sign([.. key])));                                    // without the domain
        await RefusesAsync(_ => Payload(encoded, sign([.. Domain, .. new byte[32]])));                  // of another Noise key
        await RefusesAsync(key => Payload(Identity(kind).Encoded, sign([.. Domain, .. key])));          // by another key
        await RefusesAsync(key => Payload(encoded, []));
        await RefusesAsync(key => Payload(encoded, [.. sign([.. Domain, .. key]), 0]));
    }

    [Fact]
    public async Task A_payload_that_is_not_right_is_refused()
    {
        var (encoded, sign) = Identity("Ed25519");
        await RefusesAsync(_ => []);
        await RefusesAsync(key => Payload([], sign([.. Domain, .. key])));
        await RefusesAsync(key => Payload([0x08, 0x04, .. encoded[2..]], sign([.. Domain, .. key])));   // an unknown type of key
        await RefusesAsync(key => Payload(encoded, sign([.. Domain, .. key]))[..^1]);                   // truncated
        await RefusesAsync(key => [.. Payload(encoded, sign([.. Domain, .. key])), 0x22, 0x05, 0x01]);  // extensions longer than the message
        await RefusesAsync(key => [.. Payload(encoded, sign([.. Domain, .. key])), 0x22, 0x03, 0x12, 0x7f, 0x2f]); // a muxer longer than the extensions
        await RefusesAsync(key => [.. Payload(encoded, sign([.. Domain, .. key])), .. Muxers(17)]);
        _ = await AcceptAsync(key => [.. Payload(encoded, sign([.. Domain, .. key])), .. Muxers(16)]);
        _ = await AcceptAsync(key => [.. Payload(encoded, sign([.. Domain, .. key])), 0x18, 0x01, 0x7a, 0x01, 0xff]); // unknown fields are skipped
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(33)]
    public async Task A_handshake_that_ends_early_is_refused(int bytes)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        using var identity = new Ed25519Key(Ed25519Key.NewSeed());
        var shaking = ShakeAsync(ours, identity, initiator: false);
        byte[] message = [0, 32, .. RandomNumberGenerator.GetBytes(32)];
        await theirs.WriteAsync(message.AsMemory(0, bytes));
        await theirs.DisposeAsync();
        Assert.Equal(Libp2pError.BadHandshake, (await Assert.ThrowsAsync<Libp2pException>(() => shaking)).Error);
    }

    [Theory]
    [InlineData(4097)]
    [InlineData(65535)]
    public async Task A_claimed_length_over_the_limit_is_refused_before_it_is_read(int claimed)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        using var identity = new Ed25519Key(Ed25519Key.NewSeed());
        var shaking = ShakeAsync(ours, identity, initiator: false);
        var length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)claimed);
        await theirs.WriteAsync(length); // and nothing else: it does not wait for more
        Assert.Equal(Libp2pError.BadHandshake, (await Assert.ThrowsAsync<Libp2pException>(() => shaking.WaitAsync(YamuxPair.Patience))).Error);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_silent_peer_is_given_up_when_the_time_is_over(bool initiator)
    {
        var time = new ManualTime();
        var (ours, _) = MemoryDuplex.Create();
        using var identity = new Ed25519Key(Ed25519Key.NewSeed());
        var shaking = NoiseHandshake.RunAsync(ours, identity, initiator, null, [], Libp2pLimits.Default, time, CancellationToken.None).AsTask();
        time.Advance(Libp2pLimits.Default.HandshakeTimeout * 0.8);
        Assert.False(shaking.IsCompleted);
        time.Advance(Libp2pLimits.Default.HandshakeTimeout * 0.3);
        Assert.Equal(Libp2pError.TimedOut, (await Assert.ThrowsAsync<Libp2pException>(() => shaking.WaitAsync(YamuxPair.Patience))).Error);
    }

    // -- a peer that says what it likes -------------------------------------------------------------------------

    private static async Task RefusesAsync(Func<byte[], byte[]> payload)
    {
        var failure = await Assert.ThrowsAsync<Libp2pException>(() => AcceptAsync(payload));
        Assert.Equal(Libp2pError.BadHandshake, failure.Error);
    }

    /// <summary>Dials a responder whose payload is made from its Noise key.</summary>
    private static async Task<NoiseChannel> AcceptAsync(Func<byte[], byte[]> payload)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        using var identity = new Ed25519Key(Ed25519Key.NewSeed());
        var dialing = ShakeAsync(ours, identity, initiator: true);
        var staticKey = new X25519Key(X25519Key.NewPrivateKey());
        using var noise = new NoiseXX(false, staticKey, new X25519Key(X25519Key.NewPrivateKey()));
        var buffer = new byte[8192];
        await theirs.ReadExactlyAsync(buffer.AsMemory(0, 34));
        Assert.True(noise.TryRead(buffer.AsSpan(2, 32), out _));
        Assert.True(noise.TryWrite(payload(staticKey.PublicKey.ToArray()), buffer.AsSpan(2), out var written));
        BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)written);
        await theirs.WriteAsync(buffer.AsMemory(0, 2 + written));
        return await dialing.WaitAsync(YamuxPair.Patience);
    }

    private static (byte[] Encoded, Func<byte[], byte[]> Sign) Identity(string kind)
    {
        switch (kind)
        {
            case "RSA":
                var rsa = RSA.Create(2048);
                return (PublicKeys.Encode(KeyType.Rsa, rsa.ExportSubjectPublicKeyInfo()), message => rsa.SignData(message, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
            case "ECDSA":
                var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                return (PublicKeys.Encode(KeyType.Ecdsa, ecdsa.ExportSubjectPublicKeyInfo()), message => ecdsa.SignData(message, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
            default:
                var key = new Ed25519Key(Ed25519Key.NewSeed());
                return (PublicKeys.EncodeEd25519(key.PublicKey.Span), message => key.Sign(message));
        }
    }

    private static byte[] Payload(byte[] key, byte[] signature)
    {
        var payload = new ProtoWriter();
        payload.WriteBytes(1, key);
        payload.WriteBytes(2, signature);
        return payload.ToArray();
    }

    private static byte[] Muxers(int count)
    {
        var extensions = new ProtoWriter();
        for (var i = 0; i < count; i++) extensions.WriteString(2, $"/m{i}");
        var payload = new ProtoWriter();
        payload.WriteBytes(4, extensions.ToArray());
        return payload.ToArray();
    }

    private static Task<NoiseChannel> ShakeAsync(Stream transport, Ed25519Key identity, bool initiator, PeerId? expected = null, string[]? muxers = null) =>
        NoiseHandshake.RunAsync(transport, identity, initiator, expected, muxers ?? ["/yamux/1.0.0"], Libp2pLimits.Default, TimeProvider.System, CancellationToken.None).AsTask();
}

using System.Buffers.Binary;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Noise;

/// <summary>
/// Turns a raw connection into a <see cref="NoiseChannel"/> to a proven peer: Noise XX with the identity payloads of the
/// libp2p-noise specification. Fails closed: whatever is not exactly right ends in a <see cref="Libp2pException"/>.
/// </summary>
internal static class NoiseHandshake
{
    /// <summary>The protocol id in multistream-select.</summary>
    public const string Protocol = "/noise";

    private const int LengthBytes = 2;

    /// <summary>Runs the handshake; the channel owns the transport afterwards. A failed handshake disposes the transport.</summary>
    /// <param name="transport">The raw connection, after multistream-select agreed on <see cref="Protocol"/>.</param>
    /// <param name="identity">Our identity.</param>
    /// <param name="initiator">Whether we dialled.</param>
    /// <param name="expected">Who must be there; null accepts anybody that proves who it is.</param>
    /// <param name="muxers">Our multiplexers, best first; empty leaves the choice to multistream-select.</param>
    /// <param name="limits">Time and size limits.</param>
    /// <param name="time">The clock of the time-out.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Libp2pException">BadHandshake, WrongPeer, TimedOut or ConnectionClosed.</exception>
    public static async ValueTask<NoiseChannel> RunAsync(
        Stream transport, Ed25519Key identity, bool initiator, PeerId? expected, IReadOnlyList<string> muxers, Libp2pLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limits.HandshakeTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var completed = false;
        try
        {
            var channel = await RunAsync(transport, identity, initiator, expected, muxers, limits, both.Token);
            completed = true;
            return channel;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && timeout.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pError.TimedOut, $"the handshake took longer than {limits.HandshakeTimeout}");
        }
        catch (Exception failure) when (failure is not Libp2pException and (IOException or ObjectDisposedException))
        {
            throw new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended during the handshake", failure);
        }
        finally
        {
            if (!completed) await transport.DisposeAsync();
        }
    }

    private static async ValueTask<NoiseChannel> RunAsync(
        Stream transport, Ed25519Key identity, bool initiator, PeerId? expected, IReadOnlyList<string> muxers, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        var staticKey = new X25519Key(X25519Key.NewPrivateKey());
        using var noise = new NoiseXX(initiator, staticKey, new X25519Key(X25519Key.NewPrivateKey()));
        var payload = NoisePayload.Create(identity, staticKey.PublicKey.Span, muxers);
        var buffer = new byte[LengthBytes + Math.Max(limits.MaxHandshakeMessageBytes, payload.Length + NoiseXX.MaxOverheadBytes)];
        NoisePayload? remote = null;

        // 1. e   2. e, ee, s, es with the responder's payload   3. s, se with the initiator's
        for (var message = 0; message < 3; message++)
        {
            if (noise.IsOurTurn)
            {
                if (!noise.TryWrite(message == 0 ? [] : payload, buffer.AsSpan(LengthBytes), out var written)) throw Bad("the peer's key is unusable");
                BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)written);
                await transport.WriteAsync(buffer.AsMemory(0, LengthBytes + written), cancellationToken);
                continue;
            }
            var length = await ReadMessageAsync(transport, buffer, limits.MaxHandshakeMessageBytes, cancellationToken);
            var reason = Process(noise, buffer.AsSpan(0, length), message, ref remote);
            if (reason is not null) throw Bad(reason);
            // The initiator knows the peer after the second message and says nothing about itself to a wrong one.
            if (remote is not null && expected is { } wanted && remote.IdentityKey.PeerId != wanted)
                throw new Libp2pException(Libp2pError.WrongPeer, $"{remote.IdentityKey.PeerId} answered instead of {wanted}");
        }

        var (send, receive) = noise.Split();
        return new NoiseChannel(transport, send, receive, remote!.IdentityKey.PeerId, ChooseMuxer(initiator, muxers, remote.Muxers), limits.MaxHeldReceiveBuffers) { ChannelBinding = noise.HandshakeHash.ToArray() };
    }

    /// <summary>Takes one received message; answers why it is refused, or null.</summary>
    private static string? Process(NoiseXX noise, Span<byte> message, int number, ref NoisePayload? remote)
    {
        if (!noise.TryRead(message, out var payload)) return "a handshake message is truncated or damaged";
        if (number == 0) return null; // nothing in it is authenticated yet: a payload there is ignored
        remote = NoisePayload.TryRead(payload, noise.RemoteStatic, out var reason);
        return remote is null ? reason : null;
    }

    /// <summary>The first of the initiator's multiplexers that the responder has too.</summary>
    private static string? ChooseMuxer(bool initiator, IReadOnlyList<string> ours, IReadOnlyList<string> theirs)
    {
        var (first, second) = initiator ? (ours, theirs) : (theirs, ours);
        return first.FirstOrDefault(muxer => second.Contains(muxer, StringComparer.Ordinal));
    }

    private static async ValueTask<int> ReadMessageAsync(Stream transport, byte[] buffer, int maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            await transport.ReadExactlyAsync(buffer.AsMemory(0, LengthBytes), cancellationToken);
            var length = BinaryPrimitives.ReadUInt16BigEndian(buffer);
            if (length > maxBytes) throw Bad($"a handshake message of {length} bytes is longer than {maxBytes}");
            await transport.ReadExactlyAsync(buffer.AsMemory(0, length), cancellationToken);
            return length;
        }
        catch (EndOfStreamException)
        {
            throw Bad("the connection ended inside the handshake");
        }
    }

    private static Libp2pException Bad(string reason) => new(Libp2pError.BadHandshake, reason);

    /// <summary>For the fuzzer: the bytes are what a peer sends to a responder, then to an initiator. Must return.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        foreach (var initiator in new[] { false, true })
        {
            using var noise = new NoiseXX(initiator, new X25519Key(FuzzKey(1)), new X25519Key(FuzzKey(2)));
            NoisePayload? remote = null;
            var output = new byte[NoiseXX.MaxOverheadBytes];
            var rest = input;
            for (var message = 0; message < 3; message++)
            {
                if (noise.IsOurTurn)
                {
                    if (!noise.TryWrite([], output, out _)) break;
                    continue;
                }
                if (rest.Length < LengthBytes) break;
                var length = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(rest), rest.Length - LengthBytes);
                if (Process(noise, rest.Slice(LengthBytes, length).ToArray(), message, ref remote) is not null) break;
                rest = rest[(LengthBytes + length)..];
            }
        }
        _ = NoisePayload.TryRead(input, new byte[X25519Key.KeyBytes], out _);
    }

    private static byte[] FuzzKey(byte fill)
    {
        var key = new byte[X25519Key.KeyBytes];
        key.AsSpan().Fill(fill);
        return key;
    }
}

using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>
/// Makes a direct connection of a relayed one though routers let nobody in: both ends dial each other at the same moment, so that each
/// router takes the other's packets for answers (DCUtR). The end that was dialed through the relay begins and times it; the end that
/// dialed is the initiator of the handshake, since with a simultaneous open the sockets do not say who is.
/// </summary>
internal sealed class HolePuncher(Libp2pHost host, Libp2pLimits limits, TimeProvider time)
{
    public const string Protocol = "/libp2p/dcutr";

    /// <summary>Tries on one stream; the specification's number.</summary>
    private const int MaxTries = 3;

    /// <summary>Begins over a relayed connection that came in; whether there is a direct one afterwards.</summary>
    /// <exception cref="IOException">The other side does not speak the protocol, broke it, or is gone.</exception>
    public async Task<bool> BeginAsync(Libp2pConnection relayed, CancellationToken cancellationToken)
    {
        var stream = await relayed.OpenAsync(Protocol, cancellationToken);
        try
        {
            for (var i = 0; i < MaxTries; i++)
            {
                // 1. Tell each other where the routers are; that takes the time of a round trip.
                var here = new HolePunchMessage(false, await host.ObserveAsync(relayed, cancellationToken)).Encode();
                var start = time.GetTimestamp();
                await stream.Output.WriteAsync(here, cancellationToken);
                var there = await ReadAsync(stream, cancellationToken);
                if (there.IsSync) throw Broken();
                var roundTrip = time.GetElapsedTime(start);

                // 2. Go: the other side hears it half a round trip later, and that is when we dial too.
                await stream.Output.WriteAsync(new HolePunchMessage(true, []).Encode(), cancellationToken);
                await Task.Delay(roundTrip / 2, time, cancellationToken);
                if (await host.PunchAsync(relayed.RemotePeer, there.Addresses, isInitiator: false, cancellationToken)) return true;
            }
            return false;
        }
        catch
        {
            stream.Reset();
            throw;
        }
        finally
        {
            await stream.DisposeAsync();
        }
    }

    /// <summary>Serves one stream: the other end of <see cref="BeginAsync"/>.</summary>
    public async Task ServeAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        // A stranger who is here directly does not get us to dial whom it likes.
        if (!stream.RemoteAddress.IsRelayed || host.RelayedWith(stream.RemotePeer) is not { } relayed) throw new Libp2pException(Libp2pError.ProtocolViolation, "a hole is punched only over a relayed connection");
        for (var i = 0; i < MaxTries; i++)
        {
            var there = await ReadAsync(stream, cancellationToken);
            if (there.IsSync) throw Broken();
            var here = new HolePunchMessage(false, await host.ObserveAsync(relayed, cancellationToken)).Encode();
            using var arrivals = host.Await(there.Addresses); // before the other side knows where to dial
            await stream.Output.WriteAsync(here, cancellationToken);
            if (!(await ReadAsync(stream, cancellationToken)).IsSync) throw Broken();
            if (await host.PunchAsync(stream.RemotePeer, there.Addresses, arrivals, cancellationToken)) return;
        }
    }

    private async ValueTask<HolePunchMessage> ReadAsync(Libp2pStream stream, CancellationToken cancellationToken) =>
        await TimeLimit.RunAsync(limits.HolePunchTimeout, time, "a hole punch", async token =>
            await LengthPrefixed.ReadAsync(stream.Input, limits.Relay.MaxMessageBytes, token) is { } bytes && HolePunchMessage.TryRead(bytes, out var message) ? message : throw Broken(), cancellationToken);

    private static Libp2pException Broken() => new(Libp2pError.ProtocolViolation, "the other side broke the protocol of punching holes");
}

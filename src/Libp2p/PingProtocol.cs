using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;

namespace PeoplesCloud.Libp2p;

// dialer -> 32 random bytes; listener -> the same 32 bytes; again and again until the dialer closes its direction
// Source: github.com/libp2p/specs/ping.
/// <summary>Ping: is the peer there, and how far is it.</summary>
internal static class PingProtocol
{
    public const string Id = "/ipfs/ping/1.0.0";

    private const int PayloadBytes = 32;

    /// <summary>Echoes whole payloads until the other side ends; a part of one at the end is not answered.</summary>
    public static async Task AnswerAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await stream.Input.ReadAtLeastAsync(PayloadBytes, cancellationToken);
            if (result.Buffer.Length < PayloadBytes) return;
            var payload = result.Buffer.Slice(0, PayloadBytes);
            foreach (var segment in payload) stream.Output.Write(segment.Span);
            stream.Input.AdvanceTo(payload.End);
            await stream.Output.FlushAsync(cancellationToken);
        }
    }

    /// <summary>One round trip.</summary>
    public static async ValueTask<TimeSpan> MeasureAsync(Libp2pStream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        var payload = RandomNumberGenerator.GetBytes(PayloadBytes);
        var start = time.GetTimestamp();
        await stream.Output.WriteAsync(payload, cancellationToken);
        var result = await stream.Input.ReadAtLeastAsync(PayloadBytes, cancellationToken);
        var elapsed = time.GetElapsedTime(start);
        if (result.Buffer.Length != PayloadBytes || !result.Buffer.ToArray().AsSpan().SequenceEqual(payload))
            throw new Libp2pException(Libp2pError.ProtocolViolation, "a ping was not answered with its own bytes");
        stream.Input.AdvanceTo(result.Buffer.End);
        return elapsed;
    }
}

using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Http;

/// <summary>Reads and writes bodies. No body is read past the bound that its endpoint names.</summary>
internal static class Bodies
{
    /// <summary>The whole body.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BadRequest"/>: longer than <paramref name="maxBytes"/>.</exception>
    public static async ValueTask<byte[]> ReadAsync(HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes) throw TooLong(maxBytes);
        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellationToken);
            if (read.Buffer.Length > maxBytes) throw TooLong(maxBytes);
            if (read.IsCompleted)
            {
                var body = read.Buffer.ToArray();
                request.BodyReader.AdvanceTo(read.Buffer.End);
                return body;
            }
            request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>The body as JSON.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BadRequest"/>: too long, no JSON, or a field that must be there is missing.</exception>
    public static async ValueTask<T> ReadJsonAsync<T>(HttpRequest request, JsonTypeInfo<T> type, int maxBytes, CancellationToken cancellationToken)
    {
        var body = await ReadAsync(request, maxBytes, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(body, type) ?? throw new PcException(ErrorCode.BadRequest, "the request is null");
        }
        catch (JsonException e)
        {
            throw new PcException(ErrorCode.BadRequest, $"the request is no {typeof(T).Name}: byte {e.BytePositionInLine} of line {e.LineNumber}", inner: e);
        }
    }

    /// <summary>Answers JSON.</summary>
    public static async Task WriteJsonAsync<T>(HttpResponse response, T value, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, cancellationToken);
    }

    /// <summary>Answers bytes.</summary>
    public static async Task WriteBytesAsync(HttpResponse response, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        response.ContentType = "application/octet-stream";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, cancellationToken);
    }

    private static PcException TooLong(int maxBytes) => new(ErrorCode.BadRequest, $"the request is longer than {maxBytes} bytes");
}

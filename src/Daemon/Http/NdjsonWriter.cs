using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace PeoplesCloud.Daemon.Http;

/// <summary>Answers application/x-ndjson: one JSON value a line, sent as it is written. One writer at a time, others wait.</summary>
internal sealed class NdjsonWriter<T>(HttpResponse response, JsonTypeInfo<T> type) : IDisposable
{
    private static readonly byte[] LineEnd = "\n"u8.ToArray();
    private readonly SemaphoreSlim _turn = new(1);
    private bool _started;

    /// <summary>Sends the headers, so that the caller knows that it was accepted before there is a line.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_started) return;
        _started = true;
        response.ContentType = "application/x-ndjson";
        response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.StartAsync(cancellationToken);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>Sends one line.</summary>
    public async Task WriteAsync(T value, CancellationToken cancellationToken)
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(value, type);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await StartAsync(cancellationToken);
            await response.BodyWriter.WriteAsync((byte[])[.. line, .. LineEnd], cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();
}

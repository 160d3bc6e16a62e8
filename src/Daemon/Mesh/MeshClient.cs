using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// Asks other nodes: one request, one bounded answer, in the newest version that both speak. Thread-safe.
/// </summary>
/// <param name="http">For questions.</param>
/// <param name="bulk">For blocks, which nothing else should wait behind.</param>
/// <param name="time">The clock.</param>
/// <param name="ours">The versions that this node speaks; null for <see cref="MeshVersions.Ours"/>.</param>
internal sealed class MeshClient(HttpClient http, HttpClient bulk, TimeProvider time, MeshVersions? ours = null)
{
    /// <summary>How long an ordinary question may take, with dialing. A sleeping peer's address answers nothing, so this is also how long that is noticed late.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How long a block may take: 2 MiB at 1 Mbit/s.</summary>
    private static readonly TimeSpan BlockTimeout = TimeSpan.FromSeconds(20);

    private const int MaxErrorBytes = 16 << 10;

    /// <summary>Peers whose version is remembered; beyond it all are forgotten, and each is asked in the oldest version once more.</summary>
    private const int MaxVersions = 4096;

    private readonly MeshVersions _ours = ours ?? MeshVersions.Ours;

    // Of peers with whom a newer version than our oldest is spoken.
    private readonly ConcurrentDictionary<PeerId, int> _versions = new();

    /// <summary>Posts bytes; the answer's bytes.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PeerUnreachable"/>, <see cref="ErrorCode.PeerFailed"/>, or the error that the peer answered.</exception>
    public async Task<byte[]> PostAsync(PeerId peer, string path, ReadOnlyMemory<byte> body, int maxReplyBytes, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        return await SendAsync(http, peer, path, body, maxReplyBytes, timeout ?? DefaultTimeout, cancellationToken) ?? throw Failed(peer, "it does not know what was asked for");
    }

    /// <summary>Posts bytes for an answer with much data, over the connection for that.</summary>
    /// <exception cref="PcException">As <see cref="PostAsync"/>.</exception>
    public async Task<byte[]> PostForBulkAsync(PeerId peer, string path, ReadOnlyMemory<byte> body, int maxReplyBytes, TimeSpan timeout, CancellationToken cancellationToken) =>
        await SendAsync(bulk, peer, path, body, maxReplyBytes, timeout, cancellationToken) ?? throw Failed(peer, "it does not know what was asked for");

    /// <summary>Gets a block's bytes with a header of the answer; null when the peer refuses or does not have it.</summary>
    public async Task<(byte[] Body, string? Header)?> GetBlockAsync(PeerId peer, string path, string header, int maxReplyBytes, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(BlockTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var response = await AskAsync(bulk, peer, path, null, linked.Token);
            if (!response.IsSuccessStatusCode) return null;
            var body = await ReadAsync(response.Content, maxReplyBytes, linked.Token);
            return body is null ? null : (body, response.Headers.TryGetValues(header, out var values) ? values.First() : null);
        }
        catch (Exception e) when (IsOfMesh(e, cancellationToken))
        {
            throw Explain(peer, e, limit);
        }
    }

    /// <summary>Gets a long answer, line by line, until it ends or is cancelled; no line is longer than <paramref name="maxLineBytes"/>.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> LinesAsync(PeerId peer, string path, int maxLineBytes, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await OpenAsync(peer, path, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var reader = System.IO.Pipelines.PipeReader.Create(stream);
        while (true)
        {
            System.IO.Pipelines.ReadResult read;
            try
            {
                read = await reader.ReadAsync(cancellationToken);
            }
            catch (Exception e) when (IsOfMesh(e, cancellationToken))
            {
                throw Explain(peer, e, null);
            }
            var buffer = read.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                yield return buffer.Slice(0, end).ToArray();
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }
            if (buffer.Length > maxLineBytes) throw Failed(peer, "its answer has a line that is too long");
            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted) yield break;
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(PeerId peer, string path, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(DefaultTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var response = await AskAsync(http, peer, path, null, linked.Token);
            if (response.IsSuccessStatusCode) return response;
            using (response) throw await ErrorOfAsync(peer, response, linked.Token);
        }
        catch (Exception e) when (IsOfMesh(e, cancellationToken))
        {
            throw Explain(peer, e, limit);
        }
    }

    // Who is not known is asked in our oldest version: whoever speaks a newer one says so in the answer. A peer that does not speak it is
    // asked once more, in a version that both do.
    private async Task<HttpResponseMessage> AskAsync(HttpClient through, PeerId peer, string path, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken)
    {
        var version = _versions.GetValueOrDefault(peer, _ours.Oldest);
        for (var again = false; ; again = true)
        {
            using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, MeshHttp.UriOf(peer, MeshVersions.PathIn(version, path)));
            if (body is { } bytes) request.Content = new ReadOnlyMemoryContent(bytes);
            var response = await through.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!response.Headers.TryGetValues(MeshVersions.Header, out var said) || !MeshVersions.TryParse(said.First(), out var theirs))
            {
                // A node of the first days says nothing and speaks version 1; one may have been taken back to that.
                _versions.TryRemove(peer, out _);
                return response;
            }
            var common = _ours.CommonWith(theirs);
            if (common is { } agreed) Remember(peer, agreed);
            if (response.IsSuccessStatusCode || theirs.Contains(version)) return response;
            response.Dispose();
            if (common is null || again) throw _ours.Mismatch(peer.ToString(), theirs.Words());
            version = common.Value;
        }
    }

    private void Remember(PeerId peer, int version)
    {
        if (version == _ours.Oldest)
        {
            _versions.TryRemove(peer, out _); // it may have been taken back to an older program
            return;
        }
        if (_versions.Count >= MaxVersions) _versions.Clear();
        _versions[peer] = version;
    }

    private async Task<byte[]?> SendAsync(HttpClient through, PeerId peer, string path, ReadOnlyMemory<byte> body, int maxReplyBytes, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var response = await AskAsync(through, peer, path, body, linked.Token);
            if (!response.IsSuccessStatusCode) throw await ErrorOfAsync(peer, response, linked.Token);
            return await ReadAsync(response.Content, maxReplyBytes, linked.Token) ?? throw Failed(peer, $"its answer is longer than {maxReplyBytes} bytes");
        }
        catch (Exception e) when (IsOfMesh(e, cancellationToken))
        {
            throw Explain(peer, e, limit);
        }
    }

    private static async Task<byte[]?> ReadAsync(HttpContent content, int maxBytes, CancellationToken cancellationToken)
    {
        if (content.Headers.ContentLength > maxBytes) return null;
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var body = new ArrayBufferWriter<byte>((int)Math.Max(1, Math.Min(content.Headers.ContentLength ?? 4096, maxBytes)));
        while (true)
        {
            var read = await stream.ReadAsync(body.GetMemory(4096), cancellationToken);
            if (read == 0) return body.WrittenSpan.ToArray();
            body.Advance(read);
            if (body.WrittenCount > maxBytes) return null;
        }
    }

    // What a peer says is shown to a person: its code is taken when we know it, its text is bounded and has no control characters.
    private static async Task<PcException> ErrorOfAsync(PeerId peer, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await ReadAsync(response.Content, MaxErrorBytes, cancellationToken);
        ErrorReply? error = null;
        try
        {
            if (body is { Length: > 0 }) error = JsonSerializer.Deserialize(body, LocalApiJson.Default.ErrorReply);
        }
        catch (JsonException)
        {
            // Not one of ours; the status says enough.
        }
        if (error?.Code is ['P', 'C', .. var digits] && int.TryParse(digits, out var number) && Enum.IsDefined((ErrorCode)number))
            return new PcException((ErrorCode)number, Clean(error.Message), Clean(error.Hint));
        return Failed(peer, $"it answered {(int)response.StatusCode} {(response.StatusCode == HttpStatusCode.OK ? "" : response.StatusCode)}");
    }

    private static bool IsOfMesh(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested;

    private static PcException Explain(PeerId peer, Exception e, CancellationTokenSource? limit) => limit is { IsCancellationRequested: true }
        ? new PcException(ErrorCode.PeerUnreachable, $"{peer} did not answer in time", inner: e)
        : new PcException(ErrorCode.PeerUnreachable, $"{peer} could not be reached: {Reason(e)}", inner: e);

    /// <summary>Whether a peer was not reached because nothing listens where it was: see <see cref="Libp2pException.IsRefused"/>.</summary>
    public static bool IsRefusal(PcException failure)
    {
        for (var e = failure.InnerException; e is not null; e = e.InnerException)
            if (e is Libp2pException { IsRefused: true }) return true;
        return false;
    }

    private static string Reason(Exception e)
    {
        while (e.InnerException is { } inner && e is not Libp2pException) e = inner;
        return Clean(e.Message);
    }

    private static PcException Failed(PeerId peer, string why) => new(ErrorCode.PeerFailed, $"{peer}: {why}");

    /// <summary>What a peer wrote, bounded and without control characters, so that it can be shown.</summary>
    public static string Clean(string? text)
    {
        var clean = new StringBuilder();
        foreach (var c in (text ?? "").Take(500)) clean.Append(char.IsControl(c) ? ' ' : c);
        return clean.ToString();
    }
}

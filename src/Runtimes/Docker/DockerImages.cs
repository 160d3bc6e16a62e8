using System.Buffers;
using System.Collections.Concurrent;
using System.Formats.Tar;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>The engine's images: looks for them, has them fetched, builds them from a Dockerfile.</summary>
internal sealed class DockerImages(DockerClient client, DockerOptions options, TimeProvider time)
{
    private readonly ConcurrentQueue<Func<Task>> _rests = [];
    private int _building;

    private static readonly string[] NameMembers = ["RepoTags", "RepoDigests"];

    /// <summary>The image of a name, fetched when it is not here.</summary>
    /// <returns>Its id, so that a tag that moves meanwhile changes nothing, and what it says about itself.</returns>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerImageMissing"/>.</exception>
    public async Task<(string Id, ImageConfig Config)> RequireAsync(string name, CancellationToken cancellationToken)
    {
        if (!IsName(name)) throw new PcException(ErrorCode.DockerImageMissing, $"'{Printable(name)}' is no name of an image");
        if (await FindAsync(name, cancellationToken) is { } here) return here;
        if (!options.Pulls) throw new PcException(ErrorCode.DockerImageMissing, $"the image {name} is not on this host, and this host fetches none");
        await PullAsync(name, cancellationToken);
        return await FindAsync(name, cancellationToken) ?? throw new PcException(ErrorCode.DockerImageMissing, $"the image {name} was fetched and is not there");
    }

    /// <summary>The image of a name; null when it is not here.</summary>
    public async Task<(string Id, ImageConfig Config)?> FindAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var image = await client.CallAsync(HttpMethod.Get, $"/images/{name}/json", body: null, cancellationToken);
            return (image.GetProperty("Id").GetString()!, ImageConfig.Read(image));
        }
        catch (DockerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>The names and digests of all images.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(CancellationToken cancellationToken)
    {
        var list = await client.CallAsync(HttpMethod.Get, "/images/json", body: null, cancellationToken);
        return
        [
            .. from image in list.EnumerateArray()
               from member in NameMembers
               let names = image.TryGetProperty(member, out var found) ? found : default
               where names.ValueKind == JsonValueKind.Array
               from name in names.EnumerateArray()
               where name.ValueKind == JsonValueKind.String
               select name.GetString(),
        ];
    }

    /// <summary>Builds an image from files with a Dockerfile.</summary>
    /// <param name="files">The context.</param>
    /// <param name="tag">The image's name afterwards.</param>
    /// <param name="limits">Memory and processors of a step.</param>
    /// <param name="networkMode">The network of a step, in the engine's words.</param>
    /// <param name="step">The container of the step that runs.</param>
    /// <param name="said">Hears each line that the build says.</param>
    /// <param name="cancellationToken">Ends the build.</param>
    /// <returns>The image's id, and what its layers take.</returns>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerBuildFailed"/> with the end of what the build said.</exception>
    public async Task<(string Id, long Bytes)> BuildAsync(SourceFiles files, string tag, RunLimits limits, string networkMode, Func<string?> step, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        var disk = new BuildDisk(client, limits.DiskBytes, time);
        await disk.BeginAsync(cancellationToken);
        var before = await FindAsync(tag, cancellationToken);
        Interlocked.Increment(ref _building);
        try
        {
            var id = await BuildAsync(files, tag, limits, networkMode, disk, step, said, cancellationToken);
            if (before is { } older && older.Id != id) _rests.Enqueue(() => BuildDisk.RemoveAsync(client, older.Id, isUntaggedOnly: true));
            return (id, disk.Bytes);
        }
        finally
        {
            _rests.Enqueue(disk.RemoveRestAsync);
            // What one leaves another may go on from.
            if (Interlocked.Decrement(ref _building) == 0)
                while (_rests.TryDequeue(out var rest)) await rest();
        }
    }

    private async Task<string> BuildAsync(SourceFiles files, string tag, RunLimits limits, string networkMode, BuildDisk disk, Func<string?> step, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        const int period = 100_000;
        var query = $"t={DockerClient.Escape(tag)}&rm=1&forcerm=1&networkmode={DockerClient.Escape(networkMode)}&memory={limits.MemoryBytes}&memswap={limits.MemoryBytes}"
            + string.Create(System.Globalization.CultureInfo.InvariantCulture, $"&cpuperiod={period}&cpuquota={(long)(limits.Cpus * period)}")
            + $"&labels={DockerClient.Escape($$"""{"{{DockerContainer.BuilderLabel}}":"{{options.Owner}}"}""")}";
        using var context = new TarContent(files);
        using var timeout = new CancellationTokenSource(options.BuildTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(both.Token);
        var lines = new BuildLines(said, disk.Layer);
        string? failed = null;
        var watch = EndIfTooMuchAsync();
        try
        {
            using var answer = await client.OpenAsync(HttpMethod.Post, $"/build?{query}", context, both.Token);
            await foreach (var line in LinesAsync(answer, both.Token))
            {
                // An error inside of an answer that began well.
                failed ??= Text(line, "error");
                if (Text(line, "stream") is { } text) await lines.TakeAsync(text);
            }
            await lines.FinishAsync();
        }
        catch (DockerException e)
        {
            failed = e.Message;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            failed = $"it was not done after {options.BuildTimeout.TotalMinutes} minutes";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            failed = disk.Excess; // it was ended for that
        }
        finally
        {
            await watching.CancelAsync();
            await watch;
        }
        if (failed is null)
        {
            await disk.FinishAsync(cancellationToken);
            if (disk.Excess is not null) await BuildDisk.RemoveAsync(client, tag);
            failed = disk.Excess;
        }
        if (failed is not null) throw new PcException(ErrorCode.DockerBuildFailed, $"the Dockerfile could not be built: {failed}{lines.Last}");
        return (await FindAsync(tag, cancellationToken))?.Id ?? throw new PcException(ErrorCode.DockerBuildFailed, $"the Dockerfile was not built to its end{lines.Last}");

        async Task EndIfTooMuchAsync()
        {
            if (await disk.WatchAsync(step, watching.Token)) await both.CancelAsync();
        }
    }

    private async Task PullAsync(string name, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.PullTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        string? failed = null;
        try
        {
            // Without a tag the engine would fetch every image of that name.
            var whole = name.Contains('@', StringComparison.Ordinal) || name.LastIndexOf(':') > name.LastIndexOf('/') ? name : $"{name}:latest";
            using var answer = await client.OpenAsync(HttpMethod.Post, $"/images/create?fromImage={DockerClient.Escape(whole)}", content: null, both.Token);
            await foreach (var line in LinesAsync(answer, both.Token)) failed ??= Text(line, "error");
        }
        catch (DockerException e)
        {
            failed = e.Message;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            failed = $"it did not come within {options.PullTimeout.TotalMinutes} minutes";
        }
        if (failed is not null) throw new PcException(ErrorCode.DockerImageMissing, $"the image {name} is not on this host and could not be fetched: {failed}");
    }

    /// <summary>The JSON objects of an answer that has one on each line.</summary>
    /// <exception cref="InvalidDataException">A line is too long or no JSON.</exception>
    internal static async IAsyncEnumerable<JsonElement> LinesAsync(HttpResponseMessage answer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(await answer.Content.ReadAsStreamAsync(cancellationToken));
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(cancellationToken);
                var buffer = read.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    var line = buffer.Slice(0, end);
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                    if (Parse(line) is { } element) yield return element;
                }
                if (buffer.Length > DockerLimits.LineBytes) throw new InvalidDataException($"the engine sent a line of more than {DockerLimits.LineBytes} bytes");
                if (read.IsCompleted)
                {
                    if (Parse(buffer) is { } last) yield return last;
                    yield break;
                }
                reader.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    private static JsonElement? Parse(ReadOnlySequence<byte> line)
    {
        if (line.Length <= 1) return null;
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new InvalidDataException("the engine sent a line that is no JSON", e);
        }
    }

    private static string? Text(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // What goes into a path: a reference as in the OCI's grammar, whose parts need no escaping and cannot climb.
    private static bool IsName(string name) =>
        name.Length is > 0 and <= 512
        && char.IsAsciiLetterOrDigit(name[0])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/' or ':' or '@')
        && !name.Contains("..", StringComparison.Ordinal) && !name.Contains("//", StringComparison.Ordinal);

    private static string Printable(string name) => new([.. name.Take(80).Where(c => !char.IsControl(c))]);

    /// <summary>What a build says, line by line, however the engine cuts it; and the end of it, for its error.</summary>
    private sealed class BuildLines(Func<string, ValueTask> said, Action<string> layer)
    {
        private const string LayerMark = " ---> ";

        private readonly Queue<string> _last = new();
        private readonly StringBuilder _line = new();
        private int _chars;

        /// <summary>What steps said last, as one line, separated by bars.</summary>
        public string Last => _last.Count == 0 ? "" : $": {string.Join(" | ", _last)}";

        public async ValueTask TakeAsync(string text)
        {
            // The engine makes what steps write to their standard error red.
            var parts = text.Replace("\u001b[91m", "", StringComparison.Ordinal).Replace("\u001b[0m", "", StringComparison.Ordinal).Split('\n');
            for (var i = 0; i < parts.Length; i++)
            {
                _ = _line.Append(parts[i]);
                if (i < parts.Length - 1 || _line.Length > DockerLimits.LineBytes) await FinishAsync();
            }
        }

        public async ValueTask FinishAsync()
        {
            var line = _line.ToString().TrimEnd('\r');
            _ = _line.Clear();
            if (string.IsNullOrWhiteSpace(line)) return;
            // Ids of layers and containers tell nobody anything.
            if (line.StartsWith(LayerMark, StringComparison.Ordinal)) layer(line[LayerMark.Length..].Trim());
            if (line.StartsWith(" --->", StringComparison.Ordinal) || line.StartsWith("Removing intermediate", StringComparison.Ordinal)) return;
            await said(line);
            _last.Enqueue(line);
            _chars += line.Length;
            while (_last.Count > 1 && _chars > DockerLimits.BuildErrorChars) _chars -= _last.Dequeue().Length;
        }
    }

    /// <summary>The context as it is sent.</summary>
    private sealed class TarContent : HttpContent
    {
        private readonly SourceFiles _files;

        public TarContent(SourceFiles files)
        {
            _files = files;
            Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => _files.WriteTarAsync(stream, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) => _files.WriteTarAsync(stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

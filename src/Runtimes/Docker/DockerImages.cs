using System.Buffers;
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

    /// <summary>Builds an image from a folder with a Dockerfile. Its steps have the limits of a run and no network.</summary>
    /// <param name="folder">The absolute folder: the context.</param>
    /// <param name="tag">The image's name afterwards.</param>
    /// <param name="limits">Memory and processors of a step; the disk limit bounds the context.</param>
    /// <param name="said">Hears each line that the build says.</param>
    /// <param name="cancellationToken">Ends the build.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.DockerBuildFailed"/> with the end of what the build said.</exception>
    public async Task BuildAsync(string folder, string tag, RunLimits limits, Func<string, ValueTask> said, CancellationToken cancellationToken)
    {
        var files = SourceFiles.In(folder, limits.DiskBytes);
        const int period = 100_000;
        var query = $"t={DockerClient.Escape(tag)}&rm=1&forcerm=1&networkmode=none&memory={limits.MemoryBytes}&memswap={limits.MemoryBytes}"
            + string.Create(System.Globalization.CultureInfo.InvariantCulture, $"&cpuperiod={period}&cpuquota={(long)(limits.Cpus * period)}")
            + $"&labels={DockerClient.Escape($$"""{"{{DockerContainer.OwnerLabel}}":"{{options.Owner}}"}""")}";
        using var context = new TarContent(files);
        var tail = new StringBuilder();
        string? failed = null;
        try
        {
            using var answer = await client.OpenAsync(HttpMethod.Post, $"/build?{query}", context, cancellationToken);
            await foreach (var line in LinesAsync(answer, cancellationToken))
            {
                // An error inside of an answer that began well.
                failed ??= Text(line, "error");
                if (Text(line, "stream") is not { } text) continue;
                _ = tail.Append(text);
                if (tail.Length > DockerLimits.BuildErrorChars) _ = tail.Remove(0, tail.Length - DockerLimits.BuildErrorChars);
                await said(text.TrimEnd('\n'));
            }
        }
        catch (DockerException e)
        {
            failed = e.Message;
        }
        if (failed is not null) throw new PcException(ErrorCode.DockerBuildFailed, $"the Dockerfile could not be built: {failed}\n{tail}".TrimEnd());
        if (await FindAsync(tag, cancellationToken) is null) throw new PcException(ErrorCode.DockerBuildFailed, $"the Dockerfile was not built to its end\n{tail}".TrimEnd());
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

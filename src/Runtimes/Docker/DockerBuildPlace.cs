using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// The place of one build: a container of ours that does nothing but hold the network which all steps join. By that they are known too, so that
/// each gets its limit of processes, for which a build has no word. It ends with this daemon: its init waits for words that never come.
/// </summary>
/// <param name="engine">The engine.</param>
/// <param name="container">The container.</param>
/// <param name="attachment">Its input.</param>
/// <param name="network">What serves its network; null when it has none.</param>
internal sealed class DockerBuildPlace(DockerEngine engine, string container, DockerAttachment attachment, SlirpProcess? network) : IAsyncDisposable
{
    /// <summary>The image of such a container: nothing at all.</summary>
    public const string EmptyImage = "peoples-cloud-empty:1";

    private readonly CancellationTokenSource _closing = new();
    private Task _watching = Task.CompletedTask;

    /// <summary>What a build is told of its network.</summary>
    public string Network => $"container:{container}";

    /// <summary>The container of the step that began last; null before the first.</summary>
    public string? Step { get; private set; }

    /// <summary>Makes the empty image, unless it is there.</summary>
    public static async Task EnsureImageAsync(DockerEngine engine, DockerImages images, CancellationToken cancellationToken)
    {
        if (await images.FindAsync(EmptyImage, cancellationToken) is not null) return;
        // A tar that holds nothing is two empty blocks.
        using var nothing = new ByteArrayContent(new byte[1024]);
        nothing.Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
        using var answer = await engine.Client.OpenAsync(HttpMethod.Post, $"/images/create?fromSrc=-&repo={EmptyImage.Split(':')[0]}&tag={EmptyImage.Split(':')[1]}", nothing, cancellationToken);
        await foreach (var line in DockerImages.LinesAsync(answer, cancellationToken))
            if (line.ValueKind == JsonValueKind.Object && line.TryGetProperty("error", out var error)) throw new InvalidDataException($"the engine made no empty image: {error}");
    }

    /// <summary>Limits each step that begins from now on to a number of processes.</summary>
    public async Task LimitAsync(int pids, CancellationToken cancellationToken)
    {
        var filters = DockerClient.Filters(("type", "container"), ("event", "start"));
        // Listening before it returns: no step begins unseen.
        var answer = await engine.Client.OpenAsync(HttpMethod.Get, $"/events?filters={filters}", content: null, cancellationToken);
        _watching = WatchAsync(answer, pids);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _watching;
        _closing.Dispose();
        if (network is not null)
        {
            network.Kill();
            await network.Ended;
        }
        await attachment.DisposeAsync();
    }

    private async Task WatchAsync(HttpResponseMessage answer, int pids)
    {
        try
        {
            await foreach (var started in DockerImages.LinesAsync(answer, _closing.Token))
                if (started.ValueKind == JsonValueKind.Object && started.TryGetProperty("id", out var id) && id.GetString() is { } step) await LimitStepAsync(step, pids);
        }
        catch (Exception e) when (e is OperationCanceledException or DockerException || DockerEngine.IsLost(e))
        {
            // The build ends, or the engine has.
        }
        finally
        {
            answer.Dispose();
        }
    }

    private async Task LimitStepAsync(string step, int pids)
    {
        try
        {
            var path = $"/containers/{DockerClient.Escape(step)}";
            var config = (await engine.Client.CallAsync(HttpMethod.Get, $"{path}/json", body: null, _closing.Token)).GetProperty("HostConfig");
            if (config.GetProperty("NetworkMode").GetString() != Network) return;
            Step = DockerClient.Escape(step);
            _ = await engine.Client.CallAsync(HttpMethod.Post, $"{path}/update", new JsonObject { ["PidsLimit"] = pids }, _closing.Token);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict or HttpStatusCode.InternalServerError)
        {
            // It has ended already.
        }
    }
}

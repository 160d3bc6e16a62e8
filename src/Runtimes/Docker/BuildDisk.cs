using System.Net;
using System.Text.Json;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// How much disk one build takes, which no engine limits: the layers that it has made, and what the step that runs now has written. Looked at while it runs, so it may overshoot
/// by what is written until the next look. What a build leaves that no image needs is removed. One build; not thread-safe but for <see cref="Layer"/>.
/// </summary>
/// <param name="client">The engine.</param>
/// <param name="most">How many bytes it may take.</param>
/// <param name="time">The clock.</param>
internal sealed class BuildDisk(DockerClient client, long most, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<string> _told = [];
    private readonly Dictionary<string, BuiltLayer> _layers = new(StringComparer.Ordinal);
    private readonly List<string> _made = [];
    private HashSet<string> _before = new(StringComparer.Ordinal);
    private int _looked;
    private long _step;

    /// <summary>What all layers of it take beside the image that it is based on, in bytes, those that were there from an earlier build included.</summary>
    public long Bytes { get; private set; }

    /// <summary>Why it is over, in words; null as long as it is not.</summary>
    public string? Excess => Bytes + _step <= most ? null : $"it takes more than the {most >> 20} MiB of disk that this host allows (rule disk)";

    /// <summary>Remembers what is there before.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken) => _before = [.. (await client.CallAsync(HttpMethod.Get, "/images/json?all=1", body: null, cancellationToken)).EnumerateArray().Select(IdOf)];

    /// <summary>The build says that it made a layer, or used one. A step may say so too; what is no layer of this build counts for nothing.</summary>
    public void Layer(string id)
    {
        if (id.Length is < 12 or > 80 || !id.All(c => char.IsAsciiHexDigitLower(c) || c is ':' or 's' or 'h')) return;
        lock (_lock)
            if (_told.Count < DockerLimits.BuildLayers) _told.Add(id);
    }

    /// <summary>Looks until it is too much, or the build is over.</summary>
    /// <param name="step">The container of the step that runs; null when none does.</param>
    /// <param name="cancellationToken">The build is over.</param>
    /// <returns>Whether it is too much.</returns>
    public async Task<bool> WatchAsync(Func<string?> step, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var began = time.GetTimestamp();
                await LookAsync(cancellationToken);
                _step = step() is { } running ? await WrittenByAsync(running, cancellationToken) : 0;
                if (Excess is not null) return true;
                // A layer of many files takes long to measure: a sixth of the time at most.
                var rest = time.GetElapsedTime(began) * 5;
                await Task.Delay(rest > DockerLimits.BuildLookInterval ? rest : DockerLimits.BuildLookInterval, time, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            return false; // the engine goes, and the build with it
        }
    }

    /// <summary>Looks a last time, when the last step is a layer.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        _step = 0;
        await LookAsync(cancellationToken);
    }

    /// <summary>
    /// Removes the layers of this build that no image with a name is made of: of one that failed, and of stages that were only copied from. An engine that is told to end a build
    /// ends the step first, of which it tells nobody; so what is new and made of our layers goes with them.
    /// </summary>
    public async Task RemoveRestAsync()
    {
        try
        {
            await LookAsync(CancellationToken.None);
            for (var attempt = 0; attempt < DockerLimits.RemoveAttempts; attempt++)
            {
                var rest = await RestAsync();
                // A layer goes after those that are made of it.
                foreach (var layer in rest) await RemoveAsync(client, layer, isUntaggedOnly: true);
                if (rest.Count == 0 || (await RestAsync()).Count == 0) return;
                await Task.Delay(DockerLimits.BuildLookInterval, time);
            }
        }
        catch (Exception e) when (e is DockerException || DockerEngine.IsLost(e))
        {
            // They stay until somebody prunes.
        }
    }

    private async Task<List<string>> RestAsync()
    {
        var all = (await client.CallAsync(HttpMethod.Get, "/images/json?all=1", body: null, CancellationToken.None)).EnumerateArray()
            .ToDictionary(IdOf, image => (Parent: image.TryGetProperty("ParentId", out var parent) ? parent.GetString() ?? "" : "", HasName: HasName(image)), StringComparer.Ordinal);
        var needed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var named in all.Where(image => image.Value.HasName).Select(image => image.Key))
            for (var id = named; all.TryGetValue(id, out var image) && needed.Add(id); id = image.Parent)
            {
                // And what that is made of.
            }
        return [.. all.Keys.Where(id => !needed.Contains(id) && !_before.Contains(id) && Chain(id).Any(_made.Contains)).OrderByDescending(id => Chain(id).Count())];

        IEnumerable<string> Chain(string id)
        {
            for (var left = DockerLimits.BuildLayers; left > 0 && all.TryGetValue(id, out var image); left--, id = image.Parent) yield return id;
        }
    }

    /// <summary>Removes an image or its name; nothing when something needs it, or when it is not there.</summary>
    public static async Task RemoveAsync(DockerClient client, string image, bool isUntaggedOnly = false)
    {
        try
        {
            // An id removes the name of an image that has one.
            if (isUntaggedOnly && HasName(await client.CallAsync(HttpMethod.Get, $"/images/{image}/json", body: null, CancellationToken.None))) return;
            _ = await client.CallAsync(HttpMethod.Delete, $"/images/{image}", body: null, CancellationToken.None);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            // Gone, or an image or a container is made of it.
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            string id;
            lock (_lock)
            {
                if (_looked == _told.Count) return;
                id = _told[_looked++];
            }
            if (await LayerOfAsync(id, cancellationToken) is not { } layer) continue;
            // An image that was fetched has no parent; the first layer of a build from scratch has none either.
            var isNew = !_before.Contains(layer.Id);
            if (layer.Parent.Length == 0 && !(isNew && layer.IsYoung)) continue;
            if (isNew) _made.Add(layer.Id);
            var below = layer.Parent.Length == 0 ? 0 : (await LayerOfAsync(layer.Parent, cancellationToken))?.Bytes ?? 0;
            Bytes += Math.Max(0, layer.Bytes - below);
        }
    }

    private async Task<BuiltLayer?> LayerOfAsync(string id, CancellationToken cancellationToken)
    {
        if (_layers.TryGetValue(id, out var known)) return known;
        try
        {
            var image = await client.CallAsync(HttpMethod.Get, $"/images/{id}/json", body: null, cancellationToken);
            var isYoung = image.TryGetProperty("Created", out var created) && created.TryGetDateTimeOffset(out var at) && time.GetUtcNow() - at < DockerLimits.BuildAge;
            return _layers[id] = new BuiltLayer(IdOf(image), image.TryGetProperty("Parent", out var parent) ? parent.GetString() ?? "" : "", image.GetProperty("Size").GetInt64(), isYoung);
        }
        catch (DockerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private async Task<long> WrittenByAsync(string container, CancellationToken cancellationToken)
    {
        try
        {
            var state = await client.CallAsync(HttpMethod.Get, $"/containers/{container}/json?size=1", body: null, cancellationToken);
            return state.TryGetProperty("SizeRw", out var bytes) && bytes.ValueKind == JsonValueKind.Number ? bytes.GetInt64() : 0;
        }
        catch (DockerException)
        {
            return 0; // it is a layer by now
        }
    }

    private static string IdOf(JsonElement image) => image.GetProperty("Id").GetString()!;

    private static bool HasName(JsonElement image) => image.TryGetProperty("RepoTags", out var names) && names.ValueKind == JsonValueKind.Array && names.EnumerateArray().Any(name => name.GetString() is not ("<none>:<none>" or null));

    private sealed record BuiltLayer(string Id, string Parent, long Bytes, bool IsYoung);
}

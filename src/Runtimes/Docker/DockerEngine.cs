using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What all runs of one engine share, and what is asked of it about a container.</summary>
internal sealed record DockerEngine(DockerClient Client, DockerOptions Options, GuardKeeper Guard, TimeProvider Time, ILogger Logger)
{
    // 0: not asked yet; it stays what it is.
    private int _kind;
    private byte[]? _filter;

    /// <summary>Whether it is Podman, which is told a few things in other words.</summary>
    public async ValueTask<bool> IsPodmanAsync(CancellationToken cancellationToken)
    {
        if (_kind == 0) _kind = DockerProbe.IsPodman(await Client.CallAsync(HttpMethod.Get, "/version", body: null, cancellationToken)) ? 2 : 1;
        return _kind == 2;
    }

    /// <summary>Whether it was asked and is Podman.</summary>
    public bool IsKnownPodman => _kind == 2;

    /// <summary>
    /// The filter of system calls that commands get besides the engine's own; null for none. Podman's default lets a container make namespaces of its own, the kernel's
    /// largest source of privilege escalation: with the sandbox's filter it does not.
    /// </summary>
    /// <exception cref="PcException">There is no libseccomp (<see cref="ErrorCode.SandboxToolMissing"/>).</exception>
    public async ValueTask<byte[]?> FilterAsync(CancellationToken cancellationToken)
    {
        if (!await IsPodmanAsync(cancellationToken)) return null;
        if (_filter is { } made) return made;
        var file = Path.Combine(Options.Folder, "seccomp");
        SeccompFilter.Write(file, new ToolBox(Options.ToolFolders).LibraryFolders());
        return _filter = await File.ReadAllBytesAsync(file, cancellationToken);
    }

    /// <summary>Makes a container.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> CreateAsync(string name, JsonObject body, CancellationToken cancellationToken)
    {
        var created = await Client.CallAsync(HttpMethod.Post, $"/containers/create?name={DockerClient.Escape(name)}", body, cancellationToken);
        var id = created.GetProperty("Id").GetString()!;
        // It goes into paths.
        return id.All(char.IsAsciiHexDigit) && id.Length is > 0 and <= 64 ? id : throw new InvalidDataException("the engine named a container by what is no id");
    }

    /// <summary>What an engine knows of a container; null when it knows none.</summary>
    public async Task<ContainerState?> StateAsync(string container, CancellationToken cancellationToken)
    {
        try
        {
            var state = (await Client.CallAsync(HttpMethod.Get, $"/containers/{container}/json", body: null, cancellationToken)).GetProperty("State");
            return new ContainerState(
                state.GetProperty("Running").GetBoolean(), state.GetProperty("Pid").GetInt32(), state.GetProperty("ExitCode").GetInt32(),
                state.TryGetProperty("OOMKilled", out var killed) && killed.ValueKind == JsonValueKind.True);
        }
        catch (DockerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Waits for a container's end.</summary>
    /// <returns>Its exit code; null when the engine went away meanwhile or knows none.</returns>
    public async Task<int?> WaitAsync(string container, CancellationToken cancellationToken = default)
    {
        try
        {
            using var answer = await Client.OpenAsync(HttpMethod.Post, $"/containers/{container}/wait", content: null, cancellationToken);
            await answer.Content.LoadIntoBufferAsync(DockerLimits.AnswerBytes, cancellationToken);
            using var document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken));
            return document.RootElement.TryGetProperty("Error", out var error) && error.ValueKind == JsonValueKind.Object ? null : document.RootElement.GetProperty("StatusCode").GetInt32();
        }
        catch (Exception e) when (IsLost(e))
        {
            return null;
        }
    }

    /// <summary>Sends a signal; nothing when the container does not run.</summary>
    public async Task SignalAsync(string container, string signal)
    {
        try
        {
            _ = await Client.CallAsync(HttpMethod.Post, $"/containers/{container}/kill?signal={signal}", body: null, CancellationToken.None);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            // It has ended.
        }
    }

    /// <summary>Ends a container by the signal that its image names, TERM otherwise, then by KILL; completes when it has ended. Nothing when it does not run.</summary>
    public async Task StopAsync(string container, TimeSpan grace)
    {
        if (grace <= TimeSpan.Zero)
        {
            await SignalAsync(container, "KILL");
            return;
        }
        try
        {
            _ = await Client.CallAsync(HttpMethod.Post, string.Create(CultureInfo.InvariantCulture, $"/containers/{container}/stop?t={(int)Math.Ceiling(grace.TotalSeconds)}"), body: null, CancellationToken.None);
        }
        catch (DockerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            // It has ended, and is gone.
        }
    }

    /// <summary>Connects to a container's input and both kinds of its output.</summary>
    public Task<DockerAttachment> ListenAsync(string container, CancellationToken cancellationToken) =>
        Client.AttachAsync($"/containers/{container}/attach?stream=1&stdout=1&stderr=1&stdin=1", body: null, cancellationToken);

    /// <summary>The image that a container was made of, by its id.</summary>
    public async Task<string> ImageOfAsync(string container, CancellationToken cancellationToken) =>
        (await Client.CallAsync(HttpMethod.Get, $"/containers/{container}/json", body: null, cancellationToken)).GetProperty("Image").GetString()!;

    /// <summary>Lets a container stand still, or go on.</summary>
    /// <param name="container">The container.</param>
    /// <param name="how">pause or unpause.</param>
    public async ValueTask SetFrozenAsync(string container, string how)
    {
        try
        {
            _ = await Client.CallAsync(HttpMethod.Post, $"/containers/{container}/{how}", body: null, CancellationToken.None);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict or HttpStatusCode.InternalServerError)
        {
            // It is so already, or has ended.
        }
    }

    /// <summary>Removes a container, running or not; nothing when there is none.</summary>
    public async Task RemoveAsync(string container, CancellationToken cancellationToken)
    {
        try
        {
            _ = await Client.CallAsync(HttpMethod.Delete, $"/containers/{container}?force=1&v=1", body: null, cancellationToken);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            // Gone, or another request removes it at this moment.
        }
    }

    /// <summary>
    /// The containers with this daemon's label and name, running or not. The label alone says nothing: an image can bring it, and whoever runs that image has a
    /// container with it.
    /// </summary>
    public async Task<IReadOnlyList<string>> OwnAsync(CancellationToken cancellationToken)
    {
        var filters = DockerClient.Filters(("label", $"{DockerContainer.OwnerLabel}={Options.Owner}"));
        var list = await Client.CallAsync(HttpMethod.Get, $"/containers/json?all=1&filters={filters}", body: null, cancellationToken);
        return [.. list.EnumerateArray().Where(container => IsNamed(container, NamePrefix)).Select(container => container.GetProperty("Id").GetString()!)];
    }

    /// <summary>Whether the name of a container in a list begins so. Docker begins names with a slash.</summary>
    public static bool IsNamed(JsonElement container, string prefix) =>
        container.TryGetProperty("Names", out var names) && names.ValueKind == JsonValueKind.Array && names.EnumerateArray().Any(name => name.GetString()!.TrimStart('/').StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Whether an error says that the engine is not there (any more), rather than that it refused.</summary>
    public static bool IsLost(Exception e) =>
        e is PcException { Code: ErrorCode.DockerUnreachable } or IOException or HttpRequestException or InvalidDataException or JsonException or DockerException { Status: >= HttpStatusCode.InternalServerError };

    /// <summary>Notes which process a container has, for a daemon that starts while the engine is not there.</summary>
    public void Note(string container, HostProcess process) => File.WriteAllText(NoteOf(container), process.ToString());

    /// <summary>Removes the note.</summary>
    public void Forget(string container) => File.Delete(NoteOf(container));

    /// <summary>All notes: the containers and their processes; null where a note says none.</summary>
    public IReadOnlyList<(string Container, HostProcess? Process)> Notes() =>
        Directory.Exists(Options.Folder)
            ? [.. Directory.EnumerateFiles(Options.Folder, NotePrefix + "*").Select(file => (Path.GetFileName(file)[NotePrefix.Length..], HostProcess.Parse(File.ReadAllText(file))))]
            : [];

    private const string NotePrefix = "container-";

    private string NoteOf(string container) => Path.Combine(Options.Folder, NotePrefix + container);

    /// <summary>A container's name: whose, and which run.</summary>
    public string NameOf(RunSpec spec) => NamePrefix + spec.Id;

    private string NamePrefix => $"pc-{Options.Owner}-";
}

/// <summary>What an engine knows of a container.</summary>
/// <param name="Running">Whether it runs.</param>
/// <param name="Pid">Its first process on the engine's machine; 0 when it does not run.</param>
/// <param name="ExitCode">How it ended, when it did.</param>
/// <param name="OutOfMemory">Whether the kernel ended a process of it because of its memory limit.</param>
internal sealed record ContainerState(bool Running, int Pid, int ExitCode, bool OutOfMemory);

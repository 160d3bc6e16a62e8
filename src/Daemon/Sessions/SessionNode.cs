using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Sessions;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>This node as one that answers requests for sessions, under the policy of its owner; and what people here ask about them. Thread-safe.</summary>
internal sealed class SessionNode : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly SessionHost _host;
    private readonly SessionService _service;
    private readonly TimeProvider _time;
    private readonly SessionPolicy _policy;
    private readonly ConcurrentDictionary<string, bool> _ending = new(StringComparer.Ordinal); // by their host's owner

    /// <summary>Makes the node; it hears nothing before <see cref="RunAsync"/>.</summary>
    /// <param name="cloud">Its id in messages: <see cref="CloudOf"/>.</param>
    /// <param name="config">The table [sessions].</param>
    /// <param name="folder">The folder of sessions.</param>
    /// <param name="channels">What carries messages; stays the caller's.</param>
    /// <param name="claims">The keys of the Redis, when that carries them.</param>
    /// <param name="runtime">Runs scripts in sandboxes; stays the caller's.</param>
    /// <param name="containers">Runs scripts that name an image, and then no others; stays the caller's. Null: sessions run in sandboxes.</param>
    /// <param name="meter">Measures this machine's load.</param>
    /// <param name="policy">What the owner allows, asked anew each time.</param>
    /// <param name="programs">What programs of this host were promised.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public SessionNode(string cloud, SessionsConfig config, string folder, IChannels channels, IAnswerKeys? claims, IRuntime runtime, LastingContainers? containers, IHostMeter meter, Func<HostPolicy> policy, Func<HostUse> programs, TimeProvider time, ILogger logger)
    {
        _time = time;
        _policy = new SessionPolicy(config, policy, programs, time);
        var options = new SessionHostOptions
        {
            Folder = folder,
            Hostname = config.Hostname ?? Environment.MachineName,
            ReadOnly = config.ReadOnly,
            Group = config.Group,
            Terms = () => _policy.Terms,
            Shares = _policy.Shares,
        };
        // How many there may be is the owner's rule.
        var limits = new SessionLimits { Sessions = HostPolicy.MostSessions };
        _host = containers is null
            ? new SessionHost(options, limits, runtime, time, logger)
            : new SessionHost(options, limits, containers, () => RulesOf(config, policy().Most, _policy.Terms.Network), time, logger);
        var agreement = claims is null ? SessionAgreement.Coordinated : SessionAgreement.Claimed;
        _service = new SessionService(
            cloud, new SessionEngineOptions { Agreement = agreement, Limits = limits }, channels, claims, _host, () => LoadOf(meter), NewId, time, logger);
    }

    /// <summary>Raised when something became of a session here; on any thread, and quickly handled.</summary>
    public event Action<SessionInput>? Happened
    {
        add => _host.Happened += value;
        remove => _host.Happened -= value;
    }

    /// <summary>Its id in messages.</summary>
    public string Cloud => _service.Cloud;

    /// <summary>How many sessions run or sleep here.</summary>
    public int Count => _host.Sessions.Count(view => view.State is SessionState.Running or SessionState.Asleep);

    /// <summary>Why the owner of this node lets it take no sessions now; null when it may.</summary>
    public PcException? Refusal => RefusalNow();

    /// <summary>What sessions here were promised.</summary>
    public SessionUse Use => _policy.Shares.Use;

    /// <summary>The id of a node in messages: the same after each restart, and known to whoever knows the node.</summary>
    public static string CloudOf(PeerId node) => SessionNames.CloudId(SHA256.HashData(Encoding.ASCII.GetBytes($"peoples-cloud cloud of {node}")));

    /// <summary>Why no session can run here now; null when one can, as far as is known.</summary>
    public PcException? Obstacle => _host.Obstacle;

    /// <summary>Answers until it is cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => _service.RunAsync(cancellationToken);

    /// <summary>The sessions of this node.</summary>
    public SessionsReply List() => new(_service.Cloud, [.. _host.Sessions.Select(view => new SessionInfo(view.Id, WordOf(view.State), view.ExitCode, view.Port, view.Connections))]);

    /// <summary>What a session of this node wrote.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionNotFound"/>.</exception>
    public byte[] Log(string id) => _host.Log(id);

    /// <summary>Whether a session is or was here.</summary>
    public bool Knows(string id) => _host.Sessions.Any(view => view.Id == id);

    /// <summary>Which node runs or ran a session, by asking all; null when none says so.</summary>
    /// <exception cref="PcException">What the node that answered says, or <see cref="ErrorCode.SessionNodesSilent"/>.</exception>
    public async Task<string?> WhereAsync(string session, CancellationToken cancellationToken)
    {
        using var answer = await AskAsync(SessionVerb.Status, new Dictionary<string, string>(StringComparer.Ordinal) { ["session"] = session }, cancellationToken);
        var root = answer.RootElement;
        return root.GetProperty("status").ValueKind == JsonValueKind.True || root.TryGetProperty("state", out _) ? TextOf(root, "cloud") : null;
    }

    /// <summary>Asks all nodes for a session.</summary>
    /// <exception cref="PcException">What the node that answered says, or <see cref="ErrorCode.SessionNodesSilent"/>.</exception>
    public async Task<SessionCreatedReply> CreateAsync(SessionCreateRequest request, CancellationToken cancellationToken)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal) { ["script"] = request.Script };
        if (request.Idle is { } idle) fields["idle"] = idle;
        using var answer = await AskAsync(SessionVerb.Create, fields, cancellationToken);
        var root = answer.RootElement;
        // Other programs do not say where.
        return new(root.GetProperty("cloud").GetString()!, root.GetProperty("id").GetString()!, TextOf(root, "hostname"), root.TryGetProperty("port", out var port) ? port.GetInt32() : null);
    }

    /// <summary>Ends a session, wherever it runs.</summary>
    /// <exception cref="PcException">What the node that answered says, or <see cref="ErrorCode.SessionNotFound"/>.</exception>
    public async Task<SessionRemovedReply> RemoveAsync(string session, CancellationToken cancellationToken)
    {
        using var answer = await AskAsync(SessionVerb.Remove, new Dictionary<string, string>(StringComparer.Ordinal) { ["session"] = session }, cancellationToken);
        if (!answer.RootElement.GetProperty("status").GetBoolean()) throw new PcException(ErrorCode.SessionNotFound, $"no node runs a session {session}");
        return new(session, answer.RootElement.GetProperty("cloud").GetString()!);
    }

    /// <summary>Ends all sessions; those in containers go on.</summary>
    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private async Task<JsonDocument> AskAsync(SessionVerb verb, Dictionary<string, string> fields, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Patience, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        ReadOnlyMemory<byte> payload;
        try
        {
            payload = await _service.AskAsync(verb, NewId(), fields, both.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.SessionNodesSilent, $"no node has answered for {Patience.TotalSeconds} s");
        }
        var answer = SessionAnswer.Parse(payload.Span) ?? throw new PcException(ErrorCode.SessionNodesSilent, "a node has answered what cannot be read");
        if (!answer.RootElement.TryGetProperty("error", out var error)) return answer;
        using (answer) throw ErrorOf(error);
    }

    // Another node's error, with its own words; a code that this version does not know is a failed start.
    private static PcException ErrorOf(JsonElement error)
    {
        var known = Enum.GetValues<ErrorCode>().Where(code => $"PC{(int)code:0000}" == TextOf(error, "code")).Cast<ErrorCode?>().FirstOrDefault();
        return new PcException(known ?? ErrorCode.SessionStartFailed, TextOf(error, "message") ?? "the node says no more", TextOf(error, "try"));
    }

    private static string? TextOf(JsonElement parent, string name) => parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private SessionLoad LoadOf(IHostMeter meter)
    {
        var load = meter.Read();
        if (_policy.IsClosed) EndAll();
        else _ending.Clear();
        return new SessionLoad(load.CpuPercent, load.MemoryPercent, RefusalNow());
    }

    private PcException? RefusalNow() => _host.Obstacle ?? _policy.Refusal;

    // The owner wants the machine for something else: what runs ends, as programs do.
    private void EndAll()
    {
        foreach (var session in _host.Sessions)
            if (session.State is SessionState.Running or SessionState.Asleep && _ending.TryAdd(session.Id, true)) _host.Stop(session.Id);
    }

    private static ContainerPolicy RulesOf(SessionsConfig config, RunLimits most, NetworkMode network) => new(most, network)
    {
        AllowsHostNetwork = config.HostNetwork,
        Volumes = config.Volumes,
        ReadOnly = config.ReadOnly,
    };

    private static string WordOf(SessionState state) => state switch
    {
        SessionState.Running => "running",
        SessionState.Asleep => "asleep",
        SessionState.Exited => "exited",
        _ => "ended",
    };

    private static string NewId() => SessionNames.SessionId(RandomNumberGenerator.GetBytes(8));
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>A session as people see it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="State">What became of it.</param>
/// <param name="ExitCode">With which code it ended; null where it has not, or nobody knows.</param>
/// <param name="Port">Its port on this host; 0 when it has ended.</param>
/// <param name="Connections">Connections to that port now.</param>
public sealed record SessionView(string Id, SessionState State, int? ExitCode, int Port, int Connections);

/// <summary>
/// Runs sessions on this node and says what becomes of them. Whatever happens, what a session started ends with it: the runtime sees to it, also when
/// this process is killed. Sessions in containers go on when this process ends, and its next life finds them. What ended keeps its log until it is removed, or
/// until there are too many. Thread-safe.
/// </summary>
public sealed class SessionHost : IAsyncDisposable
{
    private readonly SessionHostOptions _options;
    private readonly ISessionKind _kind;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly int _endedLimit;
    private readonly ConcurrentDictionary<string, HostedSession> _sessions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, SessionView> _ended = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _oldestEnded = new();
    private readonly ConcurrentDictionary<Task, bool> _running = [];
    private readonly CancellationTokenSource _stopping = new();
    private Task? _resuming;

    /// <summary>Makes a host in a folder of its own, of sessions in sandboxes.</summary>
    /// <param name="options">How it runs sessions.</param>
    /// <param name="limits">How many ended ones it remembers.</param>
    /// <param name="runtime">Runs the scripts; stays the caller's.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public SessionHost(SessionHostOptions options, SessionLimits limits, IRuntime runtime, TimeProvider time, ILogger logger)
        : this(options, limits, new SandboxSessions(options, runtime), time, logger)
    {
    }

    /// <summary>Makes a host of sessions in containers.</summary>
    /// <param name="options">How it runs sessions.</param>
    /// <param name="limits">How many ended ones it remembers.</param>
    /// <param name="containers">The engine; stays the caller's, and is disposed after this.</param>
    /// <param name="policy">What the host's owner allows, asked anew for each session.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public SessionHost(SessionHostOptions options, SessionLimits limits, LastingContainers containers, Func<ContainerPolicy> policy, TimeProvider time, ILogger logger)
        : this(options, limits, new ContainerSessions(options, containers, policy, time, logger), time, logger)
    {
    }

    private SessionHost(SessionHostOptions options, SessionLimits limits, ISessionKind kind, TimeProvider time, ILogger logger)
    {
        (_options, _kind, _time, _logger, _endedLimit) = (options, kind, time, logger, limits.Ended);
        Directory.CreateDirectory(options.Folder);
    }

    /// <summary>Raised when something became of a session; on any thread, and quickly handled.</summary>
    public event Action<SessionInput>? Happened;

    /// <summary>The sessions that are here, the ended ones included, by their ids.</summary>
    public IReadOnlyList<SessionView> Sessions =>
        [.. _sessions.Select(session => new SessionView(session.Key, session.Value.IsAsleep ? SessionState.Asleep : SessionState.Running, null, session.Value.Port, session.Value.Connections))
            .Concat(_ended.Values).OrderBy(view => view.Id, StringComparer.Ordinal)];

    /// <summary>Why no session can run here now; null when one can, as far as is known.</summary>
    public PcException? Obstacle => _kind.Obstacle;

    /// <summary>
    /// Goes on with what earlier lives of this node left, and says of what has ended that it has: sessions in a sandbox ended with them. Before anything is
    /// started; a second call does nothing.
    /// </summary>
    public void Resume()
    {
        if (_resuming is not null) return;
        var resuming = ResumeAsync();
        _resuming = resuming;
        Track(() => resuming);
    }

    /// <summary>Starts a session; <see cref="Happened"/> says what became of that.</summary>
    public void Start(string id, SessionRequest request) => Track(() => StartAsync(id, request));

    /// <summary>Ends a session, or forgets one that ended; <see cref="Happened"/> says when nothing of it is left.</summary>
    public void Stop(string id) => Track(() => StopAsync(id));

    /// <summary>What a session wrote.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionNotFound"/>.</exception>
    public byte[] Log(string id)
    {
        if (!_sessions.ContainsKey(id) && !_ended.ContainsKey(id)) throw new PcException(ErrorCode.SessionNotFound, $"no session {id} is or was on this node");
        return SessionLog.Read(FolderOf(id));
    }

    /// <summary>Ends all sessions, or lets go of those that go on without this process.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_running.Keys);
        await Task.WhenAll(_sessions.Values.Select(async session =>
        {
            if (_kind.Outlives) await session.LeaveAsync();
            await session.DisposeAsync();
        }));
        await _kind.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task ResumeAsync()
    {
        var folders = new DirectoryInfo(_options.Folder).EnumerateDirectories().Where(folder => SessionNames.IsId(folder.Name)).OrderBy(folder => folder.LastWriteTimeUtc).ToList();
        IReadOnlyList<LeftSession> found;
        try
        {
            found = await _kind.FindAsync(folders.ToDictionary(folder => folder.Name, folder => folder.FullName, StringComparer.Ordinal), _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return; // the next life looks
        }
        foreach (var left in found)
        {
            if (left.Program is not null && await AdoptAsync(left)) continue;
            var state = left.State == SessionState.Exited ? SessionState.Exited : SessionState.Ended;
            NoteEnded(new SessionView(left.Id, state, left.ExitCode, 0, 0));
            Happened?.Invoke(new SessionInput.Found(left.Id, state));
            if (left.ExitCode is { } code) Happened?.Invoke(new SessionInput.Exited(left.Id, code));
        }
    }

    private async Task<bool> AdoptAsync(LeftSession left)
    {
        var session = NewSession(left.Id);
        try
        {
            await session.AdoptAsync(left, _stopping.Token);
        }
        catch (Exception e)
        {
            // What this life had no time for is the next one's.
            if (_stopping.IsCancellationRequested) await session.LeaveAsync();
            else SessionsLog.NotStarted(_logger, left.Id, e.Message);
            await session.DisposeAsync();
            return false;
        }
        Enter(left.Id, session, new SessionInput.Found(left.Id, left.State));
        return true;
    }

    private HostedSession NewSession(string id)
    {
        var session = new HostedSession(id, FolderOf(id), _options, _time, _logger);
        session.Slept += asleep => Happened?.Invoke(new SessionInput.Slept(id, asleep));
        return session;
    }

    // Known here before it is told: whoever hears of it may end it at once.
    private void Enter(string id, HostedSession session, SessionInput said)
    {
        _sessions[id] = session;
        Happened?.Invoke(said);
        Track(() => NoticeEndAsync(id, session));
    }

    // What an earlier life left is known before anything is done.
    private async Task ResumedAsync()
    {
        if (_resuming is not { IsCompleted: false } resuming) return;
        try
        {
            await resuming.WaitAsync(_options.ResumePatience, _time, _stopping.Token);
        }
        catch (TimeoutException e)
        {
            throw Obstacle ?? new PcException(ErrorCode.SessionStartFailed, "this node still looks for the sessions of its earlier life", inner: e);
        }
    }

    private async Task StartAsync(string id, SessionRequest request)
    {
        var session = NewSession(id);
        try
        {
            await ResumedAsync();
            await session.StartAsync(_kind, request, _sessions.Count, _stopping.Token);
        }
        catch (Exception e)
        {
            await session.DisposeAsync();
            Forget(id);
            if (e is OperationCanceledException && _stopping.IsCancellationRequested) return;
            SessionsLog.NotStarted(_logger, id, e.Message);
            Happened?.Invoke(new SessionInput.StartFailed(id, e as PcException ?? new PcException(ErrorCode.SessionStartFailed, $"the session could not be started: {e.Message}", inner: e)));
            return;
        }
        Enter(id, session, new SessionInput.Started(id, _options.Hostname, session.Port) { Ports = session.Ports });
    }

    private async Task NoticeEndAsync(string id, HostedSession session)
    {
        int? ended;
        try
        {
            ended = await session.Over.WaitAsync(_stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return;
        }
        if (ended is not { } code) return; // it was stopped
        NoteEnded(new SessionView(id, SessionState.Exited, code, 0, 0));
        _sessions.TryRemove(id, out _);
        Happened?.Invoke(new SessionInput.Exited(id, code));
    }

    private async Task StopAsync(string id)
    {
        if (_sessions.TryGetValue(id, out var session))
        {
            await session.StopAsync();
            _sessions.TryRemove(id, out _);
            SessionsLog.Removed(_logger, id);
        }
        _ended.TryRemove(id, out _);
        Forget(id);
        Happened?.Invoke(new SessionInput.Stopped(id));
    }

    private void NoteEnded(SessionView view)
    {
        _options.Shares?.Return(view.Id);
        _ended[view.Id] = view;
        _oldestEnded.Enqueue(view.Id);
        while (_oldestEnded.Count > _endedLimit && _oldestEnded.TryDequeue(out var oldest))
            if (_ended.TryRemove(oldest, out _)) Forget(oldest);
    }

    private void Forget(string id)
    {
        _options.Shares?.Return(id);
        try
        {
            if (Directory.Exists(FolderOf(id))) Directory.Delete(FolderOf(id), recursive: true);
        }
        catch (IOException e)
        {
            SessionsLog.FolderStays(_logger, id, e);
        }
    }

    private string FolderOf(string id) => Path.Combine(_options.Folder, id);

    private void Track(Func<Task> work)
    {
        var task = Task.Run(work, CancellationToken.None);
        _running[task] = true;
        _ = task.ContinueWith(done =>
        {
            _running.TryRemove(done, out _);
            if (done.Exception is { } failure) SessionsLog.Failed(_logger, "", failure);
        }, TaskScheduler.Default);
    }
}

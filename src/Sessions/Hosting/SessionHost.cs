using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
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
/// this process is killed. What ended keeps its log until it is removed, or until there are too many. Thread-safe.
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
    private bool _hasResumed;

    /// <summary>Makes a host in a folder of its own.</summary>
    /// <param name="options">How it runs sessions.</param>
    /// <param name="limits">How many ended ones it remembers.</param>
    /// <param name="runtime">Runs the scripts; stays the caller's.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public SessionHost(SessionHostOptions options, SessionLimits limits, IRuntime runtime, TimeProvider time, ILogger logger)
    {
        (_options, _kind, _time, _logger, _endedLimit) = (options, new SandboxSessions(options, runtime), time, logger, limits.Ended);
        Directory.CreateDirectory(options.Folder);
    }

    /// <summary>Raised when something became of a session; on any thread, and quickly handled.</summary>
    public event Action<SessionInput>? Happened;

    /// <summary>The sessions that are here, the ended ones included, by their ids.</summary>
    public IReadOnlyList<SessionView> Sessions =>
        [.. _sessions.Select(session => new SessionView(session.Key, session.Value.IsAsleep ? SessionState.Asleep : SessionState.Running, null, session.Value.Port, session.Value.Connections))
            .Concat(_ended.Values).OrderBy(view => view.Id, StringComparer.Ordinal)];

    /// <summary>Says what earlier lives of this node left: sessions in a sandbox ended with them. Before anything is started; a second call does nothing.</summary>
    public void Resume()
    {
        if (_hasResumed) return;
        _hasResumed = true;
        foreach (var folder in new DirectoryInfo(_options.Folder).EnumerateDirectories().Where(folder => SessionNames.IsId(folder.Name)).OrderBy(folder => folder.LastWriteTimeUtc))
        {
            var files = SandboxSessions.FilesIn(folder.FullName);
            var id = folder.Name;
            if (Directory.Exists(files)) Directory.Delete(files, recursive: true);
            NoteEnded(new SessionView(id, SessionState.Ended, null, 0, 0));
            Happened?.Invoke(new SessionInput.Found(id, SessionState.Ended));
        }
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

    /// <summary>Ends all sessions.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_running.Keys);
        await Task.WhenAll(_sessions.Values.Select(session => session.DisposeAsync().AsTask()));
        _stopping.Dispose();
    }

    private async Task StartAsync(string id, SessionRequest request)
    {
        var session = new HostedSession(id, FolderOf(id), request, _options, _kind, _time, _logger);
        session.Slept += asleep => Happened?.Invoke(new SessionInput.Slept(id, asleep));
        try
        {
            await session.StartAsync(_sessions.Count, _stopping.Token);
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
        _sessions[id] = session;
        Happened?.Invoke(new SessionInput.Started(id, _options.Hostname, session.Port));
        Track(() => NoticeEndAsync(id, session));
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
        _ended[view.Id] = view;
        _oldestEnded.Enqueue(view.Id);
        while (_oldestEnded.Count > _endedLimit && _oldestEnded.TryDequeue(out var oldest))
            if (_ended.TryRemove(oldest, out _)) Forget(oldest);
    }

    private void Forget(string id)
    {
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

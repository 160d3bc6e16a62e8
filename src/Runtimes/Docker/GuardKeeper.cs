using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// The daemon's side of the guard: starts it before the first container, tells it until when each may run, starts it again when it ended.
/// Thread-safe. Disposing lets it go, which then ends by itself once nothing runs.
/// </summary>
internal sealed class GuardKeeper : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    private readonly DockerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<string, Kept> _kept = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _starting = new(1);
    private readonly CancellationTokenSource _closing = new();
    private Process? _process;
    private Task _beating = Task.CompletedTask;

    /// <summary>A keeper without a guard yet.</summary>
    public GuardKeeper(DockerOptions options, TimeProvider time, ILogger logger) => (_options, _time, _logger) = (options, time, logger);

    /// <summary>The guard's process number; null while there is none.</summary>
    internal int? Pid
    {
        get
        {
            lock (_lock) return _process?.Id;
        }
    }

    /// <summary>Has a container guarded from now on, before it is started.</summary>
    /// <param name="container">The container.</param>
    /// <param name="until">Asked until when it may run, as long as <see cref="Keep"/> has not said so: null, or its null, for as long as there are signs of life.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">There is no guard (<see cref="ErrorCode.DockerGuardFailed"/>).</exception>
    public async Task AddAsync(string container, Func<TimeSpan?>? until, CancellationToken cancellationToken)
    {
        await EnsureAsync(cancellationToken);
        lock (_lock)
        {
            _kept[container] = new Kept(null, null, until, null);
            Say(container);
        }
    }

    /// <summary>Says which process a container has.</summary>
    public void Name(string container, HostProcess process)
    {
        lock (_lock)
        {
            if (!_kept.TryGetValue(container, out var kept)) return;
            _kept[container] = kept with { Process = process };
            Write(GuardTable.Process(container, process));
        }
    }

    /// <summary>Says until when it may run, as time since boot, which no sign of life prolongs; null for as long as there are signs of life.</summary>
    public void Keep(string container, TimeSpan? until)
    {
        lock (_lock)
        {
            if (!_kept.TryGetValue(container, out var kept)) return;
            _kept[container] = kept with { Until = until };
            Say(container);
        }
    }

    /// <summary>Until when a container may run, as it was said last.</summary>
    public TimeSpan UntilOf(string container)
    {
        lock (_lock) return _kept.TryGetValue(container, out var kept) ? UntilOf(kept) : BootTime.Now;
    }

    /// <summary>Tells somebody else too, from now on, until when a container may run: the keeper inside of it.</summary>
    public void Tell(string container, Action<TimeSpan> tell)
    {
        lock (_lock)
        {
            if (!_kept.TryGetValue(container, out var kept)) return;
            _kept[container] = kept with { Tell = tell };
            Say(container);
        }
    }

    /// <summary>A container has ended.</summary>
    public void Remove(string container)
    {
        lock (_lock)
            if (_kept.Remove(container)) Write(GuardTable.Drop(container));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _beating;
        lock (_lock)
        {
            _process?.StandardInput.Close();
            _process?.Dispose();
            _process = null;
        }
        _starting.Dispose();
        _closing.Dispose();
    }

    private async Task EnsureAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            lock (_lock)
                if (_process is { HasExited: false }) return;
            var started = await StartAsync(cancellationToken);
            lock (_lock)
            {
                _process?.Dispose();
                _process = started;
                foreach (var container in _kept.Keys) Say(container);
            }
            if (_beating.IsCompleted) _beating = BeatAsync(_closing.Token);
        }
        finally
        {
            _ = _starting.Release();
        }
    }

    private async Task<Process> StartAsync(CancellationToken cancellationToken)
    {
        if (_options.Guard is not { Count: > 0 } command) throw new PcException(ErrorCode.DockerGuardFailed, "this daemon has no guard for containers");
        var why = "";
        foreach (var scope in _options.Scopes)
        {
            string[] words = [.. scope, .. command, _options.Socket];
            var start = new ProcessStartInfo(words[0], words.Skip(1)) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
            Process process;
            try
            {
                process = Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                why = e.Message;
                continue;
            }
            using var timeout = new CancellationTokenSource(StartTimeout, _time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            try
            {
                if (string.Equals(await process.StandardOutput.ReadLineAsync(both.Token), DockerGuard.Ready, StringComparison.Ordinal))
                {
                    DockerLog.GuardStarted(_logger, process.Id);
                    return process;
                }
                why = (await process.StandardError.ReadToEndAsync(both.Token)).Trim();
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                why = $"it was not ready after {StartTimeout.TotalSeconds} s";
            }
            process.StandardInput.Close();
            process.Dispose();
        }
        throw new PcException(ErrorCode.DockerGuardFailed, $"the guard of containers could not be started: {why}");
    }

    /// <summary>
    /// Where systemd ends what is in a service's control group, the guard has a scope of its own, so that it outlives the daemon's end there too.
    /// Where that is refused (no bus for this user), it is started as it is: it has a session of its own anyway.
    /// </summary>
    internal static IReadOnlyList<IReadOnlyList<string>> ScopesOf(bool systemd, bool root) => (systemd, root) switch
    {
        (false, _) => [[]],
        (_, true) => [["systemd-run", "--scope", "--collect", "--quiet", "--"], []],
        _ => [["systemd-run", "--scope", "--collect", "--quiet", "--user", "--"], []],
    };

    /// <summary>Signs of life, for the containers that have no lease; and a look at the guard itself.</summary>
    private async Task BeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_options.GuardTime / 8, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                lock (_lock)
                {
                    if (_process is { HasExited: false })
                    {
                        foreach (var (container, kept) in _kept)
                            if (kept.Until is null) Say(container);
                        continue;
                    }
                    if (_kept.Count == 0) continue;
                }
                DockerLog.GuardGone(_logger);
                try
                {
                    await EnsureAsync(cancellationToken);
                }
                catch (PcException e)
                {
                    DockerLog.GuardMissing(_logger, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Closed.
        }
    }

    private void Say(string container)
    {
        var kept = _kept[container];
        var until = UntilOf(kept);
        Write(GuardTable.Keep(container, until));
        kept.Tell?.Invoke(until);
        if (kept is { Process: { } process }) Write(GuardTable.Process(container, process));
    }

    // A line of a hundred bytes into a pipe of 64 KiB, whose reader does little else than read it.
    private void Write(string line)
    {
        try
        {
            _process?.StandardInput.WriteLine(line);
            _process?.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended; the next look starts another.
        }
    }

    private TimeSpan UntilOf(Kept kept) => kept.Until ?? kept.Asked?.Invoke() ?? BootTime.Now + _options.GuardTime;

    private sealed record Kept(HostProcess? Process, TimeSpan? Until, Func<TimeSpan?>? Asked, Action<TimeSpan>? Tell);
}

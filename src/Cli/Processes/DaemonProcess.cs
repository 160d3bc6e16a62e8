using System.Diagnostics;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Processes;

/// <summary>What the daemon's line "ready PEERID MULTIADDR" says.</summary>
internal sealed record ReadyLine(string PeerId, string Address)
{
    /// <summary>Reads the line.</summary>
    public static ReadyLine? Parse(string line) => line.Split(' ') is ["ready", var peerId, var address, ..] ? new ReadyLine(peerId, address) : null;
}

/// <summary>
/// A daemon that this process started: in a session of its own, its errors in logs/daemon.log, its one line of standard output in a
/// pipe, so that waiting for it needs no polling. Disposing lets go of it and does not end it.
/// </summary>
internal sealed class DaemonProcess : IDisposable
{
    private static readonly TimeSpan KeepPause = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly string _home;

    private DaemonProcess(Process process, string home)
    {
        _process = process;
        _home = home;
    }

    /// <summary>
    /// The runtime's settings of a daemon, however it is started (./pc daemon sets them too). What was compiled ahead of time is good
    /// enough for a process that idles: compiling it again costs 10 MiB and a tenth of its time. The C library's allocations are few:
    /// an arena a thread would cost 2 MiB. A thread of the pool that has done its work waits at once, in the kernel: looking for more work first was a
    /// tenth of what an idle daemon takes of a processor, and more on a busy machine.
    /// </summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Settings { get; } = [new("DOTNET_TieredCompilation", "0"), new("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0"), new("MALLOC_ARENA_MAX", "1")];

    /// <summary>The process's id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Whether it ends, or has ended, within a time; blocks until it is known.</summary>
    public bool EndsWithin(TimeSpan patience) => _process.WaitForExit(patience);

    /// <summary>Ends when the process has.</summary>
    public Task EndedAsync(CancellationToken cancellationToken) => _process.WaitForExitAsync(cancellationToken);

    /// <summary>Starts a daemon.</summary>
    /// <param name="home">Its home; made when it does not exist.</param>
    /// <param name="arguments">Arguments after "daemon".</param>
    /// <param name="inBackground">True: it outlives this process. False: it ends in order when this process ends, however that happens.</param>
    /// <param name="isKept">Whether it is started again when it is killed or crashes, see <see cref="Keeper"/>.</param>
    public static DaemonProcess Start(string home, IReadOnlyList<string> arguments, bool inBackground, bool isKept = false) =>
        Run(home, ["daemon", "--json", "--home", home, .. arguments, .. inBackground ? Array.Empty<string>() : ["--until-stdin-ends"]], inBackground, isKept);

    /// <summary>Starts the nodes of pc sessions in the background.</summary>
    /// <param name="folder">Where they live: their errors go to logs/daemon.log there.</param>
    /// <param name="home">The home in which that folder is.</param>
    /// <param name="arguments">Arguments after "sessions".</param>
    public static DaemonProcess StartSessions(string folder, string home, IReadOnlyList<string> arguments)
    {
        MakePrivate(home);
        return Run(folder, ["sessions", "--json", "--home", home, .. arguments], inBackground: true);
    }

    private static DaemonProcess Run(string home, IReadOnlyList<string> words, bool inBackground, bool isKept = false)
    {
        var logs = Path.Combine(home, "logs");
        MakePrivate(home);
        MakePrivate(logs);
        var start = new ProcessStartInfo("/bin/sh")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardInput = !inBackground,
            // The shell becomes the daemon: setsid takes it away from this terminal's signals and hang-up.
            ArgumentList = { "-c", $"exec setsid \"$@\" 2>> \"$PC_START_LOG\"{(inBackground ? " < /dev/null" : "")}", "sh" },
            Environment =
            {
                ["PC_START_LOG"] = Path.Combine(logs, "daemon.log"),
            },
        };
        foreach (var (name, value) in Settings) start.Environment[name] = value;
        foreach (var word in (string[])[.. isKept ? Keeper.Of(KeepPause) : [], Launcher.Program, .. words]) start.ArgumentList.Add(word);
        var process = Process.Start(start) ?? throw new PcException(ErrorCode.DaemonStartFailed, "no process could be started");
        return new DaemonProcess(process, home);
    }

    /// <summary>Waits for the line that says it serves.</summary>
    /// <exception cref="DaemonErrorException">It ended and said why.</exception>
    /// <exception cref="PcException">It ended without saying why.</exception>
    public ReadyLine WaitUntilReady()
    {
        string? said = null;
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            if (ReadyLine.Parse(line) is { } ready) return ready;
            said = line;
        }

        if (said is not null && ErrorIn(said) is { } error) throw new DaemonErrorException(error);
        throw new PcException(ErrorCode.DaemonStartFailed, $"the daemon ended before it was ready{(said is null ? "" : $": {said}")}", $"read the end of {Path.Combine(_home, "logs", "daemon.log")}");
    }

    /// <summary>Asks a daemon that was not started in the background to end, and waits; one that does not end in time is killed.</summary>
    public async Task EndAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }
    }

    public void Dispose() => _process.Dispose();

    private static void MakePrivate(string folder)
    {
        if (!Directory.Exists(folder)) Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static ErrorReply? ErrorIn(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, LocalApiJson.Default.ErrorReply);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

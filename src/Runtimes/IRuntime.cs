namespace PeoplesCloud.Runtimes;

/// <summary>What network a command sees (DESIGN section 7). The host's own network is never shared.</summary>
public enum NetworkMode
{
    /// <summary>Only its own loopback.</summary>
    None,

    /// <summary>The internet, without the host, private, link-local, multicast and metadata addresses.</summary>
    Internet,

    /// <summary>The internet and the host's LAN, without the host's own loopback.</summary>
    Lan,
}

/// <summary>What a command may use at most. Every limit is enforced or the runtime says in <see cref="RuntimeReport"/> that it is not.</summary>
public sealed record RunLimits
{
    /// <summary>Memory of all its processes together, in bytes. Default 256 MiB; 16 MiB to the host's memory.</summary>
    public long MemoryBytes { get; init; } = 256L << 20;

    /// <summary>Processors, as a share: 1 is one core. Default 1; 0.05 to the host's count.</summary>
    public double Cpus { get; init; } = 1;

    /// <summary>Processes and threads together. Default 128; 1 to 4096.</summary>
    public int Pids { get; init; } = 128;

    /// <summary>What it may write to its own folder and to /tmp, each, in bytes. Default 256 MiB.</summary>
    public long DiskBytes { get; init; } = 256L << 20;
}

/// <summary>One command to run under limits.</summary>
/// <param name="Id">A name for folders, cgroups and logs: letters, digits and dashes, 1 to 64, unique on this host.</param>
/// <param name="Command">Program and arguments, as seen inside; not a shell line.</param>
/// <param name="SourceFolder">An absolute folder of files that the runtime copies into the command's own writable folder (/app inside), null for an empty one.</param>
/// <param name="Environment">The whole environment besides PATH, HOME, LANG and TMPDIR.</param>
/// <param name="Limits">What it may use.</param>
/// <param name="Network">What network it sees.</param>
public sealed record RunSpec(
    string Id,
    IReadOnlyList<string> Command,
    string? SourceFolder,
    IReadOnlyDictionary<string, string> Environment,
    RunLimits Limits,
    NetworkMode Network);

/// <summary>Which output a chunk came from.</summary>
public enum OutputKind
{
    /// <summary>Standard output.</summary>
    Out,

    /// <summary>Standard error.</summary>
    Err,
}

/// <summary>How a command ended.</summary>
/// <param name="ExitCode">The exit code; 128 + signal when a signal ended it.</param>
/// <param name="Reason">Why, as far as it is known.</param>
public sealed record RunExit(int ExitCode, RunExitReason Reason);

/// <summary>Why a command ended.</summary>
public enum RunExitReason
{
    /// <summary>By itself.</summary>
    Exited,

    /// <summary>We stopped it.</summary>
    Stopped,

    /// <summary>It went over its memory limit.</summary>
    OutOfMemory,

    /// <summary>A signal that we did not send.</summary>
    Signalled,
}

/// <summary>One limit and whether it holds on this host; <c>pc doctor</c> shows these.</summary>
/// <param name="Name">memory, cpu, pids, disk, network, seccomp, user.</param>
/// <param name="Holds">Whether it is enforced.</param>
/// <param name="How">By what (cgroup v1, rlimit, ...), or what is missing and the command that installs it.</param>
public sealed record RuntimeReport(string Name, bool Holds, string How);

/// <summary>
/// Runs commands under limits. Knows nothing of swarms or programs. Every implementation passes the conformance suite in
/// tests/Runtimes.Tests (the sandbox now, Docker next). Thread-safe.
/// </summary>
public interface IRuntime
{
    /// <summary>sandbox or docker.</summary>
    string Name { get; }

    /// <summary>What holds on this host.</summary>
    ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>Starts a command; returns when its first instruction can run.</summary>
    /// <param name="spec">The command.</param>
    /// <param name="output">Called with each chunk of output, in order per kind, never at the same time; the memory is valid during the call only. A slow callback slows the command, never grows memory.</param>
    /// <param name="cancellationToken">Gives up starting; does not stop a started command.</param>
    /// <exception cref="Base.PcException">The host cannot run it (codes 5000 to 5999).</exception>
    ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken);

    /// <summary>Removes what runs of a daemon that died left behind (cgroups, folders); called once at start.</summary>
    ValueTask CollectAsync(CancellationToken cancellationToken);
}

/// <summary>A running command. Disposing kills what is left and removes its folder and cgroup.</summary>
public interface IRun : IAsyncDisposable
{
    /// <summary>Ends when the command and all that it started have ended, after its last output was handed over.</summary>
    Task<RunExit> Exited { get; }

    /// <summary>TERM, then KILL to everything after <paramref name="grace"/>; completes when all has ended.</summary>
    ValueTask StopAsync(TimeSpan grace);

    /// <summary>What it uses now.</summary>
    RunUsage Usage();
}

/// <summary>What a command uses: memory now in bytes, processor time so far, processes and threads now. Negative where unknown.</summary>
public sealed record RunUsage(long MemoryBytes, TimeSpan CpuTime, int Pids);

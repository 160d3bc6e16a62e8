using PeoplesCloud.Runtimes.Ports;

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

    /// <summary>
    /// How many files, sockets and pipes each of its processes may have open, less where the host allows less. What is open takes memory of the kernel
    /// that nobody counts, and a place among those of the whole host; servers of friends have far fewer connections.
    /// </summary>
    public const int OpenFiles = 8192;
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
    NetworkMode Network)
{
    /// <summary>
    /// An absolute folder of the host that is the command's writable /app/data and outlives the run; null for none. It belongs to one run at a time,
    /// which as root owns its files while it runs. What the source has below data/ goes there only while it is empty. Its size is not limited here.
    /// </summary>
    public string? DataFolder { get; init; }

    /// <summary>Folders of the host that the command sees and cannot change.</summary>
    public IReadOnlyList<RunMount> Mounts { get; init; } = [];

    /// <summary>The image to run it in; null where a runtime has none, as the sandbox.</summary>
    public string? Image { get; init; }

    /// <summary>
    /// Asked until when it may run, as time since boot, while it is started and as long as <see cref="IRun.RunsUntil"/> was not said; null, or its null, as there. Quick.
    /// </summary>
    public Func<TimeSpan?>? RunsUntil { get; init; }

    /// <summary>
    /// Whether a command that the kernel cannot begin (no such interpreter, a program for another processor) fails the start, with <see cref="Base.ErrorCode.RunCommandRefused"/>
    /// or the engine's own error. Else it ends with 126 or 127. Its first word is an absolute path then, and no shell runs what the kernel cannot. Default false.
    /// </summary>
    public bool MustBegin { get; init; }

    /// <summary>TCP ports that the command is expected to listen on. <see cref="IRun.ConnectAsync"/> reaches others too.</summary>
    public IReadOnlyList<int> Ports { get; init; } = [];
}

/// <summary>A folder of the host, read-only inside.</summary>
/// <param name="Source">The absolute folder outside; every user must be able to read its files.</param>
/// <param name="Target">The absolute path inside, not / and without . and .. parts.</param>
public sealed record RunMount(string Source, string Target);

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
/// tests/Runtimes.Tests (sandbox, Docker). Thread-safe.
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
    /// <summary>
    /// Ends when the command and all that it started have ended, after its last output was handed over; <see cref="Usage"/> then tells what it took. What the
    /// runtime has to clean up after it may take longer: disposing waits for that, and another run may begin before.
    /// </summary>
    Task<RunExit> Exited { get; }

    /// <summary>
    /// TERM, then KILL to everything after <paramref name="grace"/>; completes when all has ended. A frozen run goes on to hear the TERM, unless
    /// the grace is zero: then it ends without another instruction.
    /// </summary>
    ValueTask StopAsync(TimeSpan grace);

    /// <summary>
    /// Connects by TCP to what listens on the command's own loopback, whatever its network mode is; the host's network is not touched. Disposing the
    /// stream closes the connection; it also is a <see cref="IHalfClosable"/>.
    /// </summary>
    /// <param name="port">1 to 65535, as seen inside.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">Nothing listens there (yet), or the run has ended.</exception>
    /// <exception cref="Base.PcException">The host cannot (codes 5000 to 5999).</exception>
    ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken);

    /// <summary>
    /// Opens a way for datagrams to what listens by UDP on the command's own loopback, whatever its network mode is. It ends with the run at the latest.
    /// </summary>
    /// <param name="port">1 to 65535, as seen inside.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">Nothing listens there (yet), or the run has ended.</exception>
    /// <exception cref="Base.PcException">The host cannot (codes 5000 to 5999).</exception>
    ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken);

    /// <summary>
    /// Runs a further command beside the first: in the same namespaces, folders, environment, limits and refusals. Completes with its exit code (128 + signal
    /// when a signal ended it; 127 when there is no such program) after its last output was handed over. Whoever cancels takes the command along.
    /// </summary>
    /// <param name="command">Program and arguments, as seen inside; not a shell line. At most 64 KiB together.</param>
    /// <param name="input">Its standard input, read as the command reads it; stays the caller's.</param>
    /// <param name="output">As in <see cref="IRuntime.StartAsync"/>, for this command's output only.</param>
    /// <param name="cancellationToken">Ends the command and all of its process group.</param>
    /// <exception cref="IOException">The run has ended, before or meanwhile.</exception>
    /// <exception cref="Base.PcException">The runtime cannot (codes 5000 to 5999, or 6150).</exception>
    ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken);

    /// <summary>Lets none of the command's processes run until <see cref="ThawAsync"/>; completes when none does. Its connections stay open. Nothing when frozen or ended.</summary>
    ValueTask FreezeAsync();

    /// <summary>Ends <see cref="FreezeAsync"/>; nothing when it is not frozen or has ended.</summary>
    ValueTask ThawAsync();

    /// <summary>
    /// Says until when the command may run unless this is said again, as time since boot (CLOCK_BOOTTIME). Where it would outlive the daemon, as in
    /// Docker, a guard ends it then; null, as before the first word, lets it end a while after the daemon. Nothing where it ends with the daemon anyway.
    /// </summary>
    void RunsUntil(TimeSpan? sinceBoot)
    {
    }

    /// <summary>What it uses now.</summary>
    RunUsage Usage();
}

/// <summary>A connection of which one direction can be closed while the other goes on.</summary>
public interface IHalfClosable
{
    /// <summary>Says that nothing more will be written.</summary>
    void CloseWrite();
}

/// <summary>What a command uses: memory now in bytes, processor time so far, processes and threads now. Negative where unknown.</summary>
public sealed record RunUsage(long MemoryBytes, TimeSpan CpuTime, int Pids)
{
    /// <summary>Bytes in the fuller one of the places that the disk limit holds for; negative where unknown.</summary>
    public long DiskBytes { get; init; } = -1;

    /// <summary>Bytes that it sent and received over its own network so far; its loopback, and so what comes by <see cref="IRun.ConnectAsync"/>, is not counted. Negative where unknown.</summary>
    public long NetworkBytes { get; init; } = -1;
}

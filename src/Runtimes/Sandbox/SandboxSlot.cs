using System.ComponentModel;
using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// A place where one command can run: its number (its user, as root), its group, its shell. Prepared ahead or at the start;
/// used once. Disposing ends what is left in it and gives everything back.
/// </summary>
internal sealed class SandboxSlot : IAsyncDisposable
{
    private static readonly TimeSpan RemoveTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RemoveInterval = TimeSpan.FromMilliseconds(2);

    private readonly SandboxHost _host;
    private readonly NetworkMode _network;
    private readonly IReadOnlyList<string> _refused;
    private readonly Lock _limiting = new();
    private Cgroup? _cgroup;
    private SandboxShell? _shell;
    private NetworkCounter? _traffic;
    private SlirpProcess? _slirp;
    private WakingNetwork? _waking;
    private RunLimits? _limits;
    private bool _stopsEach;

    private SandboxSlot(SandboxHost host, NetworkMode network)
    {
        (_host, _network) = (host, network);
        _refused = host.Refused.Of(network);
        Number = host.Folders.Claim();
    }

    /// <summary>Its number on this host; as root its user.</summary>
    public uint Number { get; }

    /// <summary>Its shell, later its sandbox.</summary>
    public SandboxShell Shell => _shell!;

    /// <summary>Whether it can still be used: its processes live, and the host has not changed its addresses since it was prepared.</summary>
    public bool IsFresh => !Shell.Ended.IsCompleted && _slirp is not { Ended.IsCompleted: true }
        && _refused.SequenceEqual(_host.Refused.Of(_network), StringComparer.Ordinal);

    /// <summary>The process number of the slirp4netns that a packet has woken; null while none has.</summary>
    internal int? SlirpId => _waking?.SlirpId;

    /// <summary>Processes in the group that are not the program's: bubblewrap outside, its first process inside, the shell for further commands, slirp4netns.</summary>
    private int OverheadPids => _slirp is null && SlirpId is null ? 3 : 4;

    /// <summary>Prepares a place.</summary>
    /// <exception cref="PcException">The host cannot.</exception>
    public static async Task<SandboxSlot> PrepareAsync(SandboxHost host, NetworkMode network, CancellationToken cancellationToken)
    {
        if (network != NetworkMode.None && SandboxNetwork.Obstacle(host.Tools.Network) is { } obstacle)
            throw new PcException(ErrorCode.SandboxNetworkFailed, $"this host cannot give a sandbox the network {network}: {obstacle}", obstacle);
        var slot = new SandboxSlot(host, network);
        try
        {
            slot._cgroup = host.Cgroups?.Create(slot.Number.ToString(CultureInfo.InvariantCulture));
            var join = Join(slot._cgroup);
            // Root has the network made from outside and served when it is needed; an ordinary user's shell makes it from inside.
            var inside = network != NetworkMode.None && !SandboxFolders.IsRoot;
            var script = inside ? SandboxNetwork.Script(host.Tools.Network, slot._refused, AwaitLine) : AwaitLine;
            slot._shell = await SandboxShell.StartAsync(["/bin/sh", "-c", join + script], host.OutputFailed);
            if (network != NetworkMode.None && !inside) slot._waking = await WakingNetwork.CreateAsync(host, slot._refused, slot.Served, cancellationToken);
            if (inside) slot._slirp = await SandboxNetwork.AttachAsync(host.Tools.Network, slot._shell, join, cancellationToken);
            return slot;
        }
        catch
        {
            await slot.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the command; returns when its first instruction can run.</summary>
    /// <exception cref="PcException">The host refused.</exception>
    public async Task StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        var source = spec.SourceFolder is { } folder ? await Task.Run(() => _host.Folders.Stage(folder, Number, spec.Limits.DiskBytes), cancellationToken) : null;
        var exec = _host.Folders.PrepareExec(Number);
        var shown = await Task.Run(() => SharedFolders.Show(_host, spec, Number), cancellationToken);
        lock (_limiting)
        {
            _limits = spec.Limits;
            _cgroup?.Limit(spec.Limits, OverheadPids);
        }
        var line = SandboxCommand.Line(
            _host.Tools, spec, shown, SandboxFolders.IsRoot ? Number : null, _waking?.ProgramPath, _host.Folders.SeccompFile, _host.Folders.BeginFile,
            cgroupLimitsPids: _host.Cgroups is { HasPids: true }, cgroupLimitsMemory: _host.Cgroups is { HasMemory: true });
        var arguments = SandboxCommand.Arguments(spec, source, _host.Folders.EtcFolder, exec, shown, networkIsPrepared: _network != NetworkMode.None, _host.Tools.Unpacked);
        Shell.ReceiveOutput(output);
        var beginning = spec.MustBegin ? Shell.WatchBeginning(_host.Folders.MakeBegunPipe(Number)) : null;
        try
        {
            await Shell.WriteAsync((byte[])[.. Encoding.UTF8.GetBytes(line + "\n"), .. arguments], last: true, cancellationToken);
            while (await Shell.ReadPreambleAsync(cancellationToken) is not null)
            {
                // Bubblewrap's information; the shell has noted what matters.
            }
        }
        catch (IOException)
        {
            // The shell has ended; why is in its complaints.
        }
        if (Shell.CommandRuns)
        {
            if (beginning is not null && await beginning.WaitAsync(cancellationToken) is > 0 and var error)
                throw new PcException(ErrorCode.RunCommandRefused, $"{spec.Command[0]} cannot be begun in the sandbox of {spec.Id}: {new Win32Exception(error).Message}", inner: new Win32Exception(error));
            if (_network != NetworkMode.None) _traffic = new NetworkCounter(Shell.InitPid);
            return;
        }
        var code = await Shell.Ended;
        throw new PcException(ErrorCode.SandboxFailed, $"the sandbox of {spec.Id} could not be set up (exit code {code}): {Shell.Complaints}");
    }

    /// <summary>Lets its processes run no more, or again. Without a freezer they are stopped one by one: ask <see cref="IsFrozen"/> until it is so.</summary>
    public void Freeze(bool frozen)
    {
        if (Shell.Ended.IsCompleted) return;
        _stopsEach = _cgroup?.Freeze(frozen) is not true;
        if (_stopsEach) _ = ProcessTree.Freeze(Shell.InitPid, frozen);
    }

    /// <summary>Whether all stand still.</summary>
    public bool IsFrozen() => Shell.Ended.IsCompleted || (_stopsEach ? ProcessTree.Freeze(Shell.InitPid, frozen: true) : _cgroup!.IsFrozen());

    /// <summary>Whether the kernel ended a process because of the memory limit.</summary>
    public bool RanOutOfMemory() => _cgroup?.RanOutOfMemory() ?? false;

    /// <summary>Whether that happened, or what all take now is above the limit where no group counts.</summary>
    public bool IsOverMemory(RunLimits limits) =>
        _host.Cgroups is { HasMemory: true } ? RanOutOfMemory() : ProcessTree.Measure(Shell.InitPid).MemoryBytes > limits.MemoryBytes;

    /// <summary>What it took: only its group still knows when its processes are gone. Without one that is not known.</summary>
    public RunUsage UsageAtEnd() =>
        (_cgroup?.Usage() is { } usage ? new RunUsage(0, usage.CpuTime, 0) : new RunUsage(-1, TimeSpan.FromTicks(-1), 0)) with { NetworkBytes = NetworkBytes };

    /// <summary>What it uses now.</summary>
    public RunUsage Usage()
    {
        // Its process number may be another's now.
        if (Shell.Ended.IsCompleted) return new RunUsage(-1, TimeSpan.FromTicks(-1), 0) { NetworkBytes = NetworkBytes };
        var measured = ProcessTree.Measure(Shell.InitPid);
        var usage = _cgroup?.Usage() ?? new RunUsage(-1, TimeSpan.FromTicks(-1), -1);
        return new RunUsage(
            usage.MemoryBytes >= 0 ? usage.MemoryBytes : measured.MemoryBytes,
            usage.CpuTime >= TimeSpan.Zero ? usage.CpuTime : measured.CpuTime,
            Math.Max(0, usage.Pids >= 0 ? usage.Pids - OverheadPids : measured.Pids - 1)) { DiskBytes = TmpfsUse.Measure(Shell.InitPid), NetworkBytes = NetworkBytes };
    }

    // Without a network there are none to count.
    private long NetworkBytes => _network == NetworkMode.None ? 0 : _traffic?.Read() is >= 0 and var bytes ? Math.Max(0, bytes - (_waking?.SentAgainBytes ?? 0)) : -1;

    // slirp4netns may come later than the program, which may have as many processes as it may have: its own place is made for it.
    private void Served(int? slirp)
    {
        if (_cgroup is null) return;
        lock (_limiting)
        {
            if (slirp is { } pid)
                foreach (var file in _cgroup.JoinFiles) File.WriteAllText(file, pid.ToString(CultureInfo.InvariantCulture));
            if (_limits is { } limits) _cgroup.Limit(limits, OverheadPids);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The program first: without its network it would only see errors.
        if (_shell is not null)
        {
            _shell.Kill();
            _ = await _shell.Ended;
        }
        if (_slirp is not null)
        {
            _slirp.Kill();
            await _slirp.Ended;
        }
        if (_waking is not null) await _waking.DisposeAsync();
        _traffic?.Dispose();
        if (_cgroup is not null)
        {
            await RemoveGroupAsync(_cgroup);
            _cgroup.Dispose();
        }
        _host.Folders.Release(Number);
    }

    /// <summary>A group can be removed when the kernel has let go of its last process, a moment after that process ended.</summary>
    private async Task RemoveGroupAsync(Cgroup group)
    {
        using var timeout = new CancellationTokenSource(RemoveTimeout, _host.Time);
        try
        {
            while (!group.TryRemove())
            {
                group.Kill();
                await Task.Delay(RemoveInterval, _host.Time, timeout.Token);
            }
        }
        catch (OperationCanceledException)
        {
            _host.GroupNotRemoved(Number);
        }
    }

    /// <summary>Waits for the line to become; none means that the daemon has gone.</summary>
    private const string AwaitLine = $"{ShellWords.NewlineVariable}='\n'\nIFS= read -r line || exit 0\neval \"$line\"\n";

    /// <summary>Joins the group at once: the first join after idle costs 8 ms.</summary>
    private static string Join(Cgroup? cgroup) =>
        string.Concat((cgroup?.JoinFiles ?? []).Select(file => $"echo 0 >{ShellWords.Quote(file)} || exit 1\n"));
}

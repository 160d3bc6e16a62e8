using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// A place where one command can run: its number (its user, as root), its group, its shell. Prepared ahead or at the start;
/// used once. Disposing ends what is left in it and gives everything back.
/// </summary>
internal sealed class SandboxSlot(SandboxHost host, NetworkMode network, uint number, Cgroup? cgroup, SandboxShell shell) : IAsyncDisposable
{
    private static readonly TimeSpan RemoveTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RemoveInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>Processes in the group that are not the program's: bubblewrap outside and its first process inside.</summary>
    private const int OverheadPids = 2;

    /// <summary>Its number on this host; as root its user.</summary>
    public uint Number => number;

    /// <summary>Its network.</summary>
    public NetworkMode Network => network;

    /// <summary>Its shell, later its sandbox.</summary>
    public SandboxShell Shell => shell;

    /// <summary>Prepares a place.</summary>
    /// <exception cref="PcException">The host cannot.</exception>
    public static async Task<SandboxSlot> PrepareAsync(SandboxHost host, NetworkMode network, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var number = host.Folders.Claim();
        Cgroup? cgroup = null;
        try
        {
            cgroup = host.Cgroups?.Create(number.ToString(CultureInfo.InvariantCulture));
            var shell = await SandboxShell.StartAsync(["/bin/sh", "-c", Script(cgroup)], host.OutputFailed);
            return new SandboxSlot(host, network, number, cgroup, shell);
        }
        catch
        {
            _ = cgroup?.TryRemove();
            host.Folders.Release(number);
            throw;
        }
    }

    /// <summary>Starts the command; returns when its first instruction can run.</summary>
    /// <exception cref="PcException">The host refused.</exception>
    public async Task StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        var source = spec.SourceFolder is null ? null : host.Folders.Stage(spec.SourceFolder, number, spec.Limits.DiskBytes);
        cgroup?.Limit(spec.Limits, OverheadPids);
        var line = SandboxCommand.Line(
            host.Tools, spec, SandboxFolders.IsRoot ? number : null, host.Folders.SeccompFile,
            cgroupLimitsPids: cgroup is not null && host.Cgroups!.HasPids, cgroupLimitsMemory: cgroup is not null && host.Cgroups!.HasMemory);
        var arguments = SandboxCommand.Arguments(spec, source, host.Folders.EtcFolder, network != NetworkMode.None);
        shell.ReceiveOutput(output);
        try
        {
            await shell.WriteAsync((byte[])[.. Encoding.UTF8.GetBytes(line + "\n"), .. arguments], last: true, cancellationToken);
            while (await shell.ReadPreambleAsync(cancellationToken) is not null)
            {
                // Bubblewrap's information; the shell has noted what matters.
            }
        }
        catch (IOException)
        {
            // The shell has ended; why is in its complaints.
        }
        if (shell.CommandRuns) return;
        var code = await shell.Ended;
        throw new PcException(ErrorCode.SandboxFailed, $"the sandbox of {spec.Id} could not be set up (exit code {code}): {shell.Complaints}");
    }

    /// <summary>Whether the kernel ended a process because of the memory limit.</summary>
    public bool RanOutOfMemory() => cgroup?.RanOutOfMemory() ?? false;

    /// <summary>What it uses now.</summary>
    public RunUsage Usage() => cgroup?.Usage() is { } usage && usage.Pids >= 0 ? usage with { Pids = Math.Max(0, usage.Pids - OverheadPids) } : new RunUsage(-1, TimeSpan.FromTicks(-1), -1);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        shell.Kill();
        _ = await shell.Ended;
        if (cgroup is not null) await RemoveGroupAsync(cgroup);
        host.Folders.Release(number);
    }

    /// <summary>A group can be removed when the kernel has let go of its last process, a moment after that process ended.</summary>
    private async Task RemoveGroupAsync(Cgroup group)
    {
        using var timeout = new CancellationTokenSource(RemoveTimeout, host.Time);
        try
        {
            while (!group.TryRemove())
            {
                group.Kill();
                await Task.Delay(RemoveInterval, host.Time, timeout.Token);
            }
        }
        catch (OperationCanceledException)
        {
            host.GroupNotRemoved(number);
        }
    }

    /// <summary>Joins the group at once (the first join after idle costs 8 ms), then waits; no line means that the daemon has gone.</summary>
    private static string Script(Cgroup? cgroup)
    {
        var script = new StringBuilder();
        foreach (var file in cgroup?.JoinFiles ?? []) _ = script.Append(CultureInfo.InvariantCulture, $"echo 0 >{ShellWords.Quote(file)} || exit 1\n");
        return script.Append(CultureInfo.InvariantCulture, $"{ShellWords.NewlineVariable}='\n'\nIFS= read -r line || exit 0\neval \"$line\"\n").ToString();
    }
}

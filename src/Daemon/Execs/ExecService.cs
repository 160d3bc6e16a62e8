using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Execs;

/// <summary>
/// Runs commands beside programs (docs/protocols/exec.md). The caller first writes into its feed that it does so; the host runs nothing
/// without that entry, so what was run is known to all, whatever program the caller uses.
/// </summary>
internal sealed class ExecService(SwarmRegistry swarms, ProgramHost own, ProgramLocator locator, ProgramMesh mesh, Libp2pHost host, ILogger logger, CancellationToken stopping)
{
    /// <summary>Commands at once for others, together. Each has a thread; people have few, scripts that leave them open would have all.</summary>
    public const int MaxAtOnce = 64;

    private readonly ConcurrentDictionary<EntryHash, bool> _used = [];
    private int _running;

    // -- As a caller ------------------------------------------------------------------------------------------

    /// <summary>Runs a command beside a program, wherever it runs; answers the exit code.</summary>
    public async Task<int> RunAsync(
        string swarmName, string programName, IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        CheckCommand(command);
        var (swarm, program) = RunningService.Require(swarms, swarmName, programName, "run commands beside it");
        if (locator.HolderOf(swarm.Id, program.Id) is not { } holder) throw new PcException(ErrorCode.ExecFailed, $"{program.Deployed.Name} has no host now");
        var entry = await swarm.AppendAsync(new ProgramControlled(program.Id, ControlAction.Exec, Describe(command)), cancellationToken);
        if (holder == swarms.Self) return await RunHereAsync(program, command, input, output, cancellationToken);
        mesh.Remember(program.Id, entry);
        try
        {
            await mesh.BringEntriesAsync(holder, swarm.Id, program.Id, cancellationToken);
        }
        finally
        {
            mesh.Forget(program.Id);
        }
        var open = new ExecOpen(swarm.Id.ToString(), program.Id.ToString(), entry.Hash.ToString(), command);
        return await RunThereAsync(holder, JsonSerializer.SerializeToUtf8Bytes(open, ExecJson.Default.ExecOpen), input, output, cancellationToken);
    }

    private async Task<int> RunThereAsync(PeerId holder, byte[] open, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await host.OpenStreamAsync(holder, ExecFrame.Protocol, cancellationToken);
            await using var reset = cancellationToken.Register(stream.Reset); // so that the host ends it
            return await ExecCaller.RunAsync(stream, open, input, output, cancellationToken);
        }
        catch (Libp2pException e) when (e.Error == Libp2pError.ProtocolNotSupported)
        {
            throw new PcException(ErrorCode.ExecFailed, $"the program's host ({holder}) runs an earlier version of pc, which cannot run commands beside programs", inner: e);
        }
        catch (Exception e) when (e is IOException && !cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.PeerUnreachable, $"{holder} could not be reached: {e.Message}", inner: e);
        }
    }

    // -- As the host ------------------------------------------------------------------------------------------

    /// <summary>Serves a member's stream.</summary>
    public async Task HandleAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stream.Closed, stopping);
        var entered = Interlocked.Increment(ref _running) <= MaxAtOnce;
        try
        {
            var channel = new ExecChannel(stream);
            var open = await channel.OpenAsync(stop.Token);
            await channel.ServeAsync(
                (input, output, ct) => entered ? RunForAsync(stream.RemotePeer, open, input, output, ct) : throw new PcException(ErrorCode.ExecFailed, "this host runs as many commands for others as it can"),
                e => Errors.Explain(e, "a command beside a program", logger), stop.Token);
        }
        catch (Exception e) when (stop.IsCancellationRequested || e is PcException)
        {
            stream.Reset(); // it went away, or speaks something else
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private async Task<int> RunForAsync(PeerId peer, byte[] payload, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        // 1. Who asks, and may it? A stranger learns nothing, not even whether the swarm is here.
        var open = ExecJson.Read(payload, ExecJson.Default.ExecOpen);
        if (!SwarmId.TryParse(open.Swarm, out var swarmId) || swarms.Find(swarmId) is not { Me: not null } swarm || swarm.State.Find(peer) is null || !EntryHash.TryParse(open.Program, out var id) || !EntryHash.TryParse(open.Entry, out var entry)) throw Refused();
        await swarm.WaitUntilSettledAsync(peer, cancellationToken);
        var program = Judge(swarm, peer, id) ?? throw Refused();
        CheckCommand(open.Command);

        // 2. It is written down, by the caller, as what it is, and was not used before.
        var recorded = program.Controls.LastOrDefault(control => control.Entry == entry);
        if (recorded is null || recorded.Author != peer || recorded.Action != ControlAction.Exec || !string.Equals(recorded.Detail, Describe(open.Command), StringComparison.Ordinal))
            throw new PcException(ErrorCode.NotPermitted, "a command is run when the caller's feed says so, and it does not");
        ForgetOld();
        if (!_used.TryAdd(entry, true)) throw new PcException(ErrorCode.NotPermitted, "this entry was used for a command already");

        // 3. Run it for as long as the caller may.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void JudgeAgain(LocalSwarm changed)
        {
            if (Judge(changed, peer, id) is null) stop.Cancel();
        }
        swarm.Changed += JudgeAgain;
        try
        {
            if (Judge(swarm, peer, id) is null) throw Refused();
            return await RunHereAsync(program, open.Command, input, output, stop.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Refused();
        }
        finally
        {
            swarm.Changed -= JudgeAgain;
        }
    }

    private async Task<int> RunHereAsync(SwarmProgram program, IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        ExecLog.Ran(logger, program.Deployed.Name, Describe(command));
        try
        {
            return await own.ExecAsync(program.Id, command, input, output, cancellationToken);
        }
        catch (IOException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.ExecFailed, $"{program.Deployed.Name} does not run any more: {e.Message}", inner: e);
        }
    }

    private static SwarmProgram? Judge(LocalSwarm swarm, PeerId peer, EntryHash id) =>
        swarm.Me is not null && swarm.State.Programs.GetValueOrDefault(id) is { Stopped: false } program && swarm.State.MayControl(peer, program) ? program : null;

    // An entry that the state does not hold any more is refused for that.
    private void ForgetOld()
    {
        if (_used.Count < 1024) return;
        var held = swarms.All.SelectMany(swarm => swarm.State.Programs.Values).SelectMany(program => program.Controls).Select(control => control.Entry).ToHashSet();
        foreach (var old in _used.Keys.Where(entry => !held.Contains(entry))) _used.TryRemove(old, out _);
    }

    private static PcException Refused() => new(ErrorCode.NotPermitted, "this node does not answer that to this peer");

    private static void CheckCommand(IReadOnlyList<string> command)
    {
        if (command is not [{ Length: > 0 }, ..] || command.Any(word => word is null || word.Contains('\0', StringComparison.Ordinal)) || command.Sum(word => (long)Encoding.UTF8.GetByteCount(word)) > ProgramHost.MaxExecBytes)
            throw new PcException(ErrorCode.BadRequest, $"a command has a first word, no NUL, and at most {ProgramHost.MaxExecBytes >> 10} KiB");
    }

    // What the feeds keep for ever: never the arguments, which may be secrets.
    private static string Describe(IReadOnlyList<string> command)
    {
        var name = Path.GetFileName(command[0]) is { Length: > 0 } last ? last : command[0];
        var shown = new string([.. name.Where(c => !char.IsControl(c) && !char.IsSurrogate(c)).Take(24)]);
        return command.Count == 1 ? shown : $"{shown} and {command.Count - 1} {(command.Count == 2 ? "word" : "words")}";
    }
}

/// <summary>What commands beside programs write to the daemon's log; events 6120 to 6129.</summary>
internal static partial class ExecLog
{
    [LoggerMessage(6120, LogLevel.Information, "Runs a command beside {Program}: {Command}")]
    public static partial void Ran(ILogger logger, string program, string command);
}

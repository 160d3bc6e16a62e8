using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

public sealed partial class ProgramHost
{
    /// <summary>All words of a command, in UTF-8 bytes; what runtimes take.</summary>
    public const int MaxExecBytes = 64 << 10;

    /// <summary>
    /// Runs a command beside a program that runs here, in its sandbox; answers its exit code. The caller has checked who asks.
    /// Arguments, cancellation and ends as in <see cref="IRun.ExecAsync"/>.
    /// </summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ExecFailed"/>: it is not here, or has no process now.</exception>
    /// <exception cref="IOException">Its process ended meanwhile.</exception>
    public ValueTask<int> ExecAsync(EntryHash id, IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        if (!_programs.TryGetValue(id, out var program)) throw new PcException(ErrorCode.ExecFailed, "the program is not on this host now");
        if (program.Current is not { } run) throw new PcException(ErrorCode.ExecFailed, $"{program.Spec.Name} has no process at this moment: it is {program.Status.State.ToString().ToLowerInvariant()}");
        return run.ExecAsync(command, input, output, cancellationToken);
    }
}

using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>Sessions that are scripts in sandboxes, each in a folder of its own. They end with the daemon.</summary>
internal sealed class SandboxSessions(SessionHostOptions options, IRuntime runtime) : ISessionKind
{
    /// <inheritdoc/>
    public bool Outlives => false;

    /// <inheritdoc/>
    public PcException? Obstacle => null;

    /// <inheritdoc/>
    public ISessionProgram Open(string id, string folder, SessionRequest request) =>
        new Program(id, FilesIn(folder), request.Script, SessionScript.CommandOf(request.Script, options.ReadOnly), options, runtime);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LeftSession>> FindAsync(IReadOnlyDictionary<string, string> folders, CancellationToken cancellationToken)
    {
        foreach (var files in folders.Values.Select(FilesIn).Where(Directory.Exists)) Directory.Delete(files, recursive: true);
        return Task.FromResult<IReadOnlyList<LeftSession>>([.. folders.Keys.Select(id => new LeftSession(id, SessionState.Ended))]);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static string FilesIn(string folder) => Path.Combine(folder, "files");

    private sealed class Program(string id, string files, string script, IReadOnlyList<string> command, SessionHostOptions options, IRuntime runtime) : ISessionProgram
    {
        private int _starts;
        private int _port;

        public RunLimits Limits => options.Now.Limits;

        public IReadOnlyList<ContainerPort> Ports => [];

        // Its processes have ended; its network and control group take some 20 ms more.
        public bool IsGoneAtItsEnd => true;

        public int PortInside(int port) => port;

        public Task PrepareAsync(IReadOnlyList<int> ports, int sessions, CancellationToken cancellationToken)
        {
            _port = ports[0];
            return Task.Run(() => SessionScript.Write(files, script, options.Hostname, _port, sessions), cancellationToken);
        }

        public async ValueTask<IRun> RunAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
        {
            var (limits, network) = options.Now;
            // A name of its own for each start: what an earlier one left is cleaned up beside it.
            var spec = new RunSpec(
                $"session-{id}-{(++_starts).ToString(CultureInfo.InvariantCulture)}", command, files,
                new Dictionary<string, string>(StringComparer.Ordinal) { ["PORT"] = _port.ToString(CultureInfo.InvariantCulture), [SessionGroup.Variable] = options.Group }, limits, network)
            {
                Mounts = [.. options.ReadOnly.Select(folder => new RunMount(folder, folder))],
                Ports = [_port],
                MustBegin = true,
            };
            try
            {
                return await runtime.StartAsync(spec, output, cancellationToken);
            }
            catch (PcException e) when (e.Code == ErrorCode.RunCommandRefused)
            {
                throw SessionScript.NotBegun(script, e.InnerException?.Message ?? e.Message);
            }
        }

        public async ValueTask SleepAsync(IRun run, TimeSpan grace)
        {
            await run.StopAsync(grace);
            await run.DisposeAsync();
        }

        public TimeSpan? RestartAfter(int exitCode, TimeSpan ran) => null;

        public ValueTask LeaveAsync(IRun? run) => throw new NotSupportedException("a session in a sandbox ends with the daemon");

        public ValueTask DisposeAsync()
        {
            if (Directory.Exists(files)) Directory.Delete(files, recursive: true);
            return ValueTask.CompletedTask;
        }
    }
}

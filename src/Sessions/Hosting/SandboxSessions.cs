using System.Globalization;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>Sessions that are scripts in sandboxes, each in a folder of its own.</summary>
internal sealed class SandboxSessions(SessionHostOptions options, IRuntime runtime) : ISessionKind
{
    /// <summary>The folder of its files, within a session's.</summary>
    public static string FilesIn(string folder) => Path.Combine(folder, "files");

    /// <inheritdoc/>
    public ISessionProgram Open(string id, string folder, SessionRequest request) =>
        new Program(id, FilesIn(folder), request.Script, SessionScript.CommandOf(request.Script, options.ReadOnly), options, runtime);

    private sealed class Program(string id, string files, string script, IReadOnlyList<string> command, SessionHostOptions options, IRuntime runtime) : ISessionProgram
    {
        private int _starts;
        private int _port;

        public int PortInside(int port) => port;

        public Task PrepareAsync(int port, int sessions, CancellationToken cancellationToken)
        {
            _port = port;
            return Task.Run(() => SessionScript.Write(files, script, options.Hostname, port, sessions), cancellationToken);
        }

        public ValueTask<IRun> RunAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
        {
            // A name of its own for each start: what an earlier one left is cleaned up beside it.
            var spec = new RunSpec(
                $"session-{id}-{(++_starts).ToString(CultureInfo.InvariantCulture)}", command, files,
                new Dictionary<string, string>(StringComparer.Ordinal) { ["PORT"] = _port.ToString(CultureInfo.InvariantCulture) }, options.Limits, options.Network)
            {
                Mounts = [.. options.ReadOnly.Select(folder => new RunMount(folder, folder))],
                Ports = [_port],
            };
            return runtime.StartAsync(spec, output, cancellationToken);
        }

        public ValueTask DisposeAsync()
        {
            if (Directory.Exists(files)) Directory.Delete(files, recursive: true);
            return ValueTask.CompletedTask;
        }
    }
}

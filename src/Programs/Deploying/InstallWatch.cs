using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Logs;

namespace PeoplesCloud.Programs.Deploying;

/// <summary>
/// Tells the owner what a host's installers say while a start takes its time, line by line as they are: reads them from the program's log, where
/// the host writes them. What was missed while the host was not ready to be read is told at the end.
/// </summary>
internal sealed class InstallWatch(IProgramMesh mesh, ProgramSpec program, PeerId host, Action<string> told, TimeProvider time)
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    // How a host marks what a tool says; its own sentences and the program's output are not told here.
    private static readonly string[] Marks = ["pip: ", "npm: ", "docker: "];

    private int _seen;

    /// <summary>Runs a start and watches meanwhile.</summary>
    public async Task DuringAsync(Func<Task> start, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = FollowAsync(stop.Token);
        try
        {
            await start();
        }
        finally
        {
            await stop.CancelAsync();
            await watching;
            if (!cancellationToken.IsCancellationRequested) await TryReadAsync(follow: false, cancellationToken);
        }
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await TryReadAsync(follow: true, cancellationToken);
            try
            {
                await Task.Delay(Between, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    // A host that does not know the program yet, or cannot be read now, is asked again.
    private async Task TryReadAsync(bool follow, CancellationToken cancellationToken)
    {
        try
        {
            var number = 0;
            await foreach (var line in mesh.LogsAsync(host, program.Swarm, program.Id, -1, follow, cancellationToken))
            {
                if (number++ < _seen) continue;
                _seen = number;
                if (line.Source == LogSource.Pc && Array.Exists(Marks, mark => line.Text.StartsWith(mark, StringComparison.Ordinal))) told(line.Text);
            }
        }
        catch (Exception)
        {
            // Whatever it is, the start itself says it if it matters; watching it never makes it fail.
        }
    }
}

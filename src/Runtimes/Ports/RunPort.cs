namespace PeoplesCloud.Runtimes.Ports;

/// <summary>A port of a run, which is asked for anew for each connection and each sender of datagrams: it may be started only then, or again.</summary>
/// <param name="run">Gives the run once it is up; called at the same time by all who connect.</param>
/// <param name="port">The port inside.</param>
/// <param name="limits">How long a run may take until it listens, from the time when it is up.</param>
/// <param name="time">The clock.</param>
public sealed class RunPort(Func<CancellationToken, ValueTask<IRun>> run, int port, PortLimits limits, TimeProvider time) : IPortTarget
{
    // What has just been started listens within some milliseconds, most often.
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);

    /// <inheritdoc/>
    public ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken) =>
        ReachAsync(async (up, token) => PortEnd.OfRun(await up.ConnectAsync(port, token)), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken) => ReachAsync((up, token) => up.OpenDatagramsAsync(port, token), cancellationToken);

    private async ValueTask<T> ReachAsync<T>(Func<IRun, CancellationToken, ValueTask<T>> reach, CancellationToken cancellationToken)
    {
        long? begun = null;
        var pause = FirstPause;
        while (true)
        {
            var up = await run(cancellationToken);
            begun ??= time.GetTimestamp();
            try
            {
                return await reach(up, cancellationToken);
            }
            catch (IOException) when (time.GetElapsedTime(begun.Value) < limits.Patience)
            {
                await Task.Delay(pause, time, cancellationToken); // it listens soon, or never
                pause = pause * 2 < limits.Pause ? pause * 2 : limits.Pause;
            }
        }
    }
}

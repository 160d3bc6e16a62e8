namespace PeoplesCloud.Libp2p.Connections;

/// <summary>Runs a step under a time limit and tells its end apart: the limit is a <see cref="Libp2pException"/>, the caller's wish a cancellation.</summary>
internal static class TimeLimit
{
    public static async ValueTask<T> RunAsync<T>(TimeSpan limit, TimeProvider time, string step, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await work(both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && timeout.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pError.TimedOut, $"{step} took longer than {limit.TotalSeconds} s");
        }
    }
}

namespace PeoplesCloud.Daemon.Tests.Sessions;

/// <summary>
/// Nodes say twice a second how they are and what they run. On a busy machine that is heard late, and an answer is given without it: then clients ask again, and
/// so do tests.
/// </summary>
internal static class Asking
{
    /// <summary>Asks until it is no error, and enough.</summary>
    public static async Task<T> AgainAsync<T>(Func<Task<T>> ask, Func<T, bool>? isEnough = null)
    {
        using var limit = new CancellationTokenSource(TestNode.Patience);
        while (true)
        {
            try
            {
                var answer = await ask();
                if (isEnough is null || isEnough(answer) || limit.IsCancellationRequested) return answer;
            }
            catch (ApiException) when (!limit.IsCancellationRequested)
            {
                // The last one is thrown.
            }
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }
}

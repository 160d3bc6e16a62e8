using System.Diagnostics;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Waits for a state; there is no event for everything.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<Task<bool>> state, Func<string>? why = null)
    {
        var patience = Stopwatch.StartNew();
        while (!await state())
        {
            Assert.True(patience.Elapsed < JsPeer.Patience, why?.Invoke() ?? "the state was never reached");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}

using System.Diagnostics;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>Waits for a state; there is no event for everything.</summary>
internal static class Eventually
{
    public static Task TrueAsync(Func<bool> state, string what) => TrueAsync(() => ValueTask.FromResult(state()), what);

    public static async Task TrueAsync(Func<ValueTask<bool>> state, string what)
    {
        var patience = Stopwatch.StartNew();
        while (!await state())
        {
            Assert.True(patience.Elapsed < RuntimeConformance.Patience, $"never came true: {what}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}

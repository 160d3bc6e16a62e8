using System.Collections.Concurrent;
using System.Reflection;
using Xunit.v3;

[assembly: PeoplesCloud.TestLimit]

namespace PeoplesCloud;

/// <summary>
/// No test runs for ever: after some minutes its name is written to the log and TestContext's token is cancelled, so that what waits for it fails, instead of the
/// whole project being ended without a word. In every test project. PC_TEST_MINUTES says how many, for layers that are told to take longer.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class TestLimitAttribute : BeforeAfterTestAttribute
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(int.TryParse(Environment.GetEnvironmentVariable("PC_TEST_MINUTES"), out var minutes) ? minutes : 5);

    private readonly ConcurrentDictionary<string, Timer> _running = new(StringComparer.Ordinal);

    public override void Before(MethodInfo methodUnderTest, IXunitTest test)
    {
        // The callback runs with this test's context.
        _running[test.UniqueID] = new Timer(
            _ =>
            {
                Console.Error.WriteLine($"{test.TestDisplayName} runs for {Limit} and is cancelled");
                TestContext.Current.CancelCurrentTest();
            },
            null, Limit, Timeout.InfiniteTimeSpan);
    }

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        if (_running.TryRemove(test.UniqueID, out var timer)) timer.Dispose();
    }
}

using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Programs.Data;

namespace PeoplesCloud.Daemon.Data;

/// <summary>Removes the data of programs that were stopped long ago.</summary>
internal static class DataCollection
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(6);

    /// <summary>Looks until it is cancelled; first after an interval, when the feeds have come.</summary>
    public static async Task RunAsync(ProgramData data, SwarmRegistry swarms, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken)) await data.CollectAsync(key => IsLive(swarms, key));
    }

    private static bool IsLive(SwarmRegistry swarms, DataKey key) =>
        swarms.Find(key.Swarm)?.State.Programs.Values.Any(program => !program.Stopped && program.Owner == key.Owner && program.Deployed.Name == key.Name) == true;
}

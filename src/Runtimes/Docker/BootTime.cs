using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>Time since boot that goes on while the machine is suspended (CLOCK_BOOTTIME): what a lease is measured in. .NET's own monotonic clock stops then.</summary>
internal static class BootTime
{
    /// <summary>Now.</summary>
    public static TimeSpan Now => LibC.TimeSinceBoot();
}

using System.Globalization;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>How many seeds a test plays: PC_SIM_SEEDS, or one. Hundreds are for the night.</summary>
internal static class Seeds
{
    public static int Count { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("PC_SIM_SEEDS"), CultureInfo.InvariantCulture, out var count) && count > 0 ? count : 1;
}

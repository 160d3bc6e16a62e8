using System.Globalization;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>How many seeds a test plays: PC_SIM_SEEDS, or one. Hundreds are for the night.</summary>
internal static class Seeds
{
    public static int Count { get; } = Read("PC_SIM_SEEDS", 1);

    /// <summary>How many nodes the largest simulations have: PC_SIM_NODES, or 200.</summary>
    public static int Nodes { get; } = Read("PC_SIM_NODES", 200);

    private static int Read(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var count) && count > 0 ? count : otherwise;
}

using System.Runtime.InteropServices;

namespace PeoplesCloud.Programs.Placing;

/// <summary>How busy a host is: what it runs, plus half the sum of its processor and memory use in percent, as PyCloud has it.</summary>
public static class HostRank
{
    /// <summary>The rank; lower is better.</summary>
    /// <param name="running">Programs that it runs.</param>
    /// <param name="load">Its load.</param>
    public static double Of(int running, HostLoad load) => running + ((load.CpuPercent + load.MemoryPercent) / 2);

    /// <summary>
    /// By how much a program's present host may be busier than another before a new version of it moves: 10, a tenth of the processors and of the memory. What
    /// it has there need not be fetched, and a load moves by as much from one second to the next.
    /// </summary>
    public const int StayAdvantage = 10;

    /// <summary>What is compared: the whole number. Two hosts that differ by less are equally good, and a roll decides.</summary>
    public static int Compared(double rank) => double.IsFinite(rank) ? (int)Math.Clamp(Math.Floor(rank), 0, 1_000_000) : int.MaxValue;
}

/// <summary>A host's load.</summary>
/// <param name="CpuPercent">Of all its processors together, 0 to 100.</param>
/// <param name="MemoryPercent">Of its memory, 0 to 100; what can be freed counts as free.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct HostLoad(double CpuPercent, double MemoryPercent)
{
    /// <summary>What it would be without a part of it.</summary>
    public HostLoad Without(HostLoad part) => new(Math.Max(0, CpuPercent - Math.Max(0, part.CpuPercent)), Math.Max(0, MemoryPercent - Math.Max(0, part.MemoryPercent)));
}

/// <summary>Measures this machine's load. Thread-safe.</summary>
public interface IHostMeter
{
    /// <summary>The load since about the last second.</summary>
    HostLoad Read();
}

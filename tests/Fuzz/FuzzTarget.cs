using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;

namespace PeoplesCloud.Fuzz;

/// <summary>A parser that takes any bytes.</summary>
internal delegate void FuzzAction(ReadOnlySpan<byte> input);

/// <summary>One <c>static void Fuzz(ReadOnlySpan&lt;byte&gt;)</c> of the project, and how it is run.</summary>
internal sealed partial record FuzzTarget(string Name, FuzzAction Run)
{
    private const long MaxAllocatedBytes = 64 * 1024 * 1024;
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HangTime = TimeSpan.FromSeconds(180);
    private const int MaxThrownKept = 256;

    // What was thrown on this thread while an input ran, also if it was caught again.
    [ThreadStatic]
    private static string? _thrown;

    static FuzzTarget() => AppDomain.CurrentDomain.FirstChanceException += (_, happened) => _thrown = happened.Exception.Message;

    /// <summary>All targets of these assemblies, by name.</summary>
    public static IReadOnlyList<FuzzTarget> Find(IEnumerable<Assembly> assemblies) =>
    [
        .. from assembly in assemblies
           from type in assembly.GetTypes()
           let method = type.GetMethod("Fuzz", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic, [typeof(ReadOnlySpan<byte>)])
           where method is not null && !type.ContainsGenericParameters
           let name = Words().Replace(type.Name, "-").ToLowerInvariant()
           orderby name
           select new FuzzTarget(name, method.CreateDelegate<FuzzAction>()),
    ];

    /// <summary>The seeds of the target below a folder; none when it has no file.</summary>
    public IReadOnlyList<byte[]> Seeds(string folder)
    {
        var file = Path.Combine(folder, $"{Name}.txt");
        return File.Exists(file) ? [.. File.ReadLines(file).Where(l => l.Length > 0 && l[0] != '#').Select(l => Convert.FromHexString(l.Split(' ')[0]))] : [];
    }

    /// <summary>Runs inputs for a while; answers the first failure, or null. <paramref name="report"/> hears how many ran, and of an input that hangs.</summary>
    public FuzzFailure? RunFor(TimeSpan time, Mutator mutator, Action<string> report)
    {
        byte[] current = [];
        var clock = Stopwatch.StartNew();
        var started = TimeSpan.Zero;
        using var watchdog = new Timer(_ =>
        {
            if (clock.Elapsed - started < HangTime) return;
            report($"{Name} hangs: {Again(current)}");
            Environment.Exit(3);
        }, null, HangTime, TimeSpan.FromSeconds(5));
        // Instead of coverage, which needs instrumented code: how much was allocated and what was thrown tell how far an input got.
        var seen = new HashSet<(int Allocated, string? Thrown)>();
        long count = 0;
        for (; clock.Elapsed < time; count++)
        {
            current = mutator.Next(count);
            started = clock.Elapsed;
            if (RunOne(current, out var allocated) is { } failure) return failure;
            if (seen.Add(((int)(8 * Math.Log2(1 + allocated)), ThrownWithoutNumbers(seen.Count)))) mutator.Keep(current);
        }
        report($"{Name}: {count} inputs in {clock.Elapsed.TotalSeconds:0.0} s, {seen.Count} kinds of outcome");
        return null;
    }

    /// <summary>Runs one input; null when all is well.</summary>
    public FuzzFailure? RunOne(byte[] input) => RunOne(input, out _);

    private FuzzFailure? RunOne(byte[] input, out long allocated)
    {
        allocated = 0;
        _thrown = null;
        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        try
        {
            Run(input);
        }
        catch (Exception e)
        {
            return new FuzzFailure(input, e.ToString(), Again(input));
        }
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
        if (allocated > MaxAllocatedBytes) return new FuzzFailure(input, $"{allocated} bytes were allocated for an input of {input.Length}", Again(input));
        return clock.Elapsed > MaxTime && FastestOf(input, runs: 3) is var fastest && fastest > MaxTime ? new FuzzFailure(input, $"an input of {input.Length} bytes took {fastest}", Again(input)) : null;
    }

    // Again, since the machine may have been busy with others: then the processor time is the smaller; beside other targets the clock's is.
    private TimeSpan FastestOf(byte[] input, int runs)
    {
        var fastest = TimeSpan.MaxValue;
        for (; runs > 0; runs--)
        {
            var (clock, processor) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
            Run(input);
            var worked = Environment.CpuUsage.TotalTime - processor;
            if (clock.Elapsed < fastest) fastest = clock.Elapsed;
            if (worked < fastest) fastest = worked;
        }
        return fastest;
    }

    // The beginning of a message, without numbers. Those that quote the input are as many as there are inputs: after some, only that
    // something was thrown counts.
    private static string? ThrownWithoutNumbers(int seen) =>
        _thrown is null ? null : seen > MaxThrownKept ? "" : new string([.. _thrown.Take(40).Select(c => char.IsAsciiHexDigit(c) ? '#' : c)]);

    private string Again(byte[] input) => $"./dev fuzz {Name} --input {Convert.ToHexStringLower(input)}";

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])", RegexOptions.None, 1000)]
    private static partial Regex Words();
}

/// <summary>An input that a target did not take.</summary>
/// <param name="Input">The bytes.</param>
/// <param name="Reason">The exception, or what it cost.</param>
/// <param name="Again">The line that runs it again.</param>
internal sealed record FuzzFailure(byte[] Input, string Reason, string Again);

using System.Globalization;
using System.Reflection;
using PeoplesCloud.Fuzz;

// fuzz [TARGET|all] [--seconds N] [--jobs N] [--seed N] [--input HEX]; exit code 1 after a failure, 2 for a wrong command line, 3 after a hang.
// Seconds are for each target; PC_FUZZ_SECONDS is their default. All targets run, also after one failed.
const int DefaultSeconds = 60;

var targets = FuzzTarget.Find(Directory.GetFiles(AppContext.BaseDirectory, "PeoplesCloud.*.dll").Order(StringComparer.Ordinal).Select(Assembly.LoadFrom));
string? Option(string name) => Array.IndexOf(args, name) is var at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;

if (args.Length == 0 || args[0].StartsWith('-'))
{
    Console.WriteLine("targets (fuzz TARGET|all [--seconds N] [--jobs N] [--seed N] [--input HEX]):");
    foreach (var target in targets) Console.WriteLine($"  {target.Name}");
    return 0;
}

var chosen = args[0] == "all" ? targets : [.. targets.Where(t => t.Name == args[0])];
if (chosen.Count == 0)
{
    Console.Error.WriteLine($"there is no target {args[0]}; run without arguments to see them");
    return 2;
}

var seconds = double.Parse(Option("--seconds") ?? Environment.GetEnvironmentVariable("PC_FUZZ_SECONDS") ?? $"{DefaultSeconds}", CultureInfo.InvariantCulture);
var seed = Option("--seed") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Environment.TickCount;
var jobs = int.Parse(Option("--jobs") ?? "1", CultureInfo.InvariantCulture);
var failed = 0;
Console.WriteLine($"{chosen.Count} targets, {seconds} s each, seed {seed}");
Parallel.ForEach(chosen, new ParallelOptions { MaxDegreeOfParallelism = jobs }, target =>
{
    var failure = Option("--input") is { } hex
        ? target.RunOne(Convert.FromHexString(hex))
        : target.RunFor(TimeSpan.FromSeconds(seconds), new Mutator(target.Seeds(Path.Combine(AppContext.BaseDirectory, "corpus")), seed), Console.WriteLine);
    if (failure is null) return;
    Console.Error.WriteLine($"{target.Name} FAILED: {failure.Reason}\n  input: {Convert.ToHexStringLower(failure.Input)}\n  again: {failure.Again}");
    Interlocked.Increment(ref failed);
});
return failed == 0 ? 0 : 1;

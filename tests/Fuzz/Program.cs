using System.Globalization;
using System.Reflection;
using PeoplesCloud.Fuzz;

// fuzz [TARGET|all] [--seconds N] [--seed N] [--input HEX]; exit code 1 after a failure, 2 for a wrong command line, 3 after a hang.
const int DefaultSeconds = 60;

var targets = FuzzTarget.Find(Directory.GetFiles(AppContext.BaseDirectory, "PeoplesCloud.*.dll").Order(StringComparer.Ordinal).Select(Assembly.LoadFrom));
string? Option(string name) => Array.IndexOf(args, name) is var at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;

if (args.Length == 0 || args[0].StartsWith('-'))
{
    Console.WriteLine("targets (fuzz TARGET|all [--seconds N] [--seed N] [--input HEX]):");
    foreach (var target in targets) Console.WriteLine($"  {target.Name}");
    return 0;
}

var chosen = args[0] == "all" ? targets : [.. targets.Where(t => t.Name == args[0])];
if (chosen.Count == 0)
{
    Console.Error.WriteLine($"there is no target {args[0]}; run without arguments to see them");
    return 2;
}

var seconds = Option("--seconds") is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : DefaultSeconds;
var seed = Option("--seed") is { } given ? int.Parse(given, CultureInfo.InvariantCulture) : Environment.TickCount;
foreach (var target in chosen)
{
    FuzzFailure? failure;
    if (Option("--input") is { } hex) failure = target.RunOne(Convert.FromHexString(hex));
    else
    {
        Console.WriteLine($"{target.Name}: seed {seed}");
        failure = target.RunFor(TimeSpan.FromSeconds(seconds), new Mutator(target.Seeds(Path.Combine(AppContext.BaseDirectory, "corpus")), seed), Console.WriteLine);
    }
    if (failure is null) continue;
    Console.Error.WriteLine($"{target.Name} FAILED: {failure.Reason}\n  input: {Convert.ToHexStringLower(failure.Input)}\n  again: {failure.Again}");
    return 1;
}
return 0;

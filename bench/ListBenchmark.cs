using System.Diagnostics;

namespace PeoplesCloud.Bench;

/// <summary>The whole of <c>pc list</c> as a process, against an empty .NET console program that is built here, alternating in one run.</summary>
internal static class ListBenchmark
{
    public static Task<int> RunAsync(string[] arguments)
    {
        var rounds = arguments is ["--rounds", var text] ? int.Parse(text) : 40;
        using var nodes = new RealNodes(3);
        nodes.Run(0, "deploy", "friends", Path.Combine(RealNodes.Root, "samples", "hello-bot"));
        var empty = BuildEmpty(Path.Combine(nodes.Folder, "empty"));
        var (lists, empties) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds + 5; round++)
        {
            var one = Time(empty, [], null);
            var two = Time(RealNodes.Program, ["list"], nodes.Home(0));
            if (round < 5) continue; // until the page cache holds both
            empties.Add(one);
            lists.Add(two);
        }
        var (list, bare) = (RealNodes.Percentile(lists, 0.5), RealNodes.Percentile(empties, 0.5));
        Console.WriteLine("| what | fastest ms | p50 ms | p95 ms | ratio of p50 |");
        Console.WriteLine("|---|---|---|---|---|");
        Console.WriteLine($"| an empty .NET console program | {empties.Min():0.0} | {bare:0.0} | {RealNodes.Percentile(empties, 0.95):0.0} | 1.00 |");
        Console.WriteLine($"| pc list, three members and a program ({rounds} rounds) | {lists.Min():0.0} | {list:0.0} | {RealNodes.Percentile(lists, 0.95):0.0} | {list / bare:0.00} |");
        return Task.FromResult(0);
    }

    // As dotnet new console makes it: no setting of ours.
    private static string BuildEmpty(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "empty.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>
            """);
        File.WriteAllText(Path.Combine(folder, "Program.cs"), "return;\n");
        using var build = Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root ? Path.Combine(root, "dotnet") : "dotnet",
            ["build", folder, "-c", "Release", "--nologo", "-v", "quiet", "-o", Path.Combine(folder, "out")]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var said = build.StandardOutput.ReadToEnd();
        build.WaitForExit();
        return build.ExitCode == 0 ? Path.Combine(folder, "out", "empty") : throw new InvalidOperationException(said);
    }

    private static double Time(string program, string[] arguments, string? home)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true };
        if (home is not null) start.Environment["PC_HOME"] = home;
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var elapsed = clock.Elapsed.TotalMilliseconds;
        return process.ExitCode == 0 ? elapsed : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
    }
}

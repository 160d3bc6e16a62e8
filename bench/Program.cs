using PeoplesCloud.Bench;

// Whole-system benchmarks: each prints a ratio against a peer measured in the same run. Run one with ./dev bench NAME.
var benchmarks = new SortedDictionary<string, Func<string[], Task<int>>>(StringComparer.Ordinal)
{
    ["add"] = AddBenchmark.RunAsync,
    ["blake3"] = Blake3Benchmark.RunAsync,
    ["channels"] = ChannelsBenchmark.RunAsync,
    ["connections"] = ConnectionsBenchmark.RunAsync,
    ["data"] = DataBenchmark.RunAsync,
    ["deploy"] = DeployBenchmark.RunAsync,
    ["failover"] = FailoverBenchmark.RunAsync,
    ["idle"] = IdleBenchmark.RunAsync,
    ["latency"] = LatencyBenchmark.RunAsync,
    ["list"] = ListBenchmark.RunAsync,
    ["many"] = ManyBenchmark.RunAsync,
    ["mesh"] = MeshBenchmark.RunAsync,
    ["relay"] = RelayBenchmark.RunAsync,
    ["sandbox"] = SandboxBenchmark.RunAsync,
    ["sessions"] = SessionsBenchmark.RunAsync,
    ["sim"] = SimBenchmark.RunAsync,
    ["tunnel"] = TunnelBenchmark.RunAsync,
};

if (args.Length > 0 && benchmarks.TryGetValue(args[0], out var run)) return await run(args[1..]);
Console.Error.WriteLine($"usage: bench NAME [OPTIONS]; names: {string.Join(", ", benchmarks.Keys)}");
return 2;

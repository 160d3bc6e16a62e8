namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// A swarm of which one node runs the program of an earlier commit, as when friends update one after the other. PC_PREVIOUS names that
/// program (tests/EndToEnd.Tests/previous builds it, .ci/run does so); without it both are today's.
/// </summary>
public sealed class TwoVersionsTests
{
    private static readonly string Previous = Environment.GetEnvironmentVariable("PC_PREVIOUS") is { Length: > 0 } program ? program : Pc.Program;

    // Goal: whichever made the swarm, everything that two nodes do with each other works. Method: each does everything with the other,
    // commands of a node being run by its own program.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_node_of_an_earlier_version_and_one_of_today_share_a_swarm(bool earlierFirst)
    {
        using var place = new Place();
        using var older = new Node(place["older"], Previous);
        using var newer = new Node(place["newer"], Pc.Program);
        var (first, second) = earlierFirst ? (older, newer) : (newer, older);

        var ticket = first.Run("create", "--name", "friends", "--json").Ok().Json.GetProperty("ticket").GetString()!;
        second.Run("join", ticket).Ok();

        foreach (var (from, to) in new[] { (first, second), (second, first) })
        {
            var name = $"from-{from.Name}";
            var deployed = from.Run("deploy", "friends", Pc.HelloBot, "--name", name, "--host", to.Name).Ok();
            Assert.Contains($"{name} (py3) runs on {to.Name}", deployed.Out);
            using (var logs = Pc.Start(from.Home, from.Program, ["logs", "-f", "friends", name], null))
            {
                var line = "";
                while (line is not null && !line.StartsWith("hello number 2", StringComparison.Ordinal)) line = logs.StandardOutput.ReadLine();
                logs.Kill();
                Assert.NotNull(line);
            }
            Assert.Contains($"stopped {name}", from.Run("stop", "friends", name).Ok().Out);

            var cid = from.Run("add", place.File($"{from.Name}.txt", $"words of {from.Name}"), "--json").Ok().Json.GetProperty("cid").GetString()!;
            Assert.Equal($"words of {from.Name}", to.Run("cat", cid).Ok().Out);
        }

        // What one writes the other hears by gossip, both ways.
        foreach (var node in new[] { older, newer })
            Place.Until(() => node.Run("list", "--json").Ok(), said => said.Out.Contains("\"programs\":[]", StringComparison.Ordinal) && said.Out.Contains("\"awake\"", StringComparison.Ordinal), $"{node.Name} heard of both stops");
    }

    /// <summary>A node and the program that it runs; its name is its home's.</summary>
    private sealed class Node : IDisposable
    {
        public Node(string home, string program)
        {
            (Home, Program) = (home, program);
            Run("up", "--name", Name, "--port", "0", "--listen", "127.0.0.1").Ok();
        }

        public string Home { get; }

        public string Program { get; }

        public string Name => Path.GetFileName(Home);

        public Said Run(params string[] arguments) => Pc.Run(Pc.Start(Home, Program, arguments, null));

        public void Dispose() => Run("down");
    }
}

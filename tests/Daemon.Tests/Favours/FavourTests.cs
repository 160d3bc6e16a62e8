using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Favours;
using PeoplesCloud.Daemon.Tests.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Favours;

public sealed class FavourTests
{
    private static readonly SwarmId Swarm = new(EntryHash.Of("swarm"u8));
    private static readonly EntryHash Program = EntryHash.Of("program"u8);

    [Fact]
    public void A_book_counts_what_is_new_of_each_run_by_day_and_remembers_it()
    {
        var home = TestNode.NewHome();
        var path = Path.Combine(home, "favours");
        var book = new FavourBook(path);
        book.Note(Swarm, Program, 1, Use(10), 7);
        book.Note(Swarm, Program, 1, Use(15), 7);
        book.Note(Swarm, Program, 1, Use(18), 8);
        book.Forget(Program, 1);
        book.Note(Swarm, Program, 2, Use(4), 8); // another run begins with nothing
        book.Save();
        var again = new FavourBook(path);
        Assert.Equal([(7, 15), (8, 7)], again.Before(9).Select(day => (day.Day, (int)day.Use.Processor.TotalSeconds)));
        Assert.Equal([7], again.Before(8).Select(day => day.Day));
        again.Remove(Swarm, Program, 7);
        Assert.Equal([8], again.Before(9).Select(day => day.Day));
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public void Lines_of_a_book_that_cannot_be_read_are_left_out()
    {
        var home = TestNode.NewHome();
        var path = Path.Combine(home, "favours");
        File.WriteAllLines(path, ["", "x y 1 2 3 4", $"{Swarm} {Program} 7 -1 3 4", $"{Swarm} {Program} 99999999999 1 3 4", $"{Swarm} {Program} 7 1000 3 4"]);
        Assert.Equal([7], new FavourBook(path).Before(100).Select(day => day.Day));
        Directory.Delete(home, recursive: true);
    }

    // Goal: a receipt comes of a real run, and its owner agrees. Method: elm runs a program of oak, the day ends, both do what they do each
    // five minutes.
    [Fact]
    public async Task A_host_gets_a_receipt_for_a_day_and_the_owner_countersigns_it()
    {
        var later = new LaterTime();
        await using var oak = await TestNode.StartAsync("oak", time: later);
        await using var elm = await TestNode.StartAsync("elm", hosts: true, time: later);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        using var folder = new ProgramFolder("import time\nwhile time.process_time() < 0.3: pass\nprint('worked', flush=True)\ntime.sleep(600)\n");
        var deployed = await oak.DeployAsync("friends", folder.Path);
        await foreach (var line in oak.LogsAsync("friends", deployed.Program))
            if (line.Text == "worked") break;
        await elm.Node.Favours.WorkAsync(Token);
        Assert.Empty(elm.Node.Swarms.Require("friends").State.Receipts); // its day is not over
        later.Ahead = TimeSpan.FromDays(1);
        await elm.Node.Favours.WorkAsync(Token);
        var receipt = Assert.Single(elm.Node.Swarms.Require("friends").State.Receipts.Values);
        Assert.Equal((elm.Node.Self, oak.Node.Self), (receipt.Host, receipt.Owner));
        Assert.True(receipt.Use.Processor >= TimeSpan.FromMilliseconds(100), $"{receipt.Use}");
        await TestNode.UntilAsync(() => oak.Node.Swarms.Require("friends").State.Receipts.Count == 1);
        await oak.Node.Favours.WorkAsync(Token);
        var reply = await oak.Client.GetAsync("/v1/swarms/friends/favours", FavoursApiJson.Default.FavoursReply);
        var favour = Assert.Single(reply.Favours);
        Assert.Equal(("elm", "oak", 1, 1), (favour.Host, favour.Owner, favour.Receipts, favour.Countersigned));
        Assert.Equal(["elm", "oak"], reply.Balances.Select(balance => balance.Name));
        Assert.Equal(reply.Balances[0].GivenProcessorSeconds, reply.Balances[1].TakenProcessorSeconds);
    }

    private static RunUse Use(int seconds) => new(TimeSpan.FromSeconds(seconds), seconds * 100, seconds);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The system's clock, with a date that a test moves.</summary>
    private sealed class LaterTime : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
    }
}

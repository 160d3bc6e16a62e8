using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Crash;

// Goal: as the power cuts, with a real daemon and kill -9. Method: the daemon stands still at its k-th step on the disk after it
// served, and is killed there; another one opens its home.
public sealed class KillAtStepTests
{
    // The whole sequence has some fifty steps: two in the join, one in the add, one in the deploy.
    [Theory]
    [InlineData(2)]
    [InlineData(9)]
    [InlineData(20)]
    [InlineData(35)]
    public async Task A_daemon_killed_at_a_step_of_join_add_or_deploy_keeps_what_it_told_and_can_go_on(int step)
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        using var bot = new ProgramFolder("import time\nwhile True:\n    time.sleep(1)\n");
        var home = TestNode.NewHome();
        var told = new List<string>();
        string? pin = null;
        await using (var elm = await DaemonProcess.StartStoppingAsync(home, "elm", step))
        {
            using var client = new HomeClient(home);
            var work = UseAsync(client);
            await Task.WhenAny(work, elm.StoppedAsync()).WaitAsync(TestNode.Patience);
            await elm.KillAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => work.WaitAsync(TestNode.Patience));
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"killed after: {string.Join(", ", told)}");

        var (again, _) = await DaemonProcess.StartAsync(home, "elm", hosts: false);
        await using (again)
        {
            using var client = new HomeClient(home);
            if (told.Contains("joined")) Assert.Equal("friends", (await client.ListAsync("friends")).Name);
            if (told.Contains("added")) Assert.Contains(pin, await client.PinsAsync());
            if (told.Contains("deployed")) Assert.Equal(["bot"], (await client.ListAsync("friends")).Programs.Select(program => program.Name));
            // Joining again changes nothing for one that is in already.
            await client.JoinAsync(ticket);
            await client.AddAsync(Path.Combine(bot.Path, "bot.py"));
            await client.DeployAsync("friends", bot.Path);
            await oak.WaitForAsync("friends", seen => seen.Programs is [{ Name: "bot", State: "running" }] && seen.Members.Count == 2);
            await again.KillAsync();
        }
        Directory.Delete(home, recursive: true);

        async Task UseAsync(HomeClient client)
        {
            await client.JoinAsync(ticket);
            told.Add("joined");
            pin = await client.AddAsync(Path.Combine(bot.Path, "bot.py"));
            told.Add("added");
            await client.DeployAsync("friends", bot.Path);
            told.Add("deployed");
            throw new InvalidOperationException("the sequence ended before the step");
        }
    }
}

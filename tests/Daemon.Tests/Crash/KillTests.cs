using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Crash;

public sealed class KillTests
{
    [Fact]
    public async Task A_host_that_is_killed_comes_back_with_its_members_pins_and_programs()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        using var bot = new ProgramFolder("import time\nwhile True:\n    print('alive', flush=True)\n    time.sleep(0.1)\n");
        var home = TestNode.NewHome();
        string pin;
        var (elm, ready) = await DaemonProcess.StartAsync(home, "elm", hosts: true);
        await using (elm)
        {
            using var client = new HomeClient(home);
            await client.JoinAsync(ticket);
            pin = await client.AddAsync(Path.Combine(bot.Path, "bot.py"));
            await oak.DeployAsync("friends", bot.Path, "bot");
            await ReadLineAsync(oak, "alive");
            await elm.KillAsync();
        }

        // The socket and the lock of the dead are in the way of nobody.
        Assert.True(File.Exists(Path.Combine(home, "pc.sock")));
        var (again, readyAgain) = await DaemonProcess.StartAsync(home, "elm", hosts: true);
        await using (again)
        {
            Assert.Equal(ready.Split(' ')[1], readyAgain.Split(' ')[1]);
            using var client = new HomeClient(home);
            Assert.Equal([pin], await client.PinsAsync());
            var swarm = await client.ListAsync("friends");
            Assert.Equal(["elm", "oak"], swarm.Members.Select(member => member.Name));
            // It dials oak by itself, and runs the program again without being told.
            await oak.WaitForAsync("friends", seen => seen.Programs is [{ Name: "bot", State: "running" }] && seen.Members.All(member => member.State is "here" or "awake"));
            await ReadLineAsync(oak, "alive");
            await oak.StopProgramAsync("friends", "bot");
            await again.KillAsync();
        }
        Directory.Delete(home, recursive: true);
    }

    private static async Task ReadLineAsync(TestNode node, string text)
    {
        await foreach (var line in node.LogsAsync("friends", "bot", follow: true, tail: 0))
            if (line.Stream == "out" && line.Text == text) return;
        Assert.Fail("the log ended");
    }
}

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>What people deploy besides a Python file, with two real nodes: a host and an owner that hosts nothing.</summary>
public sealed class LanguageTests
{
    [Fact]
    public void A_shell_script_runs_as_its_pc_toml_says_and_what_is_wrong_in_one_is_named()
    {
        using var place = new Place();
        var (oak, elm) = (place.Up("oak", "--no-host"), place.Up("elm"));
        Place.Swarm("friends", oak, elm);
        var sample = Path.Combine(Pc.Root, "samples", "hello-shell");
        Assert.Contains("hello-shell (exec) runs on elm", Pc.Run(oak, "deploy", "friends", sample).Ok().Out);
        var first = Place.Until(() => Pc.Run(oak, "logs", "friends", "hello-shell"), said => said.Out.Contains("hello, this is run 0", StringComparison.Ordinal), "the script greeted");
        Assert.Equal(0, first.Exit);

        // Again unchanged: the same bundle, running once.
        var again = Pc.Run(oak, "deploy", "friends", sample, "--json").Ok().Json.GetProperty("hash").GetString();
        var running = Place.Until(() => Pc.Run(oak, "list", "--json").Ok(), said => said.Out.Contains("\"state\":\"running\"", StringComparison.Ordinal), "it runs again").Json.GetProperty("swarms")[0].GetProperty("programs");
        Assert.Equal(again, Assert.Single(running.EnumerateArray(), program => program.GetProperty("state").GetString() == "running").GetProperty("hash").GetString());

        // A single file is a program too.
        place.File("many/hello.py", "import time\nprint('hello from one file')\ntime.sleep(600)\n");
        place.File("many/bot.py", "print('not this one')\n");
        Assert.Contains("hello (py3) runs on elm", Pc.Run(oak, "deploy", "friends", Path.Combine(place["many"], "hello.py")).Ok().Out);
        Place.Until(() => Pc.Run(oak, "logs", "friends", "hello"), said => said.Out.Contains("hello from one file", StringComparison.Ordinal), "the file ran");

        // Options win over the file, and problems name what they are about.
        place.File("wrong/run.sh", "echo hi\n");
        place.File("wrong/pc.toml", "memmory = \"1GiB\"\nports = [99999]\n");
        var wrong = Pc.Run(oak, "deploy", "friends", place["wrong"], "--cpus", "0").Refused("PC6050", 2);
        Assert.Contains("pc.toml line 1: unknown key \"memmory\" (did you mean memory?)", wrong.Err);
        Assert.Contains("pc.toml line 2: ports = \"99999\"", wrong.Err);
        Assert.Contains("--cpus: cpus = \"0\": a number from 0.05", wrong.Err);

        // Python 2 and images are refused when they are deployed, with the reason of each host.
        place.File("old/bot.py", "print 'hello'\n");
        Assert.Contains("elm: cannot run py2: neither python2 nor the Docker image python:2 is there", Pc.Run(oak, "deploy", "friends", place["old"], "py2").Refused("PC6020", 5).Err);
    }

    [Fact]
    public void What_pip_says_on_another_node_reaches_who_deploys()
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/pip"), "pip is not installed where sandboxes see it");
        using var place = new Place();
        var (oak, elm) = (place.Up("oak", "--no-host"), place.Up("elm"));
        Place.Swarm("friends", oak, elm);
        place.File("bot/bot.py", "print('never')\n");
        place.File("bot/requirements.txt", "--no-index\nnosuch==7\n");
        var said = Pc.Run(oak, "deploy", "friends", place["bot"]);
        Assert.Equal(1, said.Exit);
        Assert.Contains("pip: ERROR: No matching distribution found for nosuch==7\n", said.Err);
        Assert.Contains("error PC6022: no host could start bot: elm: pip ended with exit code 1: ", said.Err);
        Assert.Contains("No matching distribution found for nosuch==7", Pc.Run(oak, "deploy", "friends", place["bot"], "--json").Err);
    }
}

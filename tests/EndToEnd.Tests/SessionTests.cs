using System.Diagnostics;
using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>The way PyCloud was run: settings.yml, a Redis, the nodes in the background, clients that know nothing of us.</summary>
public sealed class SessionTests
{
    // What clients of PyCloud do: publish, and wait for the answer on a channel of the request's own. Debian's python3-redis.
    private const string Client = """
        import json, secrets, socket, sys, redis
        port, mark = int(sys.argv[1]), sys.argv[2]
        r = redis.Redis(host="127.0.0.1", port=port)
        def ask(verb, **fields):
            for attempt in range(40):
                id = secrets.token_hex(8)
                channel = "year4000.pycloud.%s" % verb
                p = r.pubsub(ignore_subscribe_messages=True)
                p.subscribe(channel + "." + id)
                p.get_message(timeout=30)
                r.publish(channel, json.dumps(dict(fields, id=id)))
                while True:
                    m = p.get_message(timeout=60)
                    if m is not None: break
                p.close()
                answer = json.loads(m["data"])
                # On a busy machine nobody may be ready for a while: a client asks again.
                if "error" not in answer: return answer
            raise AssertionError(answer)
        script = "#!/bin/bash\necho begun\nsleep 7000.%s &\nsleep 7000.%s\n" % (mark, mark)
        made = [ask("create", script=script) for _ in range(6)]
        assert all(set(a) >= {"cloud", "id"} for a in made), made
        for a in made:
            assert ask("status", session=a["id"]) == {"cloud": a["cloud"], "id": a["id"], "status": True}
        gone = ask("remove", session=made[0]["id"])
        assert gone == {"cloud": made[0]["cloud"], "id": made[0]["id"], "session": made[0]["id"], "status": True}, gone
        assert ask("status", session=made[0]["id"])["status"] is False
        assert ask("remove", session="abcdef0123456789")["status"] is False
        print(json.dumps([[a["cloud"], a["id"]] for a in made]))
        """;

    [Fact]
    public void Settings_a_redis_and_three_nodes_in_the_background_serve_old_clients_and_stop_leaves_nothing()
    {
        using var place = new Place();
        var (home, mark) = (place["home"], $"{Environment.ProcessId}");
        var port = Place.FreePort();
        using var redis = Process.Start(new ProcessStartInfo("redis-server", ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--logfile", place["redis.log"]]) { WorkingDirectory = place.Folder, UseShellExecute = false })!;
        try
        {
            // 1. Nothing is there, and that is said.
            Pc.Run(home, "sessions", "stop").Ok();
            Assert.Equal(3, Pc.Run(home, "sessions", "status").Exit);
            Assert.Contains("sessions start --settings FILE; or ", Pc.Run(home, "sessions", "list").Refused("PC1001", 3).Err);
            Pc.Run(home, "sessions", "--settings", place["settings.yml"], "--daemon").Refused("PC7130", 4);
            var settings = place.File("settings.yml", $"region: eu\nhostname: localhost\nredis:\n  host: 127.0.0.1\n  port: {port}\n  pasword: x\n");
            Assert.Contains("line 6: unknown key redis.pasword (did you mean redis.password?)", Pc.Run(home, "sessions", "--settings", settings, "--daemon").Refused("PC7131", 2).Err);
            File.WriteAllText(settings, File.ReadAllText(settings).Replace("pasword: x", "password:", StringComparison.Ordinal));

            // 2. Three nodes; a second start changes nothing.
            Pc.Run(home, "sessions", "--settings", settings, "--test-nodes", "3", "--daemon").Ok();
            Assert.Contains("up already", Pc.Run(home, "sessions", "start").Ok().Out);
            Pc.Run(home, "sessions", "--settings", settings, "--test-nodes", "2").Refused("PC7132", 5);
            Place.Until(() => Pc.Run(home, "sessions", "status", "--json").Ok(), said => said.Json.GetProperty("connected").GetBoolean(), "the connection with the Redis");

            // 3. A client.
            var made = Python(Client, $"{port}", mark);
            Assert.Equal(6, made.GetArrayLength());
            var status = Pc.Run(home, "sessions", "status", "--json").Ok().Json;
            Assert.Equal(5, status.GetProperty("sessions").GetInt32());
            Assert.Equal(("eu", 3), (status.GetProperty("region").GetString(), status.GetProperty("nodes").GetArrayLength()));
            Assert.Equal(10, Running($"sleep\07000.{mark}\0").Count);

            // 4. People, on whichever of the nodes it is.
            var last = made[5][1].GetString()!;
            Assert.Contains(last, Pc.Run(home, "sessions", "list").Ok().Out);
            Assert.Equal("begun\n", Pc.Run(home, "sessions", "logs", last).Ok().Out);
            Pc.Run(home, "sessions", "remove", last).Ok();

            // 5. Without the Redis what is here is still shown.
            redis.Kill();
            redis.WaitForExit();
            var left = JsonDocument.Parse(Pc.Run(home, "sessions", "list", "--json").Ok().Out.Split('\n').First(line => line.Contains("\"state\"", StringComparison.Ordinal))).RootElement.GetProperty("sessions")[0].GetProperty("id").GetString()!;
            Pc.Run(home, "sessions", "logs", left).Ok();
            Pc.Run(home, "sessions", "logs", "ffff").Refused("PC7153", 1);

            // 6. The end: processes are counted.
            var pid = status.GetProperty("pid").GetInt32();
            Pc.Run(home, "sessions", "stop").Ok();
            Assert.Equal(3, Pc.Run(home, "sessions", "status").Exit);
            Assert.False(Directory.Exists($"/proc/{pid}") && !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal));
            Assert.Empty(Running($"sleep\07000.{mark}\0"));
            Assert.Empty(Running(home));
        }
        finally
        {
            Pc.Run(home, "sessions", "stop");
            redis.Kill();
            redis.WaitForExit();
        }
    }

    // The processes whose command line has this in it.
    private static List<string> Running(string part)
    {
        var found = new List<string>();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(folder => Path.GetFileName(folder).All(char.IsAsciiDigit)))
        {
            try
            {
                var line = File.ReadAllText(Path.Combine(process, "cmdline"));
                if (line.Contains(part, StringComparison.Ordinal) && Path.GetFileName(process) != $"{Environment.ProcessId}") found.Add(line);
            }
            catch (IOException)
            {
                // It has just ended.
            }
        }
        return found;
    }

    private static JsonElement Python(string script, params string[] arguments)
    {
        var said = Pc.Run(Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", script, .. arguments]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!);
        return said.Ok().Json;
    }
}

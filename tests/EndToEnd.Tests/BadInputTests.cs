using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>Each mistake gets one clear error that names what to try, and nothing is lost by it.</summary>
public sealed class BadInputTests
{
    [Theory]
    [InlineData(new[] { "lst" }, "pc list")]
    [InlineData(new[] { "list", "--jsn" }, "pc list --help")]
    [InlineData(new[] { "deploy" }, "pc deploy --help")]
    public void A_command_line_that_makes_no_sense_ends_with_2(string[] arguments, string hint)
    {
        using var place = new Place();
        Assert.Contains(hint, Pc.Run(place["home"], arguments).Refused("PC1000", 2).Err);
    }

    [Fact]
    public void Without_a_daemon_a_command_ends_with_3_and_says_how_to_start_one()
    {
        using var place = new Place();
        Assert.Contains(" up", Pc.Run(place["home"], "list").Refused("PC1001", 3).Err);
        var json = Pc.Run(place["home"], "list", "--json");
        Assert.Equal((3, "PC1001"), (json.Exit, json.Json.GetProperty("code").GetString()));
    }

    [Fact]
    public void Tickets_that_do_not_fit_are_told_apart()
    {
        using var place = new Place();
        var (oak, elm, fir) = (place.Up("oak", "--no-host"), place.Up("elm", "--no-host"), place.Up("fir", "--no-host"));
        var ticket = Place.Swarm("friends", oak);
        Pc.Run(elm, "join", "hello").Refused("PC4010", 5);
        Pc.Run(elm, "join", ticket[..^20]).Refused("PC4011", 5);
        Pc.Run(elm, "join", ticket[..30] + (ticket[30] == 'a' ? 'b' : 'a') + ticket[31..]).Refused("PC4012", 5);
        var once = Pc.Run(oak, "invite", "friends").Ok().Out.Trim();
        Pc.Run(elm, "join", once).Ok();
        Pc.Run(fir, "join", once).Refused("PC4015", 5);
        var brief = Pc.Run(oak, "invite", "friends", "--hours", "0.0000001").Ok().Out.Trim();
        Pc.Run(fir, "join", brief).Refused("PC4014", 5);
        // A removal closes all open tickets.
        var open = Pc.Run(oak, "invite", "friends").Ok().Out.Trim();
        Pc.Run(oak, "remove", "friends", "elm").Ok();
        Pc.Run(fir, "join", open).Refused("PC4018", 5);
        Pc.Run(oak, "remove", "friends", "nobody").Refused("PC4003", 4);
        // The inviter is gone.
        var late = Pc.Run(oak, "invite", "friends").Ok().Out.Trim();
        Pc.Run(oak, "down").Ok();
        Pc.Run(fir, "join", late).Refused("PC1108", 1);
    }

    [Fact]
    public void Folders_that_cannot_be_deployed_are_refused_each_with_its_reason()
    {
        using var place = new Place();
        var oak = place.Up("oak", "--no-host");
        Pc.Run(oak, "deploy", place["nothing"]).Refused("PC1010", 4);
        Place.Swarm("friends", oak);
        string Bot(string name)
        {
            place.File($"{name}/bot.py", "print(1)");
            return place[name];
        }

        Pc.Run(oak, "deploy", "friends", place["nothing"]).Refused("PC6000", 4);
        Pc.Run(oak, "deploy", "friends", place.File("file", "x")).Refused("PC6003", 1);
        place.File("unknown/readme.txt", "x");
        Pc.Run(oak, "deploy", "friends", place["unknown"]).Refused("PC6003", 1);
        Pc.Run(oak, "deploy", "friends", Bot("a"), "cobol").Refused("PC6002", 2);
        File.CreateSymbolicLink(Path.Combine(Bot("link"), "shadow"), "/etc/passwd");
        Pc.Run(oak, "deploy", "friends", place["link"]).Refused("PC6007", 1);
        place.File("newline/two\nlines.txt", "x");
        Pc.Run(oak, "deploy", "friends", Bot("newline")).Refused("PC6008", 1);
        using (var big = File.Create(Path.Combine(Bot("big"), "big.bin"))) big.SetLength(5L << 30);
        Pc.Run(oak, "deploy", "friends", place["big"]).Refused("PC6012", 1);
        Pc.Run(oak, "deploy", "friends", Bot("good")).Refused("PC6020", 5);
        Pc.Run(oak, "deploy", "foes", Bot("good")).Refused("PC1103", 4);
        Pc.Run(oak, "logs", "friends", "nothing").Refused("PC6024", 4);
        Pc.Run(oak, "stop", "friends", "nothing").Refused("PC6024", 4);
        Place.Swarm("family", oak);
        Pc.Run(oak, "deploy", Bot("good")).Refused("PC1003", 2);
    }

    [Fact]
    public void A_configured_port_that_is_taken_is_an_error_and_the_default_one_moves_on()
    {
        using var place = new Place();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        Pc.Run(place["oak"], "up", "--listen", "127.0.0.1", "--port", $"{port}").Refused("PC1202", 1);
        TcpListener? onDefault = null;
        try
        {
            onDefault = new TcpListener(IPAddress.Loopback, 4242);
            onDefault.Start();
        }
        catch (SocketException)
        {
            // Somebody else has it already, which is as good.
        }
        place.Up("fir"); // has a port of its own
        var home = place["elm"];
        var up = Pc.Run(home, "up", "--listen", "127.0.0.1", "--json").Ok().Json.GetProperty("addresses")[0].GetString()!;
        Pc.Run(home, "down").Ok();
        onDefault?.Dispose();
        Assert.DoesNotContain("/tcp/4242", up);
    }

    [Fact]
    public void A_second_daemon_on_one_home_is_refused()
    {
        using var place = new Place();
        var oak = place.Up("oak");
        Pc.Run(oak, "daemon", "--port", "0", "--listen", "127.0.0.1").Refused("PC1203", 5);
        Assert.Contains("up already", Pc.Run(oak, "up").Ok().Out);
    }

    [Fact]
    public void A_daemon_that_cannot_write_its_log_is_reported()
    {
        using var place = new Place();
        Directory.CreateDirectory(Path.Combine(place["oak"], "logs", "daemon.log"));
        var said = Pc.Run(place["oak"], "up", "--port", "0", "--listen", "127.0.0.1");
        Assert.Equal(1, said.Exit);
        Assert.Contains("error PC1002: ", said.Err);
    }

    [Fact]
    public void Starting_at_boot_without_systemd_is_refused()
    {
        using var place = new Place();
        Pc.RunWith(place["oak"], new Dictionary<string, string> { ["PATH"] = place.Folder, ["HOME"] = place.Folder, ["XDG_CONFIG_HOME"] = place.Folder }, "up", "--boot").Refused("PC1007", 1);
    }

    [Fact]
    public void Another_user_s_daemon_is_out_of_reach()
    {
        if (!Environment.IsPrivilegedProcess) return; // only root can become another user
        using var place = new Place();
        var oak = place.Up("oak");
        File.SetUnixFileMode(place.Folder, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(oak, (UnixFileMode)0b111_101_101);
        var start = new[] { "--reuid=65534", "--regid=65534", "--clear-groups", Reachable(place), "list" };
        Pc.Run(Pc.Start(oak, "/usr/bin/setpriv", start, null)).Refused("PC1008", 5);
    }

    [Fact]
    public void Output_that_cannot_be_written_is_an_error()
    {
        using var place = new Place();
        var said = Pc.Run(Pc.Start(place["home"], "/bin/sh", ["-c", "exec \"$0\" version > /dev/full", Pc.Program], null));
        Assert.Equal(1, said.Exit);
        Assert.StartsWith("error PC1009: ", said.Err);
    }

    [Fact]
    public void Who_reads_the_beginning_of_a_page_only_has_not_made_an_error()
    {
        using var place = new Place();
        foreach (var words in new[] { "deploy --help", "--help", "version" })
        {
            // The reader is gone long before the command has started.
            var said = Pc.Run(Pc.Start(place["home"], "/bin/sh", ["-c", $"{{ {{ \"$0\" {words}; echo $? >&2; }} | :; }}", Pc.Program], null));
            Assert.Equal("0\n", said.Err);
        }
    }

    [Fact]
    public void Garbage_on_the_socket_is_answered_and_harms_nobody()
    {
        using var place = new Place();
        var oak = place.Up("oak");
        foreach (var garbage in new[] { "\0\0\0\0\0\0\0\0", "GET / HTTP/1.1\r\n" + new string('a', 100_000), "POST /v1/add HTTP/1.1\r\nHost: pc\r\nContent-Length: 99999999999\r\n\r\n{" })
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(oak, "pc.sock")));
            socket.Send(System.Text.Encoding.Latin1.GetBytes(garbage));
            socket.Shutdown(SocketShutdown.Send);
            socket.ReceiveTimeout = 60_000;
            var buffer = new byte[4096];
            try
            {
                while (socket.Receive(buffer) > 0) { }
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionReset)
            {
                // Cut off is an answer too.
            }
        }
        Pc.Run(oak, "list").Ok();
    }

    // The program below a folder that everybody may read: a copy, when the repository is in somebody's private folder.
    private static string Reachable(Place place)
    {
        var copy = place["program"];
        using var copying = Process.Start("cp", ["-rL", Path.GetDirectoryName(Pc.Program)!, copy]);
        copying.WaitForExit();
        using var opening = Process.Start("chmod", ["-R", "a+rX", copy]);
        opening.WaitForExit();
        return Path.Combine(copy, "pc");
    }
}

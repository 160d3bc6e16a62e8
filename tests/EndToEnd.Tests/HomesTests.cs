namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>That the routers do what their names say, seen with plain sockets; otherwise nothing that runs behind them proves anything.</summary>
public sealed class HomesTests
{
    // The host binds one port, listens on it and also sends from it: that is what makes the kinds differ.
    private const string Reach = """
        import socket, sys
        port = 5000
        def bound():
            s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind(('0.0.0.0', port)); return s
        listener = bound(); listener.listen()
        out = bound(); out.connect((sys.argv[1], 6000)); print(out.recv(100).decode(), flush=True)
        while True:
            c, who = listener.accept(); c.sendall(b'in'); c.close()
        """;

    [Theory]
    [InlineData("None", true, true)]
    [InlineData("FullCone", true, true)]
    [InlineData("Restricted", true, false)]
    [InlineData("PortRestricted", false, false)]
    [InlineData("Symmetric", false, false)]
    public void A_router_lets_in_whom_its_kind_says(string kind, bool whoWasContacted, bool anybody)
    {
        if (!Lan.Possible) return;
        var nat = Enum.Parse<Nat>(kind);
        using var homes = new Homes();
        var outside = homes.AddHost("seen", Nat.None);
        homes.AddHost("other", Nat.None);
        var address = homes.AddHost("home", nat);
        using var server = Pc.Start("", "/usr/bin/env", [.. homes.On("seen"), "python3", "-uc",
            "import socket\ns = socket.create_server(('0.0.0.0', 6000))\nprint('up')\nwhile True:\n  c, who = s.accept(); c.sendall(f'{who[0]}:{who[1]}'.encode())"], null);
        Assert.Equal("up", server.StandardOutput.ReadLine());
        using var host = Pc.Start("", "/usr/bin/env", [.. homes.On("home"), "python3", "-uc", Reach, outside], null);
        try
        {
            var seen = host.StandardOutput.ReadLine()!;
            Assert.StartsWith(address + ":", seen);
            if (nat != Nat.Symmetric) Assert.Equal($"{address}:5000", seen);
            else Assert.NotEqual($"{address}:5000", seen);

            Assert.Equal(whoWasContacted, GetsIn("seen"));
            Assert.Equal(anybody, GetsIn("other"));
        }
        finally
        {
            foreach (var process in new[] { server, host })
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit();
            }
        }

        // Three tries of the kernel to open a connection are enough to tell lost from slow.
        bool GetsIn(string from) => Pc.Run(Pc.Start("", "/usr/bin/env", [.. homes.On(from), "python3", "-c",
            $"import socket\ns = socket.socket(); s.settimeout(4)\ntry:\n  s.connect(('{address}', 5000)); print(s.recv(10).decode())\nexcept TimeoutError: print('lost')"], null)).Ok().Out.Trim() == "in";
    }
}

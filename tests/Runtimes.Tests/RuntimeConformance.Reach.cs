using System.Text;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>What reaches a command from outside: connections, folders of the host, standing still.</summary>
public abstract partial class RuntimeConformance
{
    // Says its port, then echoes each connection until its half closes, then says how much it was.
    private const string EchoServer = """
        import socket, sys, threading
        server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
        print('listening', flush=True)
        def serve(peer):
          count = 0
          while data := peer.recv(65536):
            count += len(data)
            peer.sendall(data)
          peer.sendall(b'END %d' % count)
          peer.close()
        while True: threading.Thread(target=serve, args=(server.accept()[0],)).start()
        """;

    [Theory]
    [InlineData(NetworkMode.None, "127.0.0.1")]
    [InlineData(NetworkMode.None, "::1")]
    [InlineData(NetworkMode.Internet, "0.0.0.0")]
    [InlineData(NetworkMode.Lan, "127.0.0.1")]
    public async Task A_port_of_the_command_is_reached_whatever_network_it_has(NetworkMode network, string address)
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", EchoServer, address, "8080") with { Network = network, Ports = [8080] }, output.Receive, Token);
        await output.WaitForAsync("listening");

        // Two at a time, the second used first.
        await using var first = await run.ConnectAsync(8080, Token);
        await using var second = await run.ConnectAsync(8080, Token);

        Assert.Equal("secondEND 6", await TalkAsync(second, "second"));
        Assert.Equal("firstEND 5", await TalkAsync(first, "first"));
    }

    [Fact]
    public async Task Much_goes_through_a_connection_both_ways()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", EchoServer, "127.0.0.1", "8080"), output.Receive, Token);
        await output.WaitForAsync("listening");
        await using var connection = await run.ConnectAsync(8080, Token);
        var sent = new byte[8 << 20];
        new Random(1).NextBytes(sent);

        var sending = Task.Run(
            async () =>
            {
                await connection.WriteAsync(sent, Token);
                ((IHalfClosable)connection).CloseWrite();
            },
            Token);
        var received = new MemoryStream();
        await connection.CopyToAsync(received, Token).WaitAsync(Patience, Token);
        await sending;

        Assert.True(received.ToArray().AsSpan(0, sent.Length).SequenceEqual(sent));
        Assert.Equal($"END {sent.Length}", Encoding.ASCII.GetString(received.ToArray().AsSpan(sent.Length)));
    }

    [Fact]
    public async Task A_port_on_which_nothing_listens_is_said_to_be_so()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", EchoServer, "127.0.0.1", "8080"), output.Receive, Token);
        await output.WaitForAsync("listening");

        await Assert.ThrowsAsync<IOException>(async () => await run.ConnectAsync(8081, Token));

        await using var connection = await run.ConnectAsync(8080, Token);
        Assert.Equal("xEND 1", await TalkAsync(connection, "x"));
    }

    [Fact]
    public async Task Connections_end_with_the_run()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", EchoServer, "127.0.0.1", "8080"), output.Receive, Token);
        await output.WaitForAsync("listening");
        await using var connection = await run.ConnectAsync(8080, Token);

        await run.StopAsync(TimeSpan.Zero);

        var after = await Record.ExceptionAsync(async () => Assert.Equal(0, await connection.ReadAsync(new byte[1], Token).AsTask().WaitAsync(Patience, Token)));
        Assert.True(after is null or IOException, after?.ToString());
        await Assert.ThrowsAsync<IOException>(async () => await run.ConnectAsync(8080, Token));
    }

    [Fact]
    public async Task A_data_folder_outlives_the_run()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "source")).FullName;
        Directory.CreateDirectory(Path.Combine(source, "data"));
        await File.WriteAllTextAsync(Path.Combine(source, "data", "shipped"), "0", Token);
        await File.WriteAllTextAsync(
            Path.Combine(source, "count.py"),
            """
            import os
            os.makedirs('data/deep', exist_ok=True)
            if os.path.exists('data/shipped'): os.rename('data/shipped', 'data/count')
            count = int(open('data/count').read()) + 1
            open('data/count', 'w').write(str(count))
            open('data/deep/%d' % count, 'w').write('x')
            open('other', 'x')
            print(count, sorted(os.listdir('data')), sorted(os.listdir('data/deep')))
            """,
            Token);
        // Others may not pass through the folder above it, as with a home.
        var data = Directory.CreateDirectory(Path.Combine(Folder, "private", "data")).FullName;
        File.SetUnixFileMode(Path.Combine(Folder, "private"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var spec = Spec("python3", "count.py") with { SourceFolder = source, DataFolder = data };

        var (_, first) = await RunAsync(spec);
        var (_, second) = await RunAsync(spec with { Id = spec.Id + "-again" });

        Assert.Equal("1 ['count', 'deep'] ['1']\n", first.Out);
        Assert.Equal("2 ['count', 'deep'] ['1', '2']\n", second.Out);
        Assert.Equal("2", await File.ReadAllTextAsync(Path.Combine(data, "count"), Token));
        Assert.False(File.Exists(Path.Combine(source, "data", "count")));
    }

    [Fact]
    public async Task A_mount_is_seen_and_cannot_be_changed()
    {
        var cache = Directory.CreateDirectory(Path.Combine(Folder, "private", "cache", "lib")).Parent!.FullName;
        await File.WriteAllTextAsync(Path.Combine(cache, "lib", "part.py"), "NAME = 'elm'", Token);
        File.SetUnixFileMode(Path.Combine(cache, "lib", "part.py"), (UnixFileMode)0b110_110_110);
        File.SetUnixFileMode(Path.Combine(Folder, "private"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        var (_, output) = await RunAsync(
            Python("""
                import sys
                sys.path.append('/opt/cache/lib')
                import part
                for path in ('/opt/cache/new', '/opt/cache/lib/part.py'):
                  try: open(path, 'a')
                  except OSError as e: print('refused')
                print(part.NAME)
                """) with { Mounts = [new RunMount(cache, "/opt/cache"), new RunMount(Path.Combine(cache, "lib"), "/app/lib")] });

        Assert.Equal("refused\nrefused\nelm\n", output.Out);
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_refused()
    {
        var data = await Assert.ThrowsAsync<Base.PcException>(async () => await RunAsync(Python("pass") with { DataFolder = Path.Combine(Folder, "none") }));
        var mount = await Assert.ThrowsAsync<Base.PcException>(async () => await RunAsync(Python("pass") with { Mounts = [new RunMount(Path.Combine(Folder, "none"), "/opt/none")] }));

        Assert.Equal(Base.ErrorCode.RunSourceRefused, data.Code);
        Assert.Equal(Base.ErrorCode.RunSourceRefused, mount.Code);
        foreach (var target in new[] { "/", "relative", "/opt/../etc", "/app/data" })
        {
            await Assert.ThrowsAsync<ArgumentException>(
                async () => await RunAsync(Python("pass") with { DataFolder = Folder, Mounts = [new RunMount(Folder, target)] }));
        }
    }

    [Fact]
    public async Task A_frozen_command_stands_still_and_goes_on_after_it()
    {
        var output = new Recorder();
        // A parent that starts children all the time: none may slip through.
        await using var run = await Runtime.StartAsync(
            Python("""
                import os, sys, time
                print('ready', flush=True)
                while True:
                  if os.fork() == 0:
                    os.write(1, b'.')
                    os._exit(0)
                  os.wait()
                """) with { Limits = new RunLimits { Pids = 16 } },
            output.Receive, Token);
        await output.WaitForAsync("....");

        await run.FreezeAsync();
        await run.FreezeAsync();
        var before = await SettledAsync(run, output);
        var used = run.Usage().CpuTime;
        // Other work of this machine goes on meanwhile: a whole command from start to end.
        await RunAsync(Python("pass"));
        Assert.Equal(before, output.Out.Length);
        Assert.Equal(used, run.Usage().CpuTime);

        await run.ThawAsync();
        await run.ThawAsync();
        await output.WaitForAsync(new string('.', before + 1));
        await run.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_frozen_command_can_be_stopped()
    {
        foreach (var grace in new[] { TimeSpan.Zero, Patience })
        {
            var output = new Recorder();
            await using var run = await Runtime.StartAsync(
                Python("import os, signal\ndef end(*_):\n  os.write(1, b'tidied\\n')\n  os._exit(7)\nsignal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\nwhile True: signal.pause()"),
                output.Receive, Token);
            await output.WaitForAsync("ready");

            await run.FreezeAsync();
            await run.StopAsync(grace).AsTask().WaitAsync(Patience, Token);

            Assert.Equal(RunExitReason.Stopped, (await run.Exited).Reason);
            Assert.Equal(grace == TimeSpan.Zero ? "ready\n" : "ready\ntidied\n", output.Out);
        }
    }

    /// <summary>What it wrote before it stood still may still be on its way; its length when a round trip through a runtime added nothing.</summary>
    private async Task<int> SettledAsync(IRun run, Recorder output)
    {
        Assert.False(run.Exited.IsCompleted);
        for (var last = -1; ;)
        {
            await RunAsync(Python("pass"));
            if (output.Out.Length == last) return last;
            last = output.Out.Length;
        }
    }

    private static async Task<string> TalkAsync(Stream connection, string text)
    {
        await connection.WriteAsync(Encoding.ASCII.GetBytes(text), Token);
        ((IHalfClosable)connection).CloseWrite();
        using var reader = new StreamReader(connection, leaveOpen: true);
        return await reader.ReadToEndAsync(Token).WaitAsync(Patience, Token);
    }
}

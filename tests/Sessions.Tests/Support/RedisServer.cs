using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Sessions.Tests.Support;

/// <summary>Debian's redis-server in a process and folder of its own, on a free port of this machine.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly string _folder;
    private readonly string[] _options;
    private Process? _process;

    private RedisServer(string[] options)
    {
        _options = options;
        _folder = Directory.CreateTempSubdirectory("pc-redis-").FullName;
        Port = FreePort();
    }

    public int Port { get; }

    /// <summary>Below which it may keep files.</summary>
    public string Folder => _folder;

    public static async Task<RedisServer> StartAsync(params string[] options)
    {
        var server = new RedisServer(options);
        await server.RunAsync();
        return server;
    }

    /// <summary>Starts it, or starts it again after <see cref="KillAsync"/>, on the same port and with the same options.</summary>
    public async Task RunAsync()
    {
        _process = Process.Start(new ProcessStartInfo("redis-server",
            ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--databases", "1", "--daemonize", "no", "--logfile", "redis.log", .. _options])
        {
            WorkingDirectory = _folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var clock = Stopwatch.StartNew();
        while (!await AnswersAsync())
        {
            if (_process.HasExited) Assert.Fail($"redis-server ended: {File.ReadAllText(Path.Combine(_folder, "redis.log"))}");
            Assert.True(clock.Elapsed < Patience, "redis-server did not answer in time");
            await Task.Delay(20);
        }
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        if (_process is null) return;
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>Stops it in the middle of whatever it does, as a machine that hangs; its connections stay open.</summary>
    public void Freeze() => Signal("-STOP");

    /// <summary>Lets it go on.</summary>
    public void Thaw() => Signal("-CONT");

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_process!.Id}"]);
        kill.WaitForExit();
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var client = new RawClient(Port);
            return (await client.AskAsync("PING\r\n"u8.ToArray(), "\r\n"u8.ToArray())).Length > 0;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }
}

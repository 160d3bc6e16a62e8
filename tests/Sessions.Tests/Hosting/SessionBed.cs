using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>A host of real sessions of one kind, in a folder of its own; what happens to them can be waited for.</summary>
internal abstract class SessionBed : IAsyncDisposable
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Channel<SessionInput> _happened = Channel.CreateUnbounded<SessionInput>();

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Path { get; } = Directory.CreateTempSubdirectory("sessions-").FullName;

    public string Sessions => System.IO.Path.Combine(Path, "sessions");

    public abstract SessionHost Host { get; }

    /// <summary>A script that a shell runs; it serves no port.</summary>
    public abstract string Shell(string lines);

    /// <summary><see cref="Scripts.Echo"/>, in the form of this kind.</summary>
    public abstract string Echo();

    /// <summary>What of sessions is left on this machine besides files.</summary>
    public abstract Task<int> LeftAsync();

    public async Task<T> NextAsync<T>()
        where T : SessionInput
    {
        while (true)
        {
            var input = await _happened.Reader.ReadAsync(Token).AsTask().WaitAsync(Patience, Token);
            if (input is T wanted) return wanted;
            if (input is SessionInput.StartFailed failed) throw failed.Error;
        }
    }

    /// <summary>Starts a session and gives its port.</summary>
    public async Task<int> StartAsync(string id, string script, TimeSpan? idle = null)
    {
        Host.Start(id, new SessionRequest(new(SessionVerb.Create, "a1"), script, "", idle));
        return (await NextAsync<SessionInput.Started>()).Port;
    }

    public string LogOf(string id) => Encoding.UTF8.GetString(Host.Log(id));

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(Path, recursive: true);
    }

    /// <summary>Ends the host and what it runs in.</summary>
    protected abstract Task CloseAsync();

    public static async Task<string> TcpAsync(int port, string word)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, Token);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(word), Token);
        var answer = new MemoryStream();
        await client.GetStream().CopyToAsync(answer, Token).WaitAsync(Patience, Token);
        return Encoding.UTF8.GetString(answer.ToArray());
    }

    public static async Task<string> UdpAsync(int port, string word)
    {
        using var client = new UdpClient();
        client.Connect(IPAddress.Loopback, port);
        await client.SendAsync(Encoding.UTF8.GetBytes(word), Token);
        return Encoding.UTF8.GetString((await client.ReceiveAsync(Token).AsTask().WaitAsync(Patience, Token)).Buffer);
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(waited.Elapsed < Patience, "waited too long");
            await Task.Delay(20, Token); // nobody tells when a process begins
        }
    }

    public async Task UntilNothingIsLeftAsync()
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        while (await LeftAsync() > 0)
        {
            Assert.True(waited.Elapsed < Patience, "waited too long");
            await Task.Delay(50, Token); // nobody tells when a container is removed
        }
    }

    protected void Watch(SessionHost host) => host.Happened += input => _happened.Writer.TryWrite(input);

    /// <summary>Processes of this machine whose arguments hold a text.</summary>
    public static int ProcessesWith(string text)
    {
        var found = 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => char.IsAsciiDigit(System.IO.Path.GetFileName(folder)[0])))
        {
            try
            {
                if (File.ReadAllText(System.IO.Path.Combine(folder, "cmdline")).Contains(text, StringComparison.Ordinal)) found++;
            }
            catch (IOException)
            {
                // It has ended.
            }
        }
        return found;
    }
}

using System.Net;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>A host of sessions in real sandboxes, in a folder of its own; what happens to them can be waited for.</summary>
internal sealed class SandboxFolder : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Channel<SessionInput> _happened = Channel.CreateUnbounded<SessionInput>();

    public SandboxFolder(SessionHostOptions? options = null)
    {
        File.SetUnixFileMode(Path, (UnixFileMode)0b111_001_001);
        Runtime = new SandboxRuntime(new SandboxOptions { Folder = System.IO.Path.Combine(Path, "sandbox"), Standby = [] }, TimeProvider.System, NullLogger.Instance);
        Host = new SessionHost(
            (options ?? new SessionHostOptions { Folder = "", Hostname = "localhost" }) with { Folder = System.IO.Path.Combine(Path, "sessions"), Address = IPAddress.Loopback, Network = NetworkMode.None },
            new SessionLimits(), Runtime, TimeProvider.System, NullLogger.Instance);
        Host.Happened += input => _happened.Writer.TryWrite(input);
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Path { get; } = Directory.CreateTempSubdirectory("sessions-").FullName;

    public SandboxRuntime Runtime { get; }

    public SessionHost Host { get; }

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

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await Runtime.DisposeAsync();
        Directory.Delete(Path, recursive: true);
    }

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

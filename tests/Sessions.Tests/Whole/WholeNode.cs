using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Whole;

/// <summary>A <see cref="NodeProcess"/> as a test holds it.</summary>
internal sealed class WholeNode : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("session-node-").FullName;
    private readonly Process _process;

    private WholeNode(RedisServer redis, int sessions, int requests)
    {
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_001_001);
        _process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!,
            [NodeProcess.Word, redis.Port.ToString(CultureInfo.InvariantCulture), _folder, sessions.ToString(CultureInfo.InvariantCulture), requests.ToString(CultureInfo.InvariantCulture)])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
    }

    public string Cloud { get; private set; } = "";

    private string Hold => Path.Combine(_folder, NodeProcess.HoldFile);

    public static async Task<WholeNode> StartAsync(RedisServer redis, int sessions = 512, int requests = 4096)
    {
        var node = new WholeNode(redis, sessions, requests);
        node.Cloud = (await node._process.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience))!;
        return node;
    }

    /// <summary>Lets no session begin until <see cref="Release"/>.</summary>
    public void HoldStarts() => File.WriteAllText(Hold, "");

    public void Release() => File.Delete(Hold);

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>As a machine that hangs.</summary>
    public void Freeze() => Signal("-STOP");

    public void Thaw() => Signal("-CONT");

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Thaw();
            _process.StandardInput.Close();
            await _process.WaitForExitAsync().WaitAsync(RedisServer.Patience);
        }
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_process.Id}"]);
        kill.WaitForExit();
    }
}

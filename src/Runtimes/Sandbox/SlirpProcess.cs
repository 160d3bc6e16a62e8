using System.Diagnostics;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// slirp4netns of one network. Unlike a sandbox it needs no thread of the daemon, of which there would be one for each program: it ends with its
/// input, a pipe of ours, and not with the thread that started it.
/// </summary>
internal sealed class SlirpProcess
{
    private const int MaxComplaintChars = 4 << 10;

    private readonly Process _process;
    private readonly StreamReader _ready;
    private readonly Task<string> _complaints;

    private SlirpProcess(Process process)
    {
        _process = process;
        ProcessId = process.Id;
        _ready = process.StandardOutput; // one that ends at once is disposed of before anybody asks whether it is ready
        _complaints = ReadAsync(process.StandardError);
        Ended = EndAsync();
    }

    /// <summary>Its number on this host.</summary>
    public int ProcessId { get; }

    /// <summary>Ends when it has ended.</summary>
    public Task Ended { get; }

    /// <summary>Starts it.</summary>
    /// <param name="script">What a shell does until it becomes slirp4netns.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">There is no shell.</exception>
    public static SlirpProcess Start(string script)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", script])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment.Clear();
        start.Environment["PATH"] = SandboxShell.Path;
        return new SlirpProcess(Process.Start(start)!);
    }

    /// <summary>Whether it serves its network; false when it ended before.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        var ready = new char[1];
        return await _ready.ReadAsync(ready, cancellationToken) == 1 && ready[0] == '1';
    }

    /// <summary>Ends it and answers what it complained about.</summary>
    public async Task<string> FailAsync()
    {
        Kill();
        await Ended;
        return (await _complaints).Trim();
    }

    /// <summary>Ends it.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended.
        }
    }

    private async Task EndAsync()
    {
        _ = await _complaints;
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    // All of it is read, so that it never waits for us; the first words say why.
    private static async Task<string> ReadAsync(StreamReader errors)
    {
        var (said, buffer) = ("", new char[256]);
        for (int count; (count = await errors.ReadAsync(buffer)) > 0;)
            if (said.Length < MaxComplaintChars) said += new string(buffer, 0, count);
        return said;
    }
}

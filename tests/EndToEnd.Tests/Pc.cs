using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>What a command of pc said and how it ended.</summary>
internal sealed record Said(int Exit, string Out, string Err)
{
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;

    public Said Ok()
    {
        Assert.True(Exit == 0, $"exit {Exit}\n{Out}\n{Err}");
        return this;
    }

    /// <summary>Two lines on standard error, the code in the first, what to try in the second.</summary>
    public Said Refused(string code, int exit)
    {
        Assert.True(Exit == exit && Err.StartsWith($"error {code}: ", StringComparison.Ordinal), $"exit {Exit}, expected {code} and exit {exit}\n{Out}\n{Err}");
        Assert.StartsWith("  try: ", Err.Split('\n')[1]);
        return this;
    }
}

/// <summary>The built program, as people run it. ./test builds it first.</summary>
internal static class Pc
{
    public static string Root { get; } = FindRoot();

    public static string Launcher { get; } = Path.Combine(Root, "pc");

    public static string Program { get; } = Path.Combine(Root, "artifacts", "pc", "current", "pc");

    /// <summary>More than anything takes on a loaded machine; a command that hangs fails by it.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    public static string HelloBot { get; } = Path.Combine(Root, "samples", "hello-bot");

    public static Said Run(string home, params string[] arguments) => Run(Start(home, Program, arguments, null));

    public static Said RunWith(string home, IReadOnlyDictionary<string, string> environment, params string[] arguments) => Run(Start(home, Program, arguments, environment));

    public static Said Run(Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                Assert.Fail($"{process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList)} did not end within {Patience}");
            }
            return new Said(process.ExitCode, output.Result, error.Result);
        }
    }

    public static Process Start(string home, string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment)
    {
        Assert.True(File.Exists(program), $"{program} is not there: ./test builds it");
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, StandardOutputEncoding = Encoding.UTF8 };
        start.Environment["PC_HOME"] = home;
        start.Environment["NO_COLOR"] = "1";
        start.Environment["PC_WEB_PORT"] = "0";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int KillProcess(int id, int signal);

    /// <summary>STOP: it stands still, and knows nothing of it.</summary>
    public const int Stop = 19;

    /// <summary>CONT: it goes on.</summary>
    public const int Continue = 18;

    /// <summary>TERM, as a service manager sends it.</summary>
    public static void Terminate(Process process) => Signal(process, 15);

    /// <summary>Sends a signal.</summary>
    public static void Signal(Process process, int signal) => Signal(process.Id, signal);

    /// <summary>Sends a signal to the process of this number.</summary>
    public static void Signal(int process, int signal) => Assert.Equal(0, KillProcess(process, signal));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("the tests run outside of the repository");
    }
}

/// <summary>A folder for one test; daemons that it started are ended with it.</summary>
internal sealed class Place : IDisposable
{
    private readonly List<string> _homes = [];

    public string Folder { get; } = Directory.CreateTempSubdirectory("pc-e2e-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Starts a node in the background on loopback and returns its home. It stays dead when it is killed.</summary>
    public string Up(string name, params string[] more)
    {
        var home = this[name];
        _homes.Add(home);
        Pc.Run(home, ["up", "--no-restart", "--name", name, .. more.Contains("--port") ? Array.Empty<string>() : ["--port", "0"], "--listen", "127.0.0.1", .. more]).Ok();
        return home;
    }

    /// <summary>Starts a node on a host of a network, on all of its addresses and the default port. Its socket is in reach from everywhere.</summary>
    public string Up(IHosts hosts, string name, params string[] more)
    {
        var home = this[name];
        if (!_homes.Contains(home)) _homes.Add(home);
        Pc.Run(Pc.Start(home, "/usr/bin/env", [.. hosts.On(name), Pc.Program, "up", "--no-restart", "--name", name, .. more], null)).Ok();
        return home;
    }

    /// <summary>Makes a swarm on the first home, and the others join it.</summary>
    public static string Swarm(string name, string first, params string[] others)
    {
        var ticket = Pc.Run(first, "create", "--name", name, "--json").Ok().Json.GetProperty("ticket").GetString()!;
        foreach (var home in others) Pc.Run(home, "join", ticket).Ok();
        return ticket;
    }

    public string File(string name, string text)
    {
        var path = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    /// <summary>A TCP port that nobody had a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    public static int PidOf(string home) => Pc.Run(home, "up", "--json").Ok().Json.GetProperty("pid").GetInt32();

    /// <summary>Kills a daemon as a power cut would end it.</summary>
    public static void Kill(string home)
    {
        using var daemon = Process.GetProcessById(PidOf(home));
        daemon.Kill();
        daemon.WaitForExit();
    }

    /// <summary>Runs a command until what it says fits; every run is a fresh look at the state.</summary>
    public static Said Until(Func<Said> look, Func<Said, bool> fits, string what)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var said = look();
            if (fits(said)) return said;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(90), $"{what} did not happen; the last look:\n{said.Out}\n{said.Err}");
        }
    }

    public void Dispose()
    {
        foreach (var home in _homes) Pc.Run(home, "down");
        Directory.Delete(Folder, recursive: true);
    }
}

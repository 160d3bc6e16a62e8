using System.CommandLine;
using System.Runtime.InteropServices;
using PeoplesCloud.Daemon;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc daemon: this process becomes the daemon.</summary>
internal static class DaemonCommand
{
    private static readonly Argument<FileInfo?> Config = new("config") { Description = "A configuration file. Default: config.toml in the home, or in ~/.config/peoples-cloud.", HelpName = "CONFIG.TOML", Arity = ArgumentArity.ZeroOrOne };

    // For a parent that starts a daemon and may die itself: the pipe ends with it.
    private static readonly Option<bool> UntilStdinEnds = new("--until-stdin-ends") { Hidden = true };

    public static PcCommand Create()
    {
        var command = new PcCommand("daemon", "Run this node in the foreground.")
        {
            Synopsis = "[CONFIG.TOML] [--no-host] [--name NAME] [--port PORT] [--listen ADDRESSES]",
            Details = "Prints one line when it serves: ready PEERID MULTIADDR. Ends in order at TERM or Ctrl-C: programs that it hosts are stopped first. A second signal ends it at once.",
            Examples = [("pc daemon", "Run until Ctrl-C."), ("pc daemon /etc/pc.toml --port 4300", "With a configuration file; flags win over it.")],
        };
        command.Arguments.Add(Config);
        command.Options.Add(UntilStdinEnds);
        DaemonOptions.AddTo(command);
        return command.Runs(RunAsync);
    }

    private static async Task<int> RunAsync(Invocation invocation)
    {
        using var stop = new StopSignals();
        if (invocation.Value(UntilStdinEnds)) _ = StopWithStdinAsync(stop, stop.Token);
        var config = DaemonConfig.Load(invocation.Parsed.GetValue(Config)?.FullName, DaemonOptions.Flags(invocation), DaemonConfig.ProcessEnvironment());
        return await DaemonHost.RunAsync(config, invocation.Terminal.Out, stop.Token);
    }

    private static async Task StopWithStdinAsync(StopSignals stop, CancellationToken cancellationToken)
    {
        await Console.OpenStandardInput().CopyToAsync(Stream.Null, cancellationToken);
        stop.Stop();
    }
}

/// <summary>TERM, INT and HUP as a token: the first asks to end in order, the second ends the process at once.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals()
    {
        _registrations = [Register(PosixSignal.SIGTERM), Register(PosixSignal.SIGINT), Register(PosixSignal.SIGHUP)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>The signal that came, null while none did.</summary>
    public PosixSignal? Received { get; private set; }

    /// <summary>Asks to end in order, as a signal does.</summary>
    public void Stop() => _stop.Cancel();

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stop.Dispose();
    }

    private PosixSignalRegistration Register(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        if (Received is not null) return;
        Received = signal;
        context.Cancel = true;
        _stop.Cancel();
    });
}

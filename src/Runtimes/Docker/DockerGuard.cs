using System.Net;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// The process that outlives the daemon and ends its containers when their time is up: containers belong to the engine, so that without it
/// they would run on while another host starts the same program. Whether the daemon died, hangs or was stopped makes no difference here.
/// It reads lines (<see cref="GuardTable"/>) and ends when its input has ended and nothing is left to guard.
/// </summary>
public static class DockerGuard
{
    /// <summary>The first argument of a process of this program that is a guard; the second is the engine's socket.</summary>
    public const string Word = "docker-guard";

    /// <summary>What it says when it guards.</summary>
    internal const string Ready = "ready";

    // Short against a lease of seconds. A timer would stand still while the machine is suspended, and be late by what was left of it.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Runs the guard in this process; returns its exit code.</summary>
    /// <param name="socket">The Engine API's socket.</param>
    /// <param name="time">For pauses and timeouts; deadlines are in time since boot.</param>
    public static async Task<int> RunAsync(string socket, TimeProvider time)
    {
        // What ends the daemon's group or terminal must not end this.
        _ = LibC.setsid();
        using var term = Ignore(PosixSignal.SIGTERM);
        using var interrupt = Ignore(PosixSignal.SIGINT);
        using var hangup = Ignore(PosixSignal.SIGHUP);
        using var quit = Ignore(PosixSignal.SIGQUIT);
        using var client = new DockerClient(socket, time);
        var table = new GuardTable();
        Console.Out.WriteLine(Ready);
        await Console.Out.FlushAsync();

        // Not Console.In, whose asynchronous reads wait.
        using var input = new StreamReader(Console.OpenStandardInput());
        var next = input.ReadLineAsync();
        var ended = false;
        while (!ended || !table.IsEmpty)
        {
            while (!ended && next.IsCompleted)
            {
                if (await next is { } line)
                {
                    table.Take(line);
                    next = input.ReadLineAsync();
                }
                else
                {
                    ended = true;
                }
            }
            await Task.WhenAll(table.Due(BootTime.Now).Select(due => EndAsync(due, client, table, time)));
            if (ended && table.IsEmpty) break;
            var pause = Task.Delay(Interval, time);
            if (ended || table.IsEmpty) await (ended ? pause : next);
            else _ = await Task.WhenAny(pause, next);
        }
        return 0;
    }

    private static PosixSignalRegistration Ignore(PosixSignal signal) => PosixSignalRegistration.Create(signal, context => context.Cancel = true);

    private static async Task EndAsync(GuardedContainer due, DockerClient client, GuardTable table, TimeProvider time)
    {
        // 1. Without the engine, where that is allowed: it may hang, or be gone.
        if (due.Process is { } process)
        {
            _ = process.Kill();
            if (!process.IsAlive)
            {
                table.Ended(due.Container);
                return;
            }
        }
        // 2. By the engine: who is not root may not kill, and one that is paused does not die of a signal alone.
        using var timeout = new CancellationTokenSource(KillTimeout, time);
        try
        {
            _ = await client.CallAsync(HttpMethod.Post, $"/containers/{due.Container}/kill?signal=KILL", body: null, timeout.Token);
            if (due.Process is null) table.Ended(due.Container);
        }
        catch (DockerException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            // It is gone, or does not run.
            table.Ended(due.Container);
        }
        catch (Exception e) when (e is DockerException or PcException or OperationCanceledException or InvalidDataException)
        {
            // Again in a moment, as long as it takes.
        }
    }
}

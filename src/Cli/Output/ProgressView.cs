using System.Diagnostics;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using Spectre.Console;

namespace PeoplesCloud.Cli.Output;

/// <summary>
/// Shows how far long work is, on standard error: a bar on a terminal, a plain line now and then elsewhere. Work that is soon done
/// shows nothing, and then the library that draws the bar is not even loaded.
/// </summary>
internal static class ProgressView
{
    // A bar for less would be gone before it is read.
    private const long LeastBytes = 32 << 20;
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(5);

    /// <summary>Takes events until the result, drawing their progress.</summary>
    /// <param name="events">The events of a long answer.</param>
    /// <param name="title">What is being done.</param>
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="quiet">Show nothing (--json).</param>
    /// <param name="seen">Gets what is neither progress nor the result.</param>
    public static T Follow<T>(IEnumerable<Event<T>> events, string title, Terminal terminal, bool quiet, Action<Event<T>> seen)
        where T : class
    {
        T? result = null;
        using var enumerator = events.GetEnumerator();
        var sinceLine = Stopwatch.StartNew();
        while (enumerator.MoveNext())
        {
            var current = enumerator.Current;
            if (current.Progress is not { } progress)
            {
                Take(current, ref result, seen);
            }
            else if (!quiet && terminal.ErrorIsTerminal && progress.TotalBytes - progress.DoneBytes > LeastBytes)
            {
                result = Draw(enumerator, title, terminal, seen);
                break;
            }
            else if (!quiet && sinceLine.Elapsed > BetweenLines)
            {
                sinceLine.Restart();
                terminal.Error.WriteLine($"{title}: {Words.Bytes(progress.DoneBytes)}{(progress.TotalBytes > 0 ? $" of {Words.Bytes(progress.TotalBytes)}" : "")}");
            }
        }

        return result ?? throw new PcException(ErrorCode.DaemonWentAway, "the daemon ended its answer without a result");
    }

    private static T? Draw<T>(IEnumerator<Event<T>> events, string title, Terminal terminal, Action<Event<T>> seen)
        where T : class
    {
        T? result = null;
        // Lines for a terminal wait until the bar is gone; for a file or pipe they are written as they come.
        var waiting = new List<Event<T>>();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn()).Start(context =>
        {
            var task = context.AddTask(Markup.Escape(title), maxValue: Math.Max(1, events.Current.Progress!.TotalBytes));
            do
            {
                if (events.Current.Progress is { } progress) task.Value = progress.DoneBytes;
                else if (terminal.IsTerminal && events.Current.Kind != "result") waiting.Add(events.Current);
                else Take(events.Current, ref result, seen);
            }
            while (events.MoveNext());
        });
        waiting.ForEach(seen);
        return result;
    }

    private static void Take<T>(Event<T> happened, ref T? result, Action<Event<T>> seen)
        where T : class
    {
        if (happened.Kind == "result") result = happened.Result;
        else seen(happened);
    }
}

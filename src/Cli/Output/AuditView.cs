using System.Globalization;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Output;

/// <summary>pc audit for people.</summary>
internal static class AuditView
{
    /// <summary>Writes it for people.</summary>
    public static void Write(AuditReply reply, Terminal terminal)
    {
        foreach (var entry in reply.Entries)
        {
            var time = entry.Time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            var standing = entry.Standing == "counts" ? "" : terminal.Warn($" [without effect: {entry.Standing}]");
            terminal.Line($"{terminal.Dim(time)}  {terminal.Bold(terminal.Safe(entry.Author))} {terminal.Safe(entry.Text)}{standing}");
        }
        foreach (var use in reply.Use)
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{terminal.Safe(use.Program)} on {terminal.Safe(use.Host)}: {Words.Count(use.Runs, "run")}, {use.Seconds:0} s, {use.CpuSeconds:0.0} CPU-seconds, {use.MemoryMebibyteSeconds} MiB-seconds, {Words.Bytes(use.Bytes)}{(use.Since is { } since ? $"; one goes on since {since.ToLocalTime():yyyy-MM-dd HH:mm:ss}: what it takes is told when it ends, and once a day in pc favours" : "")}"));
        if (reply.Verified && reply.Problems.Count == 0) terminal.Line($"verified: every signature and every chain holds");
    }
}

namespace PeoplesCloud.Daemon.Api;

// What the local API says of programs that run at times. Routes are in docs/protocols/local-api.md.

/// <summary>A program's schedule as its manifest has it. Next: null when this node does not know such times. Last: its last time that is over, as its host says; null when none is, or its host is not awake.</summary>
public sealed record ScheduleInfo(string Text, DateTimeOffset? Next, ScheduleLast? Last);

/// <summary>A time that is over. Result: ok, failed, skipped, lost.</summary>
public sealed record ScheduleLast(DateTimeOffset Due, string Result);

/// <summary>One time of pc history. Began null: no process was started. Host: who ran it, or said what became of it.</summary>
public sealed record HistoryTime(DateTimeOffset Due, string Result, string Host, DateTimeOffset? Began, double TookSeconds, string? Detail);

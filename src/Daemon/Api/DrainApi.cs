namespace PeoplesCloud.Daemon.Api;

/// <summary>POST /v1/drain. End: this node takes programs again.</summary>
public sealed record DrainRequest(bool End = false);

/// <summary>Answer of drain: whether this node takes no programs now, and what became of those that it ran.</summary>
public sealed record DrainReply(bool Draining, IReadOnlyList<DrainedProgram> Programs);

/// <summary>A program that ran here. To: the member that takes it; null when nobody else can run it now, so that it stays.</summary>
public sealed record DrainedProgram(string Swarm, string Program, string? To);

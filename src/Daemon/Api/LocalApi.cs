using System.Text.Json.Serialization;

namespace PeoplesCloud.Daemon.Api;

// The local API: JSON over HTTP/1.1 on the home's Unix socket (mode 0600). Routes are in docs/protocols/local-api.md.
// A command that takes long answers application/x-ndjson: one Event a line, the last of kind "result" or "error".
// An error answers its own status with ErrorReply: 400 usage, 403 refused, 404 not found, 500 failed.

/// <summary>An error as the API and <c>--json</c> show it.</summary>
/// <param name="Code">PC and four digits.</param>
/// <param name="Message">What happened.</param>
/// <param name="Hint">What to try.</param>
/// <param name="Exit">The exit code of the command.</param>
public sealed record ErrorReply(string Code, string Message, string Hint, int Exit);

/// <summary>One line of a long answer. Exactly one of the others is set, by kind: step, progress, added, log, result, error.</summary>
public sealed record Event<T>(string Kind, string? Text = null, ProgressInfo? Progress = null, T? Result = default, ErrorReply? Error = null);

/// <summary>How far long work is; total 0 when unknown.</summary>
public sealed record ProgressInfo(long DoneBytes, long TotalBytes);

/// <summary>GET /v1/status. Gateway: where the world reads public content (http://HOST:PORT); null when it does not.</summary>
public sealed record StatusReply(string PeerId, string Name, string Version, int Pid, string Home, IReadOnlyList<string> Addresses, bool Hosts, int Swarms, DateTimeOffset Started, string? Gateway = null);

/// <summary>POST /v1/swarms. Secret: others may join with it, see <see cref="JoinSecretRequest"/>.</summary>
public sealed record CreateRequest(string? Name, string? Secret = null)
{
    /// <summary>Without the secret.</summary>
    public override string ToString() => $"create {Name}";
}

/// <summary>Answer of create and join. Ticket is set by create: reusable for 7 days, for members.</summary>
public sealed record SwarmReply(string Name, string Id, string Role, int Members, string? Ticket);

/// <summary>POST /v1/swarms/join. Name is how the swarm is called on this machine; null takes its own name.</summary>
public sealed record JoinRequest(string Ticket, string? Name);

/// <summary>POST /v1/swarms/join-secret: by the swarm's name, the address of one of its admins (HOST:PORT) and its secret. Name as in <see cref="JoinRequest"/>.</summary>
public sealed record JoinSecretRequest(string Swarm, string Peer, string Secret, string? Name = null)
{
    /// <summary>Without the secret.</summary>
    public override string ToString() => $"join {Swarm} at {Peer}";
}

/// <summary>POST /v1/swarms/join-code: by the three words of a spoken code. Peer: where the inviter is (HOST:PORT); null looks on the local network. Name as in <see cref="JoinRequest"/>.</summary>
public sealed record JoinCodeRequest(string Code, string? Peer = null, string? Name = null)
{
    /// <summary>Without the code.</summary>
    public override string ToString() => $"join at {Peer}";
}

/// <summary>POST /v1/swarms/{swarm}/secret: sets the secret with which others join; null takes it back. Role: member, guest or admin.</summary>
public sealed record SecretRequest(string? Secret, string? Role = null)
{
    /// <summary>Without the secret.</summary>
    public override string ToString() => $"secret for {Role}";
}

/// <summary>Answer of secret.</summary>
public sealed record SecretReply(string Swarm, bool IsSet, string Role);

/// <summary>POST /v1/swarms/{swarm}/words: makes a spoken code. Role: member, guest or admin.</summary>
public sealed record WordsRequest(string? Role = null);

/// <summary>Answer of words: the code, until when it is good, and after how many wrong guesses it is void.</summary>
public sealed record WordsReply(string Words, string Swarm, string Role, DateTimeOffset Expires, int Guesses)
{
    /// <summary>Without the words.</summary>
    public override string ToString() => $"code for {Swarm}";
}

/// <summary>POST /v1/swarms/{swarm}/invite. Role: member, guest or admin. Uses 0: any number until it expires.</summary>
public sealed record InviteRequest(string? Role, int? Uses, double? ExpiresHours);

/// <summary>Answer of invite.</summary>
public sealed record InviteReply(string Ticket, string Swarm, string Role, int Uses, DateTimeOffset Expires);

/// <summary>POST /v1/swarms/{swarm}/remove. Member: a name or a peer id, or the start of one.</summary>
public sealed record RemoveRequest(string Member);

/// <summary>Answer of remove: who, and the running programs whose key it held, which may hold secrets that are to be changed.</summary>
public sealed record RemoveReply(string Member, string PeerId, IReadOnlyList<ExposedProgram> Exposed);

/// <summary>A program whose bundle a former member can open. Yours: this node owns it.</summary>
public sealed record ExposedProgram(string Program, string Owner, bool Yours);

/// <summary>GET /v1/list.</summary>
public sealed record ListReply(IReadOnlyList<SwarmInfo> Swarms);

/// <summary>One swarm of this node. RefusedBy names the members who say that this node is none any more, though it has no entry of that; null when nobody does.</summary>
public sealed record SwarmInfo(string Name, string Id, string Role, IReadOnlyList<MemberInfo> Members, IReadOnlyList<ProgramInfo> Programs, IReadOnlyList<string>? RefusedBy = null);

/// <summary>One member. State: here (this node), awake, suspect, asleep. Rank is null when it does not host or is not awake.</summary>
public sealed record MemberInfo(string PeerId, string Name, string Role, string State, bool Hosts, double? Rank, DateTimeOffset? LastSeen);

/// <summary>
/// One program. State: starting, running, restarting, stopped, failed, waiting (no host may run it now), scheduled (it waits for its next time), unknown (its host is not awake).
/// FormerKeyHolders: who left or was removed and can open the bundle; null when nobody. Runs: where it ran lately, the newest last; null when nowhere yet.
/// Schedule: when it is started and what of that is next and over; null when it runs all the time.
/// Alone: whether its host goes on without a majority of its guardians, so that another may run it too; AloneSince: since when, null when that is not known.
/// Guardians: who votes on where it runs. Conflicts: data that a newer version did not take over, told within the last two days; null when there is none.
/// </summary>
public sealed record ProgramInfo(
    string Name, string Hash, string Language, string Owner, string? Host, string State, string? Detail, int Restarts, DateTimeOffset Deployed, IReadOnlyList<string>? FormerKeyHolders = null,
    IReadOnlyList<RunInfo>? Runs = null, bool Alone = false, IReadOnlyList<string>? Guardians = null, ScheduleInfo? Schedule = null,
    DateTimeOffset? AloneSince = null, IReadOnlyList<ConflictInfo>? Conflicts = null);

/// <summary>Data of a program that was kept apart: by whom, when that was told, and how much of it under which name.</summary>
public sealed record ConflictInfo(string On, DateTimeOffset Told, string What);

/// <summary>
/// One time that a host ran a program, as it wrote it down, by its clock. Ended null: it runs, or it did not say. Why: finished, stopped, handed over, lease lost,
/// overlapped, start failed, host died, host stopped, host refused; null while it runs.
/// </summary>
public sealed record RunInfo(string Host, ulong Epoch, DateTimeOffset? Began, DateTimeOffset? Ended, string? Why, string? Detail);

/// <summary>GET /v1/network.</summary>
public sealed record NetworkReply(string PeerId, IReadOnlyList<string> Addresses, IReadOnlyList<PeerInfo> Peers, IReadOnlyList<PairInfo> Pairs);

/// <summary>
/// One connection or known member without one. Direction: in, out, or none. Route: direct, relayed (through Relay), or none. Why: what
/// makes it relayed or slow; null when there is nothing to explain.
/// </summary>
public sealed record PeerInfo(
    string PeerId, string? Name, string Direction, string? Address, double? RoundTripMs, int Streams, long BytesIn, long BytesOut, DateTimeOffset? Since, string? Problem,
    string Route, string? Relay, string? RelayPeerId, string? Why);

/// <summary>A connection between two other members, as one of them says. Fields as those of <see cref="PeerInfo"/>.</summary>
public sealed record PairInfo(string From, string To, string Route, string? Relay, double? RoundTripMs, string? Why);

/// <summary>
/// POST /v1/swarms/{swarm}/deploy. Path is absolute; empty for the image that Settings name and no files. Language null is detected; Host names a member, null chooses by rank. Settings: by the keys
/// of pc.toml (docs/layouts/manifest.md), environment variables as env.NAME; they win over the file. Secrets: secret environment variables, kept
/// for later deploys of this name too.
/// </summary>
public sealed record DeployRequest(string Path, string? Language, string? Name, string? Host, IReadOnlyDictionary<string, IReadOnlyList<string>>? Settings = null, IReadOnlyDictionary<string, string>? Secrets = null)
{
    /// <summary>Without the secrets.</summary>
    public override string ToString() => $"deploy {Path}";
}

/// <summary>The result of deploy. Next: of a program with a schedule, when it is started first; null for others. Url: of a web program, where a browser on the deployer's machine finds it.</summary>
public sealed record DeployReply(string Program, string Hash, string Language, string Host, string HostPeerId, IReadOnlyList<Candidate> Candidates, DateTimeOffset? Next = null, string? Url = null);

/// <summary>A member that was asked to host. Chosen, or why not.</summary>
public sealed record Candidate(string Name, string PeerId, double? Rank, bool Chosen, string Why);

/// <summary>A log line: stream is out, err or pc (what the host says about the program). NDJSON on GET .../logs?follow=true&amp;tail=N.</summary>
public sealed record LogLine(DateTimeOffset Time, string Stream, string Text, string Host);

/// <summary>POST /v1/swarms/{swarm}/programs/{program}/stop.</summary>
public sealed record StopReply(string Program, string Hash, string? Host);

/// <summary>POST /v1/add. Path is absolute. Swarm null: members of all of this node's swarms may fetch it. RawLeaves null: with CidVersion 1. Public: the gateway serves it to the world.</summary>
public sealed record AddRequest(string Path, bool Recursive, string? Swarm, int CidVersion = 0, bool? RawLeaves = null, bool Public = false);

/// <summary>A file or folder that was added: as <c>ipfs add</c> prints it.</summary>
public sealed record AddedReply(string Cid, string Path, long Size);

/// <summary>POST /v1/get. Output is an absolute path that does not exist yet.</summary>
public sealed record GetRequest(string Cid, string Output);

/// <summary>Answer of get.</summary>
public sealed record GetReply(string Cid, string Output, long Bytes, int Files);

/// <summary>GET /v1/pins, POST and DELETE /v1/pins/{cid}?public=BOOL. Public: those of them that the gateway serves to the world.</summary>
public sealed record PinsReply(IReadOnlyList<string> Pins, IReadOnlyList<string>? Public = null);

/// <summary>POST /v1/gc. DryRun only counts.</summary>
public sealed record CollectRequest(bool DryRun);

/// <summary>Answer of gc: blocks that were (or would be) removed and those that stay.</summary>
public sealed record CollectReply(long RemovedBlocks, long RemovedBytes, long KeptBlocks, long KeptBytes, bool DryRun);

/// <summary>Serialization of the local API, generated so that a command starts fast.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ErrorReply))]
[JsonSerializable(typeof(StatusReply))]
[JsonSerializable(typeof(CreateRequest))]
[JsonSerializable(typeof(SwarmReply))]
[JsonSerializable(typeof(JoinRequest))]
[JsonSerializable(typeof(JoinSecretRequest))]
[JsonSerializable(typeof(JoinCodeRequest))]
[JsonSerializable(typeof(SecretRequest))]
[JsonSerializable(typeof(SecretReply))]
[JsonSerializable(typeof(WordsRequest))]
[JsonSerializable(typeof(WordsReply))]
[JsonSerializable(typeof(InviteRequest))]
[JsonSerializable(typeof(InviteReply))]
[JsonSerializable(typeof(RemoveRequest))]
[JsonSerializable(typeof(RemoveReply))]
[JsonSerializable(typeof(ListReply))]
[JsonSerializable(typeof(NetworkReply))]
[JsonSerializable(typeof(DeployRequest))]
[JsonSerializable(typeof(Event<DeployReply>))]
[JsonSerializable(typeof(Event<AddedReply>))]
[JsonSerializable(typeof(Event<GetReply>))]
[JsonSerializable(typeof(Event<LogLine>))]
[JsonSerializable(typeof(StopReply))]
[JsonSerializable(typeof(AddRequest))]
[JsonSerializable(typeof(GetRequest))]
[JsonSerializable(typeof(PinsReply))]
[JsonSerializable(typeof(CollectRequest))]
[JsonSerializable(typeof(CollectReply))]
[JsonSerializable(typeof(DrainRequest))]
[JsonSerializable(typeof(DrainReply))]
public sealed partial class LocalApiJson : JsonSerializerContext;

using System.Runtime.InteropServices;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions.Engine;

/// <summary>What connects the nodes, which decides how they agree on who answers.</summary>
public enum SessionAgreement
{
    /// <summary>Our own endpoint: the node whose client published the request coordinates it.</summary>
    Coordinated,

    /// <summary>A Redis: whoever sets the request's key answers.</summary>
    Claimed,
}

/// <summary>How long the engine waits for others.</summary>
public sealed record SessionEngineOptions
{
    /// <summary>How the nodes agree.</summary>
    public required SessionAgreement Agreement { get; init; }

    /// <summary>How much the node takes.</summary>
    public SessionLimits Limits { get; init; } = new();

    /// <summary>Between two ranks. Default 0.5 s, as the other program.</summary>
    public TimeSpan RankInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a foreign node may answer first when it ranks lowest. Default 1 s: it takes 0.25 s for each request, one after the other.</summary>
    public TimeSpan ForeignPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How much longer each node waits than the one that ranks before it. Default 250 ms: less would only make them meet at the key.</summary>
    public TimeSpan Step { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest of those waits. Default 0.9 s: with one claim that ends after it, an answer still comes within 2 s.</summary>
    public TimeSpan LongestStep { get; init; } = TimeSpan.FromMilliseconds(900);

    /// <summary>How long a claim holds unless it is renewed. Default 0.5 s.</summary>
    public TimeSpan ClaimLife { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How long after a Redis was away nothing is claimed or answered, unless all nodes that were there before have been heard again: they put back what they
    /// had answered. Default 3 s: a node that takes longer has most likely gone with it.
    /// </summary>
    public TimeSpan Settling { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long nobody may know of a session before the answer is that nobody runs it. Default 300 ms: whoever runs it answers at once.</summary>
    public TimeSpan NobodyPatience { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>How long a node that was asked may say nothing. Default 400 ms, so that two dead ones still leave time for a third.</summary>
    public TimeSpan AskPatience { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>How often a node that works on what it was asked says so. Default 150 ms.</summary>
    public TimeSpan WorkingInterval { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>After how long a request is given up: whatever should have answered is gone. Default 10 s; a client has long asked again.</summary>
    public TimeSpan GiveUp { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>A moment, by the two clocks that the engine needs.</summary>
/// <param name="Passed">Time that only moves forward, from any start.</param>
/// <param name="UnixSeconds">The node's clock, for what is published.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SessionMoment(TimeSpan Passed, double UnixSeconds);

/// <summary>What became of setting a request's key.</summary>
public enum ClaimOutcome
{
    /// <summary>It is ours.</summary>
    Won,

    /// <summary>Another node has it.</summary>
    Held,

    /// <summary>The request was answered; the answer is given.</summary>
    Answered,

    /// <summary>Nobody knows: what keeps the keys is away.</summary>
    Unknown,
}

/// <summary>What happened to the engine's node.</summary>
public abstract record SessionInput
{
    /// <summary>A request was heard, or what should have been one.</summary>
    /// <param name="Verb">The verb of its channel.</param>
    /// <param name="Read">What was read of it.</param>
    /// <param name="PublishedHere">Whether a client of this node published it.</param>
    public sealed record RequestHeard(SessionVerb Verb, ReadRequest Read, bool PublishedHere) : SessionInput;

    /// <summary>A rank was heard.</summary>
    public sealed record RankHeard(RankMessage Rank) : SessionInput;

    /// <summary>An answer was heard, whoever published it.</summary>
    public sealed record AnswerHeard(RequestKey Key, ReadOnlyMemory<byte> Answer) : SessionInput;

    /// <summary>Another node of ours said something.</summary>
    /// <param name="Message">What it said.</param>
    /// <param name="IsDirect">Whether to this node, rather than to all.</param>
    public sealed record NodeHeard(NodeMessage Message, bool IsDirect) : SessionInput;

    /// <summary>What became of <see cref="SessionEffect.Claim"/>.</summary>
    /// <param name="Key">The request.</param>
    /// <param name="Outcome">What became of it.</param>
    /// <param name="Answer">The standing answer.</param>
    /// <param name="Age">How long it has been standing.</param>
    public sealed record ClaimEnded(RequestKey Key, ClaimOutcome Outcome, ReadOnlyMemory<byte> Answer = default, TimeSpan Age = default) : SessionInput;

    /// <summary>What became of <see cref="SessionEffect.Answer"/>: Won when it was published, once.</summary>
    public sealed record AnswerEnded(RequestKey Key, ClaimOutcome Outcome, ReadOnlyMemory<byte> Standing = default) : SessionInput;

    /// <summary>The Redis was away: keys may be lost, and answers were not heard.</summary>
    public sealed record KeysInDoubt : SessionInput;

    /// <summary>A session's first instruction can run.</summary>
    public sealed record Started(string Session, string Hostname, int Port) : SessionInput
    {
        /// <summary>Its further ports on the host, by those inside such as <c>80/tcp</c>; null when it has none.</summary>
        public IReadOnlyDictionary<string, IReadOnlyList<int>>? Ports { get; init; }
    }

    /// <summary>A session could not be started; nothing of it is left.</summary>
    public sealed record StartFailed(string Session, PcException Error) : SessionInput;

    /// <summary>A session that ran has ended by itself; null where the code is unknown.</summary>
    public sealed record Exited(string Session, int? ExitCode) : SessionInput;

    /// <summary>Nothing of a session is left, as <see cref="SessionEffect.Stop"/> asked.</summary>
    public sealed record Stopped(string Session) : SessionInput;

    /// <summary>A session went to sleep, or woke.</summary>
    public sealed record Slept(string Session, bool Asleep) : SessionInput;

    /// <summary>A session of an earlier life of this node: it runs still, or ended with it.</summary>
    public sealed record Found(string Session, SessionState State) : SessionInput;

    /// <summary>Time passed.</summary>
    /// <param name="CpuPercent">The use of the processors.</param>
    /// <param name="MemoryPercent">The use of memory.</param>
    /// <param name="Refusal">Why this node takes no sessions now; null when it does.</param>
    public sealed record Tick(double CpuPercent, double MemoryPercent, PcException? Refusal) : SessionInput;
}

/// <summary>What the engine wants done.</summary>
public abstract record SessionEffect
{
    /// <summary>Publish this.</summary>
    public sealed record Publish(string Channel, ReadOnlyMemory<byte> Payload) : SessionEffect;

    /// <summary>Set a request's key unless it is set; tell by <see cref="SessionInput.ClaimEnded"/>.</summary>
    /// <param name="Key">The request.</param>
    /// <param name="Again">Whether it is the key of the turn to publish a standing answer again.</param>
    public sealed record Claim(RequestKey Key, bool Again) : SessionEffect;

    /// <summary>Let the key that is ours live on.</summary>
    public sealed record Renew(RequestKey Key) : SessionEffect;

    /// <summary>
    /// Put the answer into the request's key and publish it, both or neither, if the key is ours or nobody's; tell by <see cref="SessionInput.AnswerEnded"/>.
    /// An answer that stands there already and is the same was ours.
    /// </summary>
    public sealed record Answer(RequestKey Key, ReadOnlyMemory<byte> Payload) : SessionEffect;

    /// <summary>Set a request's key to an answer that was given, unless it is set: the Redis may have lost it.</summary>
    /// <param name="Key">The request.</param>
    /// <param name="Payload">The answer.</param>
    /// <param name="Age">How long ago it was given.</param>
    public sealed record Restore(RequestKey Key, ReadOnlyMemory<byte> Payload, TimeSpan Age) : SessionEffect;

    /// <summary>Start a session; tell by <see cref="SessionInput.Started"/> or <see cref="SessionInput.StartFailed"/>.</summary>
    public sealed record Start(string Session, SessionRequest Request) : SessionEffect;

    /// <summary>End a session and all that it started, politely and then firmly; tell by <see cref="SessionInput.Stopped"/>.</summary>
    public sealed record Stop(string Session) : SessionEffect;

    /// <summary>For the log: a payload was no request and nobody can be told.</summary>
    public sealed record Unreadable(SessionVerb Verb, PcException Problem) : SessionEffect;
}

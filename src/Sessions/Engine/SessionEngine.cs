using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions.Engine;

/// <summary>
/// Decides what one node does about requests for sessions, so that each is answered once by all nodes of ours together; docs/protocols/sessions.md.
/// What happened goes into <see cref="Handle"/>, what is to be done comes out; nothing here waits, sleeps or reads a clock. Not thread-safe.
/// How a request finds the node that answers it is in SessionEngine.Claimed.cs (a Redis) and SessionEngine.Coordinated.cs (our own endpoint);
/// what a node does for one that coordinates is in SessionEngine.Orders.cs.
/// </summary>
public sealed partial class SessionEngine
{
    // A node that takes no sessions still says which it runs, and is asked last.
    private const double TakesNothing = 1_000_000;

    // What is only to be refused has no script and takes some 300 bytes.
    private const int RefusalsPerRequest = 4;

    private readonly string _self;
    private readonly SessionEngineOptions _options;
    private readonly SessionLimits _limits;
    private readonly Func<string> _newSession;
    private readonly RankTable _ranks = new();
    private readonly SessionTable _sessions;
    private readonly AnswerMemory _answers;
    private readonly AnswerMemory _elsewhere;
    private readonly Dictionary<RequestKey, Work> _works = [];
    private readonly Dictionary<string, Timed> _starts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Timed>> _stops = new(StringComparer.Ordinal);
    private readonly PriorityQueue<Timed, TimeSpan> _due = new();
    private readonly Queue<Timed> _ready = new();
    private readonly Queue<NodeMessage> _toSelf = new();

    private List<SessionEffect> _effects = [];
    private TimeSpan _now;
    private double _unixSeconds;
    private PcException? _refusal;
    private int _starting;
    private long _bytes;

    /// <summary>Makes the engine of one node.</summary>
    /// <param name="cloud">The node's id, of <see cref="SessionNames.CloudId"/>.</param>
    /// <param name="options">How long it waits.</param>
    /// <param name="newSession">Makes ids of sessions.</param>
    public SessionEngine(string cloud, SessionEngineOptions options, Func<string> newSession)
    {
        _self = cloud;
        _options = options;
        _limits = options.Limits;
        _newSession = newSession;
        _sessions = new SessionTable(_limits.Ended);
        _answers = new AnswerMemory(_limits.Memory, _limits.Answers);
        _elsewhere = new AnswerMemory(_limits.Memory, _limits.Answers);
    }

    /// <summary>When <see cref="Handle"/> should be called again although nothing happens; null when it need not.</summary>
    public TimeSpan? NextWake
    {
        get
        {
            while (_due.TryPeek(out var first, out var at))
            {
                if (!first.IsOver && first.Due == at) return at;
                _due.Dequeue();
            }
            return null;
        }
    }

    /// <summary>Sessions that run, start or sleep here.</summary>
    public IReadOnlyList<string> Sessions => _sessions.Live;

    /// <summary>Requests that wait or are worked on.</summary>
    public int Requests => _works.Count + _orders.Count;

    /// <summary>Takes what happened.</summary>
    /// <param name="input">What happened; null when only time passed.</param>
    /// <param name="now">When.</param>
    /// <returns>What is to be done, in this order.</returns>
    public IReadOnlyList<SessionEffect> Handle(SessionInput? input, SessionMoment now)
    {
        (_now, _unixSeconds) = (now.Passed, now.UnixSeconds);
        // 1. What happened.
        if (input is not null) Take(input);
        // 2. What is due.
        while (NextWake is { } due && due <= _now) Ring(_due.Dequeue());
        // 3. What waited for a place, and what this node tells itself because of all that.
        do
        {
            while (_toSelf.TryDequeue(out var message)) OnNode(message, isDirect: true);
            StartReady();
        }
        while (_toSelf.Count > 0);
        var effects = _effects;
        _effects = [];
        return effects;
    }

    private void Take(SessionInput input)
    {
        switch (input)
        {
            case SessionInput.RequestHeard heard:
                OnRequest(heard);
                break;
            case SessionInput.RankHeard heard:
                if (heard.Rank.Cloud != _self && _ranks.Hear(heard.Rank, _now, _unixSeconds)) HearAgain(heard.Rank.Cloud);
                break;
            case SessionInput.AnswerHeard heard:
                OnAnswerHeard(heard.Key, heard.Answer);
                break;
            case SessionInput.NodeHeard heard:
                if (heard.Message.From != _self) OnNode(heard.Message, heard.IsDirect);
                break;
            case SessionInput.ClaimEnded ended:
                OnClaimEnded(ended);
                break;
            case SessionInput.AnswerEnded ended:
                OnAnswerEnded(ended);
                break;
            case SessionInput.KeysInDoubt:
                OnKeysInDoubt();
                break;
            case SessionInput.Started started:
                OnStarted(started);
                break;
            case SessionInput.StartFailed failed:
                OnStartFailed(failed);
                break;
            case SessionInput.Exited exited:
                if (_sessions.Find(exited.Session) is not null && !_stops.ContainsKey(exited.Session)) _sessions.Set(exited.Session, new KnownSession(SessionState.Exited, exited.ExitCode));
                break;
            case SessionInput.Stopped stopped:
                OnStopped(stopped.Session);
                break;
            case SessionInput.Slept slept:
                if (_sessions.Find(slept.Session) is { State: SessionState.Running or SessionState.Asleep }) _sessions.Set(slept.Session, new KnownSession(slept.Asleep ? SessionState.Asleep : SessionState.Running));
                break;
            case SessionInput.Found found:
                _sessions.Set(found.Session, new KnownSession(found.State));
                break;
            case SessionInput.Tick tick:
                OnTick(tick);
                break;
            default:
                throw new ArgumentException($"{input.GetType().Name} is not known", nameof(input));
        }
    }

    private void OnTick(SessionInput.Tick tick)
    {
        _refusal = tick.Refusal;
        var live = _sessions.Live;
        var score = RankMessage.ScoreOf(live.Count, tick.CpuPercent, tick.MemoryPercent) + (Refusal() is null ? 0 : TakesNothing);
        var rank = new RankMessage(_self, score, _unixSeconds, live);
        _ = _ranks.Hear(rank, _now, _unixSeconds);
        _effects.Add(new SessionEffect.Publish(SessionNames.Rank, rank.Write()));
    }

    private void OnRequest(SessionInput.RequestHeard heard)
    {
        if (heard.Read.Id is not { } id)
        {
            if (heard.Read.Problem is { } problem) _effects.Add(new SessionEffect.Unreadable(heard.Verb, problem));
            return;
        }
        var key = new RequestKey(heard.Verb, id);
        if (IsCoordinated && !heard.PublishedHere)
        {
            // Another node coordinates it, and this one remembers that.
            _elsewhere.Add(key, default, byUs: false, _now);
            return;
        }
        if (_works.ContainsKey(key)) return;
        if (_answers.TryGet(key, _now, out var first)) AnswerAgain(key, first);
        else if (heard.Read.Request is not { } request) Refuse(key, heard.Read.Problem!);
        else if (_works.Count >= _limits.Requests || _bytes + request.Script.Length > _limits.RequestBytes) Refuse(key, Busy());
        else if (IsCoordinated) Coordinate(Add(new Work(request, _now)));
        else Consider(Add(new Work(request, _now)));
    }

    private bool IsCoordinated => _options.Agreement == SessionAgreement.Coordinated;

    /// <summary>Why this node would not take one session more; null when it would.</summary>
    private PcException? Refusal() => _refusal ?? (_sessions.LiveCount >= _limits.Sessions
        ? new PcException(ErrorCode.SessionsFull, $"node {_self} runs {_sessions.LiveCount} sessions, its limit") : null);

    private PcException Busy() => new(ErrorCode.SessionsBusy, $"node {_self} has {_works.Count + _orders.Count} requests waiting, its limit");

    private void Refuse(RequestKey key, PcException problem)
    {
        var payload = SessionAnswer.Error(_self, key.Id, problem);
        if (IsCoordinated)
        {
            Publish(key, payload);
            return;
        }
        if (_works.Count >= _limits.Requests * RefusalsPerRequest)
        {
            // Nothing is kept of it: the Redis lets one of us through.
            _effects.Add(new SessionEffect.Answer(key, payload));
            return;
        }
        // All nodes say the same of it: the first one's turn comes at once.
        var work = Add(new Work(new SessionRequest(key, "", "", null), _now) { Answer = payload });
        SetDue(work, _now + StepOf(Position()));
    }

    private void OnAnswerHeard(RequestKey key, ReadOnlyMemory<byte> payload)
    {
        _answers.Add(key, payload, byUs: false, _now);
        Learn(key, payload.Span);
        if (IsCoordinated) SettleBy(key, payload);
        else YieldTo(key, payload);
    }

    // -- Starting and stopping ---------------------------------------------------------------------------------

    // At most so many start at a time; what waits is not claimed yet, so that a node with a free place may take it meanwhile.
    private void StartReady()
    {
        while (_starting < _limits.Starting && _ready.TryDequeue(out var next))
        {
            if (next.IsOver || next.Phase != Phase.Ready) continue;
            if (next is Work work) ClaimToStart(work);
            else StartOrder((Order)next);
        }
    }

    private void Start(Timed what, SessionRequest request)
    {
        what.Phase = Phase.Starting;
        what.Session = _newSession();
        _sessions.Set(what.Session, new KnownSession(SessionState.Running));
        _starts[what.Session] = what;
        _effects.Add(new SessionEffect.Start(what.Session, request));
    }

    private void OnStarted(SessionInput.Started started)
    {
        if (!_starts.Remove(started.Session, out var what)) return;
        _starting--;
        if (what.IsOver)
        {
            Stop(started.Session, null);
            return;
        }
        what.Answer = SessionAnswer.Created(_self, started.Session, started.Hostname, started.Port, started.Ports);
        if (what is Work work) Commit(work);
        else OrderDone((Order)what);
    }

    private void OnStartFailed(SessionInput.StartFailed failed)
    {
        _sessions.Remove(failed.Session);
        if (!_starts.Remove(failed.Session, out var what)) return;
        _starting--;
        if (what.IsOver) return;
        what.Session = null;
        if (failed.Error.Code == ErrorCode.HostRefuses)
        {
            // The rules of its owner: another node may have room, and has its turn when this claim has ended. If none has, the refusal is the answer.
            _refusal ??= failed.Error;
            if (what is Work refused && _now - refused.Since < AllRefuse)
            {
                refused.Phase = Phase.Waiting;
                SetDue(refused, _now + _options.ClaimLife + (2 * _options.Step));
                return;
            }
        }
        if (what is Work failedHere && LeaveToOthers(failedHere, failed.Error.Code)) return;
        what.Answer = SessionAnswer.Error(_self, what.Request.Key.Id, failed.Error);
        if (what is Work work) Commit(work);
        else OrderFailed((Order)what, mayGoElsewhere: failed.Error.Code is not ErrorCode.SessionScriptRefused);
    }

    /// <summary>Ends a session; whoever waits for that is told when it is done.</summary>
    private void Stop(string session, Timed? waiting)
    {
        if (!_stops.TryGetValue(session, out var all))
        {
            _stops[session] = all = [];
            _effects.Add(new SessionEffect.Stop(session));
        }
        if (waiting is not null) all.Add(waiting);
    }

    private void OnStopped(string session)
    {
        _sessions.Remove(session);
        if (!_stops.Remove(session, out var waiting)) return;
        foreach (var what in waiting)
        {
            if (what.IsOver) continue;
            what.Answer = SessionAnswer.Removed(_self, session, wasHere: true);
            if (what is Work work) Commit(work);
            else OrderDone((Order)what);
        }
    }

    // -- Work --------------------------------------------------------------------------------------------------

    private Work Add(Work work)
    {
        _works[work.Request.Key] = work;
        _bytes += work.Request.Script.Length;
        return work;
    }

    private void Remove(Work work)
    {
        if (work.IsOver) return;
        work.IsOver = true;
        _works.Remove(work.Request.Key);
        _bytes -= work.Request.Script.Length;
    }

    private void SetDue(Timed what, TimeSpan at)
    {
        what.Due = at;
        _due.Enqueue(what, at);
    }

    private void Ring(Timed what)
    {
        if (what is Order order) OnOrderDue(order);
        else if (what is Plea plea) OnPleaDue(plea);
        else if (IsCoordinated) OnCoordinatedDue((Work)what);
        else OnClaimedDue((Work)what);
    }

    private void Publish(RequestKey key, ReadOnlyMemory<byte> payload)
    {
        _answers.Add(key, payload, byUs: true, _now);
        Learn(key, payload.Span);
        _effects.Add(new SessionEffect.Publish(key.AnswerChannel, payload));
    }

    private enum Phase
    {
        Waiting,
        Ready,
        Claiming,
        Starting,
        Committing,
        Removing,
        Asking,
        Pleading,
        Provisional,
    }

    /// <summary>What has a time at which it goes on by itself.</summary>
    private abstract class Timed(SessionRequest request, TimeSpan since)
    {
        public SessionRequest Request => request;

        public TimeSpan Since => since;

        public Phase Phase { get; set; }

        public TimeSpan Due { get; set; }

        public bool IsOver { get; set; }

        /// <summary>The session that is started for it.</summary>
        public string? Session { get; set; }

        public ReadOnlyMemory<byte> Answer { get; set; }
    }

    /// <summary>A request that this node may answer.</summary>
    private sealed class Work(SessionRequest request, TimeSpan since) : Timed(request, since)
    {
        /// <summary>Whether it was answered before and the answer is to be published again.</summary>
        public bool IsRepeat { get; set; }

        /// <summary>Whether this node has tried to start it and could not.</summary>
        public bool HasFailed { get; set; }

        /// <summary>Whether its answer was sent to the Redis at least once.</summary>
        public bool IsSent { get; set; }

        /// <summary>Whether its answer was put into a key that may have been lost, without being published.</summary>
        public bool IsRestored { get; set; }

        /// <summary>Who is asked now.</summary>
        public string? Asked { get; set; }

        public HashSet<string> Tried { get; } = new(StringComparer.Ordinal);

        public ReadOnlyMemory<byte> LastRefusal { get; set; }

        /// <summary>Whether who is asked has said a word, and when anybody did last.</summary>
        public bool HasWord { get; set; }

        public TimeSpan LastWord { get; set; } = since;

        public bool AskedAll { get; set; }

        /// <summary>Whether this node may answer it.</summary>
        public Plea? Plea { get; set; }
    }
}

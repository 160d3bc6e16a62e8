using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

// On a Redis all nodes hear all requests. The least busy one sets the request's key at once, each further one a step later, unless an answer was
// heard by then. The answer goes into the key and onto its channel in one step of the Redis, or not at all: that alone makes it the only one. A claim
// saves the others from starting what will not be wanted; it ends with a node that dies, and the next one takes it.
public sealed partial class SessionEngine
{
    // An answer that is older by this than the request that we heard was published before it: its sender has asked again.
    private static readonly TimeSpan SurelyEarlier = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan AgainPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Overtaking = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ClaimMargin = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(1);

    // When every node that is asked later has had its turn, a refusal is all there is.
    private static readonly TimeSpan AllRefuse = TimeSpan.FromMilliseconds(1400);

    // A Redis that was killed has forgotten who answered what. Who remembers an answer puts it back before it says again that it is there, so that
    // a node that has heard all others claims nothing that was answered.
    private const int MostRestored = 10_000;

    private readonly HashSet<string> _unheard = new(StringComparer.Ordinal);
    private TimeSpan _settledAt;

    private void OnKeysInDoubt()
    {
        foreach (var (key, payload, at) in _answers.Newest(MostRestored, _now)) _effects.Add(new SessionEffect.Restore(key, payload, _now - at));
        if (IsSettled) _unheard.Clear();
        _unheard.UnionWith(_ranks.LastAlive().Where(cloud => cloud != _self && SessionNames.IsOurs(cloud)));
        _settledAt = _unheard.Count == 0 ? _now : _now + _options.Settling;
        foreach (var work in _works.Values)
        {
            // An answer that may have been published stands, if nobody else's does.
            if (work is { Phase: Phase.Committing, IsSent: true })
            {
                work.IsRestored = true;
                _effects.Add(new SessionEffect.Restore(work.Request.Key, work.Answer, TimeSpan.Zero));
            }
            if (work.Phase == Phase.Claiming && !work.IsRepeat) _starting--;
            if (work.Phase is Phase.Ready or Phase.Claiming) work.Phase = Phase.Waiting;
            if (work.Phase is Phase.Waiting or Phase.Committing) SetDue(work, SettledTurn(work));
        }
    }

    // Whoever speaks on the new Redis has put its answers back before.
    private void HearAgain(string cloud)
    {
        if (!_unheard.Remove(cloud) || _unheard.Count > 0 || IsSettled) return;
        _settledAt = _now;
        foreach (var work in _works.Values)
            if (work.Phase is Phase.Waiting or Phase.Committing) SetDue(work, SettledTurn(work));
    }

    private bool IsSettled => _settledAt <= _now;

    private TimeSpan Settled => IsSettled ? _now : _settledAt;

    private TimeSpan SettledTurn(Work work) => Settled + (work.Phase == Phase.Waiting ? StepOf(Position()) : TimeSpan.Zero);

    private void Consider(Work work)
    {
        if (work.Request.Key.Verb == SessionVerb.Create)
        {
            // 1. Everybody counts it for whom it is likely to go to, so that the next one goes elsewhere.
            var foreign = _ranks.ForeignIsLowest(_now);
            var order = Ours();
            var position = PositionIn(order);
            if (order.Count > 0) _ranks.Expect(order[0]);
            // 2. When it is this node's turn.
            SetDue(work, Settled + StepOf(position) + (foreign ? _options.ForeignPatience : TimeSpan.Zero));
            return;
        }
        if (_sessions.Find(work.Request.Session) is { } known)
        {
            AnswerOwn(work, known);
            return;
        }
        SetDue(work, Settled + _options.NobodyPatience + StepOf(Position()));
    }

    private void AnswerOwn(Work work, KnownSession known)
    {
        var session = work.Request.Session;
        if (work.Request.Key.Verb == SessionVerb.Status)
        {
            work.Answer = SessionAnswer.Status(_self, session, known.State, known.ExitCode);
            Commit(work);
        }
        else
        {
            work.Phase = Phase.Removing;
            Stop(session, work);
        }
    }

    private void OnClaimedDue(Work work)
    {
        switch (work.Phase)
        {
            case Phase.Waiting when work.IsRepeat:
                work.Phase = Phase.Claiming;
                _effects.Add(new SessionEffect.Claim(work.Request.Key, Again: true));
                break;
            case Phase.Waiting when !work.Answer.IsEmpty:
                Commit(work);
                break;
            case Phase.Waiting when work.Request.Key.Verb == SessionVerb.Create:
                work.Phase = Phase.Ready;
                _ready.Enqueue(work);
                break;
            case Phase.Waiting:
                AnswerForNobody(work);
                break;
            case Phase.Starting:
                _effects.Add(new SessionEffect.Renew(work.Request.Key));
                SetDue(work, _now + (_options.ClaimLife / 3));
                break;
            case Phase.Committing:
                Commit(work);
                break;
        }
    }

    private void AnswerForNobody(Work work)
    {
        var session = work.Request.Session;
        if (_sessions.Find(session) is { } known)
        {
            AnswerOwn(work, known);
        }
        else if (_now - work.Since >= _options.GiveUp)
        {
            Remove(work);
        }
        else if (OwnerOf(session) is not null)
        {
            // It lives, so it will answer; when it dies its rank ends, and nobody runs the session.
            SetDue(work, _now + _options.Step);
        }
        else
        {
            work.Answer = work.Request.Key.Verb == SessionVerb.Status ? SessionAnswer.Status(_self, session, null, null) : SessionAnswer.Removed(_self, session, wasHere: false);
            Commit(work);
        }
    }

    private void ClaimToStart(Work work)
    {
        if (Refusal() is { } refusal)
        {
            work.Phase = Phase.Waiting;
            if (_now - work.Since >= AllRefuse) work.Answer = SessionAnswer.Error(_self, work.Request.Key.Id, refusal);
            SetDue(work, _now + RetryAfter);
            return;
        }
        _starting++;
        work.Phase = Phase.Claiming;
        _effects.Add(new SessionEffect.Claim(work.Request.Key, Again: false));
    }

    private void OnClaimEnded(SessionInput.ClaimEnded ended)
    {
        if (!_works.TryGetValue(ended.Key, out var work) || work.Phase != Phase.Claiming) return;
        if (work.IsRepeat)
        {
            Remove(work);
            if (ended.Outcome == ClaimOutcome.Won && _answers.TryGet(ended.Key, _now, out var first)) Publish(ended.Key, first.Payload);
            return;
        }
        if (ended.Outcome == ClaimOutcome.Won && !_answers.TryGet(ended.Key, _now, out _))
        {
            Start(work, work.Request);
            SetDue(work, _now + (_options.ClaimLife / 3));
            return;
        }
        _starting--;
        work.Phase = Phase.Waiting;
        switch (ended.Outcome)
        {
            case ClaimOutcome.Held:
                SetDue(work, _now + _options.ClaimLife + ClaimMargin);
                break;
            case ClaimOutcome.Unknown when _now - work.Since < _options.GiveUp:
                SetDue(work, _now + RetryAfter);
                break;
            case ClaimOutcome.Answered:
                Remove(work);
                _answers.Add(ended.Key, ended.Answer, byUs: false, _now);
                Learn(ended.Key, ended.Answer.Span);
                // A request may have waited here for longer than that, while another node answered it.
                if (ended.Age >= SurelyEarlier + (_now - work.Since)) AnswerAgain(ended.Key, new Remembered(ended.Answer, ByUs: false, _now - ended.Age));
                break;
            default:
                Remove(work);
                break;
        }
    }

    // What only this host cannot do another may: its claim ends, and whoever is next takes it. Who fails a second time says so.
    private bool LeaveToOthers(Work work, ErrorCode code)
    {
        if (work.HasFailed || code is not (ErrorCode.SandboxFailed or ErrorCode.SandboxNetworkFailed or ErrorCode.SessionNoPort)) return false;
        work.HasFailed = true;
        work.Phase = Phase.Waiting;
        SetDue(work, _now + _options.ClaimLife + ClaimMargin + _options.Step);
        return true;
    }

    private void Commit(Work work)
    {
        work.Phase = Phase.Committing;
        if (!IsSettled)
        {
            SetDue(work, _settledAt);
            return;
        }
        work.IsSent = true;
        _effects.Add(new SessionEffect.Answer(work.Request.Key, work.Answer));
        SetDue(work, _now + CommitPatience);
    }

    private void OnAnswerEnded(SessionInput.AnswerEnded ended)
    {
        if (!_works.TryGetValue(ended.Key, out var work) || work.Phase != Phase.Committing) return;
        switch (ended.Outcome)
        {
            case ClaimOutcome.Won:
                // Put back by us, so that it was not published now: whether anybody heard it before nobody knows.
                if (work.IsRestored && !ended.Standing.IsEmpty) _effects.Add(new SessionEffect.Publish(ended.Key.AnswerChannel, work.Answer));
                _answers.Add(ended.Key, work.Answer, byUs: true, _now);
                Learn(ended.Key, work.Answer.Span);
                Remove(work);
                break;
            case ClaimOutcome.Unknown when _now - work.Since < _options.GiveUp:
                SetDue(work, _now + RetryAfter);
                break;
            case ClaimOutcome.Held when work.Request.Key.Verb == SessionVerb.Create:
                // This node slept longer than its claim held.
                GiveBack(work);
                work.Answer = default;
                work.Phase = Phase.Waiting;
                SetDue(work, _now + _options.ClaimLife + ClaimMargin);
                break;
            default:
                GiveBack(work);
                if (ended.Outcome == ClaimOutcome.Answered) _answers.Add(ended.Key, ended.Standing, byUs: false, _now);
                Remove(work);
                break;
        }
    }

    // What was started for an answer that is not the one ends.
    private void GiveBack(Work work)
    {
        if (work.Session is { } session && _sessions.Find(session) is not null) Stop(session, null);
        work.Session = null;
    }

    private void YieldTo(RequestKey key, ReadOnlyMemory<byte> payload)
    {
        if (!_works.TryGetValue(key, out var work)) return;
        switch (work.Phase)
        {
            case Phase.Waiting or Phase.Ready or Phase.Removing:
                Remove(work);
                break;
            case Phase.Starting:
                // Another program was late. What is started here ends as soon as it has begun.
                Remove(work);
                break;
            case Phase.Claiming or Phase.Committing:
                // What the Redis says is on its way.
                break;
        }
    }

    private void AnswerAgain(RequestKey key, Remembered first)
    {
        if (IsCoordinated || first.ByUs)
        {
            _effects.Add(new SessionEffect.Publish(key.AnswerChannel, first.Payload));
            return;
        }
        // Who gave it does so now; one that was just heard overtook the request.
        if (_now - first.LastHeard < Overtaking || _works.Count >= _limits.Requests) return;
        var work = Add(new Work(new SessionRequest(key, "", "", null), _now) { IsRepeat = true });
        SetDue(work, _now + AgainPatience + StepOf(Position()));
    }

    // -- Turns -------------------------------------------------------------------------------------------------

    private List<string> Ours() => [.. _ranks.Order(_now).Where(SessionNames.IsOurs)];

    private int PositionIn(List<string> order) => order.IndexOf(_self) is >= 0 and var index ? index : order.Count;

    private int Position() => PositionIn(Ours());

    private TimeSpan StepOf(int position) => position * _options.Step is var step && step < _options.LongestStep ? step : _options.LongestStep;
}

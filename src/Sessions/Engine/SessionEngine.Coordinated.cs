using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

// On our own endpoint one node answers a request: the one whose client published it. It asks the least busy node, by a message that only that one
// hears, and the next one when it hears nothing; whatever a node starts stays only when it is told that its answer is the one.
public sealed partial class SessionEngine
{
    // When another node coordinates a request of the same id: it answers by then, or it is gone.
    private static readonly TimeSpan OtherCoordinator = TimeSpan.FromSeconds(2);

    // A node that works says so seven times in this time.
    private static readonly TimeSpan WordPatience = TimeSpan.FromSeconds(1);

    // Who runs what, as answers say it, before the ranks do.
    private readonly Dictionary<string, string> _owners = new(StringComparer.Ordinal);
    private readonly Queue<string> _oldestOwners = new();

    private void Coordinate(Work work)
    {
        var create = work.Request.Key.Verb == SessionVerb.Create;
        if (_elsewhere.TryGet(work.Request.Key, _now, out _)) SetDue(work, _now + OtherCoordinator);
        else if (create && _ranks.ForeignIsLowest(_now)) SetDue(work, _now + _options.ForeignPatience);
        else Ask(work);
    }

    private void Ask(Work work)
    {
        if (work.Plea is null) Plead(work);
        if (work.Request.Key.Verb == SessionVerb.Create) AskNext(work);
        else AskOwner(work);
    }

    private void AskNext(Work work)
    {
        var order = Ours();
        if (!order.Contains(_self)) order.Add(_self);
        if (order.FirstOrDefault(cloud => !work.Tried.Contains(cloud)) is { } next)
        {
            work.Tried.Add(next);
            _ranks.Expect(next);
            AskOne(work, next);
        }
        else if (!work.LastRefusal.IsEmpty && _now - work.Since < AllRefuse)
        {
            // A node that was not heard yet, or not for a moment, may take it.
            work.Tried.Clear();
            work.Phase = Phase.Waiting;
            SetDue(work, _now + RetryAfter);
        }
        else if (!work.LastRefusal.IsEmpty)
        {
            Finish(work, work.LastRefusal);
        }
        else if (_now - work.LastWord >= _options.GiveUp)
        {
            Finish(work, SessionAnswer.Error(_self, work.Request.Key.Id, new PcException(ErrorCode.SessionNodesSilent, $"{work.Tried.Count} nodes were asked and none has answered for {_options.GiveUp.TotalSeconds} s")));
        }
        else
        {
            // Once more from the beginning: words are lost, too.
            work.Tried.Clear();
            work.Phase = Phase.Waiting;
            SetDue(work, _now + _options.AskPatience);
        }
    }

    private void AskOne(Work work, string cloud)
    {
        work.Phase = Phase.Asking;
        work.Asked = cloud;
        work.HasWord = false;
        Send(cloud, new NodeMessage(NodeMessageKind.Ask, _self, work.Request, default));
        SetDue(work, _now + _options.AskPatience);
    }

    private void AskOwner(Work work)
    {
        if (_sessions.Find(work.Request.Session) is not null)
        {
            AskOne(work, _self);
        }
        else if (!work.AskedAll && OwnerOf(work.Request.Session) is { } owner)
        {
            if (_now - work.LastWord < _options.GiveUp) AskOne(work, owner);
            else Finish(work, SessionAnswer.Error(_self, work.Request.Key.Id, new PcException(ErrorCode.SessionNodesSilent, $"node {owner} runs that session and has not answered for {_options.GiveUp.TotalSeconds} s")));
        }
        else if (!work.AskedAll)
        {
            work.AskedAll = true;
            work.Phase = Phase.Asking;
            work.Asked = null;
            _effects.Add(new SessionEffect.Publish(SessionNames.Nodes, new NodeMessage(NodeMessageKind.Ask, _self, work.Request, default).Write()));
            SetDue(work, _now + _options.NobodyPatience);
        }
        else
        {
            var session = work.Request.Session;
            Finish(work, work.Request.Key.Verb == SessionVerb.Status ? SessionAnswer.Status(_self, session, null, null) : SessionAnswer.Removed(_self, session, wasHere: false));
        }
    }

    private void OnCoordinatedDue(Work work)
    {
        if (work.Phase == Phase.Pleading) Remove(work);
        else if (work.Phase == Phase.Asking && work.HasWord && _now - work.LastWord < WordPatience) SetDue(work, work.LastWord + WordPatience);
        else Ask(work);
    }

    private void OnNode(NodeMessage message, bool isDirect)
    {
        switch (message.Kind)
        {
            case NodeMessageKind.Ask:
                OnAsked(message, isDirect);
                break;
            case NodeMessageKind.Keep or NodeMessageKind.Drop:
                OnVerdict(message);
                break;
            case NodeMessageKind.Plead:
                OnPlea(message);
                break;
            case NodeMessageKind.Granted or NodeMessageKind.Held:
                OnGrant(message);
                break;
            default:
                OnWord(message);
                break;
        }
    }

    private void OnWord(NodeMessage message)
    {
        var key = message.Request.Key;
        if (!_works.TryGetValue(key, out var work))
        {
            // Late: it hears what became of its answer.
            if (message.Kind != NodeMessageKind.Done) return;
            var wanted = _answers.TryGet(key, _now, out var given) && given.Payload.Span.SequenceEqual(message.Answer.Span);
            Send(message.From, new NodeMessage(wanted ? NodeMessageKind.Keep : NodeMessageKind.Drop, _self, Short(message.Request), default));
            return;
        }
        if (work.Phase == Phase.Pleading) return; // it is done, and published as soon as this node may
        switch (message.Kind)
        {
            case NodeMessageKind.Working:
                work.LastWord = _now;
                if (work.Asked is null || work.Asked == message.From) (work.Asked, work.HasWord) = (message.From, true);
                SetDue(work, _now + WordPatience);
                break;
            case NodeMessageKind.Done:
                Finish(work, message.Answer, message.From);
                break;
            case NodeMessageKind.Refused when work.Asked == message.From:
                if (key.Verb == SessionVerb.Create) work.LastRefusal = message.Answer;
                else _owners.Remove(work.Request.Session);
                work.AskedAll |= key.Verb != SessionVerb.Create && _ranks.RunnerOf(work.Request.Session, _now) == message.From;
                Ask(work);
                break;
            case NodeMessageKind.Failed:
                work.Tried.Remove(message.From);
                Finish(work, message.Answer);
                break;
        }
    }

    // Published when this node may; whoever did it is told then, and says it again until then.
    private void Finish(Work work, ReadOnlyMemory<byte> payload, string? by = null)
    {
        if (work.Plea is not { IsGranted: true })
        {
            if (work.Plea is { Result: null } waiting) waiting.Result = (payload, by);
            work.Phase = Phase.Pleading;
            SetDue(work, _now + _options.GiveUp);
            return;
        }
        if (by is not null)
        {
            Send(by, new NodeMessage(NodeMessageKind.Keep, _self, Short(work.Request), default));
            work.Tried.Remove(by);
        }
        Remove(work);
        Publish(work.Request.Key, payload);
        DropOthers(work);
    }

    private void DropOthers(Work work)
    {
        if (work.Request.Key.Verb != SessionVerb.Create) return;
        foreach (var tried in work.Tried) Send(tried, new NodeMessage(NodeMessageKind.Drop, _self, Short(work.Request), default));
    }

    // Somebody else answered what this node coordinates: another program, or a second node that its client asked.
    private void SettleBy(RequestKey key, ReadOnlyMemory<byte> payload)
    {
        if (_works.TryGetValue(key, out var work))
        {
            Remove(work);
            DropOthers(work);
        }
        SettleOrder(key, payload);
    }

    private void Send(string cloud, NodeMessage message)
    {
        if (cloud == _self) _toSelf.Enqueue(message);
        else _effects.Add(new SessionEffect.Publish(SessionNames.NodeChannel(cloud), message.Write()));
    }

    private static SessionRequest Short(SessionRequest request) => request with { Script = "" };

    /// <summary>The node that runs a session and lives; null when none is known.</summary>
    private string? OwnerOf(string session) =>
        _ranks.RunnerOf(session, _now) ?? (_owners.TryGetValue(session, out var owner) && owner != _self && _ranks.IsAlive(owner, _now) ? owner : null);

    private void Learn(RequestKey key, ReadOnlySpan<byte> payload)
    {
        if (key.Verb != SessionVerb.Create || SessionAnswer.CreatedBy(payload) is not { } created || !_owners.TryAdd(created.Session, created.Cloud)) return;
        _oldestOwners.Enqueue(created.Session);
        if (_oldestOwners.Count > _limits.Answers) _owners.Remove(_oldestOwners.Dequeue());
    }
}

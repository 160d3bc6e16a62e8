using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

// The same request may be published at two endpoints at once, and then two nodes coordinate it before either has heard of the other. So a coordinator
// asks one node, which follows from the request's id, whether it may publish the answer, while what it asked for is being done. That node says
// yes to one of them.
public sealed partial class SessionEngine
{
    private const int PleasToOne = 3;
    private const int MostArbiters = 2;
    private static readonly TimeSpan PleaInterval = TimeSpan.FromMilliseconds(150);

    // A coordinator that was granted a request and has not answered it by then is gone.
    private static readonly TimeSpan GrantLife = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan HeldPatience = TimeSpan.FromSeconds(2);

    private readonly Dictionary<RequestKey, (string Coordinator, TimeSpan At)> _grants = [];
    private readonly Queue<(RequestKey Key, TimeSpan At)> _oldestGrants = new();

    private void Plead(Work work)
    {
        var plea = work.Plea = new Plea(work, _now);
        plea.Arbiters = [.. ArbitersOf(work.Request.Key)];
        PleadAgain(plea);
    }

    private void PleadAgain(Plea plea)
    {
        // Nobody says anything: then nobody can have been told otherwise, or the network is in two parts. Answering is what was promised first.
        if (plea.Attempts >= PleasToOne * plea.Arbiters.Count)
        {
            Grant(plea);
            return;
        }
        Send(plea.Arbiters[plea.Attempts++ / PleasToOne], new NodeMessage(NodeMessageKind.Plead, _self, Short(plea.Request), default));
        SetDue(plea, _now + PleaInterval);
    }

    // The nodes that live, in an order that is the same at all of them.
    private IEnumerable<string> ArbitersOf(RequestKey key)
    {
        var all = Ours();
        if (!all.Contains(_self)) all.Add(_self);
        return all.OrderBy(cloud => Mix(key, cloud)).ThenBy(cloud => cloud, StringComparer.Ordinal).Take(MostArbiters);
    }

    // FNV-1a, 64 bits: the same in every process.
    private static ulong Mix(RequestKey key, string cloud)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in $"{key.AnswerChannel} {cloud}") hash = (hash ^ letter) * 1099511628211UL;
        return hash;
    }

    private void OnPlea(NodeMessage message)
    {
        var key = message.Request.Key;
        while (_oldestGrants.TryPeek(out var oldest) && (_now - oldest.At >= GrantLife || _grants.Count > _limits.Answers))
        {
            _oldestGrants.Dequeue();
            if (_grants.TryGetValue(oldest.Key, out var given) && given.At == oldest.At) _grants.Remove(oldest.Key);
        }
        if (_answers.TryGet(key, _now, out var answer) && !(_grants.TryGetValue(key, out var first) && first.Coordinator == message.From))
        {
            Send(message.From, Word(NodeMessageKind.Held, message.Request, answer.Payload));
        }
        else if (_grants.TryGetValue(key, out var granted) && granted.Coordinator != message.From && _ranks.IsAlive(granted.Coordinator, _now))
        {
            Send(message.From, Word(NodeMessageKind.Held, message.Request, default));
        }
        else
        {
            _grants[key] = (message.From, _now);
            _oldestGrants.Enqueue((key, _now));
            Send(message.From, Word(NodeMessageKind.Granted, message.Request, default));
        }
    }

    private void OnGrant(NodeMessage message)
    {
        if (!_works.TryGetValue(message.Request.Key, out var work) || work.Plea is not { IsGranted: false } plea) return;
        if (message.Kind == NodeMessageKind.Granted)
        {
            Grant(plea);
            return;
        }
        // Another one answers: what was begun here ends.
        plea.IsOver = true;
        DropOthers(work);
        work.Tried.Clear();
        if (!message.Answer.IsEmpty)
        {
            Remove(work);
            Publish(work.Request.Key, message.Answer);
            return;
        }
        work.Plea = null;
        work.Phase = Phase.Waiting;
        work.LastWord = _now;
        SetDue(work, _now + HeldPatience);
    }

    private void Grant(Plea plea)
    {
        plea.IsGranted = true;
        plea.IsOver = true;
        if (plea.Result is { } result) Finish(plea.Work, result.Payload, result.By);
    }

    private void OnPleaDue(Plea plea)
    {
        if (plea.Work.IsOver || plea.Work.Plea != plea) plea.IsOver = true;
        else PleadAgain(plea);
    }

    /// <summary>Whether this node may publish the answer to a request, as far as it knows.</summary>
    private sealed class Plea(Work work, TimeSpan since) : Timed(work.Request, since)
    {
        public Work Work => work;

        /// <summary>Who is asked, one after the other.</summary>
        public IReadOnlyList<string> Arbiters { get; set; } = [];

        public int Attempts { get; set; }

        public bool IsGranted { get; set; }

        /// <summary>What is published then, and who did it.</summary>
        public (ReadOnlyMemory<byte> Payload, string? By)? Result { get; set; }
    }
}

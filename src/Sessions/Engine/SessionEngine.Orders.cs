using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Engine;

// What this node does because one that coordinates asked it. An order is over when the coordinator says what became of the answer, or when the
// answer itself is heard; a session whose answer nobody seems to have published ends.
public sealed partial class SessionEngine
{
    private static readonly TimeSpan DoneInterval = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<RequestKey, Order> _orders = [];

    private void OnAsked(NodeMessage message, bool isDirect)
    {
        var request = message.Request;
        if (_orders.TryGetValue(request.Key, out var known))
        {
            known.Coordinators.Add(message.From);
            Say(known);
        }
        else if (request.Key.Verb == SessionVerb.Create)
        {
            TakeOrder(message);
        }
        else if (_sessions.Find(request.Session) is not { } session)
        {
            if (isDirect) Send(message.From, Word(NodeMessageKind.Refused, request, SessionAnswer.Status(_self, request.Session, null, null)));
        }
        else if (request.Key.Verb == SessionVerb.Status)
        {
            Send(message.From, Word(NodeMessageKind.Done, request, SessionAnswer.Status(_self, request.Session, session.State, session.ExitCode)));
        }
        else
        {
            RemoveFor(message);
        }
    }

    private void TakeOrder(NodeMessage message)
    {
        var request = message.Request;
        if (_answers.TryGet(request.Key, _now, out var given))
        {
            Send(message.From, Word(NodeMessageKind.Done, request, given.Payload));
            return;
        }
        var refusal = Refusal() ?? (_orders.Count >= _limits.Requests || _bytes + request.Script.Length > _limits.RequestBytes ? Busy() : null);
        if (refusal is not null)
        {
            Send(message.From, Word(NodeMessageKind.Refused, request, SessionAnswer.Error(_self, request.Key.Id, refusal)));
            return;
        }
        var order = AddOrder(message);
        order.Phase = Phase.Ready;
        _ready.Enqueue(order);
        if (message.From != _self || _starting >= _limits.Starting) Say(order);
    }

    private void RemoveFor(NodeMessage message)
    {
        var order = AddOrder(message);
        order.Phase = Phase.Removing;
        Stop(message.Request.Session, order);
        if (message.From != _self) Say(order);
    }

    private void StartOrder(Order order)
    {
        if (Refusal() is { } refusal)
        {
            // It was taken when there still was a place.
            order.Answer = SessionAnswer.Error(_self, order.Request.Key.Id, refusal);
            OrderFailed(order, mayGoElsewhere: true);
            return;
        }
        _starting++;
        Start(order, order.Request);
    }

    private void OrderDone(Order order)
    {
        order.Phase = Phase.Provisional;
        order.DoneSince = _now;
        Say(order);
    }

    private void OrderFailed(Order order, bool mayGoElsewhere)
    {
        End(order);
        foreach (var coordinator in order.Coordinators) Send(coordinator, Word(mayGoElsewhere ? NodeMessageKind.Refused : NodeMessageKind.Failed, order.Request, order.Answer));
    }

    private void OnOrderDue(Order order)
    {
        if (order.Phase == Phase.Provisional && _now - order.DoneSince >= _options.GiveUp) Abandon(order);
        else Say(order);
    }

    private void OnVerdict(NodeMessage message)
    {
        if (!_orders.TryGetValue(message.Request.Key, out var order) || !order.Coordinators.Contains(message.From)) return;
        if (message.Kind == NodeMessageKind.Keep)
        {
            End(order);
            return;
        }
        order.Coordinators.Remove(message.From);
        if (order.Coordinators.Count == 0) Abandon(order);
    }

    private void SettleOrder(RequestKey key, ReadOnlyMemory<byte> payload)
    {
        if (!_orders.TryGetValue(key, out var order)) return;
        if (key.Verb != SessionVerb.Create || (order.Session is { } session && SessionAnswer.CreatedBy(payload.Span) is { } created && created.Session == session)) End(order);
        else Abandon(order);
    }

    // A session that is just starting ends when it has begun; see OnStarted.
    private void Abandon(Order order)
    {
        End(order);
        if (order.Request.Key.Verb == SessionVerb.Create && order.Phase == Phase.Provisional && order.Session is { } session && _sessions.Find(session) is not null) Stop(session, null);
    }

    private void Say(Order order)
    {
        var isDone = order.Phase == Phase.Provisional;
        foreach (var coordinator in order.Coordinators) Send(coordinator, isDone ? Word(NodeMessageKind.Done, order.Request, order.Answer) : Word(NodeMessageKind.Working, order.Request, default));
        SetDue(order, _now + (isDone ? DoneInterval : _options.WorkingInterval));
    }

    private Order AddOrder(NodeMessage message)
    {
        var order = new Order(message.Request, _now);
        order.Coordinators.Add(message.From);
        _orders[message.Request.Key] = order;
        if (message.From != _self) _bytes += message.Request.Script.Length;
        order.CountsBytes = message.From != _self;
        SetDue(order, _now + _options.WorkingInterval);
        return order;
    }

    private void End(Order order)
    {
        if (order.IsOver) return;
        order.IsOver = true;
        _orders.Remove(order.Request.Key);
        if (order.CountsBytes) _bytes -= order.Request.Script.Length;
    }

    private NodeMessage Word(NodeMessageKind kind, SessionRequest request, ReadOnlyMemory<byte> answer) => new(kind, _self, Short(request), answer);

    /// <summary>What a coordinator asked this node for.</summary>
    private sealed class Order(SessionRequest request, TimeSpan since) : Timed(request, since)
    {
        public SortedSet<string> Coordinators { get; } = new(StringComparer.Ordinal);

        public TimeSpan DoneSince { get; set; }

        /// <summary>Whether its script is counted here; what this node asks itself is counted as the request.</summary>
        public bool CountsBytes { get; set; }
    }
}

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// What was heard of one member. Its newest stream counts, and an older one says no more when that has begun: else a message could be heard after one that
/// was published later. Thread-safe.
/// </summary>
internal sealed class ChannelPublisher
{
    private readonly Lock _gate = new(); // taken before the hub's
    private ulong _boot;
    private ulong _number;
    private int _turn;

    /// <summary>A stream begins; answers its turn, and the highest number that was heard of this life of the member.</summary>
    public (int Turn, ulong Number) Enter(ulong boot)
    {
        lock (_gate)
        {
            if (_boot != boot) (_boot, _number) = (boot, 0);
            return (++_turn, _number);
        }
    }

    /// <summary>Lets a message be heard, unless it was already; false: the turn is over.</summary>
    public bool Say(int turn, ChannelFrame frame, ChannelHub hub, Deliveries deliveries)
    {
        lock (_gate)
        {
            if (turn != _turn) return false;
            if (frame.Number <= _number) return true;
            _number = frame.Number;
            hub.Publish(ChannelName.FromBytes(frame.Channel), frame.Payload, publishedHere: false, deliveries);
            return true;
        }
    }
}

namespace PeoplesCloud.Simulation;

/// <summary>
/// The time of a simulated world and the ways between its nodes: one queue of events, played in order. Everything random comes from one seeded source, and
/// nothing depends on a hash order, so equal runs give equal traces.
/// </summary>
internal abstract class SimLoop
{
    private readonly PriorityQueue<Action, (TimeSpan At, long Number)> _events = new();
    private long _eventNumber;

    /// <summary>Makes an empty world.</summary>
    /// <param name="run">What is played.</param>
    /// <param name="salt">Lets worlds of different kinds play different things with one seed.</param>
    protected SimLoop(SimRun run, ulong salt)
    {
        Run = run;
        Random = new Random(unchecked((int)(run.Seed ^ (run.Seed >> 32) ^ salt)));
    }

    public SimRun Run { get; }

    public Random Random { get; }

    public SimKeys Keys { get; } = new();

    public SimNetworkRules Network { get; } = new();

    public TimeSpan Now { get; private set; }

    public long Messages { get; private set; }

    public long Bytes { get; private set; }

    public ulong Trace { get; private set; } = 14_695_981_039_346_656_037;

    public SimFailureException Fail(string what) => new(what, Run, Now);

    public void After(TimeSpan delay, Action action) => _events.Enqueue(action, (Now + delay, _eventNumber++));

    public void RunFor(TimeSpan time)
    {
        var until = Now + time;
        while (_events.TryPeek(out _, out var next) && next.At <= until) Step();
        Now = until;
    }

    /// <summary>Plays until the condition holds, checked after every event.</summary>
    public bool RunUntil(Func<bool> condition, TimeSpan atMost)
    {
        var until = Now + atMost;
        while (!condition())
        {
            if (!_events.TryPeek(out _, out var next) || next.At > until) return false;
            Step();
        }
        return true;
    }

    /// <summary>Makes something part of the trace: FNV-1a over all that happens.</summary>
    public void Note(ulong value) => Trace = unchecked((Trace ^ value) * 1_099_511_628_211);

    /// <summary>Sends a message between two nodes, by the rules of the network; it may arrive twice or never.</summary>
    protected void Send(int from, int to, int bytes, Action arrive)
    {
        Messages++;
        Bytes += bytes;
        Note((ulong)from << 32 | (uint)bytes);
        if (Network.Blocked.Contains((from, to)) || Random.NextDouble() < Network.Loss) return;
        After(Network.DrawDelay(Random), arrive);
        if (Random.NextDouble() < Network.Duplicates) After(Network.DrawDelay(Random), arrive);
    }

    /// <summary>Plays one event.</summary>
    protected virtual void Play(Action action) => action();

    private void Step()
    {
        _events.TryDequeue(out var action, out var at);
        Now = at.At;
        Note((ulong)at.At.Ticks);
        Play(action!);
    }
}

using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>What became of a program when this node was drained, or before it stopped.</summary>
/// <param name="Swarm">The swarm.</param>
/// <param name="Program">The program.</param>
/// <param name="To">Who was to take it; null: nobody else can.</param>
internal sealed record HandOverResult(LocalSwarm Swarm, SwarmProgram Program, PeerId? To);

/// <summary>
/// The leases of all swarms of this node: carries their messages, watches their time, and gives them away before this node goes. A host
/// runs a program only while this says so. Thread-safe.
/// </summary>
internal sealed class LeaseService : IProgramLeases, IAsyncDisposable
{
    /// <summary>How often everything is looked at although nothing was heard: what this machine can run changes by itself.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    /// <summary>A vote that is late is no vote.</summary>
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(2);

    /// <summary>How much later than its leases this process is ended when it does not come round: with the lease itself, within the bound of a double run.</summary>
    private static readonly TimeSpan SwitchMargin = TimeSpan.FromMilliseconds(700);

    private const int MaxUnderWayPerPeer = 64;

    private readonly SwarmRegistry _swarms;
    private readonly MeshClient _client;
    private readonly ISigner _signer;
    private readonly DeadMansSwitch? _switch;
    private readonly ILogger _logger;
    private readonly LeaseContext _context;
    private readonly Outbox<PeerId> _outbox;
    private readonly Outbox<int> _work;
    private readonly Lock _gate = new();
    private ImmutableDictionary<SwarmId, SwarmLeases> _leases = ImmutableDictionary<SwarmId, SwarmLeases>.Empty;
    private ProgramHost? _host;
    private Action<LocalSwarm> _reconcile = _ => { };
    private ITimer? _timer;
    private volatile bool _draining;
    private volatile bool _sleeping;

    /// <summary>Makes the service; nothing is held before <see cref="Start"/>.</summary>
    /// <param name="swarms">The swarms.</param>
    /// <param name="client">Sends.</param>
    /// <param name="factory">Signs and verifies.</param>
    /// <param name="options">The times of leases.</param>
    /// <param name="clock">CLOCK_BOOTTIME.</param>
    /// <param name="dead">Ends this process when it stands still; null in a process that is more than a daemon.</param>
    /// <param name="seed">New seeds.</param>
    /// <param name="logger">The daemon's log.</param>
    public LeaseService(SwarmRegistry swarms, MeshClient client, ReplicaFactory factory, LeaseOptions options, TimeProvider clock, DeadMansSwitch? dead, Func<int> seed, ILogger logger)
    {
        _swarms = swarms;
        _client = client;
        _signer = factory.Signer;
        _switch = dead;
        _logger = logger;
        if (dead is { IsPossible: false }) LeaseLog.NoSwitch(logger);
        _outbox = new Outbox<PeerId>(MaxUnderWayPerPeer, e => DaemonLog.RequestFailed(logger, "sending a lease message", e));
        _work = new Outbox<int>(int.MaxValue, e => DaemonLog.RequestFailed(logger, "carrying out a lease", e));
        _context = new LeaseContext(clock)
        {
            Self = swarms.Self,
            Options = options,
            Verifier = factory.Verifier,
            Seed = seed,
            Logger = logger,
            Host = () => _host!,
            Send = Send,
            Reconcile = swarm => _reconcile(swarm),
            HeldChanged = SetSwitch,
            Say = () => Begin(() =>
            {
                swarms.Say();
                return Task.CompletedTask;
            }),
            Work = Begin,
        };
    }

    /// <summary>Whether this node takes no programs: it was drained, stops, or its machine is about to sleep.</summary>
    public bool IsDraining => _draining || _sleeping;

    /// <summary>Takes part in the leases of the swarms that there are and those that come. Nothing of an earlier daemon may run any more.</summary>
    /// <param name="host">Runs the programs.</param>
    /// <param name="reconcile">Begins to bring what runs here in line with the feeds and the leases.</param>
    public void Start(ProgramHost host, Action<LocalSwarm> reconcile)
    {
        _host = host;
        _reconcile = reconcile;
        host.Changed += LookAtAll;
        host.NotStarted += CouldNotStart;
        foreach (var swarm in _swarms.All) Add(swarm);
        _swarms.Added += Add;
        _swarms.Removed += Remove;
        _timer = _context.Clock.CreateTimer(_ => Begin(() =>
        {
            LookAtAll();
            return Task.CompletedTask;
        }), null, LookInterval, LookInterval);
    }

    /// <summary>The leases of a swarm; null when this node is not in it.</summary>
    public SwarmLeases? Of(SwarmId swarm) => _leases.GetValueOrDefault(swarm);

    /// <inheritdoc/>
    public ulong? EpochOf(SwarmProgram program)
    {
        foreach (var leases in _leases.Values)
        {
            if (leases.EpochOf(program.Id) is { } epoch) return epoch;
        }
        return null;
    }

    /// <inheritdoc/>
    public Task<ulong> AcquireAsync(ProgramSpec program, CancellationToken cancellationToken) =>
        Of(program.Swarm)?.AcquireAsync(program, cancellationToken) ?? throw new PcException(ErrorCode.LeaseNotHad, $"this node is not in the swarm of {program.Name} any more");

    /// <summary>A message that a member sent.</summary>
    public void Receive(LocalSwarm swarm, PeerId from, ReadOnlySpan<byte> bytes) => Of(swarm.Id)?.Receive(from, bytes);

    /// <summary>This node takes programs again.</summary>
    public void EndDrain()
    {
        _draining = false;
        DrainEngines();
        LookAtAll();
    }

    /// <summary>
    /// The machine is about to sleep: what another host can run is given to it, as by a drain; completes when that was told. What nobody else can run sleeps along.
    /// </summary>
    public async Task SleepAsync()
    {
        _sleeping = true;
        _ = await HandOverAsync(all: false, "this host's machine goes to sleep");
        _swarms.Say();
        await _outbox.WhenIdleAsync();
    }

    /// <summary>The machine is awake again: this node takes programs, unless it is drained otherwise.</summary>
    public void EndSleep()
    {
        _sleeping = false;
        DrainEngines();
        LookAtAll();
        _swarms.Say();
    }

    /// <summary>
    /// This node takes no programs any more, and gives those that it runs to others; completes when they have ended here. What nobody else can run
    /// goes on here, unless <paramref name="all"/>.
    /// </summary>
    /// <param name="all">Whether to end what nobody else can run too: the daemon stops.</param>
    /// <param name="why">For the programs' logs.</param>
    public async Task<IReadOnlyList<HandOverResult>> DrainAsync(bool all, string why)
    {
        _draining = true;
        return await HandOverAsync(all, why);
    }

    private void DrainEngines()
    {
        foreach (var leases in _leases.Values) leases.Drain(IsDraining);
    }

    private async Task<IReadOnlyList<HandOverResult>> HandOverAsync(bool all, string why)
    {
        DrainEngines();
        var results = new List<HandOverResult>();
        var handing = new List<Task>();
        foreach (var (swarm, leases) in _leases)
        {
            foreach (var id in leases.Held.Keys)
            {
                if (_swarms.Find(swarm) is not { } local || !local.State.Programs.TryGetValue(id, out var program)) continue;
                var to = leases.NextHostOf(id);
                if (!program.Stopped && !program.Finished) results.Add(new HandOverResult(local, program, to));
                if (to is null && !all) continue;
                handing.Add(leases.HandOverAsync(id, to, to is null ? $"{why}; the program goes on when it is back" : why, to is null ? RunEnd.HostStopped : RunEnd.HandedOver));
            }
        }
        await Task.WhenAll(handing);
        return results;
    }

    /// <summary>
    /// The machine woke, or this process went on, and knows nothing yet: what runs under a lease that is over stands still before anything else is done.
    /// The engines then find out that it is lost.
    /// </summary>
    public void Woke(TimeSpan late)
    {
        foreach (var leases in _leases.Values) leases.FreezeOver();
        LeaseLog.Slept(_logger, late);
    }

    /// <summary>Sends what is on its way, for a moment.</summary>
    public Task CloseAsync() => _outbox.CloseAsync(TimeSpan.FromSeconds(1));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_timer is not null) await _timer.DisposeAsync();
        if (_host is not null)
        {
            _host.Changed -= LookAtAll;
            _host.NotStarted -= CouldNotStart;
        }
        _swarms.Added -= Add;
        _swarms.Removed -= Remove;
        foreach (var leases in _leases.Values) leases.Dispose();
        await _work.DisposeAsync();
        await _outbox.DisposeAsync();
    }

    private void Add(LocalSwarm swarm)
    {
        lock (_gate) _leases = _leases.SetItem(swarm.Id, new SwarmLeases(swarm, _context));
        if (IsDraining) Of(swarm.Id)?.Drain(true);
    }

    private void Remove(LocalSwarm swarm)
    {
        SwarmLeases? gone;
        lock (_gate)
        {
            gone = Of(swarm.Id);
            _leases = _leases.Remove(swarm.Id);
        }
        gone?.Dispose();
        SetSwitch();
    }

    private void LookAtAll()
    {
        foreach (var leases in _leases.Values) leases.Look();
    }

    private void CouldNotStart(ProgramSpec program, string why) => Of(program.Swarm)?.CouldNotStart(program.Id, why);

    private void Begin(Func<Task> work) => _work.TryRun(0, _ => work());

    private void Send(LocalSwarm swarm, PeerId to, LeaseMessage message) => _outbox.TryRun(to, async stopping =>
    {
        try
        {
            await _client.PostAsync(to, $"/mesh/v1/swarms/{swarm.Id}/lease", message.Encode(swarm.Id, _signer), 0, stopping, SendTimeout);
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(_logger, to, e.Message); // as if it were lost on its way
            if (MeshClient.IsRefusal(e)) Of(swarm.Id)?.Gone(to);
        }
    });

    // Set to when the first lease ends that others may take then.
    private void SetSwitch()
    {
        if (_switch is null) return;
        TimeSpan? first = null;
        foreach (var leases in _leases.Values)
        {
            foreach (var held in leases.Held.Values.Where(held => held.IsShared && (first is null || held.Until < first))) first = held.Until;
        }
        _switch.Set(first is { } until ? until - _context.Now + SwitchMargin : null);
    }
}

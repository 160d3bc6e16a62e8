using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Contents;
using PeoplesCloud.Daemon.Data;
using PeoplesCloud.Daemon.Execs;
using PeoplesCloud.Daemon.Favours;
using PeoplesCloud.Daemon.Gateway;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Local;
using PeoplesCloud.Daemon.Logging;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Power;
using PeoplesCloud.Daemon.Schedules;
using PeoplesCloud.Daemon.Sessions;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Daemon.Web;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon;

/// <summary>
/// A running node: the composition root. Parts are made in the order in which they need each other and stopped in the reverse
/// order (docs/ARCHITECTURE.md). Everything is constructed here by hand; no part receives a container.
/// </summary>
internal sealed class DaemonNode : IAsyncDisposable
{
    /// <summary>Direct addresses that are told, so that those through relays find room beside them: presence and tickets hold 16.</summary>
    private const int MaxDirectAddresses = 12;

    /// <summary>How long stopping waits until what its programs did is written down, and for answers that are under way.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    /// <summary>What an owner that asks for a host is told while the machine is about to sleep.</summary>
    private const string AboutToSleep = "is about to sleep";

    private readonly DaemonConfig _config;
    private readonly bool _fences;
    private readonly TimeProvider _time;
    private readonly IDisk _disk;
    private readonly DateTimeOffset _started;
    private readonly Stack<Func<ValueTask>> _stop = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<string> _stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Libp2pHost _host = null!;
    private Supervisor _supervisor = null!;

    private DaemonNode(DaemonConfig config, TimeProvider time, IDisk disk, bool fences)
    {
        _config = config;
        _fences = fences;
        _time = time;
        _disk = disk;
        _started = time.GetUtcNow();
    }

    /// <summary>This node's name in the mesh.</summary>
    public PeerId Self => _host.Self;

    /// <summary>The host of the mesh.</summary>
    public Libp2pHost Host => _host;

    /// <summary>The swarms.</summary>
    public SwarmRegistry Swarms { get; private set; } = null!;

    /// <summary>Create, join, leave, invite, remove.</summary>
    public Membership Membership { get; private set; } = null!;

    /// <summary>Secrets and spoken codes.</summary>
    public SecretMembership Secrets { get; private set; } = null!;

    /// <summary>The clock of leases.</summary>
    public BootTimeProvider BootTime { get; private set; } = null!;

    /// <summary>Who may run which program now.</summary>
    public LeaseService Leases { get; private set; } = null!;

    /// <summary>Starts programs at their times.</summary>
    public ScheduleService Schedules { get; private set; } = null!;

    /// <summary>Receipts for what members do for each other.</summary>
    public FavourService Favours { get; private set; } = null!;

    /// <summary>The data of programs that run here or that this node guards.</summary>
    public ProgramData ProgramData { get; private set; } = null!;

    /// <summary>Deploy, logs, stop.</summary>
    public ProgramService Programs { get; private set; } = null!;

    /// <summary>Where programs run now.</summary>
    public ProgramLocator Locator { get; private set; } = null!;

    /// <summary>Restart.</summary>
    public RunningService Running { get; private set; } = null!;

    /// <summary>Secret environment variables.</summary>
    public SecretService ProgramSecrets { get; private set; } = null!;

    /// <summary>What the owner of this host allows.</summary>
    public HostService HostOwner { get; private set; } = null!;

    /// <summary>Connects to programs' ports.</summary>
    public TunnelDialer Tunnels { get; private set; } = null!;

    /// <summary>Where browsers on this machine reach web programs; null when they do not.</summary>
    public WebPort? Web { get; private set; }

    /// <summary>What carries the messages of sessions among members; null when they are off, or a Redis does.</summary>
    public ChannelService? Channels { get; private set; }

    /// <summary>The Redis that carries the messages of sessions; null when they are off, or a swarm does.</summary>
    public RedisService? Redis { get; private set; }

    /// <summary>This node as one that answers requests for sessions; null when they are off.</summary>
    public SessionNode? Sessions { get; private set; }

    /// <summary>Stats.</summary>
    public StatsService Stats { get; private set; } = null!;

    /// <summary>Versions of programs.</summary>
    public VersionService Versions { get; private set; } = null!;

    /// <summary>Commands beside programs.</summary>
    public ExecService Execs { get; private set; } = null!;

    /// <summary>Add, get, pin.</summary>
    public ContentService Content { get; private set; } = null!;

    /// <summary>Finds nodes on the local network; null when that is turned off or impossible.</summary>
    public MdnsDiscovery? LocalNetwork { get; private set; }

    /// <summary>What is shown of it all.</summary>
    public NodeViews Views { get; private set; } = null!;

    /// <summary>What is shown of the connections.</summary>
    public NetworkView Network { get; private set; } = null!;

    /// <summary>The mesh's pipeline.</summary>
    public HttpServer MeshApp { get; private set; } = null!;

    /// <summary>The local API's pipeline.</summary>
    public HttpServer LocalApp { get; private set; } = null!;

    /// <summary>Where the world reads public content; null when it does not.</summary>
    public string? Gateway { get; private set; }

    /// <summary>For what belongs to no part.</summary>
    public ILogger Logger { get; private set; } = null!;

    /// <summary>Cancelled when stopping begins: long answers end.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Completes with the reason when somebody asked this node to stop.</summary>
    public Task<string> StopRequested => _stopRequested.Task;

    /// <summary>Completes when a part failed in a way that stops the node.</summary>
    public Task<Exception> Failed => _supervisor.Failed;

    /// <summary>Where members reach this node, best first, without the peer id.</summary>
    public IReadOnlyList<string> Addresses =>
        [.. UsableAddresses.Choose(_host.ListenAddresses, UsableAddresses.Bridges()).Take(MaxDirectAddresses).Concat(UsableAddresses.Through(_host.Reservations)).Select(address => address.ToString())];

    /// <summary>Starts a node; it serves when this returns. When it throws, everything is stopped again.</summary>
    /// <param name="config">What to run.</param>
    /// <param name="time">The clock.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="cancellationToken">Gives up starting.</param>
    /// <param name="fences">Whether this process may end itself when it stands still while others may run what it runs: it is a daemon and nothing else.</param>
    /// <exception cref="PcException">The home, the port or the disk; see docs/errors.md.</exception>
    public static async Task<DaemonNode> StartAsync(DaemonConfig config, TimeProvider time, IDisk disk, CancellationToken cancellationToken, bool fences = false)
    {
        var node = new DaemonNode(config, time, disk, fences);
        try
        {
            await node.StartAsync(cancellationToken);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks the owner of this node to stop it.</summary>
    public void RequestStop(string reason) => _stopRequested.TrySetResult(reason);

    /// <summary>The answer of GET /v1/status.</summary>
    public StatusReply Status() => new(
        Self.ToString(), _config.Name, typeof(DaemonNode).Assembly.GetName().Version?.ToString(3) ?? "", Environment.ProcessId, _config.Home,
        [.. _host.ListenAddresses.Select(address => address.WithPeer(Self).ToString())], _config.Hosts, Swarms.All.Count, _started, Gateway);

    /// <summary>Stops all parts in order: requests, programs, gossip, mesh, store.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        while (_stop.TryPop(out var stop))
        {
            try
            {
                await stop();
            }
            catch (Exception e) when (Logger is not null)
            {
                DaemonLog.RequestFailed(Logger, "stopping a part", e); // the others are stopped all the same
            }
        }
        _stopping.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        // 1. The home: locked, with key and database.
        var home = HomeFolder.Open(_config.Home, _disk);
        Owns(home.Dispose);
        var fileLog = new FileLog(home.Paths.DaemonLog, (long)_config.Limits.LogMebibytes << 20, LogLevelOf(), _time);
        var loggers = new LoggerFactory([fileLog], LogFilter());
        Owns(loggers.Dispose);
        Logger = loggers.CreateLogger("Daemon");
        var identity = new Ed25519Key(home.Seed);
        Owns(identity.Dispose);
        var sealing = IdentityFile.SealingKey(home.Seed);
        Owns(sealing.Dispose);

        // 2. The mesh listens, and refuses all streams until its pipeline runs.
        _host = new Libp2pHost(identity, new Libp2pOptions { Limits = Libp2pLimits.Default with { MaxConnections = _config.Limits.Connections, Relay = _config.Relay.ToLimits() } }, _time, loggers);
        Owns(_host.DisposeAsync);
        await ListenAsync(cancellationToken);
        var http = MeshHttp.CreateClient(_host);
        Owns(http.Dispose);
        var bulk = MeshHttp.CreateClient(_host, StreamUse.Bulk);
        Owns(bulk.Dispose);
        var client = new MeshClient(http, bulk, _time);
        var addresses = new MeshAddresses(_host, new AddressTable(home.Database, _time));
        addresses.Restore();

        // 3. Swarms and content as they are on the disk.
        var factory = new ReplicaFactory(new Ed25519Signer(identity), new Ed25519Verifier(), new X25519Sealer(sealing), new GossipOptions(), NewSeed);
        PresenceService? presence = null;
        Swarms = new SwarmRegistry(home.Database, factory, swarm => presence?.InfoFor(swarm) ?? new PresenceInfo(), _time);
        var blocks = new FileBlockStore(home.Paths.Blocks, _time, loggers.CreateLogger("Blocks"), _disk);
        Owns(blocks.DisposeAsync);
        var access = new ContentAccess(home.Database, Swarms.IsMember, Swarms.SharedWith);
        var members = new MeshBlockSource(client, access, [], AwakeMembers, id => Swarms.Find(id) is not null, _time);
        var holds = new BlockHolds();
        var pins = new PinSet(home.Paths.Pins, _disk);
        var open = new PublicContent(new PinSet(home.Paths.Public, _disk), blocks);
        var roots = new BlockRoots { Pinned = pins.List, Needed = NeededBundles, Forget = access.Forget };
        var collector = new BlockCollector(blocks, holds, roots, _time, loggers.CreateLogger("Blocks"));
        Owns(collector.Dispose);
        Content = new ContentService(blocks, holds, collector, access, pins, open, [members, .. OtherSources()]);

        // 4. Programs: nothing runs before the feeds are looked at in step 7.
        var runtime = new SandboxRuntime(SandboxFolders.OptionsOf(home.Paths, _config.Hosts, _config.Sessions.IsOn), _time, loggers.CreateLogger("Sandbox"));
        if (runtime is IAsyncDisposable disposable) Owns(disposable.DisposeAsync);
        if (_config.Hosts) await runtime.CollectAsync(cancellationToken);
        var docker = await DockerHost.OpenAsync(_config, home.Paths, Self, _time, loggers.CreateLogger("Docker"), cancellationToken);
        if (docker is not null) Owns(docker.DisposeAsync);
        ProgramSecrets = new SecretService(Swarms, sealing, loggers.CreateLogger("Programs"));
        Owns(ProgramSecrets.DisposeAsync);
        var clock = BootTime = new BootTimeProvider();
        Owns(clock.Dispose);
        var book = new PolicyBook(home.Paths.HostPolicy, new HostPolicy { Programs = _config.Limits.Programs }, _config.HostRules, _disk, _time, clock, _config.HostRulesAbove);
        var options = new ProgramHostOptions { Folder = home.Paths.Programs, Hosts = _config.Hosts, Policy = () => book.Current, Beside = () => Sessions?.Use is { } use ? HostUse.None.Beside(use.MemoryBytes, use.Cpus) : HostUse.None, IsAdmin = IsAdmin, Balance = new FavourBalances(Swarms).HoursOf, Secrets = ProgramSecrets.Open };
        var dead = _fences ? new DeadMansSwitch() : null;
        if (dead is not null) Owns(dead.Dispose);
        var leases = Leases = new LeaseService(Swarms, client, factory, new LeaseOptions(), clock, dead, NewSeed, loggers.CreateLogger("Leases"));
        clock.Woke = leases.Woke;
        var dataSwarm = new DataSwarm(Swarms, _time, loggers.CreateLogger("Data"));
        Owns(dataSwarm.DisposeAsync);
        var dataMesh = new DataMesh(client);
        ProgramData = new ProgramData(home.Paths.ProgramsData, factory.Signer, factory.Verifier, dataMesh, dataSwarm, _disk, DataLimits.Default, _time, loggers.CreateLogger("Data"));
        Owns(ProgramData.DisposeAsync);
        var programHost = new ProgramHost(
            options, Self, sealing, runtime, (bundle, keepers, ct) => OpenBundleAsync(blocks, client, access, bundle, keepers, ct), ProcMeter(), language => language.Interpreter is not [var interpreter, ..] || runtime.Sees(interpreter), new Random(NewSeed()), _disk, _time, loggers.CreateLogger("Programs"), leases, ProgramData)
        {
            Images = docker,
            BootTime = clock,
        };
        if (docker is not null) docker.Images = () => (programHost.BuiltImages, book.Current.Most.DiskBytes);
        Owns(programHost.DisposeAsync);
        Owns(leases.DisposeAsync);
        var recorder = new RunRecorder(Swarms, programHost.Written, _time, loggers.CreateLogger("Leases"));
        programHost.Noted += recorder.Note;
        Favours = new FavourService(Swarms, programHost, new FavourBook(home.Paths.Favours), _time, loggers.CreateLogger("Favours"));
        programHost.Noted += Favours.Note;
        var bundleKeeper = new BundleKeeper(Swarms, (bundle, keepers, ct) => OpenBundleAsync(blocks, client, access, bundle, keepers, ct), _time, loggers.CreateLogger("Leases"));
        Owns(bundleKeeper.Dispose);
        var packageKeeper = new PackageKeeper(Swarms, programHost, _time, loggers.CreateLogger("Programs"));
        Owns(packageKeeper.Dispose);
        var mesh = new ProgramMesh(client, programHost, Swarms, loggers.CreateLogger("Programs"));
        Owns(mesh.DisposeAsync);
        Locator = new ProgramLocator(Swarms, leases);
        Programs = new ProgramService(Swarms, programHost, mesh, Locator, blocks, holds, access, IsConnected, NewSeed, ProgramSecrets, _time, loggers.CreateLogger("Programs"));
        Owns(Programs.DisposeAsync);
        Running = new RunningService(Swarms, programHost, Locator, mesh, client, loggers.CreateLogger("Programs"));
        var dataCopies = new DataService(Swarms, dataSwarm, new DataCopies(Self, ProgramData, dataMesh, dataSwarm, factory.Verifier), mesh, Locator);
        HostOwner = new HostService(_config.Name, book, programHost, docker, Swarms, ReconcileAll, () => Sessions?.Use, _time);
        Schedules = new ScheduleService(Swarms, programHost, leases, client, new ScheduleBook(home.Paths.Schedules, _disk, _time), BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8)), clock, _time, loggers.CreateLogger("Schedules"));
        Owns(Schedules.DisposeAsync);
        Versions = new VersionService(Swarms, Programs, mesh, new ScheduleReader(Schedules, client), sealing);
        Stats = new StatsService(Swarms, programHost, Locator, client);
        Execs = new ExecService(Swarms, programHost, Locator, mesh, _host, loggers.CreateLogger("Programs"), Stopping);
        presence = new PresenceService(programHost, leases, Schedules.LastOf, () => Addresses, _time);
        Views = new NodeViews(Swarms, _host, Locator, presence.InfoFor, _time);
        Network = new NetworkView(Swarms, _host, client, () => [.. _host.ListenAddresses.Select(address => address.WithPeer(Self)).Concat(UsableAddresses.Through(_host.Reservations)).Select(address => address.ToString())], _time);
        Membership = new Membership(Swarms, factory, sealing, _config.Name, _host, addresses, client, () => Addresses, _time, Logger);

        // 5. The mesh's pipeline and gossip, and the door for who has a secret.
        var gossip = new GossipService(Swarms, addresses, client, new GossipOptions(), _time, loggers.CreateLogger("Gossip"));
        Owns(gossip.DisposeAsync);
        var codes = new SpokenCodes(_time);
        var door = new JoinDoor(Swarms, codes, factory.Sealer, sealing.PublicKey.Span, home.Seed, new GuessLimiter(GuessLimits.Joining, _time, _disk, home.Paths.Guesses), _time, Logger);
        Secrets = new SecretMembership(Swarms, factory, codes, new JoinVisitor(_host, sealing, _config.Name, _time), addresses, () => LocalNetwork, _time, Logger);
        var endpoints = new MeshEndpoints(Swarms, blocks, access, programHost, leases, Programs.Reconcile, door.Share, Network, new GuessLimiter(GuessLimits.Tickets, _time), _host, _time, Logger, Stopping);
        MeshApp = MeshPipeline.Build(_host, new MeshAuthorization(Swarms, access, Logger), routes =>
        {
            endpoints.Map(routes);
            new RunningMeshEndpoints(programHost, Stats).Map(routes);
            new DataEndpoints(ProgramData).Map(routes);
            new ScheduleMeshEndpoints(Schedules).Map(routes);
            new SessionMeshEndpoints(() => Sessions, () => Channels).Map(routes);
        }, loggers);
        Owns(MeshApp.DisposeAsync);
        leases.Start(programHost, Programs.Reconcile); // its life as a voter begins: whoever asks is answered that it is young
        await MeshApp.StartAsync(cancellationToken);
        _host.Handle(JoinProtocol.Id, door.HandleAsync);
        _host.Handle(ExecFrame.Protocol, Execs.HandleAsync);
        foreach (var swarm in Swarms.All) ForgetStrangersOf(swarm);
        Swarms.Added += ForgetStrangersOf;
        Swarms.Say();
        _supervisor = new Supervisor(_time, Logger);
        Owns(_supervisor.DisposeAsync);
        _supervisor.Run("gossip", FailurePolicy.Restart, gossip.RunAsync);
        if (_config.Content.LimitBytes is { } limit) _supervisor.Run("collector", FailurePolicy.Restart, ct => collector.RunAsync(limit, ct));
        _supervisor.Run("favours", FailurePolicy.Restart, Favours.RunAsync);
        _supervisor.Run("data", FailurePolicy.Restart, ct => DataCollection.RunAsync(ProgramData, Swarms, _time, ct));
        _supervisor.Run("memory", FailurePolicy.Restart, ct => RestingMemory.RunAsync(_time, ct));
        var rotation = new KeyRotation(Swarms, _time, Logger);
        _supervisor.Run("key rotation", FailurePolicy.Restart, rotation.RunAsync);
        if (docker is not null)
        {
            docker.Changed += Swarms.Say;
            _supervisor.Run("docker", FailurePolicy.Restart, docker.RunAsync);
        }
        _supervisor.Run("presence", FailurePolicy.Restart, ct => presence.RunAsync(Swarms, ct));
        foreach (var left in programHost.LeftOver((swarm, program) => Swarms.Find(swarm)?.State.Programs.GetValueOrDefault(program))) recorder.Note(left);
        _supervisor.Run("runs", FailurePolicy.Restart, recorder.RunAsync);
        _supervisor.Run("guardians", FailurePolicy.Restart, new GuardianKeeper(Swarms, leases, Schedules.LatestOf, mesh.AskAsync, sealing, _time, loggers.CreateLogger("Leases")).RunAsync);
        _supervisor.Run("schedules", FailurePolicy.Restart, Schedules.RunAsync);
        _supervisor.Run("journal", FailurePolicy.Restart, programHost.RunAsync);
        _supervisor.Run("bundles", FailurePolicy.Restart, bundleKeeper.RunAsync);
        if (_config.Hosts) _supervisor.Run("packages", FailurePolicy.Restart, packageKeeper.RunAsync);
        if (_config is { Hosts: true, SystemBus: { } bus }) _supervisor.Run("sleep", FailurePolicy.Restart, new SleepWatch(bus, SleepAsync, EndSleep, _time, loggers.CreateLogger("Power")).RunAsync);

        async Task SleepAsync()
        {
            programHost.TakesNone ??= AboutToSleep;
            await leases.SleepAsync();
            await recorder.WrittenAsync();
        }

        void EndSleep()
        {
            if (programHost.TakesNone == AboutToSleep) programHost.TakesNone = null;
            leases.EndSleep();
        }

        Owns(async () =>
        {
            // Programs go to other hosts while this one still votes, and that is told before it leaves.
            await leases.DrainAsync(all: true, "the host's daemon ends");
            await programHost.DisposeAsync(); // while the mesh still serves: guardians fetch the last changes of programs' data
            await Task.WhenAny(recorder.WrittenAsync(), Task.Delay(LastWords, _time, CancellationToken.None));
            presence.Leave(Swarms);
            await leases.CloseAsync();
            await gossip.CloseAsync();
        });

        var tunnels = new TunnelService(Swarms, programHost, TunnelLimits.Default, _time, loggers.CreateLogger("Tunnels"));
        Tunnels = new TunnelDialer(Swarms, Locator, programHost, _host, TunnelLimits.Default, _time);
        _host.Handle(TunnelService.Protocol, tunnels.HandleAsync);
        _host.Handle(TunnelService.DatagramProtocol, tunnels.HandleDatagramsAsync);

        if (_config.Sessions is { Swarm: not null, Redis: null })
        {
            Channels = new ChannelService(_config.Sessions, Swarms, _host, ChannelLimits.Default, _time, loggers.CreateLogger("Channels"));
            Owns(Channels.DisposeAsync);
            _supervisor.Run("channels", FailurePolicy.Restart, Channels.RunAsync);
        }
        else if (_config.Sessions.Redis is not null)
        {
            Redis = new RedisService(_config.Sessions, _time, loggers.CreateLogger("Channels"));
            Owns(Redis.DisposeAsync);
        }
        var containers = await SessionDocker.OpenAsync(_config, home.Paths, Self, _time, loggers.CreateLogger("Sessions"), cancellationToken);
        if (containers is not null) Owns(containers.DisposeAsync);
        if (((IChannels?)Redis?.Channels ?? Channels?.Channels) is { } carrier)
        {
            Sessions = new SessionNode(
                SessionNode.CloudOf(Self), _config.Sessions, home.Paths.Sessions, carrier, Redis?.Claims, runtime, containers, ProcMeter(), () => book.Current with { Hosts = book.Current.Hosts && _config.Hosts }, () => programHost.Use, _time, loggers.CreateLogger("Sessions"));
            Owns(Sessions.DisposeAsync);
            _supervisor.Run("sessions", FailurePolicy.Restart, Sessions.RunAsync);
        }

        // 6. Whom others reach through this node, and through whom they reach it; who is on the local network.
        if (_config.Relay.Serve) _host.ServeRelay(new RelayPolicy(peer => Swarms.SharedWith(peer) is not null, GrantOf));
        if (_config.Relay.Use)
        {
            var keeper = new RelayKeeper(_host, Swarms, () => presence.AddressesChanged(Swarms), _time, loggers.CreateLogger("Relay"));
            _supervisor.Run("relays", FailurePolicy.Restart, keeper.RunAsync);
        }
        if (_config.Mdns) StartDiscovery(loggers);

        // 7. Programs that are placed here start again.
        programHost.Changed += Swarms.Say;
        Owns(() => programHost.Changed -= Swarms.Say);
        Programs.Resume();
        _supervisor.Run("policy", FailurePolicy.Restart, ct => programHost.WatchPolicyAsync(ReconcileAll, ct));

        // 8. The world, if this node is open to it.
        if (_config.Gateway.Listen is { } listen)
        {
            var gateway = GatewayPipeline.Build(listen, new ReadableBlockStore(blocks, open.ContainsAsync), loggers);
            Owns(gateway.DisposeAsync);
            Gateway = await GatewayPipeline.StartAsync(gateway, listen, cancellationToken);
        }

        if (_config.Web.Serve)
        {
            Web = await WebPort.StartAsync(_config.Web, Swarms, Tunnels, loggers, cancellationToken);
            if (Web is not null) Owns(Web.DisposeAsync);
        }

        // 9. People last: whoever finds the socket finds everything behind it.
        LocalApp = LocalPipeline.Build(home.Paths.Socket, routes =>
        {
            new LocalEndpoints(this).Map(routes);
            new RunningEndpoints(Running, Stats, Execs, Versions, Logger, Stopping).Map(routes);
            new TunnelEndpoints(this).Map(routes);
            new DataCopyEndpoints(this, dataCopies).Map(routes);
            new DrainEndpoints(leases, programHost, Swarms.Say).Map(routes);
            new AuditEndpoints(Swarms).Map(routes);
            new FavourEndpoints(Favours).Map(routes);
            new SessionEndpoints(Sessions, _config.Sessions, Redis, Sessions is null ? null : new SessionLogs(Sessions, Channels, client)).Map(routes);
        }, loggers);
        Owns(async () =>
        {
            // Whoever reads a long answer is told that the node stops, before the connection ends.
            using var patience = new CancellationTokenSource(LastWords, _time);
            await LocalApp.StopAsync(patience.Token);
            await LocalApp.DisposeAsync();
            File.Delete(home.Paths.Socket);
        });
        await LocalApp.StartAsync(cancellationToken);
        DaemonLog.Serving(Logger, Self, string.Join(' ', Addresses));
    }

    // Members of one swarm are served; who is none may reach a member, to show it a ticket.
    private RelayGrant GrantOf(PeerId from, PeerId to)
    {
        if (Swarms.AreTogether(from, to)) return RelayGrant.Full;
        return _config.Relay.Guests && Swarms.SharedWith(to) is not null ? RelayGrant.Guest : RelayGrant.None;
    }

    private void StartDiscovery(LoggerFactory loggers)
    {
        var discovery = new MdnsDiscovery(Self, () => UsableAddresses.Choose(_host.ListenAddresses, UsableAddresses.Bridges()), Libp2pLimits.Default, _time, loggers);
        // Whoever is on this network may have said it: only members are looked for there, and the dial finds out.
        discovery.Found += found =>
        {
            if (Swarms.SharedWith(found.Peer) is not null) _host.SuggestAddresses(found.Peer, found.Addresses);
        };
        if (discovery.Start()) LocalNetwork = discovery;
        Owns(discovery.DisposeAsync);
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        var port = _config.Port ?? DaemonConfig.DefaultPort;
        for (var tried = 0; ; tried++)
        {
            try
            {
                await ListenOnAsync(port, isWebSocket: false, cancellationToken);
                if (_host.ListenAddresses.Count == 0) throw new PcException(ErrorCode.PortTaken, $"none of {string.Join(", ", _config.Listen)} is an address of this machine", "correct listen in the configuration or --listen");
                break;
            }
            catch (PcException e) when (IsTaken(e) && _config.Port is null && tried < DaemonConfig.PortsTried && _host.ListenAddresses.Count == 0)
            {
                port++;
            }
            catch (PcException e) when (IsTaken(e) && _config.Port is not null)
            {
                throw new PcException(ErrorCode.PortTaken, $"port {port} is used by another program", $"choose another port (--port), or leave it out to take the next free one after {DaemonConfig.DefaultPort}", e);
            }
        }
        if (_config.WebSocketPort is not { } webSocketPort) return;
        try
        {
            await ListenOnAsync(webSocketPort, isWebSocket: true, cancellationToken);
        }
        catch (PcException e) when (IsTaken(e))
        {
            throw new PcException(ErrorCode.PortTaken, $"port {webSocketPort} is used by another program", "choose another ws_port, or leave it out", e);
        }
    }

    // All on one port: what the first got, the others take.
    private async Task ListenOnAsync(int port, bool isWebSocket, CancellationToken cancellationToken)
    {
        foreach (var ip in _config.Listen.Select(IPAddress.Parse))
        {
            var address = Multiaddr.FromEndPoint(new IPEndPoint(ip, port));
            var bound = await TryListenAsync(isWebSocket ? address.WithWebSocket() : address, cancellationToken);
            if (port == 0 && bound?.Port is { } chosen) port = chosen;
        }
    }

    // A machine without IPv6 still listens on everything else that it has.
    private async Task<Multiaddr?> TryListenAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        try
        {
            return await _host.ListenAsync(address, cancellationToken);
        }
        catch (PcException e) when (!IsTaken(e) && address.Host == "::")
        {
            return null;
        }
    }

    private static bool IsTaken(PcException e) => e.Code == ErrorCode.MeshPortTaken;

    // Who is no member of any swarm any more keeps no connection: what it has open ends at once.
    private void ForgetStrangersOf(LocalSwarm swarm)
    {
        var members = swarm.State.ActiveMembers.Select(member => member.Peer).ToHashSet();
        swarm.Changed += changed =>
        {
            var now = changed.State.ActiveMembers.Select(member => member.Peer).ToHashSet();
            foreach (var gone in members.Except(now))
            {
                if (gone != Self && Swarms.SharedWith(gone) is null) _host.Disconnect(gone);
            }
            members = now;
        };
    }

    private Task<Stream> OpenBundleAsync(FileBlockStore blocks, MeshClient client, ContentAccess access, Cid bundle, IReadOnlyList<PeerId> keepers, CancellationToken cancellationToken)
    {
        var source = new MeshBlockSource(client, access, [.. keepers.Where(keeper => keeper != Self)], () => [], id => Swarms.Find(id) is not null, _time);
        return new UnixFsReader(new BlockFetcher(blocks, [source])).OpenAsync(bundle, null, cancellationToken);
    }

    // After the members: gateways in their order, then Kubo, which may look through the whole of IPFS.
    private List<IBlockSource> OtherSources()
    {
        List<HttpBlockSource> others = [.. _config.Content.Gateways.Select(gateway => HttpBlockSource.OfGateway(gateway, _time))];
        if (_config.Content.IpfsApi is { } api) others.Add(HttpBlockSource.OfKubo(api, _time));
        foreach (var other in others) Owns(other.Dispose);
        return [.. others];
    }

    // What the feeds name as deployed is kept for whoever starts it next.
    private IEnumerable<Cid> NeededBundles() =>
        Swarms.All.SelectMany(swarm => ProgramVersions.Kept(swarm.State)).Select(program => program.Deployed.Bundle);

    private bool IsAdmin(SwarmId swarm, PeerId member) => Swarms.Find(swarm)?.State.Find(member) is { IsAdmin: true };

    private void ReconcileAll()
    {
        foreach (var swarm in Swarms.All) Programs.Reconcile(swarm);
    }

    // Connected ones first: they answer without a dial.
    private IEnumerable<PeerId> AwakeMembers() =>
        Swarms.All.SelectMany(swarm => swarm.State.ActiveMembers.Where(member => member.Peer != Self && (swarm.IsAwake(member.Peer) || IsConnected(member.Peer))).Select(member => member.Peer))
            .Distinct().OrderByDescending(IsConnected);

    private bool IsConnected(PeerId peer) => _host.Connections.Any(connection => connection.RemotePeer == peer);

    private ProcHostMeter ProcMeter() => new(File.ReadAllText, _time);

    // The web server's own life is no event of ours, and saying each request twice costs more than answering it.
    private static LoggerFilterOptions LogFilter()
    {
        var options = new LoggerFilterOptions { MinLevel = LogLevel.Trace };
        options.Rules.Add(new LoggerFilterRule(null, "Microsoft", LogLevel.Warning, null));
        return options;
    }

    private static LogLevel LogLevelOf() =>
        Enum.TryParse<LogLevel>(Environment.GetEnvironmentVariable("PC_LOG"), ignoreCase: true, out var level) ? level : LogLevel.Information;

    private static int NewSeed() => RandomNumberGenerator.GetInt32(int.MaxValue);

    private void Owns(Action dispose) => _stop.Push(() =>
    {
        dispose();
        return ValueTask.CompletedTask;
    });

    private void Owns(Func<ValueTask> dispose) => _stop.Push(dispose);
}

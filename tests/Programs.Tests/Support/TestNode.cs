using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>
/// A swarm of nodes in one process: real feeds, block stores, bundles and hosts, wired as the daemon wires them, with method calls
/// as the mesh. Entries spread when a test says so, or at once.
/// </summary>
internal sealed class TestSwarm : IAsyncDisposable
{
    private readonly List<TestNode> _nodes = [];

    public TestFolder Folder { get; } = new();

    public IReadOnlyList<TestNode> Nodes => _nodes;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Whether blocks are on disk, with fsync, as a daemon has them.</summary>
    public bool OnDisk { get; init; }

    /// <summary>Disposed of after the nodes and before their folders go.</summary>
    public IAsyncDisposable? Runtime { get; set; }

    /// <summary>Adds a member; the first one creates the swarm.</summary>
    public TestNode Add(string name, IRuntime runtime, ProgramHostOptions? options = null, Role role = Role.Member, Random? random = null, IProgramLeases? leases = null, IImageRuntime? images = null)
    {
        var node = new TestNode(this, name, runtime, options, role, random ?? new Random(_nodes.Count), leases, images);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Hands every entry to every node.</summary>
    public void Spread()
    {
        foreach (var node in _nodes) node.ReceiveFrom(_nodes[0]);
    }

    public TestNode Of(PeerId peer) => _nodes.Single(node => node.Self == peer);

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
        if (Runtime is not null) await Runtime.DisposeAsync();
        Folder.Dispose();
    }
}

/// <summary>One node of a <see cref="TestSwarm"/>; also its own view of the mesh and the swarm.</summary>
internal sealed class TestNode : IProgramSwarm, IProgramMesh, IBlockSource, IAsyncDisposable
{
    private readonly TestSwarm _swarm;
    private readonly Ed25519Key _identity = new(Ed25519Key.NewSeed());
    private readonly List<StoredEntry> _own = [];
    private readonly Lock _lock = new();
    private readonly ProgramHostOptions _options;
    private readonly IRuntime _runtime;
    private readonly IProgramLeases? _leases;
    private readonly IImageRuntime? _images;

    public TestNode(TestSwarm swarm, string name, IRuntime runtime, ProgramHostOptions? options, Role role, Random random, IProgramLeases? leases, IImageRuntime? images)
    {
        _images = images;
        _swarm = swarm;
        _leases = leases;
        Name = name;
        Self = PeerId.FromEd25519(_identity.PublicKey.Span);
        _runtime = runtime;
        _options = (options ?? new ProgramHostOptions { Folder = "" }) with { Folder = swarm.Folder[$"{name}/programs"] };
        Directory.CreateDirectory(swarm.Folder[name]);
        Store = swarm.OnDisk ? new FileBlockStore(swarm.Folder[$"{name}/blocks"], TimeProvider.System, NullLogger.Instance, SystemDisk.Instance) : new MemoryBlockStore();
        Replica = JoinSwarm(role);
        Host = NewHost();
        var packer = new BundlePacker(new UnixFsAdder(Store).AddStreamAsync, BundleLimits.Default, new BundleMemory());
        Deployer = new Deployer(packer, this, new DeployTimeouts(), random, swarm.Time);
    }

    public string Name { get; }

    public PeerId Self { get; }

    public X25519Key SealingKey { get; } = new(X25519Key.NewPrivateKey());

    public IBlockStore Store { get; }

    public SwarmReplica Replica { get; }

    public ProgramHost Host { get; private set; }

    public Deployer Deployer { get; }

    /// <summary>Whether others reach it.</summary>
    public bool Awake { get; set; } = true;

    /// <summary>The newest way of sealing that it says it opens.</summary>
    public int Seals { get; set; } = BundleKey.SealVersion;

    /// <summary>Languages that its machine has no interpreter of.</summary>
    public HashSet<string> Lacks { get; } = [];

    /// <summary>Whether it starts programs by a schedule.</summary>
    public bool Schedules { get; set; } = true;

    /// <summary>Called before each request to this node; throws what the mesh would.</summary>
    public Func<string, Task> OnRequest { get; set; } = _ => Task.CompletedTask;

    public SwarmState State
    {
        get
        {
            lock (_lock) return Replica.State;
        }
    }

    /// <summary>A daemon that starts again over the same home.</summary>
    public async Task RestartHostAsync()
    {
        await Host.DisposeAsync();
        Host = NewHost();
        await Host.ReconcileAsync(State);
    }

    public bool IsAwake(PeerId member) => _swarm.Of(member).Awake;

    public PeerId? HolderOf(SwarmProgram program) => program.Host;

    public ValueTask<EntryHash> AppendDeployedAsync(ProgramDeployed deployed, PeerId host, SecretSet? secrets, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (secrets is not null) Append(secrets);
            var entry = Append(deployed);
            Append(new ProgramPlaced(entry.Hash, host, 1));
            return ValueTask.FromResult(entry.Hash);
        }
    }

    public ValueTask AppendAsync(EntryBody body, CancellationToken cancellationToken)
    {
        lock (_lock) Append(body);
        return ValueTask.CompletedTask;
    }

    public async ValueTask<HostOffer> AskAsync(PeerId host, ProgramAsk ask, CancellationToken cancellationToken)
    {
        var node = await RequestAsync(host, "ask").WaitAsync(cancellationToken);
        return node.Host.Offer(ask, Self) with { Seals = node.Seals, Schedules = node.Schedules };
    }

    public async ValueTask StartAsync(PeerId host, ProgramSpec program, CancellationToken cancellationToken)
    {
        var node = await RequestAsync(host, "start").WaitAsync(cancellationToken);
        node.ReceiveFrom(this);
        Assert.True(node.State.Programs.ContainsKey(program.Id));
        await node.Host.StartAsync(program, cancellationToken);
    }

    public async ValueTask StopAsync(PeerId host, SwarmId swarm, EntryHash program, CancellationToken cancellationToken) =>
        await (await RequestAsync(host, "stop").WaitAsync(cancellationToken)).Host.StopAsync(program, "was stopped");

    public async IAsyncEnumerable<LogLine> LogsAsync(PeerId host, SwarmId swarm, EntryHash program, LogStart start, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var line in (await RequestAsync(host, "logs")).Host.LogsAsync(program, start, follow, cancellationToken)) yield return line;
    }

    public async ValueTask<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken) => Awake ? await Store.GetAsync(cid, cancellationToken) : null;

    public void ReceiveFrom(TestNode other)
    {
        if (other == this) return;
        var entries = other.Everything();
        lock (_lock) Replica.Receive(entries, DateTimeOffset.UtcNow);
    }

    /// <summary>Stops a program as an owner does: first in the feed, then on its host.</summary>
    public async Task StopAsync(ProgramSpec program)
    {
        await AppendAsync(new ProgramStopped(program.Id), TestContext.Current.CancellationToken);
        await StopAsync(State.Programs[program.Id].Host!.Value, program.Swarm, program.Id, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        if (Store is IAsyncDisposable store) await store.DisposeAsync();
        SealingKey.Dispose();
        _identity.Dispose();
    }

    private SwarmReplica JoinSwarm(Role role)
    {
        var signer = new Ed25519Signer(_identity);
        if (_swarm.Nodes.Count == 0)
        {
            var created = SwarmReplica.Create(signer, new Ed25519Verifier(), "friends", Name, SealingKey.PublicKey.Span, new byte[16], DateTimeOffset.UtcNow, out var genesis);
            _own.Add(genesis);
            return created;
        }
        var admin = _swarm.Nodes[0];
        lock (admin._lock) admin.Append(new MemberAdmitted(Self, Name, SealingKey.PublicKey.ToArray(), role, null));
        var replica = SwarmReplica.Load(signer, new Ed25519Verifier(), admin.Replica.Id, admin._own);
        replica.ConfirmOwnHead();
        foreach (var node in _swarm.Nodes.Skip(1)) node.ReceiveFrom(admin);
        return replica;
    }

    private StoredEntry Append(EntryBody body)
    {
        var entry = Replica.Append(body, DateTimeOffset.UtcNow);
        _own.Add(entry);
        return entry;
    }

    private List<ReadOnlyMemory<byte>> Everything()
    {
        lock (_lock) return [.. Replica.MissingFor(FeedHeads.None, int.MaxValue, out _).Select(entry => entry.Bytes)];
    }

    private async Task<TestNode> RequestAsync(PeerId host, string what)
    {
        var node = _swarm.Of(host);
        if (!node.Awake) throw new IOException($"{node.Name} is not reached");
        await node.OnRequest(what);
        return node;
    }

    private ProgramHost NewHost()
    {
        var host = new ProgramHost(
            _options, Self, SealingKey, _runtime, OpenAsync, new IdleMeter(), language => !Lacks.Contains(language.Name), new Random(1), SystemDisk.Instance, _swarm.Time, NullLogger.Instance, _leases) { Images = _images };
        host.Noted += host.Written; // in the feeds at once
        return host;
    }

    private Task<Stream> OpenAsync(Cid bundle, IReadOnlyList<PeerId> keepers, CancellationToken cancellationToken) =>
        new UnixFsReader(new BlockFetcher(Store, [.. keepers.Select(_swarm.Of)])).OpenAsync(bundle, null, cancellationToken);

    private sealed class IdleMeter : IHostMeter
    {
        public HostLoad Read() => new(10, 20);
    }
}

using System.Net.Http.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Mesh;

/// <summary>Somebody with a key and a real connection, and nothing else of a daemon: asks a node for whatever a test wants.</summary>
internal sealed class MeshPeer : IAsyncDisposable
{
    private readonly Ed25519Key _key;
    private readonly Libp2pHost _host;
    private readonly bool _ownsKey;

    public MeshPeer(string name, TestNode target)
        : this(name, target, new Ed25519Key(Ed25519Key.NewSeed())) => _ownsKey = true;

    private MeshPeer(string name, TestNode target, Ed25519Key key)
    {
        _key = key;
        Name = name;
        Target = target;
        _host = new Libp2pHost(_key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        _host.AddAddresses(target.Node.Self, target.Node.Host.ListenAddresses);
        Http = MeshHttp.CreateClient(_host);
    }

    public string Name { get; }

    public TestNode Target { get; }

    public HttpClient Http { get; }

    public PeerId Id => _host.Self;

    /// <summary>The same peer, who talks to a node that has started again.</summary>
    public MeshPeer At(TestNode target) => new(Name, target, _key);

    /// <summary>Lets the target, an admin, admit this peer.</summary>
    public async Task<MeshPeer> AdmittedAsync(LocalSwarm swarm, Role role)
    {
        using var sealing = new X25519Key(X25519Key.NewPrivateKey());
        await swarm.AppendAsync(new MemberAdmitted(Id, Name, sealing.PublicKey.ToArray(), role, null), TestContext.Current.CancellationToken);
        return this;
    }

    /// <summary>Writes entries as this member, on top of what the target holds, and gives them to the target.</summary>
    public IReadOnlyList<StoredEntry> Write(LocalSwarm swarm, params Func<IReadOnlyList<StoredEntry>, EntryBody>[] bodies)
    {
        var held = swarm.Read(replica => replica.MissingFor(FeedHeads.None, int.MaxValue, out _));
        var replica = SwarmReplica.Load(new Ed25519Signer(_key), new Ed25519Verifier(), swarm.Id, held);
        replica.ConfirmOwnHead();
        var written = new List<StoredEntry>();
        foreach (var body in bodies) written.Add(replica.Append(body(written), DateTimeOffset.UtcNow));
        swarm.Receive(written.Select(entry => entry.Bytes));
        return written;
    }

    public async Task<(int Status, ErrorReply? Error)> AskAsync(string method, string path, byte[]? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), MeshHttp.UriOf(Target.Node.Self, path));
        if (method == "POST") request.Content = new ByteArrayContent(body ?? []);
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        var error = method == "HEAD" || response.IsSuccessStatusCode || response.Content.Headers.ContentType?.MediaType != "application/json"
            ? null
            : await response.Content.ReadFromJsonAsync(LocalApiJson.Default.ErrorReply, TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, error);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _host.DisposeAsync();
        if (_ownsKey) _key.Dispose();
    }
}

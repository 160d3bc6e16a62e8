using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Policy;

/// <summary>Who may deploy to a host. Members are named by peer id, since the name of a member is what an admin wrote.</summary>
public sealed record DeployerRule
{
    private readonly bool _everyone;
    private readonly bool _admins;
    private readonly HashSet<PeerId> _peers = [];

    private DeployerRule(bool everyone, bool admins, IEnumerable<PeerId> peers)
    {
        (_everyone, _admins) = (everyone, admins);
        _peers.UnionWith(peers);
    }

    /// <summary>Every member that may deploy at all.</summary>
    public static DeployerRule Everyone { get; } = new(everyone: true, admins: false, []);

    /// <summary>Admins and these members; neither is nobody but the host itself.</summary>
    public static DeployerRule Only(bool admins, IEnumerable<PeerId> peers) => new(everyone: false, admins, peers);

    /// <summary>For people: everyone, admins, peer ids.</summary>
    public string Text => _everyone ? "everyone" : _admins || _peers.Count > 0 ? string.Join(", ", Words()) : "nobody";

    /// <summary>Whether a member may deploy here.</summary>
    public bool Allows(PeerId member, bool isAdmin) => _everyone || (_admins && isAdmin) || _peers.Contains(member);

    private IEnumerable<string> Words() => (_admins ? ["admins"] : Array.Empty<string>()).Concat(_peers.Select(peer => peer.ToString()).Order(StringComparer.Ordinal));
}

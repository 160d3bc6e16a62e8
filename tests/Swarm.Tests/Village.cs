using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>Replicas of one swarm that exchange entries when told to: the first creates it, any others are admitted by it.</summary>
internal sealed class Village
{
    public Village(params Role[] roles)
    {
        var creator = Keys.Signer(0);
        var replica = SwarmReplica.Create(creator, Keys, "friends", "node-0", SimSealer.PublicKeyOf(creator.Self), new byte[16], Now, out var genesis);
        var entries = new List<StoredEntry> { genesis };
        for (var i = 0; i < roles.Length; i++)
            entries.Add(replica.Append(new MemberAdmitted(Keys.Signer(i + 1).Self, $"node-{i + 1}", SimSealer.PublicKeyOf(Keys.Signer(i + 1).Self), roles[i], null), Now));
        Beginning = entries;
        Replicas = [replica, .. Enumerable.Range(1, roles.Length).Select(Load)];
    }

    public SimKeys Keys { get; } = new();

    // An unkind date, and it moves with each look at it.
    public DateTimeOffset Now => _now += TimeSpan.FromMilliseconds(7);

    public IReadOnlyList<StoredEntry> Beginning { get; }

    public SwarmReplica[] Replicas { get; }

    public SwarmReplica this[int index] => Replicas[index];

    private DateTimeOffset _now = new(2047, 2, 28, 23, 1, 2, 345, TimeSpan.Zero);

    public PeerId Peer(int index) => Keys.Signer(index).Self;

    /// <summary>A replica of this node that knows the beginning only, and may write.</summary>
    public SwarmReplica Load(int index)
    {
        var replica = SwarmReplica.Load(Keys.Signer(index), Keys, Beginning[0].Swarm, Beginning);
        replica.ConfirmOwnHead();
        return replica;
    }

    public static ProgramDeployed Program(string name = "bot") =>
        new(name, Cid.V1(Cid.Raw, new byte[32]), 1000, "py3", new ProgramLimits(1 << 28, 500, 64, 1 << 20, "internet"), []);

    public StoredEntry Deploy(int index, string name = "bot") => Replicas[index].Append(Program(name), Now);

    /// <summary>A member removes another, with a new key.</summary>
    public StoredEntry Remove(int by, int member) => Replicas[by].Remove(Peer(member), Sealer(by), NewKey(), Now);

    public SimSealer Sealer(int index) => new(Peer(index));

    /// <summary>A key of 32 bytes that no other call gives.</summary>
    public byte[] NewKey() => System.Security.Cryptography.SHA256.HashData(BitConverter.GetBytes(_keys++));

    private int _keys;

    /// <summary>One direction: `to` gets what it lacks.</summary>
    public ReceiveResult Give(SwarmReplica from, SwarmReplica to)
    {
        var result = to.Receive(from.MissingFor(to.Heads, int.MaxValue, out _).Select(entry => entry.Bytes), Now);
        // What is asked for by name, until nothing is.
        while (result.Missing.Count > 0)
        {
            var answer = from.Wanted(result.Missing, int.MaxValue);
            if (answer.Count == 0) break;
            result = to.Receive(answer.Select(entry => entry.Bytes), Now);
            if (!result.AnyNew) break;
        }
        return result;
    }

    /// <summary>Everybody exchanges with everybody until nothing changes.</summary>
    public void Meet(params SwarmReplica[] replicas)
    {
        for (var round = 0; round < 3; round++)
        {
            foreach (var from in replicas)
            {
                foreach (var to in replicas)
                {
                    if (from != to) Give(from, to);
                }
            }
        }
    }

    public void MeetAll() => Meet(Replicas);

    public static string Shown(SwarmReplica replica) => string.Join(
        "; ", [.. replica.State.Members.Values.Select(member => $"{member.Name} {member.Role} {member.Status}"),
            .. replica.State.Programs.Values.Select(program => $"{program.Deployed.Name} {program.Generation} {program.Stopped}"), string.Join(' ', replica.State.Forked.Values), $"{replica.State.Entries.Counted}"]);

    public void AssertAgree()
    {
        foreach (var replica in Replicas)
        {
            Assert.Equal(Shown(Replicas[0]), Shown(replica));
            Assert.Equal(StateDigest.Of(Replicas[0].State), StateDigest.Of(replica.State));
            Assert.Equal(Replicas[0].Heads.Fingerprint, replica.Heads.Fingerprint);
        }
    }
}

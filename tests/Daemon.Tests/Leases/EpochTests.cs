using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Data;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Tests.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Leases;

/// <summary>What a daemon makes of epochs beyond leases themselves.</summary>
public sealed class EpochTests
{
    [Fact]
    public void A_program_runs_where_the_highest_epoch_is()
    {
        var program = EntryHash.Of("a program"u8);
        PeerId[] hosts = [.. Enumerable.Range(1, 4).Select(number => PeerId.FromEd25519([(byte)number, .. new byte[31]]))];
        ulong[] epochs = [11, 22, 12, 0];
        var told = hosts.Zip(epochs, (host, epoch) => (host, new PresenceInfo { Running = [new RunningProgram(program, "running", null, 0, default, epoch)] }));
        Assert.Equal(hosts[1], ProgramLocator.HighestOf(told, program)!.Value.Host);
        Assert.Null(ProgramLocator.HighestOf(told, EntryHash.Of("another"u8)));
    }

    // Goal: data of an epoch is its host's alone. Method: a member writes that it ran a program; another says that it has data of that epoch.
    [Fact]
    public async Task Data_of_an_epoch_is_taken_from_the_host_that_had_it()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await oak.CreateAsync("friends");
        var swarm = oak.Node.Swarms.Require("friends");
        await using var elm = await new MeshPeer("elm", oak).AdmittedAsync(swarm, Role.Member);
        await using var fir = await new MeshPeer("fir", oak).AdmittedAsync(swarm, Role.Member);
        var deployed = new ProgramDeployed("bot", Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), [new SealedKey(elm.Id, new byte[81]), new SealedKey(fir.Id, new byte[81])]);
        var id = elm.Write(swarm, _ => deployed, written => new ProgramPlaced(written[0].Hash, elm.Id, 1), written => new RunRecorded(written[0].Hash, 7, TimeProvider.System.GetUtcNow(), null, null, null, RunUse.None))[0].Hash;
        var program = swarm.State.Programs[id];
        Assert.Equal(7UL, Assert.Single(program.Runs).Epoch);

        await using var data = new DataSwarm(oak.Node.Swarms, TimeProvider.System, NullLogger.Instance);
        var stamp = new DataStamp((ulong)program.DeployedAt.ToUnixTimeMilliseconds(), 7, 1);
        var key = DataKey.Of(ProgramSpec.Of(swarm.Id, program));
        Assert.True(data.MayHold(key, elm.Id, stamp));
        Assert.False(data.MayHold(key, fir.Id, stamp));
        Assert.True(data.MayHold(key, fir.Id, stamp with { Epoch = 8 }));
    }
}

using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Data;

/// <summary>What a person does with the copies of a program's data: sees them, gets one, removes some. For its owner and admins.</summary>
internal sealed class DataService(SwarmRegistry swarms, DataSwarm known, DataCopies copies, ProgramMesh mesh, ProgramLocator locator)
{
    /// <summary>What copies there are.</summary>
    public async Task<DataReply> ListAsync(string swarmName, string programName, CancellationToken cancellationToken)
    {
        var asked = Require(swarmName, programName, on: null);
        var list = await copies.ListAsync(asked.Spec, asked.Members, cancellationToken);
        var newest = list.Newest;
        return new DataReply(
            asked.Spec.Name, asked.NameOf(asked.Spec.Owner), asked.Program.Stopped || asked.Program.Finished || locator.HolderOf(asked.Swarm, asked.Program) is not { } host ? null : asked.NameOf(host), asked.Program.Stopped,
            [.. list.Copies.Select(copy => InfoOf(asked, copy, newest))],
            [.. asked.Asleep.Concat(list.Missing.Select(missing => new DataProblem(asked.NameOf(missing.Member), missing.Problem.Message)))]);
    }

    /// <summary>Writes a copy into a folder.</summary>
    public async Task<DataGetReply> GetAsync(string swarmName, string programName, DataGetRequest request, IProgress<AddProgress> progress, CancellationToken cancellationToken)
    {
        var asked = Require(swarmName, programName, request.On);
        var copy = await copies.GetAsync(asked.Spec, asked.Members, request.Conflict, request.Output, progress, cancellationToken);
        return new DataGetReply(InfoOf(asked, copy, copy.Conflict is null && request.On is null ? copy.Version : null), request.Output);
    }

    /// <summary>Removes a conflict, or all data of a program that has ended.</summary>
    public async Task<DataDropReply> DropAsync(string swarmName, string programName, DataDropRequest request, CancellationToken cancellationToken)
    {
        var asked = Require(swarmName, programName, request.On);
        if (request.Conflict is null) RequireEnded(asked.Swarm.State, asked.Program);
        var answers = await copies.DropAsync(asked.Spec, asked.Members, request.Conflict, cancellationToken);
        // Who has not heard of the end yet hears it now.
        var late = answers.Where(answer => answer.Problem?.Code == ErrorCode.DataInUse && answer.Member != swarms.Self).Select(answer => answer.Member).ToList();
        if (late.Count > 0)
        {
            foreach (var member in late) await mesh.TryBringAllAsync(member, asked.Swarm.Id, cancellationToken);
            answers = [.. answers.Where(answer => !late.Contains(answer.Member)), .. await copies.DropAsync(asked.Spec, late, request.Conflict, cancellationToken)];
        }
        var missing = answers.Where(answer => answer.Problem is not null).Select(answer => new DataProblem(asked.NameOf(answer.Member), answer.Problem!.Message));
        var dropped = answers.Where(answer => answer.Dropped).Select(answer => asked.NameOf(answer.Member)).Order(StringComparer.Ordinal).ToList();
        if (dropped.Count == 0 && asked.Asleep.Count == 0 && answers.All(answer => answer.Problem is null))
            throw new PcException(ErrorCode.DataNotFound, request.Conflict is null ? $"nobody has data of {asked.Spec.Name}" : $"nobody keeps a conflict of {asked.Spec.Name} with that name");
        return new DataDropReply(asked.Spec.Name, request.Conflict, dropped, [.. asked.Asleep.Concat(missing)]);
    }

    /// <summary>Refuses to remove the data of a program that may run again by itself.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DataInUse"/>.</exception>
    public static void RequireEnded(SwarmState state, SwarmProgram program)
    {
        if (DataSwarm.ProgramsOf(state, program.Owner, program.Deployed.Name).Any(other => !other.Stopped && !other.Finished))
            throw new PcException(ErrorCode.DataInUse, $"{program.Deployed.Name} is not stopped");
    }

    private static DataCopyInfo InfoOf(Asked asked, DataCopy copy, DataVersion? newest)
    {
        var version = copy.Version;
        return new DataCopyInfo(
            asked.NameOf(copy.On), copy.Conflict, asked.NameOf(version.Holder), version.Stamp.Epoch, version.Stamp.Number, version.Taken, version.Files, version.TotalBytes,
            copy.Conflict is null && version.Stamp == newest?.Stamp, newest is null ? 0 : version.FilesUnlike(newest));
    }

    private Asked Require(string swarmName, string programName, string? on)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var program = ProgramService.Find(swarm.State, programName, liveOnly: false);
        var name = program.Deployed.Name;
        if (!swarm.State.MayControl(swarms.Self, program)) throw new PcException(ErrorCode.NotPermitted, $"only the owner of {name} and admins of {swarm.Name} see its data");
        if (!DataSwarm.ProgramsOf(swarm.State, program.Owner, name).Any(known => known.Deployed.Manifest.Data)) throw new PcException(ErrorCode.DataNotFound, $"{name} was deployed without data", $"pc deploy --data {name}, or data = true in its pc.toml");
        var spec = ProgramSpec.Of(swarm.Id, program);
        var keepers = known.AllKeepersOf(spec);
        if (on is not null)
        {
            var named = Membership.FindMember(swarm.State, on).Peer;
            keepers = [.. keepers.Where(keeper => keeper.Member == named)];
            if (keepers.Count == 0) throw new PcException(ErrorCode.DataNotFound, $"{on} keeps no data of {name}");
        }
        var asked = new Asked(swarm, program, spec, [.. keepers.Where(keeper => keeper.Awake).Select(keeper => keeper.Member)], []);
        return asked with { Asleep = [.. keepers.Where(keeper => !keeper.Awake).Select(keeper => new DataProblem(asked.NameOf(keeper.Member), "is asleep"))] };
    }

    private sealed record Asked(LocalSwarm Swarm, SwarmProgram Program, ProgramSpec Spec, IReadOnlyList<PeerId> Members, IReadOnlyList<DataProblem> Asleep)
    {
        public string NameOf(PeerId peer) => ProgramWords.NameOf(Swarm.State, peer);
    }
}

using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>What the owner of this host asks and decides: <c>pc host</c>, <c>pc pause</c>, <c>pc resume</c>.</summary>
internal sealed class HostService(string name, PolicyBook book, ProgramHost programs, DockerHost? docker, SwarmRegistry swarms, Action reconcile, Func<SessionUse?> sessions, TimeProvider time)
{
    // Long enough that a busy program shows, short enough that nobody waits.
    private static readonly TimeSpan CpuSpan = TimeSpan.FromMilliseconds(500);

    /// <summary>The rules, and what is used of what they allow.</summary>
    public async Task<HostReply> ShowAsync(CancellationToken cancellationToken)
    {
        var before = programs.Programs.ToDictionary(status => status.Spec.Id, status => programs.UsageOf(status.Spec.Id));
        var began = time.GetTimestamp();
        if (before.Values.Any(usage => usage is not null)) await Task.Delay(CpuSpan, time, cancellationToken);
        var seconds = time.GetElapsedTime(began).TotalSeconds;
        var policy = programs.Policy;
        var here = programs.Programs.Where(status => status.State is not (ProgramState.Stopped or ProgramState.Failed)).ToList();
        return new HostReply(
            name, policy.Hosts, policy.Pause is not null, policy.Pause?.Until,
            [.. book.Rules.Select(rule => Describe(rule, policy, here))],
            [.. here.Select(status => Describe(status, before.GetValueOrDefault(status.Spec.Id), seconds)).OrderBy(info => info.Swarm, StringComparer.Ordinal).ThenBy(info => info.Program, StringComparer.Ordinal)],
            docker is not null && await docker.ImagesUsedAsync(collects: false, cancellationToken) is { Count: > 0 } images ? new BuiltImagesInfo(images.Count, images.Bytes, images.Kept, images.KeptBytes, policy.Most.DiskBytes, (long)docker.ImagesKeptFor.TotalSeconds) : null);
    }

    /// <summary>Sets rules, and ends what they do not let run any more.</summary>
    public Task<PolicyReply> SetAsync(HostSetRequest request, CancellationToken cancellationToken)
    {
        book.Set(request.Rules.ToDictionary(rule => rule.Key, rule => rule.Key == HostRules.Deployers ? WithPeers(rule.Value) : rule.Value, StringComparer.Ordinal));
        return EnforceAsync(resumed: false, cancellationToken);
    }

    /// <summary>Ends everything that runs here until the time is over or <see cref="ResumeAsync"/>.</summary>
    public Task<PolicyReply> PauseAsync(PauseRequest request, CancellationToken cancellationToken)
    {
        TimeSpan? length = null;
        if (request.For is { } text)
            length = Durations.TryParse(text, out var span) ? span : throw new PcException(ErrorCode.DurationInvalid, $"'{new string([.. text.Take(40).Where(c => !char.IsControl(c))])}' is no length of time");
        book.Pause(length);
        return EnforceAsync(resumed: false, cancellationToken);
    }

    /// <summary>Hosts again.</summary>
    public Task<PolicyReply> ResumeAsync(CancellationToken cancellationToken) => EnforceAsync(book.Resume(), cancellationToken);

    private async Task<PolicyReply> EnforceAsync(bool resumed, CancellationToken cancellationToken)
    {
        var ended = await programs.EnforcePolicyAsync();
        reconcile();
        return new PolicyReply(await ShowAsync(cancellationToken), [.. ended.Select(status => new EndedProgram(SwarmName(status.Spec.Swarm), status.Spec.Name, NameOf(status.Spec.Swarm, status.Spec.Owner), status.Detail ?? ""))], resumed);
    }

    private HostRuleInfo Describe(PolicyRule rule, HostPolicy policy, List<ProgramStatus> here)
    {
        var specs = here.Where(status => status.State != ProgramState.Waiting).Select(status => status.Spec).ToList();
        var running = specs.ConvertAll(spec => spec.Deployed.Limits);
        var beside = sessions() ?? SessionUse.None;
        var used = rule.Setting.Name switch
        {
            HostRules.Sessions when sessions() is not null => beside.Count.ToString(CultureInfo.InvariantCulture),
            HostRules.Programs => running.Count.ToString(CultureInfo.InvariantCulture),
            HostRules.TotalMemory => HostSettings.Shown(running.Sum(limits => limits.MemoryBytes) + beside.MemoryBytes),
            HostRules.TotalCpus => HostSettings.Shown((running.Sum(limits => limits.CpuMillis) / 1000.0) + beside.Cpus),
            HostRules.Hours when policy.Hours.Count > 0 => policy.Hours.Any(hours => hours.Contains(time.GetLocalNow())) ? "open" : "closed",
            HostRules.Network when running.Count > 0 => HostPolicy.NameOf(running.Max(limits => limits.ToNetworkMode())),
            HostRules.LongestRun when specs.Count > 0 => Durations.Text(TimeSpan.FromSeconds((long)specs.Max(programs.RanFor).TotalSeconds)),
            _ => null,
        };
        var value = rule.Setting.Name == HostRules.Deployers ? WithNames(rule.Value) : rule.Value;
        return new HostRuleInfo(rule.Setting.Name, value, rule.From, rule.Setting.Range, used);
    }

    private HostedInfo Describe(ProgramStatus status, RunUsage? before, double seconds)
    {
        var (limits, usage) = (status.Spec.Deployed.Limits, programs.UsageOf(status.Spec.Id));
        double? cpus = before is { CpuTime.Ticks: >= 0 } && usage is { CpuTime.Ticks: >= 0 } && seconds > 0 ? Math.Max(0, (usage.CpuTime - before.CpuTime).TotalSeconds / seconds) : null;
        return new HostedInfo(
            SwarmName(status.Spec.Swarm), status.Spec.Name, NameOf(status.Spec.Swarm, status.Spec.Owner), ProgramWords.Of(status.State), status.Detail,
            Known(usage?.MemoryBytes), limits.MemoryBytes, cpus, limits.CpuMillis / 1000.0, (int?)Known(usage?.Pids), limits.Pids, Known(usage?.DiskBytes), limits.DiskBytes, limits.Network,
            (long)programs.RanFor(status.Spec).TotalSeconds, (long?)programs.Policy.LongestRun?.TotalSeconds, programs.UseOf(status.Spec.Id)?.Use.Bytes);
    }

    private static long? Known(long? measured) => measured is >= 0 ? measured : null;

    // Whoever types a name means the member that has it now; the rule keeps its peer id, whatever an admin calls it later.
    private string WithPeers(string text) => string.Join(",", HostSettings.Items(text).Select(item =>
    {
        if (item is "everyone" or "nobody" or "admins" or "default" || PeerId.TryParse(item, out _)) return item;
        var found = swarms.All.SelectMany(swarm => swarm.State.ActiveMembers).Where(member => string.Equals(member.Name, item, StringComparison.Ordinal)).Select(member => member.Peer).Distinct().ToList();
        return found.Count switch
        {
            1 => found[0].ToString(),
            0 => throw new PcException(ErrorCode.MemberUnknown, $"no swarm of this node has a member '{new string([.. item.Take(60).Where(c => !char.IsControl(c))])}'"),
            _ => throw new PcException(ErrorCode.NameAmbiguous, $"'{item}' is the name of {found.Count} members", "use the peer id that pc list --json shows"),
        };
    }));

    private string WithNames(string text) => string.Join(", ", HostSettings.Items(text).Select(item =>
        PeerId.TryParse(item, out var peer) && swarms.All.Select(swarm => swarm.State.Find(peer)).FirstOrDefault(member => member is not null) is { } member ? $"{member.Name} ({item})" : item));

    private string SwarmName(SwarmId id) => swarms.Find(id)?.Name ?? id.ToString();

    private string NameOf(SwarmId swarm, PeerId peer) => swarms.Find(swarm)?.State.Members.GetValueOrDefault(peer)?.Name ?? peer.ToString();
}

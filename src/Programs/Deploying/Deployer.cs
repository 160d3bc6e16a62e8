using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Secrets;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Deploying;

/// <summary>
/// The owner's side of a deploy, in the order of its numbered steps. Before step 5 nothing was written and a cancelled deploy
/// leaves no trace but unpinned blocks; from then on it goes on to its end, with a host or without. Thread-safe.
/// </summary>
/// <param name="packer">Packs folders into this node's block store.</param>
/// <param name="mesh">Reaches hosts.</param>
/// <param name="timeouts">How long to wait for them.</param>
/// <param name="random">Rolls among hosts of equal rank; used under a lock.</param>
/// <param name="time">The clock.</param>
public sealed class Deployer(BundlePacker packer, IProgramMesh mesh, DeployTimeouts timeouts, Random random, TimeProvider time)
{
    // An installer's or a builder's last lines are what helps.
    private const int MaxFailureCharacters = 2_000;

    private readonly Lock _randomLock = new();

    /// <summary>Deploys a folder.</summary>
    /// <param name="swarm">Where to.</param>
    /// <param name="order">What.</param>
    /// <param name="progress">Hears of each step, in order; called on the deploy's own path, so it should be quick. Null for nobody.</param>
    /// <param name="cancellationToken">Gives up, until the deploy is recorded.</param>
    /// <exception cref="PcException">A code of 6000 to 6023, or of the swarm and the store.</exception>
    public async Task<DeployResult> DeployAsync(IProgramSwarm swarm, DeployOrder order, Action<DeployProgress>? progress, CancellationToken cancellationToken)
    {
        var report = progress ?? (_ => { });

        // 1. What is it, and may it be called so?
        if (order.Earlier is null) FolderScanner.RequireFolder(order.Path);
        if (order.Manifest.Problem is { } problem) throw new PcException(ErrorCode.ManifestInvalid, $"what the program asks for is not possible: {problem}");
        var schedule = order.Manifest.Schedule is not { } times ? null : CronSchedule.TryParse(times)
            ?? throw new PcException(ErrorCode.ManifestInvalid, $"what the program asks for is not possible: {Quoted.Text(times)} is no schedule that this machine knows");
        var language = LanguageOf(order);
        var name = ProgramName.Choose(order.Name, order.Path);
        var replaced = Replaced(swarm, name);
        RequireMember(swarm.State, order.Host);
        var packages = order.Earlier is null ? PackageList.Of(order.Path, language) : null;
        report(new DeployProgress(DeployStep.Detected, order.Earlier is not null ? $"{name} goes back to an earlier version" : $"{name} is {language.Describe(order.Path, order.Manifest)}{(packages is null ? "" : $" with packages of {packages.File}")}"));

        // 2. Pack, encrypt and add, while the members are asked.
        var limits = order.Limits.ToProgramLimits(order.Network);
        using var stopAsking = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asking = AskAllAsync(swarm, new ProgramAsk(swarm.State.Id, language.Name, limits) { Manifest = order.Manifest, Name = name }, stopAsking.Token);
        var packed = order.Earlier is { } earlier
            ? new PackedBundle(earlier.Deployed.Bundle, earlier.Key, earlier.Deployed.BundleBytes, 0)
            : await PackAsync(order.Path, cid => IsUsable(swarm.State, replaced, cid), asking, stopAsking, cancellationToken);
        using var key = packed.Key;
        if (order.Earlier is null) report(new DeployProgress(DeployStep.Packed, $"packed and encrypted {packed.Entries} {(packed.Entries == 1 ? "file" : "files")}, {Size.Text(packed.Bytes)}: {packed.Cid}"));

        // 3. Their answers.
        var offers = await asking;
        report(new DeployProgress(DeployStep.Asked, $"{offers.Count(offer => offer.Offer is { Hosts: true })} of {offers.Count} members host"));

        // 4. Choose.
        var placement = Choose(offers, language, order.Host, replaced is [var live] ? swarm.HolderOf(live) : null);
        if (placement.Order.Count == 0) throw NoHost(swarm.State, language, placement.Candidates);

        // 5. Record, 6. start; with the next candidate when a host fails to start it.
        var attempt = new Attempt(swarm, packed, name, language, limits, order.Manifest, replaced, offers, placement, report)
        {
            Secrets = order.Secrets,
            Installs = packages is not null || language.IsImage || order.Earlier is not null,
            Before = Before(swarm, name, replaced),
            Beside = order.Beside,
        };
        var (program, host) = await StartOnFirstAbleAsync(attempt, cancellationToken);

        // 7. Report.
        var result = new DeployResult(program, host, attempt.NameOf(host), attempt.Judged(host));
        report(new DeployProgress(DeployStep.Started, schedule is null ? $"{name} runs on {result.HostName}" : Waiting(program, result.HostName, schedule)));
        return result;
    }

    // Whoever goes on without a majority cannot know what others run.
    private string Waiting(ProgramSpec program, string host, CronSchedule schedule)
    {
        var again = program.Deployed.Manifest.WhenAlone == "run" || (program.Deployed.Manifest.WhenAlone is null && program.Deployed.Guardians.Count <= 2);
        var next = schedule.NextAfter(time.GetUtcNow()) is { } due ? due.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture) : "never";
        return $"{program.Name} waits on {host}; its next time is {next}{(again ? "; each time runs at least once: again when its host dies in it, and twice where hosts cannot reach each other (when-alone is run)" : "; each time runs at most once (when-alone is stop)")}";
    }

    // A bundle of the version that is replaced: its blocks are kept, and on its host. Not when somebody who left could open it.
    private static bool IsUsable(SwarmState state, List<SwarmProgram> replaced, Cid bundle) =>
        replaced.Exists(program => program.Deployed.Bundle == bundle && program.Deployed.Keys.All(key => state.Find(key.Peer) is not null));

    private async Task<PackedBundle> PackAsync(string folder, Func<Cid, bool> isUsable, Task asking, CancellationTokenSource stopAsking, CancellationToken cancellationToken)
    {
        try
        {
            return await packer.PackAsync(folder, cancellationToken, isUsable);
        }
        catch
        {
            await stopAsking.CancelAsync();
            await Task.WhenAny(asking);
            _ = asking.Exception; // It was told to stop; what the packer met is the reason.
            throw;
        }
    }

    private static List<SwarmProgram> Replaced(IProgramSwarm swarm, string name)
    {
        var existing = swarm.State.Programs.Values
            .Where(program => !program.Stopped && string.Equals(program.Deployed.Name, name, StringComparison.Ordinal))
            .ToList();
        if (existing.Find(program => program.Owner != swarm.Self) is not { } other) return existing;
        var owner = swarm.State.Members.TryGetValue(other.Owner, out var member) ? member.Name : other.Owner.ToString();
        throw new PcException(ErrorCode.NameTaken, $"{name} is a program of {owner} in {swarm.State.Name} already");
    }

    // The live one, or else the last of this node's that had the name.
    private static EntryHash? Before(IProgramSwarm swarm, string name, List<SwarmProgram> replaced) =>
        (replaced is [var live, ..] ? live : swarm.State.Programs.Values
            .Where(program => program.Owner == swarm.Self && string.Equals(program.Deployed.Name, name, StringComparison.Ordinal))
            .MaxBy(program => (program.DeployedAt, program.Id)))?.Id;

    private static Language LanguageOf(DeployOrder order) => order.Earlier is not { } earlier
        ? LanguageDetector.Detect(order.Path, order.Language, order.Manifest)
        : Language.Find(earlier.Deployed.Language) ?? throw new PcException(ErrorCode.LanguageUnknown, $"the language {Quoted.Text(earlier.Deployed.Language)} is not known here");

    private static void RequireMember(SwarmState state, PeerId? host)
    {
        if (host is { } peer && state.Find(peer) is null) throw new PcException(ErrorCode.HostUnknown, $"{peer} is no member of {state.Name}");
    }

    private async Task<IReadOnlyList<CandidateOffer>> AskAllAsync(IProgramSwarm swarm, ProgramAsk ask, CancellationToken cancellationToken)
    {
        var members = swarm.State.ActiveMembers.Where(member => member.MayDeployAndHost);
        return await Task.WhenAll(members.Select(member => AskAsync(swarm, member, ask, cancellationToken)));
    }

    private async Task<CandidateOffer> AskAsync(IProgramSwarm swarm, Member member, ProgramAsk ask, CancellationToken cancellationToken)
    {
        // Also when a host was named: the others may become guardians.
        var awake = swarm.IsAwake(member.Peer);
        if (!awake) return new CandidateOffer(member.Peer, member.Name, awake, null);
        using var timeout = new CancellationTokenSource(timeouts.Ask, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return new CandidateOffer(member.Peer, member.Name, awake, Judged(ask, await mesh.AskAsync(member.Peer, ask, either.Token)));
        }
        catch (Exception) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new CandidateOffer(member.Peer, member.Name, awake, null);
        }
        catch (Exception unreachable) when (!cancellationToken.IsCancellationRequested)
        {
            return new CandidateOffer(member.Peer, member.Name, awake, null, unreachable.Message);
        }
    }

    // Running it all the time instead would be worse than not at all.
    private static HostOffer Judged(ProgramAsk ask, HostOffer offer) =>
        ask.Manifest.Schedule is null || offer.Schedules ? offer : offer with { Refusal = offer.Refusal ?? "its version starts no programs by a schedule" };

    private PlacementResult Choose(IReadOnlyList<CandidateOffer> offers, Language language, PeerId? named, PeerId? present)
    {
        lock (_randomLock) return Placement.Choose(offers, language.Name, named, random, present);
    }

    private static PcException NoHost(SwarmState state, Language language, IReadOnlyList<JudgedCandidate> candidates) => new(
        ErrorCode.NoHost,
        $"no member of {state.Name} may run it now: {string.Join("; ", candidates.Where(candidate => candidate.Verdict != Verdict.NotNamed).Select(candidate => $"{candidate.Name}: {candidate.Why}"))}",
        // Who hosts but lacks the interpreter is one command away from running it.
        candidates.FirstOrDefault(candidate => candidate.Verdict == Verdict.LanguageMissing) is { } lacking ? language.Advice is { } advice ? $"{advice}, then deploy again" : language.Package is { } package ? $"on {lacking.Name}: apt-get install {package}, then deploy again" : null
            : candidates.FirstOrDefault(candidate => candidate.Verdict == Verdict.PolicyRefuses && candidate.Why.StartsWith("rule ", StringComparison.Ordinal)) is { } refusing ? $"ask for what the rule allows, or ask the owner of {refusing.Name} to change it: pc host set" : null);

    private async Task<(ProgramSpec Program, PeerId Host)> StartOnFirstAbleAsync(Attempt attempt, CancellationToken cancellationToken)
    {
        ProgramSpec? program = null;
        ulong generation = 0;
        foreach (var host in attempt.Placement.Order)
        {
            attempt.Report(new DeployProgress(DeployStep.Chosen, $"chose {attempt.NameOf(host)}: {attempt.WhyOf(host)}"));
            if (program?.SealedKeyOf(host) is not null)
            {
                await attempt.Swarm.AppendAsync(new ProgramPlaced(program.Id, host, ++generation), CancellationToken.None);
            }
            else
            {
                // The first candidate, or one that is no guardian of the entry before: that entry is replaced by a new one.
                if (program is not null) await RecordStopAsync(attempt.Swarm, program.Id);
                program = await RecordAsync(attempt, host, program is null ? cancellationToken : CancellationToken.None);
                generation = 1;
            }
            attempt.Report(new DeployProgress(DeployStep.Recorded, string.Create(CultureInfo.InvariantCulture, $"recorded for {program.Deployed.Keys.Count} keepers")));

            // The point of no return: the entry is written, so the deploy ends with a started program or with ProgramStopped.
            if (!attempt.Beside) await StopReplacedAsync(attempt, host);
            if (await TryStartAsync(attempt, program, host)) return (program, host);
            // Somebody does not want it any more: neither the next host nor, after an update, the version before is to run.
            if (attempt.Swarm.State.Programs[program.Id].Stopped) throw new PcException(ErrorCode.StoppedMeanwhile, $"{attempt.Name} was stopped while {attempt.NameOf(host)} started it");
        }
        await RecordStopAsync(attempt.Swarm, program!.Id);
        throw new PcException(ErrorCode.StartFailed, $"no host could start {attempt.Name}: {string.Join("; ", attempt.Failures.Select(failure => $"{attempt.NameOf(failure.Key)}: {failure.Value}"))}", HintOf(attempt));
    }

    // What its own Dockerfile said is nothing that the host lacks.
    private static string? HintOf(Attempt attempt) =>
        attempt.Failures.Count > 0 && attempt.Failures.Values.All(failure => failure.Contains("Dockerfile could not be built", StringComparison.Ordinal)) ? "correct the Dockerfile by what its step said, then deploy again" : null;

    private static async Task<ProgramSpec> RecordAsync(Attempt attempt, PeerId host, CancellationToken cancellationToken)
    {
        var swarm = attempt.Swarm;
        var guardians = Rendezvous.Guardians(attempt.Packed.Cid, host, attempt.Offers.Where(offer => offer.Offer is { Hosts: true } made && (attempt.Manifest.Schedule is null || made.Schedules)).Select(offer => offer.Peer));
        var keys = guardians.Prepend(swarm.Self).Distinct().Select(peer => SealFor(attempt, peer)).ToList();
        var deployed = new ProgramDeployed(attempt.Name, attempt.Packed.Cid, attempt.Packed.Bytes, attempt.Language.Name, attempt.Limits, keys) { Manifest = attempt.Manifest, Guardians = [.. guardians.Order()], Replaces = attempt.Before };
        // Anew for each set of keepers, and before the entry that needs it: whoever hears of the program can start it.
        var secrets = attempt.Secrets.Count == 0 ? null : SecretBox.Seal(swarm.State.Id, swarm.Self, attempt.Name, attempt.Secrets, keys.Select(key => swarm.State.Find(key.Peer)).OfType<Member>());
        var id = await swarm.AppendDeployedAsync(deployed, host, secrets, cancellationToken);
        // As everybody reads it: its data is told apart by the time that the entry says, and a clock that is read a second time says another.
        return ProgramSpec.Of(swarm.State.Id, swarm.State.Programs[id]);
    }

    private static SealedKey SealFor(Attempt attempt, PeerId peer)
    {
        var member = attempt.Swarm.State.Find(peer) ?? throw new PcException(ErrorCode.HostUnknown, $"{peer} is no member of {attempt.Swarm.State.Name} any more");
        // Each keeper gets the newest seal that it opens; of a guardian that is one of an earlier version, the first.
        var seals = peer == attempt.Swarm.Self ? BundleKey.SealVersion : attempt.Offers.FirstOrDefault(offer => offer.Peer == peer)?.Offer?.Seals ?? 1;
        return new SealedKey(peer, attempt.Packed.Key.SealTo(member.X25519, seals, attempt.Swarm.State.Id, attempt.Swarm.Self, attempt.Packed.Cid));
    }

    // Its older version ends before the new one starts, so that a bot never answers twice. The chosen host itself does this
    // between unpacking and starting; another host is told here.
    private async Task StopReplacedAsync(Attempt attempt, PeerId chosen)
    {
        foreach (var replaced in attempt.Replaced)
        {
            if (attempt.StopsRecorded.Add(replaced.Id)) await RecordStopAsync(attempt.Swarm, replaced.Id);
            if (attempt.Swarm.HolderOf(replaced) is not { } host || host == chosen || !attempt.StopsDone.Add(replaced.Id)) continue;
            using var timeout = new CancellationTokenSource(timeouts.Stop, time);
            try
            {
                await mesh.StopAsync(host, attempt.Swarm.State.Id, replaced.Id, timeout.Token);
            }
            catch (Exception unreachable)
            {
                attempt.Report(new DeployProgress(DeployStep.Trouble, $"the older version on {attempt.NameOf(host)} ends when that member hears of this deploy: {Quoted.Line(unreachable.Message)}"));
            }
        }
    }

    private static async Task RecordStopAsync(IProgramSwarm swarm, EntryHash program)
    {
        try
        {
            await swarm.AppendAsync(new ProgramStopped(program), CancellationToken.None);
        }
        catch (PcException) when (swarm.State.Programs.TryGetValue(program, out var known) && known.Stopped)
        {
            // An admin stopped it at the same moment.
        }
    }

    private async Task<bool> TryStartAsync(Attempt attempt, ProgramSpec program, PeerId host)
    {
        var limit = attempt.Installs ? timeouts.Start + timeouts.Install : timeouts.Start;
        using var timeout = new CancellationTokenSource(limit, time);
        try
        {
            Task StartAsync() => mesh.StartAsync(host, program, timeout.Token).AsTask();
            if (!attempt.Installs) await StartAsync();
            else await new InstallWatch(mesh, program, host, line => attempt.Report(new DeployProgress(DeployStep.Installing, line)), time).DuringAsync(StartAsync, timeout.Token);
            return true;
        }
        catch (Exception failed)
        {
            var why = timeout.IsCancellationRequested ? $"did not start it within {limit.TotalSeconds:0} s" : Quoted.Line(failed.Message, MaxFailureCharacters);
            attempt.Failures[host] = why;
            attempt.Report(new DeployProgress(DeployStep.Trouble, $"{attempt.NameOf(host)} failed to start {attempt.Name}: {why}"));
            return false;
        }
    }

    /// <summary>What the steps after the choice share.</summary>
    private sealed record Attempt(
        IProgramSwarm Swarm,
        PackedBundle Packed,
        string Name,
        Language Language,
        ProgramLimits Limits,
        ProgramManifest Manifest,
        IReadOnlyList<SwarmProgram> Replaced,
        IReadOnlyList<CandidateOffer> Offers,
        PlacementResult Placement,
        Action<DeployProgress> Report)
    {
        public required IReadOnlyDictionary<string, string> Secrets { get; init; }

        /// <summary>Whether a host has more to do than to unpack and start.</summary>
        public bool Installs { get; init; }

        /// <summary>The version that it takes over from.</summary>
        public EntryHash? Before { get; init; }

        public bool Beside { get; init; }

        public Dictionary<PeerId, string> Failures { get; } = [];

        public HashSet<EntryHash> StopsRecorded { get; } = [];

        public HashSet<EntryHash> StopsDone { get; } = [];

        public string NameOf(PeerId peer) => Swarm.State.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();

        public string WhyOf(PeerId peer) => Placement.Candidates.First(candidate => candidate.Peer == peer).Why;

        // A candidate that failed is said so, and the one that took over is the chosen one.
        public IReadOnlyList<JudgedCandidate> Judged(PeerId host) =>
        [
            .. Placement.Candidates.Select(candidate =>
                Failures.TryGetValue(candidate.Peer, out var failure) ? candidate with { Verdict = Verdict.FailedToStart, Why = $"failed to start it: {failure}" }
                : candidate.Peer == host && candidate.Verdict != Verdict.Chosen ? candidate with { Verdict = Verdict.Chosen, Why = $"next best: {candidate.Why}" }
                : candidate),
        ];
    }
}

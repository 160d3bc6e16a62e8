using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>
/// The host's side: runs programs that members deployed to this node, keeps them running, keeps their logs. What should run is
/// in the feeds: <see cref="ReconcileAsync"/> starts what is placed here and ends what is not any more, so nothing is lost when
/// the daemon is killed; the only thing remembered here is that a program has finished. Thread-safe.
/// </summary>
public sealed partial class ProgramHost : IAsyncDisposable
{
    private readonly ProgramHostOptions _options;
    private readonly PeerId _self;
    private readonly X25519Key _key;
    private readonly IRuntime _runtime;
    private readonly OpenBundle _open;
    private readonly IHostMeter _meter;
    private readonly Random _random;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<Language, bool> _canRun;
    private readonly IDisk _disk;
    private readonly PackageCache _packages;
    private readonly IProgramLeases _leases;
    private readonly IProgramData? _data;
    private readonly Lock _lock = new();
    private ImmutableDictionary<EntryHash, HostedProgram> _programs = ImmutableDictionary<EntryHash, HostedProgram>.Empty;
    private ImmutableDictionary<EntryHash, ProgramStatus> _finished = ImmutableDictionary<EntryHash, ProgramStatus>.Empty;
    private ImmutableHashSet<EntryHash> _startFailed = [];
    private ImmutableHashSet<string> _marked; // local names of programs that had finished when the daemon started
    private bool _closed;

    /// <summary>Makes a host; it runs nothing until <see cref="StartAsync"/> or <see cref="ReconcileAsync"/>. Call the runtime's CollectAsync before.</summary>
    /// <param name="options">How this node hosts.</param>
    /// <param name="self">This node.</param>
    /// <param name="key">This node's key for sealed boxes; stays the caller's.</param>
    /// <param name="runtime">Runs the programs.</param>
    /// <param name="open">Opens bundles.</param>
    /// <param name="meter">Measures this machine's load.</param>
    /// <param name="canRun">Whether this machine has what a language needs where the runtime sees it.</param>
    /// <param name="random">For the jitter of pauses.</param>
    /// <param name="disk">Takes what must survive a power cut: the marks of programs that finished.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    /// <param name="leases">The right to run programs; null for <see cref="PlacedLeases"/>.</param>
    /// <param name="data">Keeps the data of programs; null when nothing does, and their data/ is gone with their run.</param>
    public ProgramHost(ProgramHostOptions options, PeerId self, X25519Key key, IRuntime runtime, OpenBundle open, IHostMeter meter, Func<Language, bool> canRun, Random random, IDisk disk, TimeProvider time, ILogger logger, IProgramLeases? leases = null, IProgramData? data = null)
    {
        _data = data;
        _leases = leases ?? new PlacedLeases(self);
        _options = options;
        _self = self;
        _key = key;
        _runtime = runtime;
        _open = open;
        _meter = meter;
        _canRun = canRun;
        _random = random;
        _time = time;
        _logger = logger;
        _disk = disk;
        _packages = new PackageCache(options.PackagesFolder, options.Packages, time);
        _packages.Collect();
        _disk.MakeFolder(options.Folder);
        _marked = [.. new DirectoryInfo(options.Folder).EnumerateDirectories().Where(IsMarked).Select(marked => marked.Name)];
    }

    /// <summary>Raised after a program's status changed; on any thread, and quickly handled.</summary>
    public event Action? Changed;

    /// <summary>All programs that run here, finished here or wait until the policy lets them run; a snapshot.</summary>
    public IReadOnlyList<ProgramStatus> Programs
    {
        get
        {
            var running = _programs;
            // What is being ended by the policy is in both. What was ended and stands still is gone, though it may have to be cleaned up.
            return [.. running.Values.Where(program => program.EndedFor is null || !program.Still.IsCompleted).Select(program => program.Status).Concat(_finished.Values).Concat(_held.Values.Where(held => !running.ContainsKey(held.Spec.Id))).OrderBy(status => status.Spec.Id)];
        }
    }

    /// <summary>The languages that this node runs; empty when it does not host.</summary>
    public IReadOnlyList<string> Languages => _options.Hosts ? [.. Language.All.Where(CanRun).Select(language => language.Name)] : [];

    /// <summary>This node's rank now.</summary>
    public double Rank => RankWithout(_ => false);

    // As it would be without some programs: what they take was measured as part of the load.
    private double RankWithout(Func<ProgramSpec, bool> left)
    {
        var (running, load) = (0, _meter.Read());
        foreach (var program in _programs.Values.Where(program => !program.IsOver))
        {
            if (left(program.Spec)) load = load.Without(LoadOf(program));
            else running++;
        }
        return HostRank.Of(running, load);
    }

    // Its processor time on average since its process began.
    private HostLoad LoadOf(HostedProgram program)
    {
        if (program.Sample() is not { } sample) return default;
        var seconds = _time.GetElapsedTime(sample.Began, sample.Timestamp).TotalSeconds;
        return new HostLoad(seconds > 0 ? 100 * sample.Usage.CpuTime.TotalSeconds / seconds / Environment.ProcessorCount : 0, 100.0 * sample.Usage.MemoryBytes / GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }

    /// <summary>
    /// Starts a program; completes when its first instruction can run. Starting what runs here already is no error. An older program
    /// of that name and owner is ended after the new one is unpacked and before it runs. The caller has checked that the entry counts
    /// and that the owner asks for it.
    /// </summary>
    /// <param name="spec">The program.</param>
    /// <param name="cancellationToken">The owner gave up: the program is ended again.</param>
    /// <exception cref="PcException">This host refuses it (<see cref="ErrorCode.HostRefuses"/>, <see cref="ErrorCode.NameTaken"/>,
    /// <see cref="ErrorCode.LanguageUnknown"/>, <see cref="ErrorCode.BundleKeyMissing"/>), cannot have its bundle (6030 to 6034), or cannot run it (5000 to 5999).</exception>
    public async Task StartAsync(ProgramSpec spec, CancellationToken cancellationToken)
    {
        var program = Add(spec, resumed: false);
        try
        {
            await program.FirstStart.WaitAsync(cancellationToken);
        }
        catch
        {
            program.Stop("was ended: its start failed", RunEnd.StartFailed);
            await program.Ended;
            Forget(program, startFailed: true);
            throw;
        }
    }

    /// <summary>Stops a program and forgets it; completes when it has ended. False when it is not here.</summary>
    /// <param name="id">The program.</param>
    /// <param name="why">For its log.</param>
    /// <param name="end">For the feed.</param>
    /// <param name="grace">How long it may take to end by itself; null for what the policy says.</param>
    public async Task<bool> StopAsync(EntryHash id, string why, RunEnd end = RunEnd.Stopped, TimeSpan? grace = null)
    {
        if (!_programs.TryGetValue(id, out var program)) return false;
        program.Stop(why, end, grace);
        await program.Told;
        Forget(program, startFailed: false);
        if (program.Finished) Unmark(program.Spec);
        return true;
    }

    /// <summary>
    /// The same, but completes as soon as nothing of it runs and its data is handed over: another may take its place. What is cleaned up after it is nothing
    /// to wait for; the end of this host waits for it.
    /// </summary>
    public async Task<bool> StandStillAsync(EntryHash id, string why)
    {
        if (!_programs.TryGetValue(id, out var program)) return false;
        var ending = StopAnsweredAsync(program, why);
        if (await Task.WhenAny(ending, program.Still) == ending) await ending;
        return true;
    }

    // What somebody waits for from one of its ports is answered before it ends: whoever asks after this reaches the version that takes over.
    private Task<bool> StopAnsweredAsync(HostedProgram program, string why)
    {
        var began = _time.GetTimestamp();
        return IsAsked() ? WaitAsync() : StopAsync(program.Spec.Id, why);

        bool IsAsked() => program.EndedFor is null && program.IsAsked(_options.AnswerQuiet, began);

        async Task<bool> WaitAsync()
        {
            while (IsAsked() && _time.GetElapsedTime(began) < _options.AnswerPatience) await Task.Delay(AnswerInterval, _time);
            return await StopAsync(program.Spec.Id, why);
        }
    }

    /// <summary>
    /// Starts a program again as the feeds ask for it; completes when its new process runs. What was started after that was asked for
    /// already, or is not here, is left as it is.
    /// </summary>
    /// <exception cref="PcException"><see cref="ErrorCode.StartFailed"/> and the reasons of <see cref="StartAsync"/>.</exception>
    public Task RestartAsync(SwarmState state, EntryHash id)
    {
        if (!state.Programs.TryGetValue(id, out var program)) return Task.CompletedTask;
        lock (_lock)
        {
            if (!_programs.TryGetValue(id, out var hosted) || hosted.IsOver || program.LastRestart is not { } restart) return Task.CompletedTask;
            var by = program.Controls.LastOrDefault(control => control.Entry == restart) is { } control && state.Members.TryGetValue(control.Author, out var member) ? $" by {member.Name}" : "";
            return RestartAsync(hosted, restart, $"is restarted{by}", state);
        }
    }

    private async Task RestartAsync(HostedProgram hosted, EntryHash restart, string why, SwarmState state)
    {
        try
        {
            await hosted.RestartAsync(restart, why);
        }
        catch (PcException) when (hosted.Finished && hosted.LastRestart != restart)
        {
            // It finished by itself at this moment.
            await hosted.Ended;
            lock (_lock)
            {
                if (_closed || !_programs.TryGetValue(hosted.Spec.Id, out var held) || held != hosted) return;
                Resume(state, ProgramSpec.Of(state.Id, state.Programs[hosted.Spec.Id]));
            }
        }
    }

    /// <summary>
    /// Makes this host do what a swarm's feeds say: starts programs that are placed here and neither stopped nor finished, ends those
    /// that were stopped, moved, or whose owner is no member any more. A program that the feeds do not know yet is left alone: its
    /// owner's entry is on its way. Called when the daemon starts and after each change of the state; quick, the work goes on after it.
    /// </summary>
    /// <param name="state">What the feeds say.</param>
    /// <param name="mayStart">Whether the feeds are known to be up to date: a program that was stopped while this host slept must not start.</param>
    /// <returns>Completes when what had to end has ended.</returns>
    public async Task ReconcileAsync(SwarmState state, bool mayStart = true)
    {
        var ending = new List<Task>();
        foreach (var program in _programs.Values.Where(program => program.Spec.Swarm == state.Id))
        {
            if (ReasonToEnd(state, program.Spec) is { } why) ending.Add(StopAnsweredAsync(program, why));
        }
        foreach (var program in state.Programs.Values)
        {
            if (program.Host != _self)
            {
                MayStartAgain(program.Id);
                LetGo(program.Id);
            }
            else
            {
                HoldIfRefused(state, program);
            }
            if (_leases.EpochOf(program) is null || !mayStart) continue;
            if (!IsHere(program)) Resume(state, ProgramSpec.Of(state.Id, program));
            else if (!program.Stopped) _ = RestartAsync(state, program.Id);
        }
        await Task.WhenAll(ending);
    }

    /// <summary>The log of a program that is or was here.</summary>
    /// <param name="id">The program.</param>
    /// <param name="start">With which line to begin.</param>
    /// <param name="follow">Whether to go on until the program has ended or <paramref name="cancellationToken"/> ends it.</param>
    /// <param name="cancellationToken">Ends following.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.ProgramNotFound"/>: it never was here, or its log is gone.</exception>
    public async IAsyncEnumerable<LogLine> LogsAsync(EntryHash id, LogStart start, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var folder = FolderOf(ProgramSpec.LocalNameOf(id));
        var running = _programs.TryGetValue(id, out var program) && !program.IsOver ? program.Log : null;
        if (running is null && !LogStore.ExistsIn(folder)) throw new PcException(ErrorCode.ProgramNotFound, "this host has no log of that program");
        using var ended = running is null ? new LogStore(folder, _options.Logs, _time) : null;
        ended?.Complete();
        await foreach (var line in (running ?? ended!).ReadAsync(start, follow, cancellationToken)) yield return line;
    }

    /// <summary>Connects to a port of a program that runs here; null when it does not run now. The caller has checked that it may be.</summary>
    /// <exception cref="IOException">It runs, and nothing listens there.</exception>
    /// <exception cref="PcException">The runtime cannot connect (5000 to 5999).</exception>
    public Task<Stream?> ConnectAsync(EntryHash id, int port, CancellationToken cancellationToken) =>
        _programs.TryGetValue(id, out var program) ? program.ConnectAsync(port, cancellationToken) : Task.FromResult<Stream?>(null);

    /// <summary>The same for datagrams.</summary>
    /// <exception cref="IOException">It runs, and nothing listens there.</exception>
    /// <exception cref="PcException">The runtime cannot connect (5000 to 5999).</exception>
    public Task<IDatagramChannel?> OpenDatagramsAsync(EntryHash id, int port, CancellationToken cancellationToken) =>
        _programs.TryGetValue(id, out var program) ? program.OpenDatagramsAsync(port, cancellationToken) : Task.FromResult<IDatagramChannel?>(null);

    /// <summary>Ends all programs in order; they are started again when the daemon starts.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock) _closed = true;
        foreach (var program in _programs.Values) program.Stop("the host's daemon ends; the program goes on when it is back", RunEnd.HostStopped);
        await Task.WhenAll(_programs.Values.Select(program => program.Told));
    }

    // One that is over and was asked to start again since is not: it is started like one that the daemon finds.
    private bool IsHere(SwarmProgram program) =>
        _programs.TryGetValue(program.Id, out var here) && (!here.IsOver || here.LastRestart == program.LastRestart);

    private void Resume(SwarmState state, ProgramSpec spec)
    {
        if (ReasonToEnd(state, spec) is not null)
        {
            if (_marked.Contains(spec.LocalName)) Unmark(spec);
            LetGo(spec.Id);
        }
        else if (IsFinished(spec) || _startFailed.Contains(spec.Id))
        {
            // Its owner knows that the start failed and moves it; starting it meanwhile could make it run twice.
            return;
        }
        else if (_marked.Contains(spec.LocalName) && MarkIsAfter(spec))
        {
            lock (_lock) _finished = _finished.SetItem(spec.Id, new ProgramStatus(spec, ProgramState.Stopped, ProgramSupervisor.FinishedDetail, 0));
            NoteFinishedBefore(state, spec);
        }
        else if (RefusalOf(spec) is { } refusal)
        {
            Hold(spec, refusal);
        }
        else
        {
            try
            {
                Add(spec, resumed: true);
            }
            catch (PcException refused)
            {
                ProgramsLog.NotResumed(_logger, spec.Name, spec.LocalName, refused.Message);
            }
        }
    }

    private bool IsFinished(ProgramSpec spec) => _finished.TryGetValue(spec.Id, out var status) && status.Spec.LastRestart == spec.LastRestart;

    // The mark names the last restart that its program knew: a later one wants it started again.
    private bool MarkIsAfter(ProgramSpec spec)
    {
        var mark = File.ReadAllBytes(Path.Combine(FolderOf(spec.LocalName), Workplace.FinishedMark));
        return mark.AsSpan().SequenceEqual(spec.LastRestart is { } restart ? restart.ToBytes() : []);
    }

    private void MayStartAgain(EntryHash id)
    {
        if (!_startFailed.Contains(id)) return;
        lock (_lock) _startFailed = _startFailed.Remove(id);
    }

    private HostedProgram Add(ProgramSpec spec, bool resumed)
    {
        lock (_lock)
        {
            if (_closed) throw new PcException(ErrorCode.HostRefuses, "this host's daemon is stopping");
            if (_programs.TryGetValue(spec.Id, out var known) && !known.IsOver) return known;
            if (!resumed && TakesNone is { } none) throw new PcException(ErrorCode.HostRefuses, none);
            if (!resumed) _startFailed = _startFailed.Remove(spec.Id); // its owner asks for it again
            if (RefusalOf(spec) is { } refusal) throw new PcException(ErrorCode.HostRefuses, refusal.Text);
            if (!Languages.Contains(spec.Deployed.Language, StringComparer.Ordinal)) throw new PcException(ErrorCode.LanguageUnknown, $"this host cannot run {Quoted.Text(spec.Deployed.Language)}");
            var place = Place(spec.Deployed.Language, spec.Deployed.Manifest);
            if (place.Refusal is { } lacking) throw new PcException(ErrorCode.HostRefuses, lacking);
            var namesakes = _programs.Values.Where(program => !program.Still.IsCompleted && program.Spec.Swarm == spec.Swarm && string.Equals(program.Spec.Name, spec.Name, StringComparison.Ordinal)).ToList();
            if (namesakes.Exists(namesake => namesake.Spec.Owner != spec.Owner)) throw new PcException(ErrorCode.NameTaken, $"{spec.Name} is a program of another member on this host already");

            RemoveOldLogs();
            var workplace = NewWorkplace(spec, place);
            var program = new HostedProgram(workplace, _options.Restarts, new Random(_random.Next()), place.Runtime, _time, _logger, () => OnChanged(), cancellationToken => _leases.AcquireAsync(spec, cancellationToken), () => EndOlderAsync(spec, namesakes), _data) { DueEnded = end => DueEnded?.Invoke(end), RuntimeFailed = why => NotStarted?.Invoke(spec, why) };
            program.Start(resumed);
            program.Told = NoteRunAsync(program);
            _programs = _programs.SetItem(spec.Id, program);
            _held = _held.Remove(spec.Id);
            return program;
        }
    }

    private Workplace NewWorkplace(ProgramSpec spec, RunPlace place)
    {
        var folder = FolderOf(spec.LocalName);
        try
        {
            _disk.MakeFolder(folder);
            Unmark(spec);
            return new Workplace(folder, spec, place, _self, _key, _open, _options, _packages, _disk, _time, _logger);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.HostStorageFailed, $"{Quoted.Text(folder)} could not be written: {failed.Message}", inner: failed);
        }
    }

    private string? ReasonToEnd(SwarmState state, ProgramSpec spec)
    {
        // First, since what a removed member wrote last may not count any more: the program is unknown then.
        if (state.Find(spec.Owner) is null) return "was ended: its owner is no member any more";
        if (!state.Programs.TryGetValue(spec.Id, out var program)) return null;
        if (program.Stopped) return "was stopped";
        // One that is still being started here has no lease yet.
        var isHeld = _leases.EpochOf(program) is not null || (program.Host == _self && _programs.TryGetValue(spec.Id, out var hosted) && hosted.Epoch is null);
        return isHeld || program.Host is null ? null : "was moved to another host";
    }

    private static bool IsMarked(DirectoryInfo folder) => File.Exists(Path.Combine(folder.FullName, Workplace.FinishedMark));

    // It may run again, or is over for good and its log one of the old ones.
    private void Unmark(ProgramSpec spec)
    {
        lock (_lock)
        {
            _finished = _finished.Remove(spec.Id);
            _marked = _marked.Remove(spec.LocalName);
            var mark = Path.Combine(FolderOf(spec.LocalName), Workplace.FinishedMark);
            if (!File.Exists(mark)) return;
            _disk.Delete(mark);
            _disk.FlushFolder(FolderOf(spec.LocalName)); // a mark that came back after a power cut would keep it from running
        }
    }

    private string FolderOf(string localName) => Path.Combine(_options.Folder, localName);

    private void Forget(HostedProgram program, bool startFailed)
    {
        lock (_lock)
        {
            if (startFailed) _startFailed = _startFailed.Add(program.Spec.Id);
            if (_programs.TryGetValue(program.Spec.Id, out var held) && held == program) _programs = _programs.Remove(program.Spec.Id);
        }
        OnChanged();
    }

    // Folders of programs that are not here any more hold a log each; the oldest go.
    private void RemoveOldLogs()
    {
        var kept = _programs.Keys.Select(ProgramSpec.LocalNameOf).ToHashSet(StringComparer.Ordinal);
        var old = new DirectoryInfo(_options.Folder).EnumerateDirectories()
            .Where(folder => !kept.Contains(folder.Name) && !IsMarked(folder))
            .OrderByDescending(folder => folder.LastWriteTimeUtc)
            .Skip(_options.KeptLogs);
        foreach (var folder in old)
        {
            try
            {
                folder.Delete(recursive: true);
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
            {
                ProgramsLog.NotRemoved(_logger, folder.FullName, failed);
            }
        }
    }

    private void OnChanged() => Changed?.Invoke();
}

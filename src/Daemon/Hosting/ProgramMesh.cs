using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// The programs wing's mesh over HTTP; calls for this node itself go to its own host. Before a host is told to start or stop, it
/// is given the entries that say so, since it acts on nothing but entries that it has verified.
/// </summary>
internal sealed class ProgramMesh(MeshClient client, ProgramHost own, SwarmRegistry swarms, ILogger logger) : IProgramMesh, IAsyncDisposable
{
    private const int MaxLineBytes = 256 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(16); // more than the deployer's own limits, which decide

    private readonly ConcurrentDictionary<EntryHash, ConcurrentQueue<StoredEntry>> _entries = [];
    private readonly Outbox<PeerId> _telling = new(16, e => DaemonLog.RequestFailed(logger, "telling guardians of a deploy", e));

    /// <summary>Remembers an entry about a program, to bring it to the host with the next request; see <see cref="Forget"/>.</summary>
    public void Remember(EntryHash program, StoredEntry entry) => _entries.GetOrAdd(program, _ => new()).Enqueue(entry);

    /// <summary>Begins to bring what is remembered of a program to members that should not wait for gossip to bring it.</summary>
    public void Tell(SwarmId swarm, EntryHash program, IEnumerable<PeerId> members)
    {
        foreach (var member in members) _telling.TryRun(member, stopping => TellAsync(member, swarm, program, stopping));
    }

    /// <summary>Ends what is under way.</summary>
    public ValueTask DisposeAsync() => _telling.DisposeAsync();

    /// <summary>The deploy or stop is over; gossip carries the entries from here on.</summary>
    public void Forget(EntryHash program) => _entries.TryRemove(program, out _);

    /// <inheritdoc/>
    public async ValueTask<HostOffer> AskAsync(PeerId host, ProgramAsk ask, CancellationToken cancellationToken)
    {
        if (host == swarms.Self) return own.Offer(ask, swarms.Self);
        var message = new AskMessage(ask.Language, ask.Limits.MemoryBytes, ask.Limits.CpuMillis, ask.Limits.Pids, ask.Limits.DiskBytes, ask.Limits.Network, ask.Manifest.IsEmpty ? null : ask.Manifest.Encode(), ask.Name);
        var body = JsonSerializer.SerializeToUtf8Bytes(message, MeshJson.Default.AskMessage);
        var answer = await client.PostAsync(host, $"/mesh/v1/swarms/{ask.Swarm}/ask", body, 16 << 10, cancellationToken);
        try
        {
            var offer = JsonSerializer.Deserialize(answer, MeshJson.Default.OfferMessage);
            if (offer?.Languages is { Count: <= 64 }) return new HostOffer(offer.Hosts, offer.Languages, offer.Rank, offer.Refusal) { Seals = offer.Seals ?? 1, Schedules = offer.Schedules };
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new PcException(ErrorCode.PeerFailed, $"{host}: its offer could not be read");
    }

    /// <inheritdoc/>
    public async ValueTask StartAsync(PeerId host, ProgramSpec program, CancellationToken cancellationToken)
    {
        // The host needs their votes, and gossip may take a round.
        foreach (var guardian in program.Deployed.Guardians.Where(guardian => guardian != host && guardian != swarms.Self)) _ = TellGuardianAsync(guardian, program, cancellationToken);
        if (host == swarms.Self)
        {
            await own.StartAsync(program, cancellationToken);
            return;
        }
        await BringEntriesAsync(host, program.Swarm, program.Id, cancellationToken);
        await client.PostAsync(host, PathOf(program.Swarm, program.Id, "start"), default, 0, cancellationToken, Patience);
    }

    private async Task TellGuardianAsync(PeerId guardian, ProgramSpec program, CancellationToken cancellationToken)
    {
        try
        {
            await BringEntriesAsync(guardian, program.Swarm, program.Id, cancellationToken);
        }
        catch (Exception e) when (e is PcException or OperationCanceledException)
        {
            DaemonLog.NotReached(logger, guardian, e.Message); // gossip brings it
        }
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(PeerId host, SwarmId swarm, EntryHash program, CancellationToken cancellationToken)
    {
        if (host == swarms.Self)
        {
            await own.StandStillAsync(program, "was stopped");
            return;
        }
        await BringEntriesAsync(host, swarm, program, cancellationToken);
        await client.PostAsync(host, PathOf(swarm, program, "stop"), default, 0, cancellationToken, Patience);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LogLine> LogsAsync(PeerId host, SwarmId swarm, EntryHash program, LogStart start, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (host == swarms.Self)
        {
            await foreach (var line in own.LogsAsync(program, start, follow, cancellationToken)) yield return line;
            yield break;
        }
        var path = $"{PathOf(swarm, program, "logs")}?{QueryOf(start)}&follow={(follow ? "true" : "false")}";
        await foreach (var bytes in client.LinesAsync(host, path, MaxLineBytes, cancellationToken)) yield return ParseLine(host, bytes.Span);
    }

    /// <summary>Has a host watch a program until it has run for a time, or is over before.</summary>
    public async ValueTask<TrialResult> WatchAsync(PeerId host, SwarmId swarm, EntryHash program, TimeSpan trial, CancellationToken cancellationToken)
    {
        if (host == swarms.Self) return await own.WatchAsync(program, trial, cancellationToken);
        var path = string.Create(CultureInfo.InvariantCulture, $"{PathOf(swarm, program, "watch")}?seconds={(int)trial.TotalSeconds}");
        var answer = await client.PostAsync(host, path, default, 16 << 10, cancellationToken, 3 * trial);
        try
        {
            if (JsonSerializer.Deserialize(answer, StatsJson.Default.TrialMessage) is { } said) return new TrialResult(said.Up, said.Why is { } why ? MeshClient.Clean(why) : said.Up ? null : "is not up", said.Finished);
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new PcException(ErrorCode.PeerFailed, $"{host}: its answer could not be read");
    }

    /// <summary>What a program does on a host, as the host says: starting, running, restarting, stopped or failed.</summary>
    public async ValueTask<string> StateOfAsync(PeerId host, SwarmId swarm, EntryHash program, CancellationToken cancellationToken)
    {
        if (host == swarms.Self)
            return own.Programs.FirstOrDefault(status => status.Spec.Id == program) is { } here ? ProgramWords.Of(here.State) : throw new PcException(ErrorCode.ProgramNotFound, "it is not on this node");
        await foreach (var line in client.LinesAsync(host, PathOf(swarm, program, "status"), MaxLineBytes, cancellationToken))
        {
            try
            {
                if (JsonSerializer.Deserialize(line.Span, MeshJson.Default.ProgramStatusMessage) is { State: not null } status) return status.State;
            }
            catch (JsonException)
            {
                // Said below.
            }
        }
        throw new PcException(ErrorCode.PeerFailed, $"{host}: its answer could not be read");
    }

    // A host of an earlier version knows tail only: with none of the last lines it at least repeats nothing.
    private static string QueryOf(LogStart start) =>
        start.After is { } after ? string.Create(CultureInfo.InvariantCulture, $"tail=0&after={after}")
        : start.OfRun ? "tail=0&from=run"
        : string.Create(CultureInfo.InvariantCulture, $"tail={start.Tail}");

    private static LogLine ParseLine(PeerId host, ReadOnlySpan<byte> bytes)
    {
        try
        {
            if (JsonSerializer.Deserialize(bytes, MeshJson.Default.LogMessage) is { Text: not null } line && line.Time >= 0 && line.Time <= DateTime.MaxValue.Ticks)
                return new LogLine(new DateTimeOffset(line.Time, TimeSpan.Zero), line.Source switch { "o" => LogSource.Out, "e" => LogSource.Err, _ => LogSource.Pc }, line.Text) { IsNotice = line.Source is "n" };
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new PcException(ErrorCode.PeerFailed, $"{host}: a line of its log could not be read");
    }

    private async Task TellAsync(PeerId member, SwarmId swarm, EntryHash program, CancellationToken cancellationToken)
    {
        try
        {
            await BringEntriesAsync(member, swarm, program, cancellationToken);
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(logger, member, e.Message); // gossip brings it
        }
    }

    /// <summary>Gives a host the entries that were remembered for a program.</summary>
    public async Task BringEntriesAsync(PeerId host, SwarmId swarm, EntryHash program, CancellationToken cancellationToken)
    {
        if (_entries.TryGetValue(program, out var remembered) && swarms.Find(swarm) is { } local) await client.SendEntriesAsync(local, host, remembered, cancellationToken);
    }

    /// <summary>Gives a member all entries that there are, rather than wait for the next round of gossip, if it is reached.</summary>
    public async Task TryBringAllAsync(PeerId member, SwarmId swarm, CancellationToken cancellationToken)
    {
        try
        {
            if (swarms.Find(swarm) is { } local) await client.SendAllEntriesAsync(local, member, cancellationToken);
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(logger, member, e.Message);
        }
    }

    /// <summary>The path of a route about a program.</summary>
    public static string PathOf(SwarmId swarm, EntryHash program, string what) => $"/mesh/v1/swarms/{swarm}/programs/{program}/{what}";
}

using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Favours;

/// <summary>
/// Writes a receipt for each day on which a program of another member ran here, and agrees to the receipts of hosts for programs of this node
/// (docs/protocols/favours.md). Thread-safe.
/// </summary>
internal sealed class FavourService(SwarmRegistry swarms, ProgramHost host, FavourBook book, TimeProvider time, ILogger logger)
{
    /// <summary>How often use is noted and receipts are looked at.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();

    /// <summary>A run began or ended here.</summary>
    public void Note(RunNote note)
    {
        if (note.End is null || note.Spec.Owner == swarms.Self) return;
        lock (_gate)
        {
            book.Note(note.Spec.Swarm, note.Spec.Id, note.Epoch, note.Use, Today);
            book.Forget(note.Spec.Id, note.Epoch);
            Save();
        }
    }

    /// <summary>Works until it is cancelled; a member that was asleep agrees to what came meanwhile within an interval.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken)) await WorkAsync(cancellationToken);
    }

    /// <summary>Notes what runs took, writes receipts that are due, countersigns.</summary>
    public async Task WorkAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(SwarmId Swarm, EntryHash Program, int Day, RunUse Use)> due;
        lock (_gate)
        {
            foreach (var program in host.Programs.Where(program => program.Spec.Owner != swarms.Self))
                if (host.UseOf(program.Spec.Id) is { } now) book.Note(program.Spec.Swarm, program.Spec.Id, now.Epoch, now.Use, Today);
            Save();
            due = book.Before(Today);
        }
        foreach (var (id, program, day, use) in due)
        {
            if (swarms.Find(id) is { Me: { MayDeployAndHost: true } } swarm && !await TryAppendAsync(swarm, new ReceiptIssued(program, day, use), cancellationToken)) continue;
            lock (_gate)
            {
                book.Remove(id, program, day);
                Save();
            }
        }
        foreach (var swarm in swarms.All.Where(swarm => swarm.Me is not null))
        {
            var state = swarm.State;
            foreach (var receipt in state.Receipts.Values.Where(receipt => !receipt.IsCountersigned && receipt.Owner == swarms.Self && receipt.Day <= Today + 1))
                if (receipt.IsPlausible(state.Programs[receipt.Program])) await TryAppendAsync(swarm, new ReceiptCountersigned(receipt.Entry), cancellationToken);
        }
    }

    /// <summary>Who gave whom how much in a swarm.</summary>
    public FavoursReply Favours(string swarmName)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var state = swarm.State;
        var favours = Favour.Of(state);
        string NameOf(Libp2p.PeerId peer) => state.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();
        var balances = favours.SelectMany(favour => new[] { favour.Host, favour.Owner }).Distinct().Select(peer => new BalanceInfo(
            NameOf(peer), peer.ToString(),
            favours.Where(favour => favour.Host == peer).Sum(favour => favour.Agreed.Processor.TotalSeconds), favours.Where(favour => favour.Owner == peer).Sum(favour => favour.Agreed.Processor.TotalSeconds),
            favours.Where(favour => favour.Host == peer).Sum(favour => favour.Agreed.MemoryMebibyteSeconds), favours.Where(favour => favour.Owner == peer).Sum(favour => favour.Agreed.MemoryMebibyteSeconds)));
        return new FavoursReply(
            swarm.Name,
            [.. favours.Select(favour => new FavourInfo(
                NameOf(favour.Host), favour.Host.ToString(), NameOf(favour.Owner), favour.Owner.ToString(), favour.Receipts, favour.Countersigned,
                favour.Use.Processor.TotalSeconds, favour.Use.MemoryMebibyteSeconds, favour.Use.Bytes))],
            [.. balances.OrderBy(balance => balance.Name, StringComparer.Ordinal)]);
    }

    private int Today => Receipt.DayOf(time.GetUtcNow());

    // True when it is written, or never can be: there is one already, or the feeds do not know the program any more.
    private async Task<bool> TryAppendAsync(LocalSwarm swarm, EntryBody body, CancellationToken cancellationToken)
    {
        try
        {
            if (swarm.Read(replica => replica.WouldRefuse(body)) is null) await swarm.AppendAsync(body, cancellationToken);
            return true;
        }
        catch (PcException failed)
        {
            DaemonLog.RequestFailed(logger, "writing a receipt", failed); // again in five minutes
            return false;
        }
    }

    private void Save()
    {
        try
        {
            book.Save();
        }
        catch (IOException failed)
        {
            DaemonLog.RequestFailed(logger, "saving what programs took", failed);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Threading.Channels;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>
/// Finds, on the local network, the one who told a spoken code: every node there is asked, each once. All but one do not know the first
/// word and say so. One who only claims to know it gets one guess, so the number that is asked is bounded.
/// </summary>
internal static class Neighbours
{
    /// <summary>How long nodes are looked for: mDNS asks again after 1 and 2 seconds.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    /// <summary>Nodes that are asked. Each could be one that guesses: 32 guesses of 2^20.</summary>
    public const int MaxAsked = 32;

    /// <summary>Those who were heard of lately, and then whoever answers, for a while; each once.</summary>
    public static async IAsyncEnumerable<LocalPeer> FindAsync(MdnsDiscovery network, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var found = Channel.CreateBounded<LocalPeer>(new BoundedChannelOptions(MaxAsked) { FullMode = BoundedChannelFullMode.DropWrite });
        void Add(LocalPeer peer) => found.Writer.TryWrite(peer);
        using var limit = new CancellationTokenSource(Patience, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        network.Found += Add;
        try
        {
            foreach (var peer in network.Peers) Add(peer);
            network.Ask();
            var seen = new HashSet<PeerId>();
            while (await MoreAsync(found.Reader, limit.Token, stop.Token))
            {
                while (found.Reader.TryRead(out var peer))
                    if (seen.Add(peer.Peer)) yield return peer;
            }
        }
        finally
        {
            network.Found -= Add;
        }
    }

    /// <summary>Asks all who are found, side by side; the first that lets this node in.</summary>
    /// <param name="found">Who is there.</param>
    /// <param name="ask">Asks one; throws <see cref="PcException"/> when it does not let this node in.</param>
    /// <param name="plate">The code's first word.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">Nobody lets it in: what the most telling one said, else <see cref="ErrorCode.SpokenCodeNobody"/>.</exception>
    public static async Task<T> AskAllAsync<T>(IAsyncEnumerable<LocalPeer> found, Func<LocalPeer, CancellationToken, Task<T>> ask, string plate, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var letIn = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new List<Task<PcException?>>();
        async Task<PcException?> AskAsync(LocalPeer peer)
        {
            try
            {
                letIn.TrySetResult(await ask(peer, stop.Token));
                await stop.CancelAsync(); // nobody else needs to be found, and the others may stop
                return null;
            }
            catch (PcException e)
            {
                return e;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return null;
            }
        }
        try
        {
            await foreach (var peer in found.WithCancellation(stop.Token))
            {
                if (asked.Count == MaxAsked) break;
                asked.Add(AskAsync(peer));
            }
        }
        catch (OperationCanceledException) when (letIn.Task.IsCompleted)
        {
            // Found.
        }
        var refusals = await Task.WhenAll(asked);
        if (letIn.Task.IsCompletedSuccessfully) return await letIn.Task;
        cancellationToken.ThrowIfCancellationRequested();
        throw refusals.OfType<PcException>().Where(e => Weight(e) > 0).MaxBy(Weight)
            ?? new PcException(ErrorCode.SpokenCodeNobody, asked.Count == 0 ? "no other node was found on the local network" : $"none of {asked.Count} nodes on the local network has an open code that begins with {plate}");
    }

    // Who knew the first word says more than who did not.
    private static int Weight(PcException refusal) => refusal.Code switch
    {
        ErrorCode.SpokenCodeUnknown or ErrorCode.PeerUnreachable or ErrorCode.PeerFailed or ErrorCode.JoinUnsupported => 0,
        ErrorCode.JoinBusy => 1,
        ErrorCode.JoinGuessesUsedUp => 2,
        ErrorCode.JoinUntrusted => 3,
        ErrorCode.JoinSecretWrong => 4,
        _ => 5,
    };

    // Whether there is another; false when the time is over.
    private static async ValueTask<bool> MoreAsync(ChannelReader<LocalPeer> reader, CancellationToken limit, CancellationToken stop)
    {
        try
        {
            return await reader.WaitToReadAsync(stop);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            return false;
        }
    }
}

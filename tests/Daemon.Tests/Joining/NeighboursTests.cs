using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Tests.Joining;

/// <summary>Asking everybody on the local network for a spoken code.</summary>
public sealed class NeighboursTests
{
    private static LocalPeer Peer(int number) => new(PeerId.FromEd25519([(byte)number, .. new byte[31]]), [], default);

    private static int NumberOf(LocalPeer peer) => peer.Peer.TryGetEd25519(out var key) ? key[0] : 0;

    [Fact]
    public async Task The_one_who_lets_in_is_found_among_many_and_nobody_else_is_waited_for()
    {
        var never = new TaskCompletionSource();
        async IAsyncEnumerable<LocalPeer> Found([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            for (var i = 1; i <= 5; i++) yield return Peer(i);
            await never.Task.WaitAsync(cancellationToken); // the search would go on
        }
        var result = await Neighbours.AskAllAsync(Found(), async (peer, token) =>
        {
            if (NumberOf(peer) == 2) await never.Task.WaitAsync(token); // one that does not answer
            return NumberOf(peer) == 3 ? "in" : throw new PcException(ErrorCode.SpokenCodeUnknown, "no");
        }, "blue", Cancelled).WaitAsync(TestNode.Patience, Cancelled);
        Assert.Equal("in", result);
    }

    [Fact]
    public async Task When_nobody_lets_in_the_most_telling_answer_is_shown()
    {
        async Task<PcException> RefusedAsync(params ErrorCode[] codes) => await Assert.ThrowsAsync<PcException>(() => Neighbours.AskAllAsync<string>(
            Enumerable.Range(0, codes.Length).Select(Peer).ToAsyncEnumerable(), (peer, _) => throw new PcException(codes[NumberOf(peer)], "no"), "blue", Cancelled));
        Assert.Equal(ErrorCode.SpokenCodeNobody, (await RefusedAsync()).Code);
        Assert.Equal(ErrorCode.SpokenCodeNobody, (await RefusedAsync(ErrorCode.SpokenCodeUnknown, ErrorCode.PeerUnreachable, ErrorCode.JoinUnsupported)).Code);
        Assert.Equal(ErrorCode.JoinSecretWrong, (await RefusedAsync(ErrorCode.SpokenCodeUnknown, ErrorCode.JoinSecretWrong, ErrorCode.JoinUntrusted, ErrorCode.PeerFailed)).Code);
        Assert.Equal(ErrorCode.ClockWrong, (await RefusedAsync(ErrorCode.JoinSecretWrong, ErrorCode.ClockWrong)).Code);
    }

    [Fact]
    public async Task No_more_than_so_many_are_asked()
    {
        var asked = 0;
        await Assert.ThrowsAsync<PcException>(() => Neighbours.AskAllAsync<string>(Enumerable.Range(0, 200).Select(Peer).ToAsyncEnumerable(), (_, _) =>
        {
            asked++;
            throw new PcException(ErrorCode.SpokenCodeUnknown, "no");
        }, "blue", Cancelled));
        Assert.Equal(Neighbours.MaxAsked, asked);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;
}

using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>The joining side of /pc/join/1: proves a secret to a node and gets what a member gets. It believes nothing that the node says before it proved the secret too.</summary>
internal sealed class JoinVisitor(Libp2pHost host, X25519Key sealingKey, string nodeName, TimeProvider time)
{
    /// <summary>From the first message to the last.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    /// <summary>Connects with whoever is at an address.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PeerUnreachable"/>.</exception>
    public async Task<PeerId> FindAsync(string peerText, CancellationToken cancellationToken)
    {
        try
        {
            return (await host.ConnectAsync(PeerAddress.Parse(peerText), cancellationToken)).RemotePeer;
        }
        catch (Libp2pException e)
        {
            throw new PcException(ErrorCode.PeerUnreachable, $"nobody could be reached at {peerText}: {e.Message}", "check host and port, and that the node there is up (pc list shows its port there)", e);
        }
    }

    /// <summary>Connects with a node of the local network.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.PeerUnreachable"/>.</exception>
    public async Task ConnectAsync(LocalPeer peer, CancellationToken cancellationToken)
    {
        try
        {
            host.SuggestAddresses(peer.Peer, peer.Addresses);
            await host.ConnectAsync(peer.Peer, cancellationToken);
        }
        catch (Libp2pException e)
        {
            throw new PcException(ErrorCode.PeerUnreachable, $"{peer.Peer} could not be reached: {e.Message}", inner: e);
        }
    }

    /// <summary>Joins at a node.</summary>
    /// <exception cref="PcException">It refused, cannot be reached, or did not prove the secret; each has its code.</exception>
    public async Task<JoinAdmission> JoinAsync(PeerId inviter, JoinHello hello, string secret, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var stream = await host.OpenStreamAsync(inviter, JoinProtocol.Id, stop.Token);
            try
            {
                return await RunAsync(stream, hello, secret, stop.Token);
            }
            catch
            {
                stream.Reset();
                throw;
            }
            finally
            {
                await stream.DisposeAsync();
            }
        }
        catch (Libp2pException e) when (e.Error == Libp2pError.ProtocolNotSupported)
        {
            throw new PcException(ErrorCode.JoinUnsupported, $"the node at that address ({inviter}) lets nobody in by a secret", inner: e);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.PeerUnreachable, limit.IsCancellationRequested ? $"{inviter} did not answer in time" : $"the connection with {inviter} ended: {e.Message}", "join again", e);
        }
    }

    private async Task<JoinAdmission> RunAsync(Libp2pStream stream, JoinHello hello, string secret, CancellationToken cancellationToken)
    {
        using var side = new JoiningSide(host.Self, stream.RemotePeer, stream.ChannelBinding, hello);
        await JoinProtocol.WriteAsync(stream, side.Hello, cancellationToken);
        var offer = await ReadAsync(stream, SwarmLimits.MaxJoinMessageBytes, cancellationToken);
        if (!side.TryTakeOffer(offer, out var refusal)) throw Broken(stream);
        if (refusal is not null) throw Explain(refusal, hello);

        var applicant = new JoinApplicant(nodeName, sealingKey.PublicKey.ToArray(), time.GetUtcNow());
        var proof = await Task.Run(() => side.Prove(secret, applicant), cancellationToken) ?? throw Broken(stream);
        await JoinProtocol.WriteAsync(stream, proof, cancellationToken);
        var verdict = await ReadAsync(stream, SwarmLimits.MaxJoinMessageBytes, cancellationToken);
        if (!side.TryTakeVerdict(verdict, out refusal)) throw new PcException(ErrorCode.JoinUntrusted, $"{stream.RemotePeer} did not prove that it knows the secret");
        if (refusal is not null) throw Explain(refusal, hello);
        if (!side.Confirmed) throw new PcException(ErrorCode.JoinUntrusted, $"{stream.RemotePeer} did not prove that it knows the secret");

        // Only now: what it says is from who knows the secret, over this very connection.
        var admission = await ReadAsync(stream, SwarmLimits.MaxJoinAdmissionBytes, cancellationToken);
        return JoinAdmission.TryDecode(admission, out var admitted) ? admitted : throw new PcException(ErrorCode.JoinFailed, "the inviter's answer could not be read");
    }

    private static async Task<byte[]> ReadAsync(Libp2pStream stream, int maxBytes, CancellationToken cancellationToken) =>
        await JoinProtocol.ReadAsync(stream.Input, maxBytes, cancellationToken) ?? throw Broken(stream);

    private static PcException Broken(Libp2pStream stream) => new(ErrorCode.PeerFailed, $"{stream.RemotePeer}: its answer could not be understood");

    private PcException Explain(JoinRefusal refusal, JoinHello hello)
    {
        switch (refusal.Reason)
        {
            case JoinRefusalReason.TooManyGuesses:
                var until = time.GetUtcNow() + refusal.Wait;
                return new PcException(ErrorCode.JoinGuessesUsedUp, "too many wrong secrets were shown to that node", $"try again after {until.ToLocalTime():HH:mm} ({Waiting(refusal.Wait)} from now), or ask for a ticket: pc invite");
            case JoinRefusalReason.Busy:
                return new PcException(ErrorCode.JoinBusy, "that node lets in as many others as it can at this moment");
            case JoinRefusalReason.CodeUnknown:
                return new PcException(ErrorCode.SpokenCodeUnknown, $"that node has no open code that begins with {hello.Name}");
            case JoinRefusalReason.NotAdmitted when Enum.IsDefined((ErrorCode)refusal.Code):
                return new PcException((ErrorCode)refusal.Code, new string([.. refusal.Text.Select(c => char.IsControl(c) ? ' ' : c)]));
            case JoinRefusalReason.NotAdmitted:
                return new PcException(ErrorCode.JoinFailed, "the swarm does not take this node");
            default:
                return hello.Kind == JoinKind.Secret
                    ? new PcException(ErrorCode.JoinSecretWrong, $"the secret is wrong, or that node lets nobody in to a swarm called {hello.Name} by a secret")
                    : new PcException(ErrorCode.JoinSecretWrong, "the spoken code is wrong", $"ask for the three words again; after {SpokenCodes.MaxGuesses} wrong ones a code is void");
        }
    }

    private static string Waiting(TimeSpan wait) => wait < TimeSpan.FromMinutes(2) ? $"{Math.Ceiling(wait.TotalSeconds)} s" : $"{Math.Ceiling(wait.TotalMinutes)} minutes";
}

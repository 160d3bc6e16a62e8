using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>
/// The inviting side of /pc/join/1: answers anybody, and lets in who proves a secret of a swarm of which this node is an admin, or a
/// spoken code that it made. Whoever proves nothing learns nothing: not even which swarms there are.
/// </summary>
internal sealed class JoinDoor
{
    /// <summary>From the hello to the last byte of the answer: scrypt on a slow machine, and the entries of a large swarm on a slow line.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    /// <summary>How long a node may take from one message to the next.</summary>
    public static readonly TimeSpan MessageTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Nodes that join at once, each with some KiB and two curve operations.</summary>
    public const int MaxAtOnce = 32;

    /// <summary>The same from one network.</summary>
    public const int MaxAtOncePerPrefix = 8;

    private readonly PeerId _self;
    private readonly SwarmRegistry _swarms;
    private readonly SpokenCodes _codes;
    private readonly IKeySealer _sealer;
    private readonly byte[] _decoyKey;
    private readonly byte[] _decoyBox;
    private readonly GuessLimiter _guesses;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly List<string> _inside = [];

    /// <summary>Opens no door yet: see <see cref="HandleAsync"/>.</summary>
    public JoinDoor(SwarmRegistry swarms, SpokenCodes codes, IKeySealer sealer, ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> identitySeed, GuessLimiter guesses, TimeProvider time, ILogger logger)
    {
        (_self, _swarms, _codes, _sealer, _guesses, _time, _logger) = (swarms.Self, swarms, codes, sealer, guesses, time, logger);
        _decoyKey = HMACSHA256.HashData(identitySeed, "peoples-cloud join decoy key 1:"u8);
        _decoyBox = SealedBox.Seal(sealingKey, [], new byte[Spake2.PasswordBytes]);
    }

    // What somebody wants to prove: the verifier, and who is let in with it. Without a swarm it is a decoy.
    private sealed record Target(JoinVerifier Verifier, string Subject, LocalSwarm? Swarm, Role Role, OpenCode? Code, Func<SwarmState, bool> StillHolds);

    /// <summary>Serves one stream.</summary>
    public async Task HandleAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Timeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var prefix = GuessLimiter.PrefixOf(stream.RemoteAddress.Host);
        var entered = TryEnter(prefix);
        try
        {
            if (entered) await ServeAsync(stream, stop.Token);
            else await JoinProtocol.WriteAsync(stream, InvitingSide.Refuse(new JoinRefusal(JoinRefusalReason.Busy)), stop.Token);
        }
        finally
        {
            if (entered) Leave(prefix);
        }
    }

    /// <summary>Seals the secret of a swarm to admins whom this node has just let in. What fails is logged: the new admin answers nobody then, and does all else.</summary>
    public void Share(LocalSwarm swarm)
    {
        try
        {
            swarm.Change(replica => (0, (IReadOnlyList<StoredEntry>)(replica.ShareJoinSecret(_sealer, _time.GetUtcNow()) is { } entry ? [entry] : [])));
        }
        catch (PcException e)
        {
            DaemonLog.SecretNotShared(_logger, swarm.Name, e.Message);
        }
    }

    private async Task ServeAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var (peer, host) = (stream.RemotePeer, stream.RemoteAddress.Host);

        // 1. Where it wants to join.
        var hello = await ReadAsync(stream, cancellationToken);
        if (hello is null || !JoinHello.TryDecode(hello, out var where))
        {
            stream.Reset();
            return;
        }
        var target = where.Kind == JoinKind.Secret ? FindSecret(where.Name) : FindCode(where.Name, peer);
        var subject = target?.Subject ?? CodeSubject(where.Name);
        if (_guesses.WaitOf(host, subject) is var wait && wait > TimeSpan.Zero)
        {
            await JoinProtocol.WriteAsync(stream, InvitingSide.Refuse(new JoinRefusal(JoinRefusalReason.TooManyGuesses, wait)), cancellationToken);
            return;
        }
        if (target is null)
        {
            // First words are no secret, but who tries one after the other is a guesser all the same.
            if (_guesses.TryTake(host, subject, out _)) Keep();
            await JoinProtocol.WriteAsync(stream, InvitingSide.Refuse(new JoinRefusal(JoinRefusalReason.CodeUnknown)), cancellationToken);
            return;
        }

        // 2. Our share; 3. its proof.
        using var side = new InvitingSide(_self, peer, stream.ChannelBinding.Span, hello, target.Verifier);
        await JoinProtocol.WriteAsync(stream, side.Offer, cancellationToken);
        var proof = await ReadAsync(stream, cancellationToken);
        var (verdict, admission) = proof is null ? (null, null) : await JudgeAsync(stream, side, target, proof, cancellationToken);
        if (verdict is null)
        {
            stream.Reset();
            return;
        }

        // 4. The verdict, and all that a member gets. It is persisted: from here on the answer is owed.
        await JoinProtocol.WriteAsync(stream, verdict, cancellationToken);
        if (admission is not null) await JoinProtocol.WriteAsync(stream, admission.Encode(), cancellationToken);
    }

    private async Task<(byte[]? Verdict, JoinAdmission? Admission)> JudgeAsync(Libp2pStream stream, InvitingSide side, Target target, byte[] proof, CancellationToken cancellationToken)
    {
        var (peer, host) = (stream.RemotePeer, stream.RemoteAddress.Host);
        // A guess is taken before it is looked at: who opens many streams at once has no more of them.
        if (!_guesses.TryTake(host, target.Subject, out var wait)) return (side.Verdict(new JoinRefusal(JoinRefusalReason.TooManyGuesses, wait)), null);
        if (target.Code is { } code && !_codes.TryGuess(code)) return (side.Verdict(new JoinRefusal(JoinRefusalReason.Wrong)), null);
        var judgement = side.Judge(proof, out var applicant);
        if (judgement == JoinJudgement.Right && (target.Swarm is null || (target.Code is not null && !_codes.TryUse(target.Code, peer)))) judgement = JoinJudgement.Wrong;
        if (judgement != JoinJudgement.Right)
        {
            Keep();
            DaemonLog.JoinRefused(_logger, peer, host, target.Swarm?.Name ?? "no swarm of this node");
            return (judgement == JoinJudgement.Malformed ? null : side.Verdict(new JoinRefusal(JoinRefusalReason.Wrong)), null);
        }
        _guesses.GiveBack(host, target.Subject);
        try
        {
            var swarm = target.Swarm!;
            await swarm.WaitUntilConfirmedAsync(cancellationToken);
            await swarm.WaitUntilSettledAsync(peer, cancellationToken); // a removal that was slept through may have ended the secret
            swarm.RotateStaleKey();
            var reply = swarm.Change(replica => target.StillHolds(replica.State)
                ? replica.Admit(peer, applicant!, target.Role, swarm.CurrentKey(), _time.GetUtcNow())
                : throw new PcException(ErrorCode.JoinSecretWrong, $"the secret of {swarm.State.Name} was changed or ended at this moment"));
            DaemonLog.Admitted(_logger, peer, swarm.Name, applicant!.Name);
            if (target.Role == Role.Admin) Share(swarm);
            return (side.Verdict(), new JoinAdmission(swarm.Id, reply));
        }
        catch (PcException e)
        {
            return (side.Verdict(new JoinRefusal(JoinRefusalReason.NotAdmitted, default, (int)e.Code, e.Message)), null);
        }
    }

    // The swarm by its name here, else by its own. For any other name a decoy that costs the same work.
    private Target FindSecret(string name)
    {
        var found = _swarms.All.Where(swarm => swarm.Me is { IsAdmin: true } && swarm.State.JoinSecret is { Closed: false } && (swarm.Name == name || swarm.State.Name == name))
            .OrderByDescending(swarm => swarm.Name == name).FirstOrDefault();
        if (found?.State.JoinSecret is { } secret && secret.Open(found.Id, _self, _sealer) is { } verifier)
            return new Target(verifier, name, found, secret.Set.Role, null, state => state.JoinSecret is { Closed: false } now && now.Set.Salt.AsSpan().SequenceEqual(secret.Set.Salt));
        _ = _sealer.TryOpen([], _decoyBox, out _);
        return new Target(JoinVerifier.Decoy(_decoyKey, name), name, null, Role.Guest, null, _ => false);
    }

    private Target? FindCode(string plate, PeerId peer) =>
        _codes.Find(plate, peer) is { } code ? new Target(code.Verifier, CodeSubject(plate), code.Swarm, code.Role, code, state => state.Removals == code.Removals) : null;

    // No name of a swarm begins so.
    private static string CodeSubject(string plate) => $"*{plate}";

    private async Task<byte[]?> ReadAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(MessageTimeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        return await JoinProtocol.ReadAsync(stream.Input, SwarmLimits.MaxJoinMessageBytes, stop.Token);
    }

    private void Keep()
    {
        try
        {
            _guesses.Keep();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DaemonLog.GuessesNotKept(_logger, e.Message);
        }
    }

    private bool TryEnter(string prefix)
    {
        lock (_gate)
        {
            if (_inside.Count >= MaxAtOnce || _inside.Count(other => other == prefix) >= MaxAtOncePerPrefix) return false;
            _inside.Add(prefix);
            return true;
        }
    }

    private void Leave(string prefix)
    {
        lock (_gate) _inside.Remove(prefix);
    }
}

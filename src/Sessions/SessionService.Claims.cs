using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions;

// The key of a request on a Redis: "year4000.pycloud.answer.VERB.ID" holds the id of the node that works on it, or "a:MILLISECONDS:ANSWER".
public sealed partial class SessionService
{
    private const string AnswerMark = "a:";
    private static readonly TimeSpan AgainLife = TimeSpan.FromSeconds(2);

    private static string KeyOf(RequestKey key) => $"{SessionNames.Prefix}answer.{key.AnswerChannel[SessionNames.Prefix.Length..]}";

    private async Task ClaimAsync(SessionEffect.Claim claim, CancellationToken cancellationToken)
    {
        var key = KeyOf(claim.Key) + (claim.Again ? ".again" : "");
        if (IsInDoubt)
        {
            Post(new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Unknown));
            return;
        }
        try
        {
            var won = await _claims!.ClaimAsync(key, _cloud, claim.Again ? AgainLife : _options.ClaimLife, cancellationToken);
            var standing = won ? null : await _claims.GetAsync(key, cancellationToken);
            if (won || standing == _cloud) Post(new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Won));
            else if (Answered(standing) is { } answer) Post(new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Answered, answer.Payload, answer.Age));
            else Post(new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Held));
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException)
        {
            if (!cancellationToken.IsCancellationRequested) SessionsLog.NotPublished(_logger, e.Message);
            Post(new SessionInput.ClaimEnded(claim.Key, ClaimOutcome.Unknown));
        }
    }

    // Before the Redis is used again, so that nothing is claimed from what it has forgotten.
    private void Doubt()
    {
        Interlocked.Increment(ref _doubts);
        Post(new SessionInput.KeysInDoubt());
    }

    // The engine has yet to hear that the keys may be lost. Asked on its loop only.
    private bool IsInDoubt => Volatile.Read(ref _doubts) != _doubtsTaken;

    private async Task RestoreAsync(SessionEffect.Restore restore, CancellationToken cancellationToken)
    {
        var life = _options.Limits.Memory - restore.Age;
        if (life <= TimeSpan.Zero) return;
        try
        {
            _ = await _claims!.ClaimAsync(KeyOf(restore.Key), AnswerValue(restore.Payload, restore.Age), life, cancellationToken);
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException)
        {
            // It is away again, and is asked again when it is back.
        }
    }

    private string AnswerValue(ReadOnlyMemory<byte> payload, TimeSpan age) =>
        $"{AnswerMark}{(_time.GetUtcNow() - age).ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}:{Encoding.UTF8.GetString(payload.Span)}";

    private async Task RenewAsync(SessionEffect.Renew renew, CancellationToken cancellationToken)
    {
        try
        {
            _ = await _claims!.RenewAsync(KeyOf(renew.Key), _cloud, _options.ClaimLife, cancellationToken);
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException)
        {
            // The answer will find out whether the claim still held.
        }
    }

    private async Task AnswerAsync(SessionEffect.Answer answer, CancellationToken cancellationToken)
    {
        var next = AnswerValue(answer.Payload, TimeSpan.Zero);
        if (IsInDoubt)
        {
            Post(new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Unknown));
            return;
        }
        try
        {
            var standing = await _claims!.PublishOnceAsync(KeyOf(answer.Key), _cloud, next, _options.Limits.Memory, answer.Key.AnswerChannel, answer.Payload, cancellationToken);
            if (standing is null) Post(new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Won));
            else if (Answered(standing) is not { } other) Post(new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Held));
            else Post(new SessionInput.AnswerEnded(answer.Key, other.Payload.Span.SequenceEqual(answer.Payload.Span) ? ClaimOutcome.Won : ClaimOutcome.Answered, other.Payload));
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException)
        {
            if (!cancellationToken.IsCancellationRequested) SessionsLog.NotPublished(_logger, e.Message);
            Post(new SessionInput.AnswerEnded(answer.Key, ClaimOutcome.Unknown));
        }
    }

    private (ReadOnlyMemory<byte> Payload, TimeSpan Age)? Answered(string? value)
    {
        if (value is null || !value.StartsWith(AnswerMark, StringComparison.Ordinal)) return null;
        var colon = value.IndexOf(':', AnswerMark.Length);
        if (colon < 0 || !long.TryParse(value.AsSpan(AnswerMark.Length, colon - AnswerMark.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)) return null;
        return (Encoding.UTF8.GetBytes(value[(colon + 1)..]), TimeSpan.FromMilliseconds(_time.GetUtcNow().ToUnixTimeMilliseconds() - milliseconds));
    }
}

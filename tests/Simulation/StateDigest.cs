using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>A hash over everything that a state says, so that two states are compared by one number.</summary>
public static class StateDigest
{
    /// <summary>Equal for equal states.</summary>
    public static ulong Of(SwarmState state)
    {
        var text = new StringBuilder().Append(state.Id).Append(state.Name).Append(state.Creator);
        foreach (var member in state.Members.Values)
            text.Append('|').Append(member.Peer).Append(member.Name).Append(member.Role).Append(member.Status).Append(member.AdmittedBy).Append(member.Since.Ticks).Append(Convert.ToHexString(member.X25519));
        foreach (var ticket in state.Tickets.Values) text.Append('|').Append(ticket);
        foreach (var program in state.Programs.Values)
            text.Append('|').Append(program.Id).Append(program.Owner).Append(program.Deployed.Name).Append(program.Host).Append(program.Generation).Append(program.Stopped).Append(program.BundleClaimedBy).AppendJoin(',', program.Runs)
                .Append(program.GuardianGeneration).AppendJoin(',', program.Guardians).AppendJoin(';', program.PendingGuardians.Select(pending => $"{pending.Entry} {string.Join(',', pending.ApprovedBy)}"));
        foreach (var secrets in state.Secrets.Values) text.Append('|').Append(secrets.Owner).Append(secrets.Name).Append(secrets.Entry).AppendJoin(',', secrets.Keys.Select(key => key.Peer));
        foreach (var receipt in state.Receipts.Values) text.Append('|').Append(receipt.Entry).Append(receipt.IsCountersigned);
        foreach (var accusation in state.Accusations) text.Append('|').Append(accusation.Entry);
        text.Append('|').Append(state.Key.Generation).Append(state.Key.Entry).Append(state.Key.IsStale);
        if (state.JoinSecret is { } secret) text.Append('|').Append(secret.SetBy).Append(secret.Set.Number).Append(secret.Closed).Append(Convert.ToHexString(secret.Set.Salt)).Append(secret.Set.Boxes.Count);
        text.Append('|').Append(state.Removals);
        foreach (var (peer, number) in state.Forked) text.Append('|').Append(peer).Append(number);
        text.Append('|').Append(state.Entries.Counted);
        return BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}

namespace PeoplesCloud.Libp2p.Identify;

/// <summary>What changes of what a node says about itself. Equal when it says the same, in whatever order the machine names its addresses.</summary>
/// <param name="Addresses">Where it is reached, without its peer id.</param>
/// <param name="Protocols">What it serves, in order.</param>
internal sealed record SelfDescription(IReadOnlyList<Multiaddr> Addresses, IReadOnlyList<string> Protocols)
{
    /// <inheritdoc/>
    public bool Equals(SelfDescription? other) => other is not null
        && (ReferenceEquals(this, other) || (Protocols.SequenceEqual(other.Protocols, StringComparer.Ordinal) && Addresses.Count == other.Addresses.Count && !Addresses.Except(other.Addresses).Any()));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Addresses.Count, Protocols.Count);
}

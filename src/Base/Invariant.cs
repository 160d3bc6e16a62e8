using System.Diagnostics.CodeAnalysis;

namespace PeoplesCloud.Base;

/// <summary>Checks that hold in release builds too: continuing without them could damage data or forge history.</summary>
public static class Invariant
{
    /// <summary>Stops the component when <paramref name="condition"/> is false: this is a bug of ours.</summary>
    /// <exception cref="InvariantException">The condition is false.</exception>
    public static void Check([DoesNotReturnIf(false)] bool condition, string what)
    {
        if (!condition) throw new InvariantException(what);
    }
}

/// <summary>A broken invariant: the component that saw it must stop.</summary>
public sealed class InvariantException(string what) : Exception($"invariant broken: {what}");

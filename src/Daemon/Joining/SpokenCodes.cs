using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>A spoken code that is open: what is kept of it, and how often it may still be guessed. The words themselves are not kept.</summary>
/// <param name="Swarm">Where it leads.</param>
/// <param name="Role">What the new member may do.</param>
/// <param name="Removals">Removals that counted when it was made: it is void after another one.</param>
/// <param name="Expires">Until when.</param>
/// <param name="Verifier">Of the three words.</param>
internal sealed record OpenCode(LocalSwarm Swarm, Role Role, int Removals, DateTimeOffset Expires, JoinVerifier Verifier)
{
    /// <summary>Proofs that are still looked at.</summary>
    public int GuessesLeft { get; set; } = SpokenCodes.MaxGuesses;

    /// <summary>Who used it; only that node may come again, since its answer may have been lost.</summary>
    public PeerId? UsedBy { get; set; }
}

/// <summary>The spoken codes of this node that are open, in memory only: a restart ends them. Thread-safe.</summary>
internal sealed class SpokenCodes(TimeProvider time)
{
    /// <summary>How long a code is good: the time of a call.</summary>
    public static readonly TimeSpan Validity = TimeSpan.FromMinutes(10);

    /// <summary>Wrong proofs after which a code is void. Two words of 1,024 are 20 bits, so guessing one takes a chance of 1 in 200,000.</summary>
    public const int MaxGuesses = 5;

    /// <summary>Codes open at once; more than one person reads out.</summary>
    public const int MaxOpen = 32;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, OpenCode> _open = new(StringComparer.Ordinal);

    /// <summary>Opens a code whose first word no other open code has. Slow: it derives a verifier.</summary>
    /// <exception cref="PcException">As many are open as may be (<see cref="ErrorCode.JoinBusy"/>).</exception>
    public (SpokenCode Code, OpenCode Open) Add(LocalSwarm swarm, Role role, Func<SpokenCode> make, Func<SpokenCode, JoinVerifier> verifierOf)
    {
        while (true)
        {
            var code = make();
            lock (_gate)
            {
                ForgetOld();
                if (_open.Count >= MaxOpen) throw new PcException(ErrorCode.JoinBusy, $"{MaxOpen} spoken codes of this node are open already", $"wait until one is used or {Validity.TotalMinutes} minutes old");
                if (_open.ContainsKey(code.Plate)) continue;
            }
            var open = new OpenCode(swarm, role, swarm.State.Removals, time.GetUtcNow() + Validity, verifierOf(code));
            lock (_gate)
            {
                if (_open.TryAdd(code.Plate, open)) return (code, open);
            }
        }
    }

    /// <summary>The open code with this first word; null when there is none, or somebody else used it.</summary>
    public OpenCode? Find(string plate, PeerId peer)
    {
        lock (_gate)
        {
            ForgetOld();
            return _open.TryGetValue(plate, out var code) && (code.UsedBy is null || code.UsedBy == peer) ? code : null;
        }
    }

    /// <summary>Takes a guess before it is looked at; false when none is left.</summary>
    public bool TryGuess(OpenCode code)
    {
        lock (_gate) return code.GuessesLeft > 0 && code.GuessesLeft-- > 0;
    }

    /// <summary>The proof was right; false when another node was faster.</summary>
    public bool TryUse(OpenCode code, PeerId peer)
    {
        lock (_gate)
        {
            if (code.UsedBy is { } other && other != peer) return false;
            code.UsedBy = peer;
            code.GuessesLeft = MaxGuesses;
            return true;
        }
    }

    private void ForgetOld()
    {
        var now = time.GetUtcNow();
        foreach (var (plate, code) in _open)
        {
            if (now >= code.Expires || code.GuessesLeft == 0 || code.Swarm.State.Removals != code.Removals) _open.Remove(plate);
        }
    }
}

namespace PeoplesCloud.Swarm;

/// <summary>The rules that keep two hosts from running one program. Tests leave one out at a time, and the simulator must notice each.</summary>
[Flags]
internal enum LeaseChecks
{
    None = 0,

    /// <summary>A voter that backs somebody backs nobody else.</summary>
    OneBacking = 1,

    /// <summary>A voter that started less than one backing ago does not vote.</summary>
    Youth = 2,

    /// <summary>A holder's time counts from when it asked, not from when it was answered.</summary>
    AskedAt = 4,

    /// <summary>A voter refuses an epoch below the highest that it knows.</summary>
    LowEpoch = 8,

    /// <summary>A holder that hears of a higher epoch stops.</summary>
    Yield = 16,

    /// <summary>A new holder's epoch is above all that its voters know.</summary>
    NextEpoch = 32,

    /// <summary>A ballot of another generation is refused.</summary>
    Generation = 64,

    /// <summary>Who approved a later generation votes in this one no more.</summary>
    Seal = 128,

    /// <summary>A voter in a new generation waits until leases of the old one are over.</summary>
    Quarantine = 256,

    /// <summary>A lease is held by a majority of all guardians, not of those that answered.</summary>
    Majority = 512,

    /// <summary>A vote counts only for the round that it answers.</summary>
    Round = 1024,
}

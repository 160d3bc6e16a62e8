namespace PeoplesCloud.Swarm;

/// <summary>Rules that keep two hosts from running one program. Tests leave out one at a time, and the simulator must notice each.</summary>
[Flags]
internal enum LeaseChecks
{
    None = 0,

    /// <summary>A voter that backs somebody backs nobody else.</summary>
    OneBacking = 1,

    /// <summary>A voter that started less than one backing ago does not vote.</summary>
    Youth = 2,

    /// <summary>A holder that hears of a higher epoch stops, when it has no majority.</summary>
    Yield = 4,

    /// <summary>A new holder's epoch is above all that its voters know.</summary>
    NextEpoch = 8,

    /// <summary>A voter in a new generation waits until leases of the old one are over.</summary>
    Quarantine = 16,

    /// <summary>A lease is held by a majority of all guardians, not of those that answered.</summary>
    Majority = 32,

    /// <summary>A voter whose clock jumped does not vote for one backing.</summary>
    Jump = 64,

    /// <summary>A holder whose lease ended votes for nobody before its program stands still.</summary>
    OwnStop = 128,

    /// <summary>The lease of a holder whose process is gone is over in its time, not before.</summary>
    GoneHolder = 256,
}

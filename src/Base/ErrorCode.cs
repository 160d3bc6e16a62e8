namespace PeoplesCloud.Base;

/// <summary>
/// Every error that needs a person, with a stable number. A range belongs to a floor of the house:
/// 1000 command line, 1100 daemon and local API, 1200 configuration and home, 2000 mesh, 3000 content,
/// 4000 swarm, 5000 runtimes, 6000 programs. Each carries its exit code and one sentence for docs/errors.md.
/// </summary>
public enum ErrorCode
{
    // -- 1000 command line ------------------------------------------------------------------------------------
    /// <summary>The command line could not be understood.</summary>
    [ErrorInfo(ExitCode.Usage, "The command line could not be understood.", "Read the help of the command: pc COMMAND --help.")]
    Usage = 1000,

    /// <summary>No daemon answers on the home's socket.</summary>
    [ErrorInfo(ExitCode.NoDaemon, "No daemon answers on this home's socket.", "Start one: pc up.")]
    NoDaemon = 1001,

    // -- 1100 daemon and local API ----------------------------------------------------------------------------
    /// <summary>The daemon failed in a way that it did not foresee.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon failed in a way that it did not foresee; this is a bug.", "Read the daemon's log in the home's logs folder and report it.")]
    Internal = 1100,

    // -- 1200 configuration and home --------------------------------------------------------------------------

    // -- 2000 mesh --------------------------------------------------------------------------------------------

    // -- 3000 content -----------------------------------------------------------------------------------------

    // -- 4000 swarm -------------------------------------------------------------------------------------------

    // -- 5000 runtimes ----------------------------------------------------------------------------------------

    // -- 6000 programs ----------------------------------------------------------------------------------------
}

/// <summary>How a command ends (DESIGN section 8).</summary>
public enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>Failed.</summary>
    Failed = 1,

    /// <summary>The command line was wrong.</summary>
    Usage = 2,

    /// <summary>No daemon answered.</summary>
    NoDaemon = 3,

    /// <summary>What was named does not exist.</summary>
    NotFound = 4,

    /// <summary>Somebody or some rule refused it.</summary>
    Refused = 5,
}

/// <summary>The documented part of an error code: its class, what happened in general, and what to try in general.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class ErrorInfoAttribute(ExitCode exitCode, string sentence, string hint) : Attribute
{
    /// <summary>The exit code of a command that ends with this error.</summary>
    public ExitCode ExitCode { get; } = exitCode;

    /// <summary>What happened, in general.</summary>
    public string Sentence { get; } = sentence;

    /// <summary>What to try, in general.</summary>
    public string Hint { get; } = hint;
}

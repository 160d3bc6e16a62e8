using System.Reflection;

namespace PeoplesCloud.Base;

/// <summary>
/// An error that needs a person: a stable code, what happened (with the names and values of this case, never a secret)
/// and what to try. The command line prints it as two lines and exits by the code's class.
/// </summary>
public sealed class PcException : Exception
{
    /// <summary>Creates an error of this case.</summary>
    /// <param name="code">The stable code.</param>
    /// <param name="message">What happened; names and values of this case.</param>
    /// <param name="hint">What to try; null takes the code's general hint.</param>
    /// <param name="inner">The cause, for the log.</param>
    public PcException(ErrorCode code, string message, string? hint = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Hint = hint ?? InfoOf(code).Hint;
    }

    /// <summary>The stable code.</summary>
    public ErrorCode Code { get; }

    /// <summary>What to try.</summary>
    public string Hint { get; }

    /// <summary>The exit code of a command that ends with this error.</summary>
    public ExitCode ExitCode => InfoOf(Code).ExitCode;

    /// <summary>The documentation of a code.</summary>
    /// <exception cref="ArgumentException">The code has no documentation; a test keeps this from happening.</exception>
    public static ErrorInfoAttribute InfoOf(ErrorCode code) =>
        typeof(ErrorCode).GetField(code.ToString())?.GetCustomAttribute<ErrorInfoAttribute>()
        ?? throw new ArgumentException($"{code} has no [ErrorInfo]", nameof(code));
}

using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli;

/// <summary>An error that the daemon answered; printed as if it had happened here.</summary>
internal sealed class DaemonErrorException(ErrorReply reply) : Exception(reply.Message)
{
    /// <summary>What the daemon said.</summary>
    public ErrorReply Reply { get; } = reply;
}

/// <summary>How a failed command ends: two lines on standard error, or JSON on standard output, and the exit code of its class.</summary>
internal static class Failure
{
    /// <summary>The exit code of a command that a signal of the terminal ended.</summary>
    public const int Interrupted = 130;

    /// <summary>Prints the error and returns the exit code.</summary>
    public static int Report(Exception exception, Terminal terminal, bool json)
    {
        if (exception is OperationCanceledException) return Interrupted;
        var reply = Describe(exception);
        if (json)
        {
            terminal.Line(System.Text.Json.JsonSerializer.Serialize(reply, LocalApiJson.Default.ErrorReply));
        }
        else
        {
            terminal.Error.WriteLine($"{(terminal.ErrorIsTerminal ? terminal.Bad("error") : "error")} {reply.Code}: {ControlCharacters.Visible(reply.Message)}");
            terminal.Error.WriteLine($"  try: {ControlCharacters.Visible(reply.Hint)}");
        }

        if (Environment.GetEnvironmentVariable("PC_DEBUG") is { Length: > 0 }) terminal.Error.WriteLine(exception.ToString());
        return reply.Exit;
    }

    /// <summary>The error as the API and --json show it.</summary>
    public static ErrorReply Describe(Exception exception) => exception switch
    {
        AggregateException { InnerException: { } first } => Describe(first), // of several nodes that were started at once
        DaemonErrorException daemon => daemon.Reply,
        PcException known => new ErrorReply(CodeText(known.Code), known.Message, known.Hint, (int)known.ExitCode),
        UnauthorizedAccessException denied => Describe(new PcException(ErrorCode.AccessDenied, denied.Message)),
        IOException io => Describe(new PcException(ErrorCode.InputOutput, io.Message)),
        _ => Describe(new PcException(ErrorCode.Internal, $"{exception.GetType().Name}: {exception.Message}", "set PC_DEBUG=1, run it again and report what it prints")),
    };

    /// <summary>PC and four digits.</summary>
    public static string CodeText(ErrorCode code) => $"PC{((int)code).ToString("0000", CultureInfo.InvariantCulture)}";
}

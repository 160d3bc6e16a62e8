using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>How every command ends: its output flushed, its error reported, its exit code.</summary>
internal static class Ending
{
    // errno EPIPE, as .NET puts it into the exception of a write to a closed pipe.
    private const int BrokenPipe = 32;

    /// <summary>Runs a command's work and returns the exit code.</summary>
    public static int Of(Terminal terminal, bool json, Func<int> work)
    {
        try
        {
            try
            {
                return work();
            }
            catch (Exception exception) when (exception is not IOException { HResult: BrokenPipe })
            {
                return Failure.Report(exception, terminal, json);
            }
            finally
            {
                terminal.Out.Flush();
            }
        }
        catch (IOException exception) when (exception.HResult == BrokenPipe)
        {
            // Whoever read the output has seen enough (pc logs | head).
            return 0;
        }
        catch (IOException exception)
        {
            // The output itself cannot be written, so JSON would not arrive either.
            return Failure.Report(exception, terminal, json: false);
        }
    }
}

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Home;

namespace PeoplesCloud.Daemon.Http;

/// <summary>Turns exceptions into answers, in both pipelines alike.</summary>
internal static class Errors
{
    /// <summary>The answer for an error: 400 usage, 403 refused, 404 not found, 500 failed.</summary>
    public static int StatusOf(ExitCode exit) => exit switch
    {
        ExitCode.Usage => StatusCodes.Status400BadRequest,
        ExitCode.Refused => StatusCodes.Status403Forbidden,
        ExitCode.NotFound => StatusCodes.Status404NotFound,
        _ => StatusCodes.Status500InternalServerError,
    };

    /// <summary>The error as it is sent.</summary>
    public static ErrorReply ReplyOf(PcException error) => new($"PC{(int)error.Code}", error.Message, error.Hint, (int)error.ExitCode);

    /// <summary>The error that a person is shown; what nobody foresaw is logged here and becomes <see cref="ErrorCode.Internal"/>.</summary>
    public static PcException Explain(Exception e, string what, ILogger logger)
    {
        if (e is PcException known) return known;
        if (DiskErrors.Explain(e, "the home") is PcException disk) return disk;
        DaemonLog.RequestFailed(logger, what, e);
        return new PcException(ErrorCode.Internal, $"{what} failed: {e.GetType().Name}", inner: e);
    }

    /// <summary>Middleware: every exception becomes an answer. What fails after the answer began ends the connection, so that nobody takes half for all.</summary>
    public static async Task HandleAsync(HttpContext context, RequestDelegate next, ILogger logger)
    {
        try
        {
            await next(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller went away; nobody reads an answer.
        }
        catch (Exception e)
        {
            var bad = e is BadHttpRequestException;
            var error = bad ? new PcException(ErrorCode.BadRequest, "the request is malformed", inner: e) : Explain(e, $"{context.Request.Method} {context.Request.Path}", logger);
            if (context.Response.HasStarted)
            {
                context.Abort();
                return;
            }
            context.Response.Clear();
            context.Response.StatusCode = StatusOf(error.ExitCode);
            await Bodies.WriteJsonAsync(context.Response, ReplyOf(error), LocalApiJson.Default.ErrorReply, context.RequestAborted);
        }
    }
}

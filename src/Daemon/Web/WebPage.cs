using System.Globalization;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Http;

namespace PeoplesCloud.Daemon.Web;

/// <summary>
/// What the port itself answers when no program does: a page for a person who opened an address, a line of text for everything else. A page holds
/// no script, and nothing of it comes from elsewhere.
/// </summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Title">What is the matter, in a few words.</param>
/// <param name="Text">What happened.</param>
/// <param name="Hint">What to do.</param>
internal sealed record WebPage(int Status, string Title, string Text, string Hint)
{
    /// <summary>The error code for people, as PC6121; null when it is none.</summary>
    public string? Code { get; init; }

    /// <summary>When to try again; a page does so by itself. Null when that would not help.</summary>
    public TimeSpan? Again { get; init; }

    /// <summary>Whether a person looks at what is answered: a browser opens an address.</summary>
    public static bool IsLookedAt(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && request.Headers["Sec-Fetch-Mode"].ToString() is "" or "navigate"
        && request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    /// <summary>Answers a request.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var page = IsLookedAt(context.Request);
        var response = context.Response;
        response.Clear();
        response.StatusCode = Status;
        response.ContentType = page ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        if (Again is { } again) response.Headers.RetryAfter = Seconds(again);
        await response.WriteAsync(page ? Html() : Plain(), context.RequestAborted);
    }

    private string Plain() => $"{(Code is null ? "" : $"{Code}: ")}{Text}\ntry: {Hint}\n";

    private string Html() => $$"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        {{(Again is { } again ? $"<meta http-equiv=\"refresh\" content=\"{Seconds(again)}\">" : "")}}
        <title>{{Safe(Title)}}</title>
        <style>
        :root { color-scheme: light dark; --quiet: #6b6b6b; --line: #d8d8d8 }
        @media (prefers-color-scheme: dark) { :root { --quiet: #a0a0a0; --line: #444 } }
        body { margin: 0; font: 17px/1.5 system-ui, sans-serif }
        main { max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem }
        h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem }
        p { margin: 0 0 .75rem; overflow-wrap: anywhere }
        small { display: block; margin-top: 2rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--quiet); overflow-wrap: anywhere }
        </style>
        </head>
        <body>
        <main>
        <h1>{{Safe(Title)}}</h1>
        <p>{{Safe(Hint)}}{{(Again is null ? "" : " This page tries again by itself.")}}</p>
        <small>{{(Code is null ? "" : $"{Safe(Code)}: ")}}{{Safe(Text)}}<br>This page comes from People's Cloud on this computer.</small>
        </main>
        </body>
        </html>

        """;

    private static string Seconds(TimeSpan time) => ((int)time.TotalSeconds).ToString(CultureInfo.InvariantCulture);

    private static string Safe(string text) => HtmlEncoder.Default.Encode(text);
}

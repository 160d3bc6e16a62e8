using Microsoft.AspNetCore.Http;

namespace PeoplesCloud.Daemon.Web;

/// <summary>
/// What a page of one web site may not do to a web program of ours in the same browser. Whoever reaches 127.0.0.1 is let in with this
/// member's rights, without a cookie or a password, so a request must come from the program's own pages, from the person (address bar, a link
/// that is followed), or from no browser at all.
/// </summary>
internal static class WebGuard
{
    /// <summary>Why a request is refused; null when it is not.</summary>
    public static string? Refusal(HttpRequest request, string ownOrigin)
    {
        // Sent with what may change something, with WebSockets, and with what a script of another origin wants to read.
        foreach (var origin in request.Headers.Origin)
            if (!string.Equals(origin, ownOrigin, StringComparison.OrdinalIgnoreCase)) return "a page of another site asked for this";
        // Sent by browsers with everything; a page of another program is "same-site" only in name.
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        if (site is "" or "same-origin" or "none") return null;
        var followed = HttpMethods.IsGet(request.Method) && request.Headers["Sec-Fetch-Mode"] == "navigate" && request.Headers["Sec-Fetch-Dest"] == "document";
        return followed ? null : "a page of another site asked for this";
    }

    /// <summary>A cookie as the program set it, for the program's own name alone: without Domain, by which it would reach other programs.</summary>
    public static string OwnCookie(string cookie) =>
        string.Join(';', cookie.Split(';').Where((part, index) => index == 0 || !part.AsSpan().Trim().StartsWith("domain", StringComparison.OrdinalIgnoreCase)));
}

using System.Collections.Immutable;
using System.Text;
using Microsoft.AspNetCore.Http;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Gateway;
using PeoplesCloud.Programs.Languages;

namespace PeoplesCloud.Fuzz.Targets;

/// <summary>What somebody from the world asks of the gateway: a first line of path and query, then lines of Accept.</summary>
internal static class GatewayRequests
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var lines = Encoding.Latin1.GetString(input).Split('\n');
        var context = new DefaultHttpContext();
        context.Request.QueryString = new QueryString($"?{lines[0]}");
        if (lines.Length > 1) context.Request.Headers.Accept = lines[1..];
        var (request, status, refusal) = GatewayRequest.Read(context.Request);
        Invariant.Check(request is null == status is >= 400 and < 500, "a request is understood or refused with a status");
        Invariant.Check(request is null == refusal.Length > 0, "a refusal says why");
    }
}

/// <summary>An answer of a daemon, as a command reads it: head, body with its length or in chunks, JSON.</summary>
internal static class DaemonAnswer
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        try
        {
            using var answer = HttpBody.Receive(new MemoryStream(input.ToArray()));
            Invariant.Check(answer.Status is >= 0 and < 1000, "a status has three digits");
            var body = new MemoryStream();
            answer.CopyTo(body);
            Invariant.Check(body.Length <= input.Length, "a body is a part of the answer");
            JsonText.Parse(body.ToArray());
        }
        catch (PcException refused) when (refused.Code is ErrorCode.DaemonAnswer or ErrorCode.DaemonWentAway)
        {
            // the expected answer to nearly all of them
        }
    }
}

/// <summary>The package.json of a program that another member wrote.</summary>
internal static class PackageFile
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        try
        {
            var main = PackageJson.Parse(input.ToArray()).EntryIn("/usr/share");
            Invariant.Check(main is null || (main[0] != '/' && main[0] != '-' && !main.Split('/').Contains("..", StringComparer.Ordinal)), "a main file is inside of the folder");
        }
        catch (PcException refused) when (refused.Code == ErrorCode.PackageJsonInvalid)
        {
            // the expected answer to nearly all of them
        }
    }
}

/// <summary>The file of pins, as it is and with the checksum that its damaged text would have.</summary>
internal static class PinsFile
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        if (PinSet.TryParse(text) is { } intact) Check(intact);
        // Nothing that is damaged gets past a checksum: what comes behind it is seen by giving the text its own.
        var end = text.LastIndexOf("sha256 ", StringComparison.Ordinal);
        var body = end < 0 ? text : text[..end];
        var checksum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        if (PinSet.TryParse($"{body}sha256 {checksum}\n") is { } repaired) Check(repaired);
    }

    private static void Check(ImmutableSortedSet<Cid> pins) =>
        Invariant.Check(PinSet.TryParse(PinSet.Format(pins)) is { } again && again.SequenceEqual(pins), "pins are read as they were written");
}

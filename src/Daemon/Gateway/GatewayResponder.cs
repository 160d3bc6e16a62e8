using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using PeoplesCloud.Base;
using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Gateway;

/// <summary>
/// Answers requests of a trustless gateway from a store that holds no more than the caller may read: a block, or an archive of blocks
/// (docs/protocols/gateway.md). It fetches nothing from others, so nobody makes this node work for more than what it has.
/// </summary>
internal static class GatewayResponder
{
    /// <summary>What a client asks to learn whether this is a trustless gateway: the CID of nothing, which holds its content itself.</summary>
    private const string Probe = "bafkqaaa";

    /// <summary>The methods of the route.</summary>
    public static readonly string[] Methods = ["GET", "HEAD"];

    private static readonly byte[] ProbeBytes = [0x01, 0x55, 0x00, 0x00];

    /// <summary>Answers one request whose route has {cid} and {path}.</summary>
    /// <param name="context">The request.</param>
    /// <param name="readable">What the caller may read.</param>
    /// <param name="isPublic">Whether caches between here and there may keep the answer.</param>
    public static async Task RespondAsync(HttpContext context, IBlockStore readable, bool isPublic)
    {
        var (request, status, refusal) = GatewayRequest.Read(context.Request);
        var path = context.Request.RouteValues["path"] as string;
        var text = context.Request.RouteValues["cid"] as string ?? "";
        if (request is null) await RefuseAsync(context, status, refusal);
        else if (request.Selection is null && !string.IsNullOrEmpty(path)) await RefuseAsync(context, StatusCodes.Status400BadRequest, "a block is asked for by its own CID; with a path ask for ?format=car");
        else if (text == Probe) await ProbeAsync(context, request);
        else if (!Cid.TryParse(text, out var cid)) await RefuseAsync(context, StatusCodes.Status400BadRequest, "this is no CID that this gateway knows: sha2-256 of dag-pb or raw");
        else if (request.Selection is null) await BlockAsync(context, readable, cid, isPublic);
        else await CarAsync(context, readable, cid, path, request.Selection, isPublic);
    }

    /// <summary>Answers a status with a sentence.</summary>
    public static Task RefuseAsync(HttpContext context, int status, string why)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        var body = Encoding.UTF8.GetBytes(why + "\n");
        context.Response.ContentLength = body.Length;
        return IsHead(context) ? Task.CompletedTask : context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    private static async Task BlockAsync(HttpContext context, IBlockStore readable, Cid cid, bool isPublic)
    {
        if (await readable.GetAsync(cid, context.RequestAborted) is not { } block)
        {
            await NotFoundAsync(context);
            return;
        }
        if (IsKnown(context, $"\"{cid}.raw\"", isPublic)) return;
        context.Response.ContentType = "application/vnd.ipld.raw";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{cid}.bin\"";
        context.Response.ContentLength = block.Length;
        if (!IsHead(context)) await context.Response.Body.WriteAsync(block, context.RequestAborted);
    }

    private static async Task CarAsync(HttpContext context, IBlockStore readable, Cid cid, string? path, DagSelection selection, bool isPublic)
    {
        var cancellationToken = context.RequestAborted;
        var fetcher = new BlockFetcher(readable, []);
        UnixFsTrace trace;
        try
        {
            trace = await new UnixFsReader(fetcher).TraceAsync(cid, path, cancellationToken);
            await fetcher.GetRequiredAsync(trace.Cid, cancellationToken);
        }
        catch (PcException e) when (e.Code is ErrorCode.BlockNotFound or ErrorCode.ContentPathNotFound or ErrorCode.ContentInvalid or ErrorCode.ContentUnsupported or ErrorCode.UnsafeName)
        {
            await NotFoundAsync(context);
            return;
        }
        if (IsKnown(context, $"W/\"{trace.Cid}.car.{TagOf(cid, path, selection)}\"", isPublic)) return;
        BeginCar(context, trace.Cid.ToString(), selection);
        if (IsHead(context)) return;
        var output = new ArrayBufferWriter<byte>();
        CarWriter.WriteHeader(output, cid.Bytes);
        try
        {
            await foreach (var (found, block) in new DagExport(fetcher, selection).RunAsync(trace, cancellationToken))
            {
                CarWriter.WriteBlock(output, found, block.Span);
                await WriteAsync(context, output);
            }
        }
        catch (PcException)
        {
            context.Abort(); // a block is missing or not to be read: an answer that ends in order would be taken for all of it
        }
    }

    private static async Task ProbeAsync(HttpContext context, GatewayRequest request)
    {
        if (request.Selection is null)
        {
            context.Response.ContentType = "application/vnd.ipld.raw";
            context.Response.ContentLength = 0;
            return;
        }
        BeginCar(context, Probe, request.Selection);
        if (IsHead(context)) return;
        var output = new ArrayBufferWriter<byte>();
        CarWriter.WriteHeader(output, ProbeBytes);
        await WriteAsync(context, output);
    }

    private static async Task WriteAsync(HttpContext context, ArrayBufferWriter<byte> output)
    {
        await context.Response.Body.WriteAsync(output.WrittenMemory, context.RequestAborted);
        output.ResetWrittenCount();
    }

    private static void BeginCar(HttpContext context, string name, DagSelection selection)
    {
        context.Response.ContentType = $"application/vnd.ipld.car; version=1; order=dfs; dups={(selection.Duplicates ? "y" : "n")}";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{name}.car\"";
        context.Response.Headers.AcceptRanges = "none";
    }

    // What a CID names never changes. True: the caller has it already and was told so.
    private static bool IsKnown(HttpContext context, string tag, bool isPublic)
    {
        var headers = context.Response.Headers;
        headers.ETag = tag;
        headers.CacheControl = isPublic ? "public, max-age=29030400, immutable" : "private, max-age=29030400, immutable";
        headers.Vary = "Accept";
        var known = EntityTagHeaderValue.TryParseList(context.Request.Headers.IfNoneMatch, out var tags)
            && tags.Any(t => t.Equals(EntityTagHeaderValue.Any) || t.Compare(EntityTagHeaderValue.Parse(tag), useStrongComparison: false));
        if (known) context.Response.StatusCode = StatusCodes.Status304NotModified;
        return known;
    }

    // One answer whether it is not here, does not exist or is not for the caller.
    private static Task NotFoundAsync(HttpContext context) => RefuseAsync(context, StatusCodes.Status404NotFound, "this gateway does not have it");

    private static string TagOf(Cid cid, string? path, DagSelection selection) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{cid}/{path}\n{selection}")).AsSpan(0, 8));

    private static bool IsHead(HttpContext context) => HttpMethods.IsHead(context.Request.Method);
}

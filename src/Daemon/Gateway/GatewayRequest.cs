using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Gateway;

// GET or HEAD /ipfs/CID[/PATH]? [format=raw/car] [dag-scope=block/entity/all] [entity-bytes=FROM:TO/*] [car-version=1] [car-order=dfs/unk] [car-dups=y/n]
// Without format, Accept decides: application/vnd.ipld.raw, application/vnd.ipld.car[; version=1][; order=dfs][; dups=y]. What the query says wins.
// https://specs.ipfs.tech/http-gateways/trustless-gateway/

/// <summary>What somebody asks of the gateway.</summary>
/// <param name="Selection">For an archive, what goes into it; null for a block.</param>
internal sealed record GatewayRequest(DagSelection? Selection)
{
    private const string RawType = "application/vnd.ipld.raw";
    private const string CarType = "application/vnd.ipld.car";

    /// <summary>Understands a request, or says with which status and words it is refused.</summary>
    public static (GatewayRequest? Request, int Status, string Refusal) Read(HttpRequest request)
    {
        var query = request.Query;
        var accepted = Accepted(request);
        var format = query["format"].ToString();
        var isCar = format switch
        {
            "raw" => false,
            "car" => true,
            "" when accepted is not null => accepted.MediaType.Equals(CarType, StringComparison.OrdinalIgnoreCase),
            _ => (bool?)null,
        };
        if (isCar is null)
        {
            var isMissing = format.Length == 0 && request.Headers.Accept.Count == 0;
            return Refuse(isMissing ? StatusCodes.Status400BadRequest : StatusCodes.Status406NotAcceptable, "this gateway answers what can be verified: ask with ?format=raw or ?format=car");
        }
        if (!isCar.Value) return (new GatewayRequest(Selection: null), 0, "");

        if (Parameter("car-version", "version") is not ("" or "1")) return Refuse(StatusCodes.Status400BadRequest, "archives have version 1");
        if (Parameter("car-order", "order") is not ("" or "dfs" or "unk")) return Refuse(StatusCodes.Status406NotAcceptable, "the order is dfs");
        if (Parameter("car-dups", "dups") is not ("" or "y" or "n")) return Refuse(StatusCodes.Status400BadRequest, "car-dups is y or n");
        var duplicates = Parameter("car-dups", "dups") is "y";
        var range = query["entity-bytes"].ToString();
        if (range.Length > 0)
        {
            return EntityBytes.TryParse(range) is { } bytes
                ? (new GatewayRequest(new DagSelection(DagScope.Entity, bytes, duplicates)), 0, "")
                : Refuse(StatusCodes.Status400BadRequest, "entity-bytes is FROM:TO, and TO may be *");
        }
        DagScope? scope = query["dag-scope"].ToString() switch
        {
            "" or "all" => DagScope.All,
            "entity" => DagScope.Entity,
            "block" => DagScope.Block,
            _ => null,
        };
        return scope is null
            ? Refuse(StatusCodes.Status400BadRequest, "dag-scope is block, entity or all")
            : (new GatewayRequest(new DagSelection(scope.Value, null, duplicates)), 0, "");

        string Parameter(string inQuery, string inAccept) =>
            query[inQuery].ToString() is { Length: > 0 } said ? said : accepted?.Parameters.FirstOrDefault(p => p.Name.Equals(inAccept, StringComparison.OrdinalIgnoreCase))?.Value.ToString() ?? "";
    }

    // The best of those that we have. A client's wish for an archive counts for its parameters also when the query names the format.
    private static MediaTypeHeaderValue? Accepted(HttpRequest request) =>
        MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var types)
            ? types.Where(t => t.Quality is not 0 && (t.MediaType.Equals(RawType, StringComparison.OrdinalIgnoreCase) || t.MediaType.Equals(CarType, StringComparison.OrdinalIgnoreCase)))
                .OrderByDescending(t => t.Quality ?? 1).FirstOrDefault()
            : null;

    private static (GatewayRequest?, int, string) Refuse(int status, string why) => (null, status, why);
}

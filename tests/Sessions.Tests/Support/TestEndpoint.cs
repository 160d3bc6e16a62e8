using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Resp;

namespace PeoplesCloud.Sessions.Tests.Support;

/// <summary>An endpoint on a free port with channels of its own.</summary>
internal sealed class TestEndpoint : IAsyncDisposable
{
    private readonly RespEndpoint _endpoint;

    public TestEndpoint(string? password = null, RespLimits? limits = null, TimeProvider? time = null) =>
        _endpoint = RespEndpoint.Start(new IPEndPoint(IPAddress.Loopback, 0), password, Hub, () => WhyNotPublish, limits ?? RespLimits.Default, time ?? TimeProvider.System, NullLogger.Instance);

    public ChannelHub Hub { get; } = new();

    public string? WhyNotPublish { get; set; }

    public int Port => _endpoint.Address.Port;

    public RespEndpoint Endpoint => _endpoint;

    public ValueTask DisposeAsync() => _endpoint.DisposeAsync();
}

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>
/// Where clients of Redis publish and subscribe (docs/protocols/resp.md): a TCP port that speaks RESP2 and RESP3 and knows nothing but channels. The port
/// is of this machine only, unless there is a password. Thread-safe.
/// </summary>
internal sealed class RespEndpoint : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly byte[]? _password;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<long, (RespClient Client, Task Run)> _clients = new();
    private Task _accepting = Task.CompletedTask;
    private long _lastId;
    private int _count;

    private RespEndpoint(Socket listener, ChannelHub hub, string? password, Func<string?> whyNotPublish, RespLimits limits, TimeProvider time, ILogger logger)
    {
        (_listener, Hub, WhyNotPublish, Limits, Time, Logger) = (listener, hub, whyNotPublish, limits, time, logger);
        _password = password is null ? null : SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(password));
        (Output, Input) = (new ByteBudget(limits.MaxOutputBytes), new ByteBudget(limits.MaxInputBytes));
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>How many clients there are.</summary>
    public int ClientCount => Volatile.Read(ref _count);

    /// <summary>What clients publish to and hear.</summary>
    internal ChannelHub Hub { get; }

    /// <summary>Why nobody may publish now, as an error of RESP; null: they may.</summary>
    internal Func<string?> WhyNotPublish { get; }

    /// <summary>What holds for clients.</summary>
    internal RespLimits Limits { get; }

    /// <summary>The clock.</summary>
    internal TimeProvider Time { get; }

    /// <summary>What happens.</summary>
    internal ILogger Logger { get; }

    /// <summary>What waits for clients.</summary>
    internal ByteBudget Output { get; }

    /// <summary>What clients have not completed.</summary>
    internal ByteBudget Input { get; }

    /// <summary>Whether a client's word is the password; null: there is none. Takes the same time whatever is wrong with it.</summary>
    internal Func<ReadOnlyMemory<byte>, bool>? IsPassword => _password is null ? null : word => CryptographicOperations.FixedTimeEquals(SHA256.HashData(word.Span), _password);

    /// <summary>Listens.</summary>
    /// <param name="address">Where; port 0 is any free one.</param>
    /// <param name="password">What clients must give; null: nothing, and <paramref name="address"/> is of this machine only.</param>
    /// <param name="hub">What clients publish to and hear.</param>
    /// <param name="whyNotPublish">Why nobody may publish now, as an error of RESP; null: they may.</param>
    /// <param name="limits">What holds for clients.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">What happens.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionsOpenToAll"/>, <see cref="ErrorCode.SessionsPortTaken"/>.</exception>
    public static RespEndpoint Start(IPEndPoint address, string? password, ChannelHub hub, Func<string?> whyNotPublish, RespLimits limits, TimeProvider time, ILogger logger)
    {
        if (password is null && !IPAddress.IsLoopback(address.Address))
            throw new PcException(ErrorCode.SessionsOpenToAll, $"the endpoint for clients of Redis would be open to whoever reaches {address}");
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6) listener.DualMode = false;
            listener.Bind(address);
            listener.Listen(backlog: 511); // as Redis
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new PcException(ErrorCode.SessionsPortTaken, $"the endpoint for clients of Redis cannot listen on {address}: {e.Message}", inner: e);
        }
        var endpoint = new RespEndpoint(listener, hub, password, whyNotPublish, limits, time, logger);
        endpoint._accepting = endpoint.AcceptAsync();
        EndpointLog.Listening(logger, endpoint.Address);
        return endpoint;
    }

    /// <summary>Clients as CLIENT LIST has them: those that are wanted, by their number and whether they hear anything.</summary>
    public string DescribeClients(Func<long, bool, bool> isWanted) => string.Concat(_clients.Values.Select(entry => entry.Client).Where(client => isWanted(client.Id, client.IsSubscribed)).OrderBy(client => client.Id).Select(client => client.Describe()));

    /// <summary>Listens no more and ends all connections.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        foreach (var (client, run) in _clients.Values.ToList())
        {
            client.Dispose();
            await run;
        }
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(_stop.Token);
                if (Interlocked.Increment(ref _count) > Limits.MaxClients) await RefuseAsync(socket);
                else Serve(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // A connection that ended before it was taken, or no more files: others may be taken later.
                EndpointLog.NotAccepted(Logger, e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50), Time, CancellationToken.None);
            }
        }
    }

    private void Serve(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        var client = new RespClient(Interlocked.Increment(ref _lastId), socket, this);
        var begun = new TaskCompletionSource();
        _clients[client.Id] = (client, RunAsync(client, begun.Task));
        begun.SetResult();
    }

    private async Task RunAsync(RespClient client, Task begun)
    {
        await begun;
        try
        {
            await client.RunAsync(_stop.Token);
        }
        catch (Exception e)
        {
            EndpointLog.ClientFailed(Logger, client.Id, e); // one client's; the others go on
            client.Dispose();
        }
        finally
        {
            _clients.TryRemove(client.Id, out _);
            Interlocked.Decrement(ref _count);
        }
    }

    private async Task RefuseAsync(Socket socket)
    {
        Interlocked.Decrement(ref _count);
        using (socket)
        {
            await socket.SendAsync("-ERR max number of clients reached\r\n"u8.ToArray(), SocketFlags.None, _stop.Token);
        }
    }
}

/// <summary>Log messages of the endpoint, events 7100 to 7109.</summary>
internal static partial class EndpointLog
{
    [LoggerMessage(7100, LogLevel.Information, "Clients of Redis are served on {Address}")]
    public static partial void Listening(ILogger logger, IPEndPoint address);

    [LoggerMessage(7101, LogLevel.Warning, "Cut off the client at {Address}: {Reason}")]
    public static partial void CutOff(ILogger logger, string address, string reason);

    [LoggerMessage(7102, LogLevel.Warning, "A client could not be accepted: {Reason}")]
    public static partial void NotAccepted(ILogger logger, string reason);

    [LoggerMessage(7103, LogLevel.Error, "Serving client {Client} failed")]
    public static partial void ClientFailed(ILogger logger, long client, Exception e);
}

using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>One client of an endpoint: reads its commands in turn, and sends it answers and messages.</summary>
internal sealed class RespClient : IRespClient, IDisposable
{
    private const int ReadBytes = 4096;
    private const int MaxReadBytes = 256 << 10;
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    private readonly RespEndpoint _endpoint;
    private readonly Socket _socket;
    private readonly RespOutput _output;
    private readonly RespCommands _commands;
    private readonly RespCommandReader _reader;
    private readonly string _address;
    private readonly long _since;
    private long _held;

    /// <summary>Takes over a connection.</summary>
    public RespClient(long id, Socket socket, RespEndpoint endpoint)
    {
        (Id, _socket, _endpoint) = (id, socket, endpoint);
        _address = socket.RemoteEndPoint?.ToString() ?? "";
        _since = endpoint.Time.GetTimestamp();
        _output = new RespOutput(socket, endpoint.Limits, endpoint.Output, endpoint.Time);
        _commands = new RespCommands(this, endpoint.Hub, endpoint.Limits, endpoint.IsPassword, endpoint.WhyNotPublish);
        _reader = new RespCommandReader(endpoint.Limits);
        _output.Ended += why =>
        {
            if (why is not null) EndpointLog.CutOff(endpoint.Logger, _address, why);
        };
    }

    /// <inheritdoc/>
    public long Id { get; }

    /// <inheritdoc/>
    public string Name { get; set; } = "";

    /// <inheritdoc/>
    public void Hear(Heard message)
    {
        _commands.Hear(message);
        message.Deliveries.Touch(_output);
    }

    /// <inheritdoc/>
    public void Write<T>(T state, Action<IBufferWriter<byte>, T> write)
        where T : allows ref struct => _output.Add(state, write);

    /// <inheritdoc/>
    public string Describe(Func<long, bool, bool> isWanted) => _endpoint.DescribeClients(isWanted);

    /// <summary>Whether it hears any channel or pattern.</summary>
    public bool IsSubscribed => _commands.Subscriptions is not (0, 0);

    /// <inheritdoc/>
    public string Describe()
    {
        var (channels, patterns) = _commands.Subscriptions;
        var age = (long)_endpoint.Time.GetElapsedTime(_since).TotalSeconds;
        return string.Create(CultureInfo.InvariantCulture, $"id={Id} addr={_address} name={Name} age={age} flags={(IsSubscribed ? 'P' : 'N')} db=0 sub={channels} psub={patterns} omem={_output.Length} resp={_commands.Version}\n");
    }

    /// <summary>Reads commands until the client goes away, breaks the protocol, quits or is cut off.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
        try
        {
            for (var wanted = ReadBytes; await ReceiveAsync(pipe.Writer, wanted, cancellationToken) is > 0 and var received; wanted = received == wanted ? Math.Min(2 * wanted, MaxReadBytes) : ReadBytes)
            {
                await pipe.Writer.FlushAsync(cancellationToken);
                if (!pipe.Reader.TryRead(out var read)) continue;
                var goesOn = Run(read.Buffer, out var rest);
                pipe.Reader.AdvanceTo(rest.Start, rest.End);
                if (!goesOn) return;
                // Who does not read its answers is not asked for more commands.
                await _output.WaitUntilReadAsync(_endpoint.Limits.MaxUnreadBytes).WaitAsync(cancellationToken);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It went away, was cut off, or the endpoint ends.
        }
        finally
        {
            _commands.Forget();
            _endpoint.Input.Give(_held);
            await pipe.Writer.CompleteAsync();
            await pipe.Reader.CompleteAsync();
            // Its last answers, if it reads them.
            _output.Close();
            await Task.WhenAny(_output.Finished, Task.Delay(LastWords, _endpoint.Time, cancellationToken));
            _output.Dispose();
        }
    }

    /// <summary>Ends the connection at once.</summary>
    public void Dispose() => _output.Dispose();

    private async ValueTask<int> ReceiveAsync(PipeWriter writer, int wanted, CancellationToken cancellationToken)
    {
        var received = await _socket.ReceiveAsync(writer.GetMemory(wanted)[..wanted], SocketFlags.None, cancellationToken);
        writer.Advance(received);
        return received;
    }

    // All commands that are there; what they say to others is sent together.
    private bool Run(ReadOnlySequence<byte> input, out ReadOnlySequence<byte> rest)
    {
        var deliveries = new Deliveries();
        var goesOn = true;
        while (goesOn)
        {
            var status = _reader.Read(ref input, _commands.IsStranger);
            if (status == RespRead.NeedMore) break;
            if (status == RespRead.Error) Write(_reader.Error, RespWriter.Error);
            else if (!_commands.Run(_reader.Words, deliveries)) _output.Dispose(); // what waits is not sent, as in Redis
            else if (!_commands.IsOver) continue;
            goesOn = false;
        }
        rest = input;
        if (goesOn && !Hold(_reader.Held + input.Length))
        {
            Write("ERR all clients together have too much of commands that are not complete", RespWriter.Error);
            goesOn = false;
        }
        deliveries.Touch(_output);
        deliveries.Send();
        return goesOn;
    }

    private bool Hold(long bytes)
    {
        var more = bytes - _held;
        _held = bytes;
        return _endpoint.Input.TryTake(more);
    }
}

using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Resp;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>
/// One connection to a Redis, with the password given: commands are answered in their order, messages are told as they come. When an answer or a PING takes
/// too long the connection is over. Thread-safe.
/// </summary>
internal sealed class RedisConnection : IAsyncDisposable
{
    private static readonly byte[][] Kinds = ["message"u8.ToArray(), "pmessage"u8.ToArray(), "subscribe"u8.ToArray(), "psubscribe"u8.ToArray(), "unsubscribe"u8.ToArray(), "punsubscribe"u8.ToArray()];

    private readonly Stream _stream;
    private readonly PipeReader _input;
    private readonly RedisLimits _limits;
    private readonly TimeProvider _time;
    private readonly Action<RespReply> _told;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly Queue<TaskCompletionSource<RespReply>> _asked = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _watch;
    private ByteQueue _waiting = new();
    private Task _reading = Task.CompletedTask;
    private Exception? _over;
    private long _lastHeard;

    private RedisConnection(Stream stream, RedisLimits limits, TimeProvider time, Action<RespReply> told)
    {
        (_stream, _limits, _time, _told) = (stream, limits, time, told);
        _input = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16 << 10));
        _lastHeard = time.GetTimestamp();
        _watch = time.CreateTimer(_ => Watch(), null, limits.PingInterval, limits.PingInterval);
    }

    /// <summary>Completes when the connection is over.</summary>
    public Task Over => _reading;

    /// <summary>Why it is over; null: it is not.</summary>
    public Exception? Reason => Volatile.Read(ref _over);

    /// <summary>Connects and gives the password.</summary>
    /// <param name="address">Where.</param>
    /// <param name="authorities">Who may have signed its certificate; null: whom this machine trusts.</param>
    /// <param name="limits">What holds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="told">Hears what nobody asked for, in order; must not wait.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It could not be reached.</exception>
    /// <exception cref="RedisErrorException">It refuses us.</exception>
    public static async Task<RedisConnection> OpenAsync(RedisAddress address, X509Certificate2Collection? authorities, RedisLimits limits, TimeProvider time, Action<RespReply> told, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(limits.ConnectTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, both.Token);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (address.IsTls) stream = await SecureAsync(stream, address, authorities, both.Token);
            var connection = new RedisConnection(stream, limits, time, told);
            connection._reading = connection.ReadAsync();
            try
            {
                await connection.GreetAsync(address, both.Token);
                return connection;
            }
            catch
            {
                await connection.DisposeAsync();
                throw;
            }
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is SocketException or AuthenticationException) throw new IOException(e.Message, e);
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested) throw new IOException($"it did not answer within {limits.ConnectTimeout.TotalSeconds:0} s", e);
            throw;
        }
    }

    /// <summary>Sends a command and waits for its answer; an error is an answer.</summary>
    /// <exception cref="IOException">The connection is over; nobody knows whether the command was run.</exception>
    public async Task<RespReply> AskAsync(ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken)
    {
        var asked = new TaskCompletionSource<RespReply>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_over is { } over) throw new IOException(over.Message, over);
            if (_asked.Count >= _limits.MaxPending) throw new IOException($"{_limits.MaxPending} commands wait for their answers already");
            _asked.Enqueue(asked);
            RespWriter.Command(_waiting, words);
        }
        await SendAsync();
        return await asked.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sends a command whose answers are told, as those of subscriptions are.</summary>
    /// <exception cref="IOException">The connection is over.</exception>
    public async Task SayAsync(ReadOnlyMemory<byte>[] words)
    {
        lock (_gate)
        {
            if (_over is { } over) throw new IOException(over.Message, over);
            RespWriter.Command(_waiting, words);
        }
        await SendAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        End(new IOException("the connection was closed"));
        await _reading;
        await _watch.DisposeAsync();
        _stop.Dispose();
    }

    private async Task GreetAsync(RedisAddress address, CancellationToken cancellationToken)
    {
        if (address.Password is { } password)
        {
            var secret = Encoding.UTF8.GetBytes(password.Reveal());
            await RequireAsync(address.User is { } user ? ["AUTH"u8.ToArray(), Encoding.UTF8.GetBytes(user), secret] : ["AUTH"u8.ToArray(), secret], cancellationToken);
        }
        if (address.Database != 0) await RequireAsync(["SELECT"u8.ToArray(), Encoding.UTF8.GetBytes($"{address.Database}")], cancellationToken);
        await RequireAsync(["PING"u8.ToArray()], cancellationToken); // without a password where one is needed, this says so
    }

    private async Task RequireAsync(ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken)
    {
        var reply = await AskAsync(words, cancellationToken);
        if (reply.Kind == RespKind.Error) throw new RedisErrorException(reply.Text);
    }

    private static async Task<Stream> SecureAsync(Stream stream, RedisAddress address, X509Certificate2Collection? authorities, CancellationToken cancellationToken)
    {
        var secure = new SslStream(stream, leaveInnerStreamOpen: false);
        var options = new SslClientAuthenticationOptions { TargetHost = address.Host };
        if (authorities is not null)
        {
            options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }
        await secure.AuthenticateAsClientAsync(options, cancellationToken);
        return secure;
    }

    // Whoever comes while another sends leaves its bytes to the next round of it.
    private async Task SendAsync()
    {
        await _writing.WaitAsync(CancellationToken.None);
        try
        {
            ByteQueue sending;
            lock (_gate)
            {
                if (_waiting.Length == 0 || _over is not null) return;
                (sending, _waiting) = (_waiting, new ByteQueue());
            }
            foreach (var piece in sending.Pieces) await _stream.WriteAsync(piece, _stop.Token);
            await _stream.FlushAsync(_stop.Token);
            sending.Clear();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            End(e);
            throw new IOException(Reason!.Message, e);
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                var read = await _input.ReadAsync(_stop.Token);
                Volatile.Write(ref _lastHeard, _time.GetTimestamp());
                var rest = read.Buffer;
                ParseStatus status;
                while ((status = RespReply.TryRead(ref rest, _limits, out var reply)) == ParseStatus.Done) Take(reply!);
                if (status == ParseStatus.Invalid) throw new IOException("it sent what is no RESP, or more than is taken");
                _input.AdvanceTo(rest.Start, rest.End);
                if (read.IsCompleted) throw new IOException("it closed the connection");
            }
        }
        catch (Exception e)
        {
            End(e); // whatever it was: the connection is made again
        }
        await _input.CompleteAsync();
    }

    private void Take(RespReply reply)
    {
        if (reply.Kind == RespKind.Push || (reply.Kind == RespKind.Array && reply.Items is [{ Kind: RespKind.Bytes } kind, _, _, ..] && Kinds.Any(known => kind.Bytes.AsSpan().SequenceEqual(known))))
        {
            _told(reply);
            return;
        }
        TaskCompletionSource<RespReply>? asked;
        lock (_gate) _asked.TryDequeue(out asked);
        if (asked is not null) asked.TrySetResult(reply);
        else if (reply.Kind == RespKind.Error) throw new IOException($"it refuses: {reply.Text}"); // a subscription, which has no answer of its own
    }

    // Every interval: is anything late, and is it still there at all?
    private void Watch()
    {
        var silent = _time.GetElapsedTime(Volatile.Read(ref _lastHeard));
        if (silent > _limits.PingInterval + _limits.AnswerTimeout) End(new IOException($"it was silent for {silent.TotalSeconds:0} s"));
        else if (silent >= _limits.PingInterval / 2) _ = PingAsync();
    }

    private async Task PingAsync()
    {
        try
        {
            // A connection with subscriptions answers by an array of two, which nothing else is.
            await AskAsync(["PING"u8.ToArray()], CancellationToken.None);
        }
        catch (IOException)
        {
            // It is over, which is known.
        }
    }

    private void End(Exception why)
    {
        List<TaskCompletionSource<RespReply>> asked;
        lock (_gate)
        {
            if (_over is not null) return;
            Volatile.Write(ref _over, why is OperationCanceledException ? new IOException("the connection was closed", why) : why);
            asked = [.. _asked];
            _asked.Clear();
        }
        _watch.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _stop.Cancel();
        _stream.Dispose();
        foreach (var one in asked) one.TrySetException(new IOException(_over.Message, why));
    }
}

/// <summary>A Redis answered with an error.</summary>
internal sealed class RedisErrorException(string text) : Exception(text);

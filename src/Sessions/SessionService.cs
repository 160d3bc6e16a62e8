using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions;

/// <summary>How busy a node is.</summary>
/// <param name="CpuPercent">The use of its processors, 0 to 100.</param>
/// <param name="MemoryPercent">The use of its memory, 0 to 100.</param>
/// <param name="Refusal">Why it takes no sessions now; null when it does.</param>
public sealed record SessionLoad(double CpuPercent, double MemoryPercent, PcException? Refusal);

/// <summary>
/// One node that answers requests for sessions: listens to the channels, lets <see cref="SessionEngine"/> decide, and does what it decides. All
/// decisions are made on one loop; what is heard waits in a queue of bounded length and size. Thread-safe.
/// </summary>
public sealed partial class SessionService
{
    private const int MaxHeard = 20_000;
    private const long MaxHeardBytes = 128L << 20;
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(2);

    private readonly string _cloud;
    private readonly SessionEngineOptions _options;
    private readonly IChannels _channels;
    private readonly IAnswerKeys? _claims;
    private readonly SessionHost _host;
    private readonly Func<SessionLoad> _load;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SessionEngine _engine;
    private readonly Channel<Queued> _inputs = Channel.CreateUnbounded<Queued>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<IDisposable> _subscriptions = [];
    private readonly long _began;
    private int _doubts;
    private int _doubtsTaken;
    private int _heard;
    private long _heardBytes;

    /// <summary>Makes a node; it hears nothing before <see cref="RunAsync"/>.</summary>
    /// <param name="cloud">Its id, of <see cref="SessionNames.CloudId"/>.</param>
    /// <param name="options">How the nodes agree, and how much this one takes.</param>
    /// <param name="channels">What carries messages; stays the caller's.</param>
    /// <param name="claims">The Redis's keys, with <see cref="SessionAgreement.Claimed"/>.</param>
    /// <param name="host">Runs the sessions; stays the caller's.</param>
    /// <param name="load">Says how busy this node is, asked twice a second.</param>
    /// <param name="newSession">Makes ids of sessions.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public SessionService(string cloud, SessionEngineOptions options, IChannels channels, IAnswerKeys? claims, SessionHost host, Func<SessionLoad> load, Func<string> newSession, TimeProvider time, ILogger logger)
    {
        if ((claims is null) != (options.Agreement == SessionAgreement.Coordinated)) throw new ArgumentException("claims come with a Redis, and only with one", nameof(claims));
        (_cloud, _options, _channels, _claims, _host, _load, _time, _logger) = (cloud, options, channels, claims, host, load, time, logger);
        _engine = new SessionEngine(cloud, options, newSession);
        _began = time.GetTimestamp();
    }

    /// <summary>Its id.</summary>
    public string Cloud => _cloud;

    /// <summary>Works until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _host.Happened += Post;
        if (_claims is not null) _claims.InDoubt += Doubt;
        Listen();
        await using var alarm = _time.CreateTimer(_ => _inputs.Writer.TryWrite(default), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        await using var beat = _time.CreateTimer(_ => Post(Tick()), null, TimeSpan.Zero, _options.RankInterval);
        TimeSpan? planned = null;
        try
        {
            _host.Resume();
            while (await _inputs.Reader.WaitToReadAsync(cancellationToken))
            {
                while (_inputs.Reader.TryRead(out var queued))
                {
                    if (queued.Input is null) planned = null; // the alarm rang
                    if (queued.Input is SessionInput.KeysInDoubt) _doubtsTaken++;
                    if (queued.IsHeard)
                    {
                        Interlocked.Decrement(ref _heard);
                        Interlocked.Add(ref _heardBytes, -queued.Bytes);
                    }
                    foreach (var effect in _engine.Handle(queued.Input, Now())) Do(effect, cancellationToken);
                }
                if (_engine.NextWake is not { } wake || planned <= wake) continue;
                var delay = wake - _time.GetElapsedTime(_began);
                planned = wake;
                _ = alarm.Change(delay > TimeSpan.Zero ? delay : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It ends.
        }
        finally
        {
            foreach (var subscription in _subscriptions) subscription.Dispose();
            _subscriptions.Clear();
            _host.Happened -= Post;
            if (_claims is not null) _claims.InDoubt -= Doubt;
        }
    }

    /// <summary>Makes a request as a client of this node would, and gives its answer.</summary>
    /// <param name="verb">What is asked for.</param>
    /// <param name="id">An id that was not used before.</param>
    /// <param name="fields">The other keys of the request, such as script or session.</param>
    /// <param name="cancellationToken">Gives up; the request may be carried out.</param>
    public async Task<ReadOnlyMemory<byte>> AskAsync(SessionVerb verb, string id, IReadOnlyDictionary<string, string> fields, CancellationToken cancellationToken)
    {
        var payload = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(fields, StringComparer.Ordinal) { ["id"] = id });
        var answered = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var hearing = _channels.Subscribe(new RequestKey(verb, id).AnswerChannel, heard => answered.TrySetResult(heard.Payload));
        if (_claims is null)
        {
            // This node coordinates what its people ask.
            HearRequest(verb, payload, publishedHere: true);
            return await answered.Task.WaitAsync(cancellationToken);
        }
        // On a Redis all nodes hear it. That one does not, or that its answer is not heard, happens while a connection is made again: who asks again
        // gets the first answer, and starts nothing.
        while (true)
        {
            _ = await _channels.PublishAsync(SessionNames.ChannelOf(verb), payload, cancellationToken);
            var again = Task.Delay(AskAgain, _time, cancellationToken);
            if (await Task.WhenAny(answered.Task, again) == answered.Task) return await answered.Task;
            await again; // given up
        }
    }

    private void Listen()
    {
        foreach (var verb in Enum.GetValues<SessionVerb>())
        {
            var channel = SessionNames.ChannelOf(verb);
            _subscriptions.Add(_channels.Subscribe(channel, heard => HearRequest(verb, heard.Payload.Span, heard.PublishedHere)));
            _subscriptions.Add(_channels.Subscribe(channel + ".*", heard =>
            {
                if (SessionNames.RequestOfAnswer(heard.Channel) is { } key && heard.Payload.Length <= SessionLimits.MaxRankBytes) Hear(new SessionInput.AnswerHeard(key, heard.Payload), heard.Payload.Length);
            }));
        }
        _subscriptions.Add(_channels.Subscribe(SessionNames.Rank, heard =>
        {
            if (RankMessage.Read(heard.Payload.Span) is { } rank) Hear(new SessionInput.RankHeard(rank), heard.Payload.Length);
        }));
        if (_options.Agreement != SessionAgreement.Coordinated) return;
        foreach (var (channel, isDirect) in new[] { (SessionNames.Nodes, false), (SessionNames.NodeChannel(_cloud), true) })
        {
            _subscriptions.Add(_channels.Subscribe(channel, heard =>
            {
                if (NodeMessage.Read(heard.Payload.Span) is { } message) Hear(new SessionInput.NodeHeard(message, isDirect), heard.Payload.Length);
            }));
        }
    }

    private void HearRequest(SessionVerb verb, ReadOnlySpan<byte> payload, bool publishedHere)
    {
        var read = SessionRequestReader.Read(verb, payload);
        if (_heard >= MaxHeard || _heardBytes + payload.Length > MaxHeardBytes)
        {
            // Its script is not kept; that it was too much can still be answered.
            read = read with { Request = null, Problem = new PcException(ErrorCode.SessionsBusy, $"node {_cloud} has heard more than it can read") };
            if (_heard >= 2 * MaxHeard) return;
        }
        Hear(new SessionInput.RequestHeard(verb, read, publishedHere), read.Request?.Script.Length ?? 0);
    }

    private void Hear(SessionInput input, int bytes)
    {
        if (_heard >= 2 * MaxHeard) return;
        Interlocked.Increment(ref _heard);
        Interlocked.Add(ref _heardBytes, bytes);
        _ = _inputs.Writer.TryWrite(new Queued(input, bytes, IsHeard: true));
    }

    private void Post(SessionInput input) => _inputs.Writer.TryWrite(new Queued(input, 0, IsHeard: false));

    private SessionInput.Tick Tick()
    {
        var load = _load();
        return new SessionInput.Tick(load.CpuPercent, load.MemoryPercent, load.Refusal);
    }

    private SessionMoment Now() => new(_time.GetElapsedTime(_began), (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds);

    private void Do(SessionEffect effect, CancellationToken cancellationToken)
    {
        switch (effect)
        {
            case SessionEffect.Publish publish when publish.Channel == SessionNames.Rank && _claims is not null && (!_claims.IsReachable || IsInDoubt):
                break; // who hears it relies on what was put back before
            case SessionEffect.Publish publish:
                _ = PublishAsync(publish, cancellationToken);
                break;
            case SessionEffect.Start start:
                _host.Start(start.Session, start.Request);
                break;
            case SessionEffect.Stop stop:
                _host.Stop(stop.Session);
                break;
            case SessionEffect.Claim claim:
                _ = ClaimAsync(claim, cancellationToken);
                break;
            case SessionEffect.Renew renew:
                _ = RenewAsync(renew, cancellationToken);
                break;
            case SessionEffect.Restore restore:
                _ = RestoreAsync(restore, cancellationToken);
                break;
            case SessionEffect.Answer answer:
                _ = AnswerAsync(answer, cancellationToken);
                break;
            case SessionEffect.Unreadable unreadable:
                SessionsLog.Unreadable(_logger, unreadable.Verb.ToString(), unreadable.Problem.Message);
                break;
        }
    }

    private async Task PublishAsync(SessionEffect.Publish publish, CancellationToken cancellationToken)
    {
        try
        {
            _ = await _channels.PublishAsync(publish.Channel, publish.Payload, cancellationToken);
        }
        catch (Exception e) when (e is PcException or IOException or OperationCanceledException)
        {
            if (!cancellationToken.IsCancellationRequested) SessionsLog.NotPublished(_logger, e.Message);
        }
    }

    // What waits for the engine; without an input the alarm rang.
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Queued(SessionInput? Input, int Bytes, bool IsHeard);
}

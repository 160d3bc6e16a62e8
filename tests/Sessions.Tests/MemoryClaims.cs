using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Tests;

/// <summary>The keys of a Redis, in memory; their time is that of a clock.</summary>
internal sealed class MemoryClaims(TimeProvider time, LocalChannels channels) : IAnswerKeys
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (string Value, DateTimeOffset Until)> _keys = new(StringComparer.Ordinal);

    public event Action? InDoubt
    {
        add { }
        remove { }
    }

    public bool IsReachable => true;

    public ValueTask<bool> ClaimAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(Find(key) is null && Set(key, value, life));
    }

    public ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(Find(key));
    }

    public ValueTask<bool> RenewAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(Find(key) == value && Set(key, value, life));
    }

    public ValueTask<bool> ReplaceAsync(string key, string value, string next, TimeSpan life, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(Find(key) == value && Set(key, next, life));
    }

    public ValueTask<bool> ReleaseAsync(string key, string value, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(Find(key) == value && _keys.Remove(key));
    }

    public async ValueTask<string?> PublishOnceAsync(string key, string claim, string next, TimeSpan life, string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (Find(key) is { } standing && standing != claim) return standing;
            Set(key, next, life);
        }
        await channels.PublishAsync(channel, payload, cancellationToken);
        return null;
    }

    private string? Find(string key) => _keys.TryGetValue(key, out var set) && set.Until > time.GetUtcNow() ? set.Value : null;

    private bool Set(string key, string value, TimeSpan life)
    {
        _keys[key] = (value, time.GetUtcNow() + life);
        return true;
    }
}

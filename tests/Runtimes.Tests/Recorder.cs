using System.Text;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>Receives a command's output and lets a test wait for a text in it.</summary>
public sealed class Recorder
{
    private readonly Lock _lock = new();
    private readonly StringBuilder _out = new();
    private readonly StringBuilder _err = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];

    /// <summary>What came on standard output so far.</summary>
    public string Out
    {
        get
        {
            lock (_lock) return _out.ToString();
        }
    }

    /// <summary>What came on standard error so far.</summary>
    public string Err
    {
        get
        {
            lock (_lock) return _err.ToString();
        }
    }

    /// <summary>Give this to the runtime.</summary>
    public ValueTask Receive(OutputKind kind, ReadOnlyMemory<byte> bytes)
    {
        lock (_lock)
        {
            _ = (kind == OutputKind.Out ? _out : _err).Append(Encoding.UTF8.GetString(bytes.Span));
            var text = _out.ToString();
            foreach (var (awaited, seen) in _awaited)
                if (text.Contains(awaited, StringComparison.Ordinal)) _ = seen.TrySetResult();
        }
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends when standard output holds a text.</summary>
    public Task WaitForAsync(string text)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_out.ToString().Contains(text, StringComparison.Ordinal)) return Task.CompletedTask;
            _awaited.Add((text, seen));
        }
        return seen.Task.WaitAsync(RuntimeConformance.Patience, TestContext.Current.CancellationToken);
    }
}

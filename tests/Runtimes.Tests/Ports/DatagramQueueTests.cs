using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Tests.Ports;

public sealed class DatagramQueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void The_oldest_datagrams_give_way_to_new_ones()
    {
        using var queue = new DatagramQueue(3 * (100 + DatagramQueue.Overhead));
        for (byte i = 1; i <= 5; i++) queue.Add(Enumerable.Repeat(i, 100).ToArray());

        Assert.Equal(2, queue.Lost);
        Assert.Equal([3, 4, 5], Taken(queue));

        // One that never fits costs none of the others only when it is alone; a long one costs as many as it takes.
        queue.Add([6]);
        queue.Add([7]);
        queue.Add(new byte[3 * (100 + DatagramQueue.Overhead) - DatagramQueue.Overhead]);
        Assert.Equal([0], Taken(queue));
        queue.Add(new byte[1000]);
        Assert.Empty(Taken(queue));
        Assert.Equal(5, queue.Lost);
    }

    [Fact]
    public void Empty_datagrams_are_bounded_too()
    {
        using var queue = new DatagramQueue(10 * DatagramQueue.Overhead);
        for (var i = 0; i < 1000; i++) queue.Add([]);
        Assert.Equal(990, queue.Lost);
    }

    [Fact]
    public async Task Whoever_waits_is_told()
    {
        using var queue = new DatagramQueue(1000);
        var waiting = queue.WaitAsync(Token).AsTask();
        Assert.False(waiting.IsCompleted);

        queue.Add([1]);
        queue.Add([2]);
        await waiting.WaitAsync(RuntimeConformance.Patience, Token);
        Assert.Equal([1, 2], Taken(queue));

        waiting = queue.WaitAsync(Token).AsTask();
        queue.Add([3]);
        await waiting.WaitAsync(RuntimeConformance.Patience, Token);
        queue.Clear();
        Assert.Empty(Taken(queue));
        Assert.Equal(0, queue.Lost);
    }

    [Fact]
    public async Task What_could_not_be_sent_is_taken_next()
    {
        using var queue = new DatagramQueue(3 * (1 + DatagramQueue.Overhead));
        var buffer = new byte[1];
        queue.Add([1]);
        queue.Add([2]);
        Assert.True(queue.TryTake(buffer, out _));
        queue.Return(buffer);
        queue.Add([3]);
        queue.Add([4]); // of those that wait one gives way
        Assert.Equal([1, 3, 4], Taken(queue));
        Assert.Equal(1, queue.Lost);

        var waiting = queue.WaitAsync(Token).AsTask();
        queue.Return([5]);
        await waiting.WaitAsync(RuntimeConformance.Patience, Token);
        Assert.Equal([5], Taken(queue));
    }

    private static List<byte> Taken(DatagramQueue queue)
    {
        var taken = new List<byte>();
        var buffer = new byte[1000];
        while (queue.TryTake(buffer, out var length)) taken.Add(length == 0 ? (byte)0 : buffer[0]);
        return taken;
    }
}

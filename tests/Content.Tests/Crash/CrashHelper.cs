using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Content.Tests.Crash;

/// <summary>
/// The process that a crash test kills: adds a folder, says each CID once it is acknowledged, and stops for ever at the k-th step
/// that the store does to the disk, so that the kill meets exactly that moment.
/// </summary>
internal static class CrashHelper
{
    public const string Mode = "crash-helper";

    /// <summary>Arguments: store folder, folder to add, step to stop at.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var disk = new StoppingDisk(int.Parse(args[2]));
        await using var store = new FileBlockStore(args[0], TimeProvider.System, NullLogger.Instance, disk);
        await foreach (var node in new UnixFsAdder(store).AddAsync(args[1], recursive: true, null, CancellationToken.None))
            Say($"added {node.Cid} {node.Path}");
        Say($"steps {disk.Steps}");
        return 0;
    }

    private static void Say(string line)
    {
        lock (Console.Out)
        {
            Console.Out.WriteLine(line);
            Console.Out.Flush();
        }
    }

    private sealed class StoppingDisk(int stopAt) : SystemDisk
    {
        private int _steps;

        public int Steps => _steps;

        public override SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
        {
            // Half a file is what a crash in the middle of a write leaves.
            if (Interlocked.Increment(ref _steps) == stopAt)
            {
                File.WriteAllBytes(path, bytes[..(bytes.Length / 2)].ToArray());
                StopForEver("write");
            }
            return base.Create(path, bytes, mode);
        }

        public override void Flush(SafeFileHandle handle)
        {
            Step("flush");
            base.Flush(handle);
        }

        public override void Rename(string from, string to)
        {
            Step("rename");
            base.Rename(from, to);
        }

        public override void FlushFolder(string folder)
        {
            Step("folder");
            base.FlushFolder(folder);
        }

        private void Step(string name)
        {
            if (Interlocked.Increment(ref _steps) == stopAt) StopForEver(name);
        }

        private static void StopForEver(string name)
        {
            Say($"at {name}");
            new ManualResetEvent(false).WaitOne();
        }
    }
}

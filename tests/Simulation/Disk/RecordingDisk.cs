using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Simulation.Disk;

/// <summary>
/// Does all steps and notes them in a trace. It flushes nothing, since what a cut leaves is computed from the trace: tests with it are
/// quick, and what reaches a disk past the seam is missing after every cut.
/// </summary>
public sealed partial class RecordingDisk(DiskTrace trace) : UnflushedDisk
{
    private readonly ConditionalWeakTable<SafeFileHandle, object> _files = [];

    /// <inheritdoc/>
    public override SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
    {
        lock (trace.Gate)
        {
            var handle = base.Create(path, bytes, mode);
            var file = trace.Make(path);
            trace.Note(new DiskStep.Written(file, 0, bytes.ToArray()));
            _files.Add(handle, file);
            return handle;
        }
    }

    /// <inheritdoc/>
    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        lock (trace.Gate)
        {
            base.Write(file, bytes, offset);
            if (_files.TryGetValue(file, out var number)) trace.Note(new DiskStep.Written((int)number, offset, bytes.ToArray()));
        }
    }

    /// <inheritdoc/>
    public override void Flush(SafeFileHandle file)
    {
        if (_files.TryGetValue(file, out var number)) trace.Note(new DiskStep.Flushed((int)number, $"{Caller()}: bytes"));
    }

    /// <inheritdoc/>
    public override void Rename(string from, string to)
    {
        lock (trace.Gate)
        {
            base.Rename(from, to);
            trace.Note(new DiskStep.Renamed(from, to));
        }
    }

    /// <inheritdoc/>
    public override void Move(string from, string to)
    {
        lock (trace.Gate)
        {
            base.Move(from, to);
            trace.Note(new DiskStep.Renamed(from, to));
        }
    }

    /// <inheritdoc/>
    public override void Delete(string path)
    {
        lock (trace.Gate)
        {
            if (!File.Exists(path)) return;
            base.Delete(path);
            trace.Note(new DiskStep.Deleted(path));
        }
    }

    /// <inheritdoc/>
    public override void CreateFolder(string folder, UnixFileMode mode)
    {
        lock (trace.Gate)
        {
            if (Directory.Exists(folder)) return;
            base.CreateFolder(folder, mode);
            trace.Note(new DiskStep.FolderMade(folder));
        }
    }

    /// <inheritdoc/>
    public override void FlushFolder(string folder) => trace.Note(new DiskStep.FolderFlushed(folder, $"{Caller()}: names"));

    // The method that asked for it, without the helpers of the seam.
    private static string Caller()
    {
        foreach (var frame in new StackTrace().GetFrames())
        {
            if (frame.GetMethod() is not { DeclaringType: { } type } method || typeof(IDisk).IsAssignableFrom(type)) continue;
            if (type == typeof(DurableWrites)) continue;
            while (type.DeclaringType is { } outer) type = outer;
            return $"{type.Name}.{Source().Match(method.Name).Groups[1].Value}";
        }
        return "?";
    }

    // A lambda in Method is called <Method>b__0.
    [GeneratedRegex("^<?([^>]+)", RegexOptions.None, 1000)]
    private static partial Regex Source();
}

/// <summary>The machine's disk without its flushes, for tests that open many folders and keep none.</summary>
public class UnflushedDisk : SystemDisk
{
    /// <inheritdoc/>
    public override void Flush(SafeFileHandle file)
    {
    }

    /// <inheritdoc/>
    public override void FlushFolder(string folder)
    {
    }
}

using System.Globalization;

namespace PeoplesCloud.Programs.Policy;

/// <summary>
/// How long one deploy has run on this host, kept in <c>programs/LOCALNAME/ran</c> (whole seconds as text) so that a restart of the daemon does not
/// begin anew. Written without a flush: a power cut may forget the last minute, which gives the program that minute more.
/// </summary>
internal sealed class RunClock(string folder)
{
    /// <summary>The file's name.</summary>
    public const string FileName = "ran";

    private static readonly TimeSpan SaveEvery = TimeSpan.FromMinutes(1);
    private TimeSpan _saved = Read(folder);
    private TimeSpan _ran = Read(folder);

    /// <summary>How long.</summary>
    public TimeSpan Ran => _ran;

    /// <summary>Counts on; writes it down when enough has come together, or when <paramref name="save"/> asks for it.</summary>
    public void Add(TimeSpan span, bool save)
    {
        _ran += span;
        if (_ran - _saved < (save ? TimeSpan.FromSeconds(1) : SaveEvery)) return;
        _saved = _ran;
        try
        {
            File.WriteAllText(Path.Combine(folder, FileName), ((long)_ran.TotalSeconds).ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            // A full disk, or a program that was removed at this moment: the count goes on in memory.
        }
    }

    /// <summary>What the file says; nothing when it is not there or cannot be read.</summary>
    public static TimeSpan Read(string folder)
    {
        try
        {
            var file = new FileInfo(Path.Combine(folder, FileName));
            if (!file.Exists || file.Length > 16) return TimeSpan.Zero;
            return long.TryParse(File.ReadAllText(file.FullName), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < int.MaxValue ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            return TimeSpan.Zero;
        }
    }
}

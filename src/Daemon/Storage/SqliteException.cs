namespace PeoplesCloud.Daemon.Storage;

/// <summary>SQLite refused something.</summary>
/// <param name="code">Its primary result code (https://www.sqlite.org/rescode.html).</param>
/// <param name="message">What it says.</param>
internal sealed class SqliteException(int code, string message) : Exception(message)
{
    /// <summary>The primary result code.</summary>
    public int Code { get; } = code;
}

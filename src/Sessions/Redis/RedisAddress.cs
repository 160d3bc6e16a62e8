using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Redis;

// address = ( "redis" / "rediss" ) "://" [ [ user ] [ ":" password ] "@" ] host [ ":" port ] [ "/" [ database ] ]     user and password with %XX

/// <summary>Where a Redis is and who we are there, as clients of Redis write it. Its text has no password.</summary>
public sealed record RedisAddress
{
    private const int DefaultPort = 6379;
    private const int MaxDatabase = 1 << 20;

    private RedisAddress()
    {
    }

    /// <summary>Its name or address.</summary>
    public required string Host { get; init; }

    /// <summary>Its port.</summary>
    public required int Port { get; init; }

    /// <summary>Whether it speaks TLS: <c>rediss://</c>.</summary>
    public required bool IsTls { get; init; }

    /// <summary>The user; null: the default one.</summary>
    public string? User { get; init; }

    /// <summary>The password; null: none.</summary>
    public HiddenText? Password { get; init; }

    /// <summary>The number of its database, for keys; channels have none.</summary>
    public int Database { get; init; }

    /// <summary>Reads an address; one with a query or a fragment is none.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RedisAddress? address)
    {
        address = null;
        if (text.Length > 2048 || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("redis" or "rediss") || uri.Host.Length == 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0) return false;
        if (Uri.CheckHostName(uri.DnsSafeHost) == UriHostNameType.Unknown) return false; // as "rediss://." has it: no name that could be looked up
        var database = 0;
        var path = uri.AbsolutePath.Trim('/');
        if (path.Length > 0 && (!int.TryParse(path, System.Globalization.NumberStyles.None, null, out database) || database > MaxDatabase)) return false;
        var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var user = Uri.UnescapeDataString(colon < 0 ? uri.UserInfo : uri.UserInfo[..colon]);
        var password = colon < 0 ? "" : Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]);
        if (user.Length > 0 && password.Length == 0) return false; // whoever writes only one means the password, and it would be shown
        address = new RedisAddress
        {
            Host = uri.DnsSafeHost,
            Port = uri.Port > 0 ? uri.Port : DefaultPort,
            IsTls = uri.Scheme is "rediss",
            User = user.Length > 0 ? user : null,
            Password = password.Length > 0 ? new HiddenText(password) : null,
            Database = database,
        };
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(IsTls ? "rediss" : "redis")}://{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}{(Database == 0 ? "" : $"/{Database}")}";

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryParse(System.Text.Encoding.Latin1.GetString(input), out var address)) return;
        Invariant.Check(address.Port is > 0 and <= 65535 && address.Host.Length > 0, "an address has a host and a port");
        Invariant.Check(TryParse(address.ToString(), out var again) && again.Password is null && again.Port == address.Port, "an address is shown as one, without its password");
    }
}

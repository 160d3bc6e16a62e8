namespace PeoplesCloud.Sessions.Redis;

/// <summary>A password: it is used by who asks for it by name and shown by nobody, in logs and records neither.</summary>
public sealed class HiddenText(string value)
{
    /// <summary>The text.</summary>
    public string Reveal() => value;

    /// <inheritdoc/>
    public override string ToString() => "(hidden)";
}

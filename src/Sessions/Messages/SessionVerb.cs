namespace PeoplesCloud.Sessions.Messages;

/// <summary>What is asked for.</summary>
public enum SessionVerb
{
    /// <summary>To start a session.</summary>
    Create,

    /// <summary>Whether a session runs.</summary>
    Status,

    /// <summary>To end a session.</summary>
    Remove,
}

/// <summary>One request: ids of different verbs do not meet.</summary>
/// <param name="Verb">What is asked for.</param>
/// <param name="Id">The id that its sender chose.</param>
public readonly record struct RequestKey(SessionVerb Verb, string Id)
{
    /// <summary>The channel that its answer goes to.</summary>
    public string AnswerChannel => $"{SessionNames.ChannelOf(Verb)}.{Id}";
}

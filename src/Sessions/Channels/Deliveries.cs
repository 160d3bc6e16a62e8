namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// Who got something while a batch of messages was published, so that each is sent once what it got: a client that publishes a hundred messages at once
/// costs its subscribers one system call, not a hundred. Used by one thread.
/// </summary>
internal sealed class Deliveries
{
    private readonly HashSet<ISender> _touched = [];

    /// <summary>Remembers a sender.</summary>
    public void Touch(ISender sender) => _touched.Add(sender);

    /// <summary>Lets all of them send.</summary>
    public void Send()
    {
        foreach (var sender in _touched) sender.Send();
        _touched.Clear();
    }
}

/// <summary>Has something that waits to be sent.</summary>
internal interface ISender
{
    /// <summary>Begins to send what waits, and does not wait for the end.</summary>
    void Send();
}

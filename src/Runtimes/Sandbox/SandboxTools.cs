namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>The tools that sandboxes are made with.</summary>
/// <param name="Bubblewrap">bwrap.</param>
/// <param name="SetPriv">setpriv, as root only.</param>
/// <param name="Mount">mount, as root for folders of the host.</param>
/// <param name="Network">For networks and connections.</param>
/// <param name="Unpacked">Folders of unpacked packages that programs see too, after the system's own.</param>
internal sealed record SandboxTools(Tool Bubblewrap, Tool? SetPriv, Tool? Mount, NetworkTools Network, UnpackedFolders Unpacked)
{
    /// <summary>Finds them.</summary>
    /// <exception cref="Base.PcException">One that every sandbox needs is missing.</exception>
    public static SandboxTools Find(ToolBox box) => new(
        box.Require("bwrap"), SandboxFolders.IsRoot ? box.Require("setpriv") : null, box.Find("mount"), NetworkTools.Find(box), box.Unpacked);
}

/// <summary>The tools that networks of sandboxes and containers are made with.</summary>
/// <param name="Slirp">slirp4netns.</param>
/// <param name="Ip">ip.</param>
/// <param name="Unshare">unshare; as root also for folders of the host.</param>
/// <param name="Enter">nsenter, for connections and for networks of containers.</param>
/// <param name="Bash">bash, which makes connections.</param>
internal sealed record NetworkTools(Tool? Slirp, Tool? Ip, Tool? Unshare, Tool? Enter, Tool? Bash)
{
    /// <summary>Finds them.</summary>
    public static NetworkTools Find(ToolBox box) => new(box.Find("slirp4netns"), box.Find("ip"), box.Find("unshare"), box.Find("nsenter"), box.Find("bash"));
}

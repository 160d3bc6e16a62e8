namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>The tools that sandboxes are made with.</summary>
/// <param name="Bubblewrap">bwrap.</param>
/// <param name="SetPriv">setpriv, as root only.</param>
/// <param name="Slirp">slirp4netns, for sandboxes with a network.</param>
/// <param name="Ip">ip, for sandboxes with a network.</param>
/// <param name="Unshare">unshare, for sandboxes with a network, and as root for folders of the host.</param>
/// <param name="Mount">mount, as root for folders of the host.</param>
/// <param name="Enter">nsenter, for connections into a sandbox.</param>
/// <param name="Bash">bash, which makes them.</param>
/// <param name="Unpacked">Folders of unpacked packages that programs see too, after the system's own.</param>
internal sealed record SandboxTools(Tool Bubblewrap, Tool? SetPriv, Tool? Slirp, Tool? Ip, Tool? Unshare, Tool? Mount, Tool? Enter, Tool? Bash, UnpackedFolders Unpacked)
{
    /// <summary>Finds them.</summary>
    /// <exception cref="Base.PcException">One that every sandbox needs is missing.</exception>
    public static SandboxTools Find(ToolBox box) => new(
        box.Require("bwrap"), SandboxFolders.IsRoot ? box.Require("setpriv") : null, box.Find("slirp4netns"), box.Find("ip"), box.Find("unshare"),
        box.Find("mount"), box.Find("nsenter"), box.Find("bash"), box.Unpacked);
}

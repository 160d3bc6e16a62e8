using System.CommandLine;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc add: files into the block store.</summary>
internal static class AddCommand
{
    private static readonly Argument<string> PathGiven = new("path") { Description = "A file, or with -r a folder.", HelpName = "PATH" };

    private static readonly Option<bool> Recursive = new("--recursive", "-r") { Description = "Add a folder with all that is in it." };

    private static readonly Option<string?> Swarm = new("--swarm") { Description = "Only members of this swarm may fetch it. Default: members of all of this node's swarms.", HelpName = "SWARM" };

    private static readonly Option<bool> Public = new("--public") { Description = "Let the world read it through this node's gateway, if its owner opened one (gateway.listen in the configuration)." };

    private static readonly Option<int> CidVersion = new("--cid-version") { Description = "0 or 1. Content ids of version 1 are written in lower case. Default 0, as ipfs has it.", HelpName = "N", DefaultValueFactory = _ => 0 };

    private static readonly Option<bool?> RawLeaves = new("--raw-leaves") { Description = "Store a file's bytes as blocks of their own, without a wrapper. Default: with --cid-version 1." };

    public static PcCommand Create()
    {
        var command = new PcCommand("add", "Add a file or folder to this node's content.")
        {
            Synopsis = "[-r] [--cid-version 1] PATH",
            Details = "Cuts the file into blocks, keeps them and pins them. Prints a line with the content id (CID) of each file and folder, the same as ipfs add prints with the same options: added CID PATH.",
            Examples = [("pc add photo.jpg", "Add a file."), ("pc add -r photos", "Add a folder."), ("pc add --cid-version 1 photo.jpg", "Add a file under an id that begins with b.")],
        };
        command.Arguments.Add(PathGiven);
        command.Options.Add(Recursive);
        command.Options.Add(Swarm);
        command.Options.Add(CidVersion);
        command.Options.Add(RawLeaves);
        command.Options.Add(Public);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var request = new AddRequest(Path.GetFullPath(invocation.Value(PathGiven)), invocation.Value(Recursive), invocation.Value(Swarm), invocation.Value(CidVersion), invocation.Value(RawLeaves), invocation.Value(Public));
        var events = invocation.Client.PostForEvents("/v1/add", request, json.AddRequest, json.EventAddedReply);
        var shown = 0;
        void Show(AddedReply added)
        {
            shown++;
            if (invocation.Json) invocation.WriteJson(added, json.AddedReply);
            else invocation.Terminal.Line($"added {added.Cid} {invocation.Terminal.Safe(added.Path)}");
        }

        var root = ProgressView.Follow(events, "adding", invocation.Terminal, invocation.Json, happened =>
        {
            if (happened is { Kind: "added", Result: { } added }) Show(added);
        });
        // The result is the root, which was an event of its own unless nothing else was.
        if (shown == 0) Show(root);
        return 0;
    }
}

/// <summary>pc get: content into a file or folder.</summary>
internal static class GetCommand
{
    private static readonly Argument<string> CidGiven = new("cid") { Description = "The content's id.", HelpName = "CID" };

    private static readonly Option<string?> OutputGiven = new("--output", "-o") { Description = "Where to write; must not exist. Default: a file or folder named as the CID.", HelpName = "PATH" };

    public static PcCommand Create()
    {
        var command = new PcCommand("get", "Write content to a file or folder.")
        {
            Synopsis = "CID [-o PATH]",
            Details = "Fetches the blocks that are missing here from members who have them; each is checked against its hash.",
            Examples = [("pc get Qm... -o photos", "Write the content to ./photos.")],
        };
        command.Arguments.Add(CidGiven);
        command.Options.Add(OutputGiven);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var cid = invocation.Value(CidGiven);
        var request = new GetRequest(cid, Path.GetFullPath(invocation.Value(OutputGiven) ?? Path.GetFileName(cid)));
        var events = invocation.Client.PostForEvents("/v1/get", request, json.GetRequest, json.EventGetReply);
        var reply = ProgressView.Follow(events, "fetching", invocation.Terminal, invocation.Json, _ => { });
        if (invocation.Json) invocation.WriteJson(reply, json.GetReply);
        else invocation.Terminal.Line($"saved {reply.Cid} to {invocation.Terminal.Safe(reply.Output)} ({Words.Bytes(reply.Bytes)}, {Words.Count(reply.Files, "file")})");
        return 0;
    }
}

/// <summary>pc cat: a file's content to standard output.</summary>
internal static class CatCommand
{
    private static readonly Argument<string> PathGiven = new("path") { Description = "A content id, optionally with the path of a file inside it.", HelpName = "CID[/PATH]" };

    public static PcCommand Create()
    {
        var command = new PcCommand("cat", "Write a file's content to standard output.")
        {
            Synopsis = "CID[/PATH]",
            Examples = [("pc cat Qm.../readme.txt", "Show a file of a folder.")],
        };
        command.Arguments.Add(PathGiven);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var path = string.Join('/', invocation.Value(PathGiven).Split('/').Select(DaemonClient.Escape));
        using var body = invocation.Client.Open("GET", $"/v1/cat/{path}", null);
        using var output = Console.OpenStandardOutput();
        body.CopyTo(output);
        return 0;
    }
}

/// <summary>pc pin: what is kept.</summary>
internal static class PinCommand
{
    private static readonly Argument<string> CidGiven = new("cid") { Description = "The content's id.", HelpName = "CID" };

    private static readonly Option<bool> PublicToo = new("--public") { Description = "And let the world read it through this node's gateway." };

    private static readonly Option<bool> OnlyPublic = new("--public") { Description = "Keep it, but do not show it to the world any longer." };

    public static PcCommand Create()
    {
        var add = new PcCommand("add", "Keep content on this node, with all blocks below it.") { Synopsis = "[--public] CID", Examples = [("pc pin add Qm...", "Fetch it if needed and keep it.")] };
        add.Arguments.Add(CidGiven);
        add.Options.Add(PublicToo);
        var remove = new PcCommand("rm", "Do not keep content any longer.") { Synopsis = "[--public] CID", Examples = [("pc pin rm Qm...", "Let it go.")] };
        remove.Arguments.Add(CidGiven);
        remove.Options.Add(OnlyPublic);
        var list = new PcCommand("ls", "Show what is kept.") { Examples = [("pc pin ls", "One CID a line, with the word public behind those that the world may read.")] };
        return new PcCommand("pin", "Keep content, or let it go.")
        {
            Synopsis = "add CID | rm CID | ls",
            Subcommands = { add.Runs(invocation => Change(invocation, "POST", "pinned", PublicToo)), remove.Runs(invocation => Change(invocation, "DELETE", "unpinned", OnlyPublic)), list.Runs(List) },
        };
    }

    private static int Change(Invocation invocation, string method, string done, Option<bool> isPublic)
    {
        var cid = invocation.Value(CidGiven);
        invocation.Client.Send(method, $"/v1/pins/{DaemonClient.Escape(cid)}?public={(invocation.Value(isPublic) ? "true" : "false")}");
        if (invocation.Json) invocation.WriteJson(new DoneReply(done), CliJson.Default.DoneReply);
        else invocation.Terminal.Line($"{done} {cid}");
        return 0;
    }

    private static int List(Invocation invocation)
    {
        var reply = invocation.Client.Get("/v1/pins", LocalApiJson.Default.PinsReply);
        if (invocation.Json) invocation.WriteJson(reply, LocalApiJson.Default.PinsReply);
        else foreach (var pin in reply.Pins) invocation.Terminal.Line(reply.Public?.Contains(pin, StringComparer.Ordinal) == true ? $"{pin} public" : pin);
        return 0;
    }
}

/// <summary>pc gc: removes what nothing needs.</summary>
internal static class CollectCommand
{
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Only say what would be removed." };

    public static PcCommand Create()
    {
        var command = new PcCommand("gc", "Remove blocks that nothing needs.")
        {
            Synopsis = "[--dry-run]",
            Details = "Keeps what is pinned (pc pin ls), the bundles of programs, and what is being added. The node does the same by itself, oldest use first, when its blocks have more bytes than content.limit in its configuration (default 10GiB).",
            Examples = [("pc gc", "Free the space."), ("pc gc --dry-run", "See how much it would be.")],
        };
        command.Options.Add(DryRun);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var json = LocalApiJson.Default;
        var reply = invocation.Client.Post("/v1/gc", new CollectRequest(invocation.Value(DryRun)), json.CollectRequest, json.CollectReply);
        if (invocation.Json) invocation.WriteJson(reply, json.CollectReply);
        else invocation.Terminal.Line($"{(reply.DryRun ? "would remove" : "removed")} {Words.Count(reply.RemovedBlocks, "block")} ({Words.Bytes(reply.RemovedBytes)}), {(reply.DryRun ? "would keep" : "kept")} {Words.Count(reply.KeptBlocks, "block")} ({Words.Bytes(reply.KeptBytes)})");
        return 0;
    }
}

namespace PeoplesCloud.Base;

/// <summary>
/// Every error that needs a person, with a stable number. A range belongs to a floor of the house:
/// 1000 command line, 1100 daemon and local API, 1200 configuration and home, 2000 mesh, 3000 content,
/// 4000 swarm, 5000 runtimes, 6000 programs, 7100 sessions. Each carries its exit code and one sentence for docs/errors.md.
/// </summary>
public enum ErrorCode
{
    // -- 1000 command line ------------------------------------------------------------------------------------
    /// <summary>The command line could not be understood.</summary>
    [ErrorInfo(ExitCode.Usage, "The command line could not be understood.", "Read the help of the command: pc COMMAND --help.")]
    Usage = 1000,

    /// <summary>No daemon answers on the home's socket.</summary>
    [ErrorInfo(ExitCode.NoDaemon, "No daemon answers on this home's socket.", "Start one: pc up.")]
    NoDaemon = 1001,

    /// <summary>The daemon ended before it was ready.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon ended before it was ready.", "Read the end of logs/daemon.log in the home.")]
    DaemonStartFailed = 1002,

    /// <summary>The command does not say which swarm it means and this node is in several.</summary>
    [ErrorInfo(ExitCode.Usage, "The command does not say which swarm it means, and this node is in several.", "Name the swarm: pc list shows them.")]
    SwarmUnclear = 1003,

    /// <summary>The trial of three nodes did not get to its end.</summary>
    [ErrorInfo(ExitCode.Failed, "The trial of three nodes did not get to its end.", "Run pc doctor: it says what is missing on this machine.")]
    TryFailed = 1004,

    /// <summary>The daemon's answer could not be understood.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon's answer could not be understood: it may be of another version.", "Restart it: pc down, then pc up.")]
    DaemonAnswer = 1005,

    /// <summary>The daemon went away in the middle of its answer.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon went away in the middle of its answer.", "See what happened in logs/daemon.log in the home, then start it again: pc up.")]
    DaemonWentAway = 1006,

    /// <summary>This machine has no systemd for its users, so nothing can be started at boot.</summary>
    [ErrorInfo(ExitCode.Failed, "This machine has no systemd for its users, so the daemon cannot be started at boot.", "Let what starts your services run: pc daemon.")]
    BootUnavailable = 1007,

    /// <summary>A file or socket belongs to somebody else.</summary>
    [ErrorInfo(ExitCode.Refused, "A file or socket may not be opened by this user.", "Check who owns it, or run the command as that user.")]
    AccessDenied = 1008,

    /// <summary>Reading or writing failed.</summary>
    [ErrorInfo(ExitCode.Failed, "Reading or writing failed.", "Check the path, the disk's free space and that the file is not in use.")]
    InputOutput = 1009,

    /// <summary>The command needs a swarm and this node is in none.</summary>
    [ErrorInfo(ExitCode.NotFound, "The command needs a swarm, and this node is in none.", "Make one with pc create, or join one with pc join TICKET.")]
    NoSwarm = 1010,

    // -- 1100 daemon and local API ----------------------------------------------------------------------------
    /// <summary>The daemon failed in a way that it did not foresee.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon failed in a way that it did not foresee; this is a bug.", "Read the daemon's log in the home's logs folder and report it.")]
    Internal = 1100,

    /// <summary>A request to the local API was malformed.</summary>
    [ErrorInfo(ExitCode.Usage, "A request to the daemon was malformed.", "Use a pc command of the daemon's version: pc version.")]
    BadRequest = 1101,

    /// <summary>The local API has no such route.</summary>
    [ErrorInfo(ExitCode.NotFound, "The daemon has no such route.", "Use a pc command of the daemon's version: pc version.")]
    UnknownRoute = 1102,

    /// <summary>This node is in no swarm of that name.</summary>
    [ErrorInfo(ExitCode.NotFound, "This node is in no swarm of that name.", "See the swarms of this node: pc list.")]
    SwarmUnknown = 1103,

    /// <summary>A name fits more than one thing.</summary>
    [ErrorInfo(ExitCode.Usage, "A name fits more than one thing.", "Write more of the id: pc list shows it.")]
    NameAmbiguous = 1104,

    /// <summary>This node already has a swarm of that name.</summary>
    [ErrorInfo(ExitCode.Refused, "This node already has a swarm of that name.", "Choose another name with --name.")]
    SwarmNameTaken = 1105,

    /// <summary>Another member could not be reached.</summary>
    [ErrorInfo(ExitCode.Failed, "Another member could not be reached.", "See what is known about it: pc network.")]
    PeerUnreachable = 1108,

    /// <summary>Another member answered with an error of its own.</summary>
    [ErrorInfo(ExitCode.Failed, "Another member could not do what it was asked.", "Read that member's log in its home's logs folder.")]
    PeerFailed = 1109,

    /// <summary>Only the owner of a program and the swarm's admins may do this.</summary>
    [ErrorInfo(ExitCode.Refused, "Only the owner of a program and the swarm's admins may do this.", "Ask the owner or an admin: pc list shows them.")]
    NotPermitted = 1110,

    /// <summary>Too many wrong secrets were shown to a node.</summary>
    [ErrorInfo(ExitCode.Refused, "Too many wrong secrets were shown to a node from this network.", "Wait a minute, then try once with the right ticket.")]
    TooManyAttempts = 1111,

    /// <summary>Two nodes speak no common version of the mesh protocol.</summary>
    [ErrorInfo(ExitCode.Failed, "Two nodes speak no common version of the mesh protocol.", "Update pc on the node that is older and start it again: pc version shows both.")]
    VersionUnknown = 1112,

    /// <summary>A CID that was to be unpinned is not pinned.</summary>
    [ErrorInfo(ExitCode.NotFound, "The CID is not pinned.", "See what is: pc pin list.")]
    NotPinned = 1115,

    /// <summary>The daemon is stopping.</summary>
    [ErrorInfo(ExitCode.Failed, "The daemon is stopping.", "Start it again: pc up.")]
    Stopping = 1114,

    // -- 1130 exports ------------------------------------------------------------------------------------------
    /// <summary>The home holds no node.</summary>
    [ErrorInfo(ExitCode.NotFound, "The home holds no node.", "Name the node's home with --home or PC_HOME.")]
    HomeMissing = 1130,

    /// <summary>The file of an export exists already.</summary>
    [ErrorInfo(ExitCode.Refused, "The file of an export exists already; it is never overwritten.", "Name another file, or remove this one.")]
    ExportExists = 1131,

    /// <summary>An import needs a home that does not exist or is empty.</summary>
    [ErrorInfo(ExitCode.Refused, "An import needs a home that does not exist or is empty.", "Name another home with --home or PC_HOME, or move this one away.")]
    HomeNotEmpty = 1132,

    /// <summary>A file is no whole export.</summary>
    [ErrorInfo(ExitCode.Failed, "A file is no whole export: it is damaged, cut off or something else.", "Copy it again from where it was made, or export once more. Nothing was changed here.")]
    ExportDamaged = 1133,

    /// <summary>An export was written by a newer version.</summary>
    [ErrorInfo(ExitCode.Failed, "An export was written by a newer version of pc.", "Update pc on this machine. Nothing was changed here.")]
    ExportNewer = 1134,

    // -- 1200 configuration and home --------------------------------------------------------------------------
    /// <summary>The configuration has problems; all are listed.</summary>
    [ErrorInfo(ExitCode.Usage, "The configuration has problems; all of them are listed.", "Correct the named keys in config.toml, the PC_ variables or the flags.")]
    ConfigInvalid = 1200,

    /// <summary>The configuration file that was named does not exist.</summary>
    [ErrorInfo(ExitCode.Usage, "The configuration file that was named does not exist.", "Check the path, or leave it out to use the defaults.")]
    ConfigMissing = 1201,

    /// <summary>The port is taken.</summary>
    [ErrorInfo(ExitCode.Failed, "The mesh's port is used by another program.", "Choose another port (--port), or leave it out to take the next free one.")]
    PortTaken = 1202,

    /// <summary>Another daemon uses the home.</summary>
    [ErrorInfo(ExitCode.Refused, "Another daemon uses this home.", "Stop it (pc down), or name another home with --home.")]
    HomeInUse = 1203,

    /// <summary>The home was written by a newer version.</summary>
    [ErrorInfo(ExitCode.Failed, "The home was written by a newer version of pc.", "Update pc on this machine; nothing in the home was changed.")]
    HomeNewer = 1204,

    /// <summary>The home's folder cannot be used.</summary>
    [ErrorInfo(ExitCode.Failed, "The home's folder cannot be used.", "Check its permissions, or name another home with --home or PC_HOME.")]
    HomeUnusable = 1205,

    /// <summary>identity.key is damaged or readable by others.</summary>
    [ErrorInfo(ExitCode.Failed, "The home's identity.key is damaged or readable by others.", "Restore identity.key from a backup, or start with a new home and join again.")]
    IdentityDamaged = 1206,

    /// <summary>pc.db is damaged.</summary>
    [ErrorInfo(ExitCode.Failed, "The home's pc.db is damaged.", "Restore it from a backup, or start with a new home and join again.")]
    DatabaseDamaged = 1207,

    /// <summary>The system's SQLite library is missing.</summary>
    [ErrorInfo(ExitCode.Failed, "The system's SQLite library is missing.", "Install it: apt-get install libsqlite3-0.")]
    SqliteMissing = 1209,

    // -- 2000 mesh --------------------------------------------------------------------------------------------
    /// <summary>The port that the mesh should listen on is taken.</summary>
    [ErrorInfo(ExitCode.Failed, "The port that the mesh should listen on is taken by another program.", "Choose another port, or stop the program that has it (ss -ltnp shows it).")]
    MeshPortTaken = 2000,

    /// <summary>The user may not listen on the port.</summary>
    [ErrorInfo(ExitCode.Refused, "This user may not listen on that port.", "Choose a port above 1023.")]
    MeshPortDenied = 2001,

    /// <summary>The address cannot be listened on.</summary>
    [ErrorInfo(ExitCode.Failed, "The mesh cannot listen on that address.", "Give an address of this machine with a TCP port, such as /ip4/0.0.0.0/tcp/4242.")]
    MeshAddressUnusable = 2002,

    // -- 3000 content -----------------------------------------------------------------------------------------
    /// <summary>The text is not a content identifier (CID).</summary>
    [ErrorInfo(ExitCode.Usage, "The text is not a content identifier (CID).", "Copy the whole CID: Qm... with 46 characters, or one that begins with bafy or bafk.")]
    InvalidCid = 3000,

    /// <summary>A block is neither on this node nor at any member that was asked.</summary>
    [ErrorInfo(ExitCode.NotFound, "A block is neither on this node nor at any member that was asked.", "Try again when the member who added it is awake: pc list shows who is.")]
    BlockNotFound = 3001,

    /// <summary>There is no such file or folder below this CID.</summary>
    [ErrorInfo(ExitCode.NotFound, "There is no such file or folder below this CID.", "Look at what is there: pc get the folder, or shorten the path.")]
    ContentPathNotFound = 3002,

    /// <summary>The CID names a folder where a file is needed.</summary>
    [ErrorInfo(ExitCode.Usage, "The CID names a folder where a file is needed.", "Fetch the whole folder with pc get, or name a file in it: CID/path.")]
    ContentIsFolder = 3003,

    /// <summary>The content does not follow its format, so it was not used.</summary>
    [ErrorInfo(ExitCode.Failed, "The content does not follow its format, so it was not used.", "Ask for it to be added again; whoever made it used a broken program.")]
    ContentInvalid = 3004,

    /// <summary>The content uses a form that this version cannot read yet (a sharded folder, another kind of node).</summary>
    [ErrorInfo(ExitCode.Failed, "The content uses a form that this version cannot read yet (a sharded folder, another kind of node).", "Fetch it with another IPFS program, or wait for a newer version.")]
    ContentUnsupported = 3005,

    /// <summary>The content is larger or deeper than the limits allow.</summary>
    [ErrorInfo(ExitCode.Refused, "The content is larger or deeper than the limits allow.", "Fetch a part of it by its path, or raise the limit if you trust its maker.")]
    ContentTooLarge = 3006,

    /// <summary>The disk is full; nothing that was acknowledged is lost.</summary>
    [ErrorInfo(ExitCode.Failed, "The disk is full; nothing that was acknowledged is lost.", "Free some space and run the same command again; it goes on with what is there.")]
    DiskFull = 3007,

    /// <summary>The disk refused to write or to read a block or a pin.</summary>
    [ErrorInfo(ExitCode.Failed, "The disk refused to write or to read a block or a pin.", "Look at the permissions and the health of the disk that holds the home folder.")]
    StoreFailed = 3008,

    /// <summary>The output exists already; nothing is overwritten.</summary>
    [ErrorInfo(ExitCode.Refused, "The output exists already; nothing is overwritten.", "Name another output with -o, or move the existing one away.")]
    OutputExists = 3009,

    /// <summary>A name in the content would leave the output folder or cannot be a file name.</summary>
    [ErrorInfo(ExitCode.Refused, "A name in the content would leave the output folder or cannot be a file name.", "Do not use this content; it was made to harm or by a broken program.")]
    UnsafeName = 3010,

    /// <summary>The file or folder to add does not exist.</summary>
    [ErrorInfo(ExitCode.NotFound, "The file or folder to add does not exist.", "Look at the spelling of the path.")]
    AddPathNotFound = 3011,

    /// <summary>The path to add is a folder.</summary>
    [ErrorInfo(ExitCode.Usage, "The path to add is a folder.", "Add it with everything in it: pc add -r PATH.")]
    AddNeedsRecursive = 3012,

    /// <summary>Only files, folders and symbolic links can be added.</summary>
    [ErrorInfo(ExitCode.Refused, "Only files, folders and symbolic links can be added.", "Leave out sockets, pipes and devices.")]
    AddUnsupportedFile = 3013,

    /// <summary>A file or folder to add could not be read.</summary>
    [ErrorInfo(ExitCode.Failed, "A file or folder to add could not be read.", "Look at its permissions; the files before it are stored, so adding again is quick.")]
    AddUnreadable = 3014,

    /// <summary>A large folder holds two names that its format cannot tell apart.</summary>
    [ErrorInfo(ExitCode.Refused, "A large folder holds two names that its format cannot tell apart: they have one hash.", "Rename one of the two, or spread the files over sub-folders.")]
    FolderTooLarge = 3015,

    /// <summary>The list of pins on disk is damaged.</summary>
    [ErrorInfo(ExitCode.Failed, "The list of pins on disk is damaged.", "Move the pins file away and pin again what you need; the blocks themselves are untouched.")]
    PinsDamaged = 3016,

    /// <summary>A block below a pin is missing, so what the pin needs is not known and nothing is collected.</summary>
    [ErrorInfo(ExitCode.Failed, "A block below a pin is missing, so what the pin needs is not known and nothing is collected.", "Fetch it again (pc pin add CID), or let the pin go (pc pin rm CID).")]
    PinIncomplete = 3030,

    /// <summary>The gateway cannot listen where the configuration says.</summary>
    [ErrorInfo(ExitCode.Failed, "The gateway cannot listen where the configuration says.", "Choose another address or port for gateway.listen, or leave it out.")]
    GatewayPortTaken = 3031,

    // -- 4000 swarm -------------------------------------------------------------------------------------------
    /// <summary>A name of a swarm, node or program is not valid.</summary>
    [ErrorInfo(ExitCode.Usage, "A name of a swarm, node or program is not valid.", "Use letters, digits, - _ and . (not first), at most 63 bytes.")]
    NameInvalid = 4000,

    /// <summary>This node is not, or no longer, a member of the swarm.</summary>
    [ErrorInfo(ExitCode.Refused, "This node is not, or no longer, a member of the swarm.", "Ask an admin for a ticket, then: pc join TICKET.")]
    NotAMember = 4001,

    /// <summary>The node's role does not allow this.</summary>
    [ErrorInfo(ExitCode.Refused, "The node's role does not allow this.", "Ask an admin of the swarm (pc list shows who is).")]
    NotAllowed = 4002,

    /// <summary>The swarm has no such member.</summary>
    [ErrorInfo(ExitCode.NotFound, "The swarm has no such member.", "See the members with: pc list.")]
    MemberUnknown = 4003,

    /// <summary>The swarm has no such program, or it was stopped.</summary>
    [ErrorInfo(ExitCode.NotFound, "The swarm has no such program, or it was stopped.", "See the programs with: pc list.")]
    SwarmProgramUnknown = 4004,

    /// <summary>This node does not know yet whether its own entries are complete (after a start it asks the others first).</summary>
    [ErrorInfo(ExitCode.Failed, "This node does not know yet whether its own entries are complete (after a start it asks the others first).", "Try again in a few seconds.")]
    OwnHeadUnconfirmed = 4005,

    /// <summary>A node wrote two entries with one number, as a home that runs twice or was restored from a copy does.</summary>
    [ErrorInfo(ExitCode.Refused, "A node wrote two entries with one number, as a home that runs twice or was restored from a copy does.", "Run this home on one machine only; an admin can then readmit the node.")]
    FeedForked = 4006,

    /// <summary>A member wrote more entries on one day than the swarm takes.</summary>
    [ErrorInfo(ExitCode.Refused, "A member wrote more entries on one day than the swarm takes.", "Find out what writes so much; it goes on tomorrow.")]
    TooManyEntries = 4007,

    /// <summary>The stored entries of a swarm do not fit together.</summary>
    [ErrorInfo(ExitCode.Failed, "The stored entries of a swarm do not fit together.", "Leave the swarm and join it again with a new ticket; the other members have all entries.")]
    SwarmDamaged = 4008,

    /// <summary>The swarm has as many members as it can hold.</summary>
    [ErrorInfo(ExitCode.Refused, "The swarm has as many members as it can hold.", "Remove members who no longer come: pc remove MEMBER.")]
    SwarmFull = 4009,

    /// <summary>The text is not a ticket.</summary>
    [ErrorInfo(ExitCode.Refused, "The text is not a ticket.", "Copy the whole line that begins with pc1.")]
    TicketMalformed = 4010,

    /// <summary>The ticket is cut off.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket is cut off.", "Copy the whole line that begins with pc1.")]
    TicketTruncated = 4011,

    /// <summary>The ticket was changed on its way: its checksum does not fit.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket was changed on its way: its checksum does not fit.", "Copy it again, or ask for a new one.")]
    TicketDamaged = 4012,

    /// <summary>The ticket was made by a newer version of pc.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket was made by a newer version of pc.", "Install the newer version, or ask for a ticket from an older one.")]
    TicketVersion = 4013,

    /// <summary>The ticket has expired.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket has expired.", "Ask an admin for a new one: pc invite SWARM.")]
    TicketExpired = 4014,

    /// <summary>The ticket was used as often as it may be.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket was used as often as it may be.", "Ask an admin for a new one: pc invite SWARM.")]
    TicketUsedUp = 4015,

    /// <summary>The ticket is for another swarm.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket is for another swarm.", "Ask an admin of the right swarm for a ticket.")]
    TicketOtherSwarm = 4016,

    /// <summary>The inviter never issued this ticket, or it is not the one that can redeem it.</summary>
    [ErrorInfo(ExitCode.Refused, "The inviter never issued this ticket, or it is not the one that can redeem it.", "Ask for a new ticket, and join while its inviter is awake.")]
    TicketUnknown = 4017,

    /// <summary>The ticket ended when a member was removed, who may have known it.</summary>
    [ErrorInfo(ExitCode.Refused, "The ticket ended when a member was removed, who may have known it.", "Ask an admin for a new one: pc invite SWARM.")]
    TicketClosed = 4018,

    /// <summary>What the inviter answered is not the swarm that the ticket names.</summary>
    [ErrorInfo(ExitCode.Failed, "What the inviter answered is not the swarm that the ticket names.", "Ask for a new ticket; if it happens again, the inviter's node is damaged or not honest.")]
    JoinFailed = 4019,

    /// <summary>This machine's clock is far from the others'.</summary>
    [ErrorInfo(ExitCode.Failed, "This machine's clock is far from the others'.", "Set the clock (for instance: timedatectl set-ntp true), then try again.")]
    ClockWrong = 4020,

    /// <summary>The secret of a swarm or a spoken code is wrong, or there is no such swarm.</summary>
    [ErrorInfo(ExitCode.Refused, "The secret is wrong, or the node that was asked lets nobody in to a swarm of that name by a secret.", "Check the swarm's name, the secret and that the node is an admin's; after a removal the secret must be set anew: pc secret.")]
    JoinSecretWrong = 4030,

    /// <summary>Too many wrong secrets were shown to a node.</summary>
    [ErrorInfo(ExitCode.Refused, "Too many wrong secrets were shown to a node, from this network or for this swarm.", "Try again when the error says, or join with a ticket: pc invite.")]
    JoinGuessesUsedUp = 4031,

    /// <summary>The text cannot be a secret.</summary>
    [ErrorInfo(ExitCode.Usage, "The text cannot be the secret of a swarm.", "Use 8 to 1024 bytes without control characters; a sentence of random words is best.")]
    JoinSecretInvalid = 4032,

    /// <summary>The text is not the address of a node.</summary>
    [ErrorInfo(ExitCode.Usage, "The text is not the address of a node.", "Write --peer HOST:PORT, such as --peer oak.example:4242 or --peer 192.0.2.7:4242.")]
    JoinPeerInvalid = 4033,

    /// <summary>The text is not a spoken code.</summary>
    [ErrorInfo(ExitCode.Usage, "The text is not a spoken code.", "Type the three words with hyphens, such as blue-otter-lamp, or the whole ticket that begins with pc1.")]
    SpokenCodeInvalid = 4034,

    /// <summary>No open code begins with the word.</summary>
    [ErrorInfo(ExitCode.Refused, "The node has no open code that begins with this word: it was used, is older than ten minutes, or was guessed wrong too often.", "Ask for new words: pc invite --words.")]
    SpokenCodeUnknown = 4035,

    /// <summary>The node that should let this one in did not prove that it knows the secret.</summary>
    [ErrorInfo(ExitCode.Refused, "The node that should let this one in did not prove that it knows the secret, so nothing was taken from it.", "Check the address: somebody else may answer there. If it is right, somebody in between may be listening: use a ticket.")]
    JoinUntrusted = 4036,

    /// <summary>As many are joining, or as many codes are open, as a node serves at once.</summary>
    [ErrorInfo(ExitCode.Failed, "As many nodes are joining, or as many codes are open, as a node serves at once.", "Try again in a minute.")]
    JoinBusy = 4037,

    /// <summary>The node at the address lets nobody in by a secret.</summary>
    [ErrorInfo(ExitCode.Failed, "The node at that address does not know how to let others in by a secret.", "Check the address, or update that node; a ticket works with every version.")]
    JoinUnsupported = 4038,

    /// <summary>Nobody on the local network knows the spoken code.</summary>
    [ErrorInfo(ExitCode.NotFound, "Nobody on the local network has an open code that begins with this word.", "Check that both are on one network and the code is not older than ten minutes, or say where the inviter is: --peer HOST:PORT.")]
    SpokenCodeNobody = 4039,

    /// <summary>This node does not hold the swarm's current key, so it cannot give it to a new member.</summary>
    [ErrorInfo(ExitCode.Failed, "This node was not given the swarm's current key yet.", "Try again in a few seconds, while another admin is awake.")]
    SwarmKeyMissing = 4040,

    // -- 5000 runtimes ----------------------------------------------------------------------------------------
    /// <summary>A tool that the sandbox needs is missing.</summary>
    [ErrorInfo(ExitCode.Failed, "A tool that the sandbox needs is not installed on this host.", "Ask what is missing: pc doctor.")]
    SandboxToolMissing = 5000,

    /// <summary>The sandbox could not be set up.</summary>
    [ErrorInfo(ExitCode.Failed, "The host refused to set up the sandbox.", "Ask what the host allows: pc doctor.")]
    SandboxFailed = 5001,

    /// <summary>The folder that the sandboxes live in cannot be used.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder that the sandboxes live in cannot be used.", "Choose a folder that every user may pass through, such as /var/lib/peoples-cloud.")]
    SandboxFolderUnusable = 5002,

    /// <summary>The program's files do not fit into its disk limit.</summary>
    [ErrorInfo(ExitCode.Refused, "The program's files do not fit into its disk limit.", "Raise the program's disk limit or deploy fewer files.")]
    RunSourceTooLarge = 5003,

    /// <summary>A limit is outside of what this host can give.</summary>
    [ErrorInfo(ExitCode.Refused, "A limit of the program is outside of what this host can give.", "Choose a value in the range that the error names.")]
    RunLimitRefused = 5004,

    /// <summary>The sandbox's network could not be set up.</summary>
    [ErrorInfo(ExitCode.Failed, "The sandbox's network could not be set up.", "Ask what the host allows: pc doctor.")]
    SandboxNetworkFailed = 5005,

    /// <summary>The program's folder cannot be copied.</summary>
    [ErrorInfo(ExitCode.Refused, "The program's folder is missing or holds something that is no file, folder or link.", "Deploy a folder of ordinary files.")]
    RunSourceRefused = 5006,

    /// <summary>The host cannot begin the command.</summary>
    [ErrorInfo(ExitCode.Refused, "The host's kernel cannot begin the command.", "Check that its interpreter and the interpreter's libraries are there, and that all are for the host's processor.")]
    RunCommandRefused = 5007,

    /// <summary>No engine answers at Docker's socket.</summary>
    [ErrorInfo(ExitCode.Failed, "No Docker or Podman answers at the socket that this host was told of.", "Start it (systemctl start docker), or correct docker under [host] in the configuration.")]
    DockerUnreachable = 5100,

    /// <summary>Docker refused to make or start a container.</summary>
    [ErrorInfo(ExitCode.Failed, "Docker refused to make or start the program's container.", "Read what Docker said; pc doctor says what this host's Docker can do.")]
    DockerRefused = 5101,

    /// <summary>An image is not on the host and could not be fetched.</summary>
    [ErrorInfo(ExitCode.Failed, "The image is not on the host and could not be fetched.", "Check the image's name, or put it on the host: docker pull, docker load or docker import.")]
    DockerImageMissing = 5102,

    /// <summary>A Dockerfile could not be built.</summary>
    [ErrorInfo(ExitCode.Failed, "The program's Dockerfile could not be built.", "Build it on your own machine with docker build --network none, then deploy again.")]
    DockerBuildFailed = 5103,

    /// <summary>The guard that ends containers when the daemon dies could not be started.</summary>
    [ErrorInfo(ExitCode.Failed, "The guard that ends containers when the daemon dies could not be started, and nothing runs in Docker without it.", "Read the daemon's log; a daemon started by pc up has a guard.")]
    DockerGuardFailed = 5104,


    // -- 6000 programs ----------------------------------------------------------------------------------------
    /// <summary>The path does not exist.</summary>
    [ErrorInfo(ExitCode.NotFound, "The path does not exist.", "Check the path; it is taken relative to where the command runs.")]
    PathNotFound = 6000,

    /// <summary>A program is deployed from a folder, and the path is something else.</summary>
    [ErrorInfo(ExitCode.Failed, "A program is deployed from a folder, and the path is something else.", "Put the program into a folder of its own and name that folder.")]
    PathNotFolder = 6001,

    /// <summary>The named language is not known.</summary>
    [ErrorInfo(ExitCode.Usage, "The named language is not known.", "Use one of the languages that the message lists, or leave it out to have it detected.")]
    LanguageUnknown = 6002,

    /// <summary>The folder holds no file that tells its language.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder holds no file that tells its language.", "Add the entry file of a language (bot.py for py3, bot.js for nodejs), or say what runs: --run \"python3 main.py\".")]
    LanguageNotDetected = 6003,

    /// <summary>The folder holds the entry files of several languages.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder holds the entry files of several languages.", "Name the language after the path: pc deploy SWARM PATH LANGUAGE.")]
    LanguageAmbiguous = 6004,

    /// <summary>The named language starts with a file that the folder does not hold.</summary>
    [ErrorInfo(ExitCode.Failed, "The named language starts with a file that the folder does not hold.", "Add the file, or name another language.")]
    EntryFileMissing = 6005,

    // 6006 was for programs with dependencies, when none could be deployed.

    /// <summary>The folder holds a symbolic link.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder holds a symbolic link.", "Put a copy of the file in its place, or remove the link.")]
    LinkRefused = 6007,

    /// <summary>A name cannot be stored in a bundle: it holds control characters, is not UTF-8 or is too long.</summary>
    [ErrorInfo(ExitCode.Failed, "A name cannot be stored in a bundle: it holds control characters, is not UTF-8 or is too long.", "Rename the file or folder.")]
    NameRefused = 6008,

    /// <summary>The folder holds something that is no file and no folder: a socket, a pipe or a device.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder holds something that is no file and no folder: a socket, a pipe or a device.", "Remove it from the folder.")]
    FileKindRefused = 6009,

    /// <summary>A file or folder could not be read.</summary>
    [ErrorInfo(ExitCode.Failed, "A file or folder could not be read.", "Check its permissions, or remove it from the folder.")]
    FileUnreadable = 6010,

    /// <summary>A file changed while it was packed.</summary>
    [ErrorInfo(ExitCode.Failed, "A file changed while it was packed.", "Stop what writes to the folder, then deploy again.")]
    FileChanged = 6011,

    /// <summary>The folder is over the limits of a bundle.</summary>
    [ErrorInfo(ExitCode.Failed, "The folder is over the limits of a bundle.", "Remove what the program does not need; share large files with pc add.")]
    BundleTooLarge = 6012,

    /// <summary>No member may run the program now.</summary>
    [ErrorInfo(ExitCode.Refused, "No member may run the program now.", "See why for each member in the message; on one that should host: pc up without --no-host.")]
    NoHost = 6020,

    /// <summary>The name belongs to a program of another member.</summary>
    [ErrorInfo(ExitCode.Refused, "The name belongs to a program of another member.", "Choose another name: --name NAME.")]
    NameTaken = 6021,

    /// <summary>No host could start the program.</summary>
    [ErrorInfo(ExitCode.Failed, "No host could start the program.", "Read each host's reason in the message; where it is the host's, pc doctor there shows what is missing.")]
    StartFailed = 6022,

    /// <summary>The named host is no member of the swarm.</summary>
    [ErrorInfo(ExitCode.NotFound, "The named host is no member of the swarm.", "See the members: pc list.")]
    HostUnknown = 6023,

    /// <summary>No program of this name or hash is known.</summary>
    [ErrorInfo(ExitCode.NotFound, "No program of this name or hash is known.", "See the programs: pc list.")]
    ProgramNotFound = 6024,

    /// <summary>A bundle is damaged or was not made by this program.</summary>
    [ErrorInfo(ExitCode.Failed, "A bundle is damaged or was not made by this program.", "Deploy it again.")]
    BundleDamaged = 6030,

    /// <summary>This node holds no key of the bundle: it is neither its owner nor one of its guardians.</summary>
    [ErrorInfo(ExitCode.Refused, "This node holds no key of the bundle: it is neither its owner nor one of its guardians.", "Nothing to do here; the owner deploys it again to change its guardians.")]
    BundleKeyMissing = 6031,

    /// <summary>A bundle could not be fetched from the members that have it.</summary>
    [ErrorInfo(ExitCode.Failed, "A bundle could not be fetched from the members that have it.", "Check that its owner or a guardian is awake: pc list.")]
    BundleUnavailable = 6032,

    /// <summary>The host's own policy refuses the program.</summary>
    [ErrorInfo(ExitCode.Refused, "The host's own policy refuses the program.", "Deploy to another host, or change the policy on this one.")]
    HostRefuses = 6033,

    /// <summary>The host could not write the program's files.</summary>
    [ErrorInfo(ExitCode.Failed, "The host could not write the program's files.", "Free disk space on the host, then deploy again.")]
    HostStorageFailed = 6034,

    /// <summary>A program names a bundle that another member deployed.</summary>
    [ErrorInfo(ExitCode.Refused, "A program names a bundle that another member deployed.", "Deploy the program's own folder. If it is yours and somebody else's entry names its bundle: deploy it again, and look at pc audit.")]
    BundleOfAnother = 6035,

    /// <summary>A Node.js program's package.json cannot be understood.</summary>
    [ErrorInfo(ExitCode.Failed, "A Node.js program's package.json cannot be understood.", "Correct package.json, or name the language after the path when the program is written in another.")]
    PackageJsonInvalid = 6040,

    // -- 6050 languages and manifests -------------------------------------------------------------------------
    /// <summary>What a program asks for is not possible.</summary>
    [ErrorInfo(ExitCode.Usage, "What a program asks for, in its pc.toml or on the command line, is not possible; all problems are listed.", "Correct the named keys: docs/layouts/manifest.md lists them all.")]
    ManifestInvalid = 6050,

    /// <summary>The packages that a program lists could not be installed on its host.</summary>
    [ErrorInfo(ExitCode.Failed, "The packages that a program lists could not be installed on its host; what the installer said last is repeated.", "Read what pip or npm said, correct requirements.txt or package.json and its lock file, and deploy again.")]
    PackagesFailed = 6051,

    /// <summary>A host has no tool that installs a program's packages.</summary>
    [ErrorInfo(ExitCode.Failed, "A host has no tool that installs a program's packages.", "Install it on that host: apt-get install python3-pip, or npm; or name another host with --host.")]
    PackagesToolMissing = 6052,

    /// <summary>What an installer made is more or other than a host keeps.</summary>
    [ErrorInfo(ExitCode.Refused, "What an installer made is more than a host keeps, or holds other things than files, folders and links.", "Ask for fewer or smaller packages.")]
    PackagesRefused = 6053,

    /// <summary>A script has the line ends of Windows.</summary>
    [ErrorInfo(ExitCode.Failed, "A script has the line ends of Windows, with which no shell and no kernel can start it.", "Give it those of Unix: sed -i 's/\\r$//' and the script's name.")]
    ScriptLineEnds = 6054,

    // -- 6100 leases ------------------------------------------------------------------------------------------
    /// <summary>A host did not get the lease of a program that it was to start.</summary>
    [ErrorInfo(ExitCode.Failed, "A host did not get the lease of a program that it was to start.", "See who is awake (pc list): most of a program's guardians must answer. Or deploy it again: it gets guardians that are awake.")]
    LeaseNotHad = 6105,

    // -- 6120 ports -------------------------------------------------------------------------------------------
    /// <summary>The program does not name the port.</summary>
    [ErrorInfo(ExitCode.NotFound, "The program names no such port, and only ports that it names are reached.", "Deploy it again with the port: --port NUMBER, or ports in its pc.toml.")]
    PortNotNamed = 6120,

    /// <summary>The program did not answer on its port.</summary>
    [ErrorInfo(ExitCode.Failed, "The program did not answer on its port.", "See how it is and what it printed: pc list, pc logs.")]
    ProgramNotReached = 6121,

    /// <summary>The local port cannot be had.</summary>
    [ErrorInfo(ExitCode.Failed, "The local port cannot be had.", "Choose another: --local PORT, or leave it out to take a free one.")]
    LocalPortTaken = 6122,

    /// <summary>The configured port for web programs is used by another program.</summary>
    [ErrorInfo(ExitCode.Failed, "The configured port for web programs is used by another program.", "Choose another: web.port in the configuration, or leave it out to take the next free one.")]
    WebPortTaken = 6123,

    // -- 6130 what a host's owner allows -----------------------------------------------------------------------
    /// <summary>There is no such rule of a host.</summary>
    [ErrorInfo(ExitCode.Usage, "There is no such rule of a host.", "See the rules: pc host show.")]
    HostRuleUnknown = 6130,

    /// <summary>A rule of a host cannot have this value.</summary>
    [ErrorInfo(ExitCode.Usage, "A rule of a host cannot have this value.", "Use a value in the range that the error names.")]
    HostRuleInvalid = 6131,

    /// <summary>The file of what a host's owner set is damaged.</summary>
    [ErrorInfo(ExitCode.Failed, "The file of what this host's owner set is damaged.", "Correct host.toml in the home, or remove it and set the rules again: pc host set.")]
    HostPolicyDamaged = 6132,

    /// <summary>A length of time cannot be understood.</summary>
    [ErrorInfo(ExitCode.Usage, "A length of time cannot be understood.", "Write it as 90m, 2h, 1h30m or 1d.")]
    DurationInvalid = 6133,

    // -- 6140 secrets -----------------------------------------------------------------------------------------
    /// <summary>A secret cannot be set so.</summary>
    [ErrorInfo(ExitCode.Usage, "A secret environment variable cannot have this name or value.", "Names have letters, digits and _; values at most 16 KiB and no NUL.")]
    SecretInvalid = 6140,

    /// <summary>A program needs a secret that is not set.</summary>
    [ErrorInfo(ExitCode.Refused, "The program needs a secret that is not set.", "Set it: pc secret set SWARM PROGRAM NAME -")]
    SecretMissing = 6141,

    /// <summary>This node cannot open the secrets of the program.</summary>
    [ErrorInfo(ExitCode.Refused, "This node cannot open the secrets of the program: they are not sealed to it.", "Set them again on the owner's node: pc secret set SWARM PROGRAM NAME -")]
    SecretNotSealed = 6142,

    /// <summary>No secret of this name is set.</summary>
    [ErrorInfo(ExitCode.NotFound, "No secret of this name is set.", "See their names: pc secret list SWARM PROGRAM")]
    SecretUnknown = 6143,

    /// <summary>The secrets of a program are more than an entry holds.</summary>
    [ErrorInfo(ExitCode.Refused, "The secrets of the program are more than an entry of a feed holds.", "Take back what is not needed: pc secret remove; put large files into the program's folder.")]
    SecretTooLarge = 6144,

    // -- 6150 running programs ----------------------------------------------------------------------------------
    /// <summary>A command could not be run beside a program.</summary>
    [ErrorInfo(ExitCode.Failed, "A command could not be run beside a program.", "See that the program runs: pc list. Then try again.")]
    ExecFailed = 6150,

    /// <summary>A new version of a program was not up, and the one before runs again.</summary>
    [ErrorInfo(ExitCode.Failed, "A new version of a program was not up after 10 seconds, and the version before has taken over again.", "Read what the new version printed: pc logs, with the hash that pc history shows. Then correct it and update again.")]
    UpdateRolledBack = 6151,

    /// <summary>A program has no such version.</summary>
    [ErrorInfo(ExitCode.NotFound, "A program has no such version.", "See its versions: pc history.")]
    ProgramVersionUnknown = 6152,

    /// <summary>A program was stopped, or deployed again, while a deploy or update of it was under way.</summary>
    [ErrorInfo(ExitCode.Failed, "A program was stopped, or deployed again, while a deploy or update of it was under way; that is left as it is.", "See what runs: pc list.")]
    StoppedMeanwhile = 6153,

    // -- 6170 data of programs --------------------------------------------------------------------------------
    /// <summary>A program's data folder could not be made ready on its host.</summary>
    [ErrorInfo(ExitCode.Failed, "A program's data folder could not be made ready on its host.", "Free disk space on the host; its log says more: pc logs.")]
    DataUnavailable = 6170,

    /// <summary>A member sent data of a program that is not what its holder signed.</summary>
    [ErrorInfo(ExitCode.Failed, "A member sent data of a program that is not what its holder signed.", "Nothing was changed; remove the member if it goes on: pc remove.")]
    DataDamaged = 6171,

    /// <summary>A guardian refuses a copy of a program's data.</summary>
    [ErrorInfo(ExitCode.Refused, "A guardian refuses a copy of a program's data.", "See why in the message; the other guardians keep their copies.")]
    DataRefused = 6172,

    /// <summary>A member has newer data of a program than its host could have.</summary>
    [ErrorInfo(ExitCode.Failed, "A member has newer data of a program than its host could have.", "The program runs elsewhere, or ran there last: pc list.")]
    DataSuperseded = 6173,

    /// <summary>No copy of that name is kept of the program's data.</summary>
    [ErrorInfo(ExitCode.NotFound, "No copy of that name is kept of the program's data.", "Its owner's history says which host keeps one: pc history.")]
    DataNotFound = 6174,

    /// <summary>A copy of a program's data could not be written to the folder.</summary>
    [ErrorInfo(ExitCode.Failed, "A copy of a program's data could not be written to the folder.", "Look at the folder's permissions and at the space on its disk.")]
    DataNotWritten = 6175,

    /// <summary>The data of a program that is not stopped is not removed.</summary>
    [ErrorInfo(ExitCode.Refused, "The data of a program that is not stopped is not removed.", "Stop it first (pc stop), or remove one conflict: pc data drop --conflict NAME.")]
    DataInUse = 6176,

    // Audit: 6180 to 6189

    /// <summary>A file is no copy of a swarm's feeds, or it cannot be read or written.</summary>
    [ErrorInfo(ExitCode.Failed, "A file is no copy of a swarm's feeds, or it cannot be read or written.", "Make a copy with pc audit SWARM --save FILE.")]
    AuditCopyInvalid = 6180,

    /// <summary>A copy of a swarm's feeds was changed.</summary>
    [ErrorInfo(ExitCode.Failed, "A copy of a swarm's feeds was changed, or parts of it are missing.", "Ask another member for a copy: pc audit SWARM --save FILE.")]
    AuditTampered = 6181,

    // -- 7000 sessions ----------------------------------------------------------------------------------------
    // Messages, nodes and hosting: 7100 to 7149

    /// <summary>What was published is no request for a session.</summary>
    [ErrorInfo(ExitCode.Usage, "What was published is no request for a session.", "See docs/protocols/sessions.md for what a request holds: ids are lower-case hex digits in quotes.")]
    SessionRequestInvalid = 7100,

    /// <summary>The script of a session cannot be run.</summary>
    [ErrorInfo(ExitCode.Usage, "The script of a session cannot be run.", "Check its first line and its length; what it needs is fetched by the script itself.")]
    SessionScriptRefused = 7101,

    /// <summary>A node has as many requests waiting as it takes.</summary>
    [ErrorInfo(ExitCode.Failed, "A node has as many requests for sessions waiting as it takes.", "Publish fewer at a time, and this one again with a new id.")]
    SessionsBusy = 7102,

    /// <summary>A node runs as many sessions as it may.</summary>
    [ErrorInfo(ExitCode.Refused, "All nodes that could take the session run as many as they may.", "Remove sessions that are not needed, or raise the rule sessions on a node: pc host set sessions=N.")]
    SessionsFull = 7103,

    /// <summary>No node answered.</summary>
    [ErrorInfo(ExitCode.Failed, "The nodes that could answer a request for a session are silent.", "See which nodes are up: pc list; then publish the request again with a new id.")]
    SessionNodesSilent = 7104,

    /// <summary>No port is free for a session.</summary>
    [ErrorInfo(ExitCode.Failed, "No port of the host is free for a session.", "See what takes the ports there: ss -ltnup; or publish the request again.")]
    SessionNoPort = 7105,

    /// <summary>No session of that name is or was on this node.</summary>
    [ErrorInfo(ExitCode.NotFound, "No session of that id is or was on this node.", "See which sessions there are: pc sessions list.")]
    SessionNotFound = 7106,

    /// <summary>A session could not be started.</summary>
    [ErrorInfo(ExitCode.Failed, "A session could not be started on the node that took it.", "See why in the message; pc doctor on that node says what it lacks.")]
    SessionStartFailed = 7107,

    /// <summary>This node answers no requests for sessions.</summary>
    [ErrorInfo(ExitCode.Refused, "This node answers no requests for sessions.", "Write [sessions] with swarm = NAME or redis = ADDRESS into its configuration and start it again.")]
    SessionsOff = 7108,

    /// <summary>A script asks for what the owner of a host does not allow to sessions.</summary>
    [ErrorInfo(ExitCode.Refused, "The script of a session asks for something that the owner of the host does not allow.", "Leave that option out, or have the owner allow it under [sessions]: volumes, read-only, host-network.")]
    SessionOptionRefused = 7120,

    // pc sessions as a node of its own: 7130 to 7139

    /// <summary>The settings of a node that only runs sessions are not there.</summary>
    [ErrorInfo(ExitCode.NotFound, "There is no settings.yml for a node that only runs sessions.", "Write one with a redis in it, or name one with --settings: docs/layouts/settings-yml.md.")]
    SessionSettingsMissing = 7130,

    /// <summary>settings.yml has problems.</summary>
    [ErrorInfo(ExitCode.Usage, "The file settings.yml has problems; each is named.", "Correct what is named; docs/layouts/settings-yml.md has all of its keys and an example.")]
    SessionSettingsInvalid = 7131,

    /// <summary>The nodes of pc sessions are up already.</summary>
    [ErrorInfo(ExitCode.Refused, "The nodes that pc sessions starts are up already.", "pc sessions status shows them; pc sessions restart starts them anew.")]
    SessionNodesUp = 7132,

    /// <summary>A session runs on another node, whose log cannot be read from here.</summary>
    [ErrorInfo(ExitCode.NotFound, "A session runs on another node, and its log cannot be read from here.", "Run pc sessions logs there. Logs are read over the mesh where a swarm carries the messages: swarm = NAME under [sessions].")]
    SessionElsewhere = 7133,

    // Channels and the endpoint: 7150 to 7199

    /// <summary>The endpoint for clients of Redis would be open to everybody.</summary>
    [ErrorInfo(ExitCode.Refused, "The endpoint for clients of Redis would be open to whoever reaches it.", "Set a password under [sessions], or let it listen on 127.0.0.1.")]
    SessionsOpenToAll = 7150,

    /// <summary>The endpoint for clients of Redis cannot listen.</summary>
    [ErrorInfo(ExitCode.Failed, "The endpoint for clients of Redis cannot listen on its address.", "Choose another listen under [sessions], or stop what uses the port: a Redis of this machine uses 6379, others may use 6380.")]
    SessionsPortTaken = 7151,

    /// <summary>A message is larger than channels carry.</summary>
    [ErrorInfo(ExitCode.Usage, "A message is larger than channels carry.", "Put what is large somewhere else (pc add), and its address into the message.")]
    SessionsMessageTooLarge = 7152,

    /// <summary>The configured Redis cannot be reached.</summary>
    [ErrorInfo(ExitCode.Failed, "The Redis that carries the messages of sessions cannot be reached, or went away.", "Start it, or correct redis under [sessions]: redis://HOST:PORT, rediss:// when it speaks TLS. pc doctor tries it.")]
    RedisAway = 7153,

    /// <summary>The configured Redis refuses a command.</summary>
    [ErrorInfo(ExitCode.Refused, "The Redis that carries the messages of sessions refuses a command.", "Check what its user may do: it needs PUBLISH, SUBSCRIBE, SET, GET and EVAL, and it must not be a replica or a member of a cluster.")]
    RedisRefused = 7154,
}

/// <summary>How a command ends (DESIGN section 8).</summary>
public enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>Failed.</summary>
    Failed = 1,

    /// <summary>The command line was wrong.</summary>
    Usage = 2,

    /// <summary>No daemon answered.</summary>
    NoDaemon = 3,

    /// <summary>What was named does not exist.</summary>
    NotFound = 4,

    /// <summary>Somebody or some rule refused it.</summary>
    Refused = 5,
}

/// <summary>The documented part of an error code: its class, what happened in general, and what to try in general.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class ErrorInfoAttribute(ExitCode exitCode, string sentence, string hint) : Attribute
{
    /// <summary>The exit code of a command that ends with this error.</summary>
    public ExitCode ExitCode { get; } = exitCode;

    /// <summary>What happened, in general.</summary>
    public string Sentence { get; } = sentence;

    /// <summary>What to try, in general.</summary>
    public string Hint { get; } = hint;
}

using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox.Begin;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The sandbox's files on the host. Layout below <see cref="SandboxOptions.Folder"/>:
/// <code>
/// uids/1900000007        a link whose text names the owner of that user number: making it claims the number, atomically, among all daemons
/// OWNER/etc/...          passwd, group, hosts, nsswitch.conf, resolv.conf as seen inside
/// OWNER/seccomp.bpf      the filter
/// OWNER/begin            what begins commands whose start is waited for, see <see cref="BeginImage"/>
/// OWNER/NUMBER/source/   a copy of the program's files, owned by its user number, mode 0700 (as root only)
/// OWNER/NUMBER/exec/     named pipes by which further commands are run inside, see <see cref="SandboxExec"/>
/// OWNER/NUMBER/shared-N/ where folders of the host are bound in the sandbox's own mount namespace; empty to all others (as root only)
/// </code>
/// </summary>
internal sealed class SandboxFolders
{
    private const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly SandboxOptions _options;
    private readonly SandboxOwner _owner;
    private readonly string _own;
    private int _next;

    /// <summary>Makes the folders.</summary>
    /// <exception cref="PcException">They cannot be made or passed through (<see cref="ErrorCode.SandboxFolderUnusable"/>).</exception>
    public SandboxFolders(SandboxOptions options, SandboxOwner owner)
    {
        (_options, _owner) = (options, owner);
        _own = Path.Combine(options.Folder, owner.ToString());
        // Daemons started at about the same time look for free numbers in different places.
        _next = owner.Pid * 16 % options.UidCount;
        try
        {
            foreach (var folder in new[] { options.Folder, _own, EtcFolder, UidFolder }) MakePassable(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.SandboxFolderUnusable, $"cannot make {options.Folder} for sandboxes: {e.Message}", inner: e);
        }
        if (IsRoot && FirstClosedFolder() is { } closed)
            throw new PcException(
                ErrorCode.SandboxFolderUnusable,
                $"sandboxes cannot live in {options.Folder}: other users may not pass through {closed}, and each sandbox has a user of its own",
                $"chmod o+x {closed}, or choose another folder such as /var/lib/peoples-cloud");
        WriteEtc();
        File.WriteAllBytes(BeginFile, BeginImage.Bytes(RuntimeInformation.ProcessArchitecture));
    }

    /// <summary>Whether sandboxes get users of their own.</summary>
    public static bool IsRoot { get; } = LibC.geteuid() == 0;

    /// <summary>Files that are seen in /etc inside.</summary>
    public string EtcFolder => Path.Combine(_own, "etc");

    /// <summary>The filter of system calls.</summary>
    public string SeccompFile => Path.Combine(_own, "seccomp.bpf");

    /// <summary>The program that begins commands whose start is waited for.</summary>
    public string BeginFile => Path.Combine(_own, "begin");

    private string UidFolder => Path.Combine(_options.Folder, "uids");

    /// <summary>Claims a number that no other sandbox of this host has; as root it is the sandbox's user.</summary>
    /// <exception cref="PcException">All are taken.</exception>
    public uint Claim()
    {
        for (var attempt = 0; attempt < _options.UidCount; attempt++)
        {
            var number = _options.FirstUid + ((uint)Interlocked.Increment(ref _next) % (uint)_options.UidCount);
            if (LibC.symlink(_owner.ToString(), ClaimFile(number)) == 0) return number;
        }
        throw new PcException(ErrorCode.SandboxFailed, $"all {_options.UidCount} numbers for sandboxes are taken in {UidFolder}", "Stop programs, or remove what is in that folder when no daemon runs.");
    }

    /// <summary>Gives a number back and removes its files.</summary>
    public void Release(uint number)
    {
        if (Directory.Exists(FolderOf(number))) Directory.Delete(FolderOf(number), recursive: true);
        File.Delete(ClaimFile(number));
    }

    /// <summary>Copies a program's files to where its user can read them, or leaves them where they are when we are that user.</summary>
    /// <returns>The folder to bind.</returns>
    /// <exception cref="PcException">They are too large or not ordinary files.</exception>
    public string Stage(string source, uint number, long maxBytes)
    {
        if (!Directory.Exists(source)) throw new PcException(ErrorCode.RunSourceRefused, $"the program's folder {source} does not exist");
        var left = maxBytes;
        if (!IsRoot)
        {
            Walk(source, target: null, number, ref left);
            return source;
        }
        MakePassable(FolderOf(number));
        var target = Path.Combine(FolderOf(number), "source");
        Walk(source, target, number, ref left);
        return target;
    }

    /// <summary>Where further commands of a sandbox are ordered; see <see cref="SandboxExec"/>.</summary>
    public string ExecFolderOf(uint number) => Path.Combine(FolderOf(number), "exec");

    /// <summary>Makes that folder.</summary>
    public string PrepareExec(uint number)
    {
        MakePassable(FolderOf(number));
        SandboxExec.Prepare(ExecFolderOf(number), number);
        return ExecFolderOf(number);
    }

    /// <summary>Makes the pipe that tells whether a command was begun, in the folder of <see cref="PrepareExec"/>, and opens it.</summary>
    /// <exception cref="PcException">It cannot be made.</exception>
    public SafeFileHandle MakeBegunPipe(uint number)
    {
        var path = Path.Combine(ExecFolderOf(number), BeginImage.Pipe);
        SandboxExec.MakePipe(path, number);
        var descriptor = LibC.open(path, LibC.ReadOnly | LibC.NonBlocking | LibC.CloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw new PcException(ErrorCode.SandboxFailed, $"cannot open {path}");
    }

    /// <summary>As root: makes the empty folder that a folder of the host is bound to.</summary>
    public string MakeBindPoint(uint number, int index)
    {
        MakePassable(FolderOf(number));
        var folder = Path.Combine(FolderOf(number), $"shared-{index.ToString(CultureInfo.InvariantCulture)}");
        MakePassable(folder);
        return folder;
    }

    /// <summary>As root: gives a folder and all in it to a user. Links are given away themselves, never what they lead to.</summary>
    public static void GiveTo(string folder, uint owner)
    {
        Own(folder, owner);
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo && entry.LinkTarget is null) GiveTo(entry.FullName, owner);
            else Own(entry.FullName, owner);
        }
    }

    /// <summary>Removes what dead owners left.</summary>
    public void Collect()
    {
        foreach (var folder in Directory.EnumerateDirectories(_options.Folder))
            if (SandboxOwner.Parse(Path.GetFileName(folder)) is { IsAlive: false }) Try(() => Directory.Delete(folder, recursive: true));
        foreach (var claim in Directory.EnumerateFileSystemEntries(UidFolder))
            if (new FileInfo(claim).LinkTarget is { } target && SandboxOwner.Parse(target) is { IsAlive: false }) Try(() => File.Delete(claim));

        // Another daemon that starts now removes the same.
        static void Try(Action remove)
        {
            try
            {
                remove();
            }
            catch (IOException)
            {
                // Removed by the other one, or left to the next start.
            }
        }
    }

    /// <summary>Removes the owner's own folder; its sandboxes have ended.</summary>
    public void Remove()
    {
        if (Directory.Exists(_own)) Directory.Delete(_own, recursive: true);
    }

    private string FolderOf(uint number) => Path.Combine(_own, number.ToString(CultureInfo.InvariantCulture));

    private string ClaimFile(uint number) => Path.Combine(UidFolder, number.ToString(CultureInfo.InvariantCulture));

    /// <summary>Makes a folder that a sandbox's user may pass through and nobody may list or write.</summary>
    public static void MakePassable(string folder)
    {
        if (Directory.Exists(folder)) return;
        _ = Directory.CreateDirectory(folder);
        // Not at creation, where the umask of the daemon would take bits away.
        File.SetUnixFileMode(folder, IsRoot ? Passable : Private);
    }

    /// <summary>The first folder on the way to ours that others may not pass through.</summary>
    private string? FirstClosedFolder()
    {
        for (var folder = new DirectoryInfo(_own); folder is not null; folder = folder.Parent)
            if (!folder.UnixFileMode.HasFlag(UnixFileMode.OtherExecute)) return folder.FullName;
        return null;
    }

    /// <summary>Checks a folder's kinds of files and sizes, and copies it when there is a target. Links are copied as links, never followed.</summary>
    private static void Walk(string source, string? target, uint owner, ref long left)
    {
        if (target is not null) _ = Directory.CreateDirectory(target, Private);
        foreach (var entry in new DirectoryInfo(source).EnumerateFileSystemInfos())
        {
            var copy = target is null ? null : Path.Combine(target, entry.Name);
            if (entry.LinkTarget is { } link)
            {
                if (copy is not null) _ = File.CreateSymbolicLink(copy, link);
            }
            else if (entry is DirectoryInfo folder)
            {
                Walk(folder.FullName, copy, owner, ref left);
                continue;
            }
            else if (entry is FileInfo file && LibC.IsRegularFile(file.FullName))
            {
                left -= file.Length;
                if (left < 0) throw new PcException(ErrorCode.RunSourceTooLarge, $"the files in {source} are larger than the disk limit");
                if (copy is not null) File.Copy(file.FullName, copy);
            }
            else
            {
                throw new PcException(ErrorCode.RunSourceRefused, $"{entry.FullName} is no file, folder or link");
            }
            if (copy is not null) Own(copy, owner);
        }
        if (target is not null) Own(target, owner);
    }

    private static void Own(string path, uint owner)
    {
        if (LibC.lchown(path, owner, owner) != 0) throw new PcException(ErrorCode.SandboxFailed, $"cannot give {path} to user {owner}");
    }

    private void WriteEtc()
    {
        Write("passwd", "app:x:1000:1000:app:/app:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        Write("group", "app:x:1000:\nnogroup:x:65534:\n");
        Write("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n");
        Write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
        Write("resolv.conf", $"nameserver {SandboxNetwork.NameServer}\n");

        void Write(string name, string text)
        {
            var file = Path.Combine(EtcFolder, name);
            File.WriteAllText(file, text);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }
    }
}

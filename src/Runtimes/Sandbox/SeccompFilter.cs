using System.Runtime.InteropServices;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// The filter of system calls, as the bytes that <c>bwrap --seccomp</c> reads, made by the system's libseccomp 2.
/// Everything is allowed but what is listed here: what reaches beyond the sandbox, what makes namespaces (the kernel's largest source of local
/// privilege escalation), and what no program of ours needs. Other ABIs than the machine's own are killed: their numbers mean other calls.
/// The list follows the default profile of Docker, which is an allow list; where we differ is in docs/protocols/sandbox.md.
/// </summary>
internal static class SeccompFilter
{
    private const uint Allow = 0x7fff0000;
    private const uint KillProcess = 0x80000000;
    private const uint NativeArchitecture = 0;
    private const uint BadArchitectureAction = 2;
    private const int UnknownCall = -1;
    private const int NotPermitted = 1;
    private const int NotImplemented = 38;

    /// <summary>The machine's word for itself in libseccomp.</summary>
    internal const uint X64 = 0xC000003E;

    /// <summary>64-bit ARM in libseccomp.</summary>
    internal const uint Arm64 = 0xC00000B7;

    /// <summary>Calls refused with EPERM whatever their arguments are. A name that this libseccomp does not know yet is left out.</summary>
    internal static readonly string[] Refused =
    [
        // Mounts and namespaces.
        "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
        "unshare", "setns", "open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark",
        // Other processes.
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
        // Parts of the kernel with a history of escalation, or with uses for administrators only.
        "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
        "lookup_dcookie", "modify_ldt", "vm86", "vm86old", "personality", "mbind", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages",
        // The machine itself.
        "init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms", "kexec_load", "kexec_file_load", "reboot",
        "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "iopl", "ioperm", "sethostname", "setdomainname", "vhangup",
        "settimeofday", "stime", "clock_settime", "clock_settime64", "nfsservctl", "_sysctl", "sysfs", "uselib", "ustat",
    ];

    /// <summary>Every flag of clone that makes a namespace; CLONE_NEWTIME exists in clone3 and unshare only.</summary>
    private static readonly ulong[] NamespaceFlags = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

    /// <summary>TIOCSTI and TIOCLINUX put characters into a terminal, as if its person had typed them.</summary>
    private static readonly ulong[] RefusedIoctls = [0x5412, 0x541C];

    private const ulong LastFamily = 45;
    private const ulong NetlinkFamily = 16;

    /// <summary>AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK (glibc asks it for addresses).</summary>
    private static readonly ulong[] AllowedFamilies = [1, 2, 10, NetlinkFamily];

    /// <summary>Protocols of AF_INET that load kernel modules and that no network of ours carries: DCCP, SCTP.</summary>
    private static readonly ulong[] RefusedProtocols = [33, 132];

    private enum Compare
    {
        NotEqual = 1,
        Equal = 4,
        AtLeast = 5,
        MaskedEqual = 7,
    }

    /// <summary>Writes the filter for an architecture to a file, readable by its owner only.</summary>
    /// <param name="file">The file to make or replace.</param>
    /// <param name="libraryFolders">Where libseccomp is looked for after the system's own folders.</param>
    /// <param name="architecture">A libseccomp architecture; 0 is this machine's.</param>
    /// <exception cref="PcException">There is no libseccomp (<see cref="ErrorCode.SandboxToolMissing"/>).</exception>
    public static void Write(string file, IEnumerable<string> libraryFolders, uint architecture = NativeArchitecture)
    {
        var library = Library.Load(libraryFolders) ?? throw ToolBox.Missing("libseccomp.so.2");
        using var filter = new Builder(library, architecture);
        foreach (var name in Refused) filter.Refuse(name, NotPermitted);

        // The flags of clone3 are behind a pointer, where a filter cannot look: with ENOSYS the C library falls back to clone.
        filter.Refuse("clone3", NotImplemented);
        foreach (var flag in NamespaceFlags) filter.Refuse("clone", NotPermitted, new Argument(0, Compare.MaskedEqual, flag, flag));

        foreach (var request in RefusedIoctls) filter.Refuse("ioctl", NotPermitted, new Argument(1, Compare.MaskedEqual, uint.MaxValue, request));

        foreach (var call in new[] { "socket", "socketpair" })
        {
            for (ulong family = 0; family <= LastFamily; family++)
                if (!AllowedFamilies.Contains(family)) filter.Refuse(call, NotPermitted, new Argument(0, Compare.Equal, family));
            filter.Refuse(call, NotPermitted, new Argument(0, Compare.AtLeast, LastFamily + 1));
            foreach (var protocol in RefusedProtocols) filter.Refuse(call, NotPermitted, new Argument(2, Compare.Equal, protocol));
            // Of netlink only the routes (protocol 0), not netfilter, audit, crypto and the like.
            filter.Refuse(call, NotPermitted, new Argument(0, Compare.Equal, NetlinkFamily), new Argument(2, Compare.NotEqual, 0));
        }

        using var stream = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        filter.Export((int)stream.SafeFileHandle.DangerousGetHandle());
    }

    /// <summary>Whether libseccomp can be loaded.</summary>
    public static bool IsAvailable(IEnumerable<string> libraryFolders) => Library.Load(libraryFolders) is not null;

    /// <summary>The number of a call on this machine; negative when it has none.</summary>
    internal static int NumberOf(string name, IEnumerable<string> libraryFolders) =>
        (Library.Load(libraryFolders) ?? throw ToolBox.Missing("libseccomp.so.2")).Resolve(name);

    /// <summary>struct scmp_arg_cmp of seccomp.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Argument(uint Index, Compare Operation, ulong First, ulong Second = 0);

    /// <summary>One filter while it is built. Sources: seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3).</summary>
    private sealed unsafe class Builder : IDisposable
    {
        private readonly Library _library;
        private readonly nint _context;

        public Builder(Library library, uint architecture)
        {
            _library = library;
            _context = library.Init(Allow);
            Invariant.Check(_context != 0, "libseccomp gave no filter");
            Check(library.SetAttribute(_context, BadArchitectureAction, KillProcess), "set the action for other architectures");
            if (architecture == NativeArchitecture) return;
            // Only one architecture may be in the filter, whichever this machine is.
            if (library.AddArchitecture(_context, architecture) == 0) Check(library.RemoveArchitecture(_context, NativeArchitecture), "remove the own architecture");
        }

        public void Refuse(string call, int error, params ReadOnlySpan<Argument> arguments)
        {
            var number = _library.Resolve(call);
            if (number == UnknownCall) return;
            fixed (Argument* first = arguments)
                Check(_library.AddRule(_context, 0x0005_0000u | (uint)error, number, (uint)arguments.Length, (nint)first), $"refuse {call}");
        }

        public void Export(int descriptor) => Check(_library.Export(_context, descriptor), "write the filter");

        public void Dispose() => _library.Release(_context);

        private static void Check(int result, string what) => Invariant.Check(result >= 0, $"libseccomp could not {what}: {result}");
    }

    /// <summary>The functions of libseccomp, wherever the library was found.</summary>
    private sealed unsafe class Library
    {
        private readonly delegate* unmanaged<uint, nint> _init;
        private readonly delegate* unmanaged<nint, void> _release;
        private readonly delegate* unmanaged<nint, uint, uint, int> _setAttribute;
        private readonly delegate* unmanaged<nint, uint, int> _addArchitecture;
        private readonly delegate* unmanaged<nint, uint, int> _removeArchitecture;
        private readonly delegate* unmanaged<nint, int> _resolve;
        private readonly delegate* unmanaged<nint, uint, int, uint, nint, int> _addRule;
        private readonly delegate* unmanaged<nint, int, int> _export;

        private Library(nint handle)
        {
            _init = (delegate* unmanaged<uint, nint>)NativeLibrary.GetExport(handle, "seccomp_init");
            _release = (delegate* unmanaged<nint, void>)NativeLibrary.GetExport(handle, "seccomp_release");
            _setAttribute = (delegate* unmanaged<nint, uint, uint, int>)NativeLibrary.GetExport(handle, "seccomp_attr_set");
            _addArchitecture = (delegate* unmanaged<nint, uint, int>)NativeLibrary.GetExport(handle, "seccomp_arch_add");
            _removeArchitecture = (delegate* unmanaged<nint, uint, int>)NativeLibrary.GetExport(handle, "seccomp_arch_remove");
            _resolve = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(handle, "seccomp_syscall_resolve_name");
            _addRule = (delegate* unmanaged<nint, uint, int, uint, nint, int>)NativeLibrary.GetExport(handle, "seccomp_rule_add_array");
            _export = (delegate* unmanaged<nint, int, int>)NativeLibrary.GetExport(handle, "seccomp_export_bpf");
        }

        public static Library? Load(IEnumerable<string> folders)
        {
            const string name = "libseccomp.so.2";
            if (NativeLibrary.TryLoad(name, out var handle)) return new Library(handle);
            foreach (var folder in folders)
                if (NativeLibrary.TryLoad(Path.Combine(folder, name), out handle)) return new Library(handle);
            return null;
        }

        public nint Init(uint action) => _init(action);

        public void Release(nint context) => _release(context);

        public int SetAttribute(nint context, uint attribute, uint value) => _setAttribute(context, attribute, value);

        public int AddArchitecture(nint context, uint token) => _addArchitecture(context, token);

        public int RemoveArchitecture(nint context, uint token) => _removeArchitecture(context, token);

        public int AddRule(nint context, uint action, int number, uint count, nint arguments) => _addRule(context, action, number, count, arguments);

        public int Export(nint context, int descriptor) => _export(context, descriptor);

        public int Resolve(string name)
        {
            var text = Marshal.StringToCoTaskMemUTF8(name);
            try
            {
                return _resolve(text);
            }
            finally
            {
                Marshal.FreeCoTaskMem(text);
            }
        }
    }
}

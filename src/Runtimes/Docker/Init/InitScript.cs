using System.Buffers.Binary;

namespace PeoplesCloud.Runtimes.Docker.Init;

/// <summary>What a container's init is told: to become the command, beside a keeper that ends everything when its time is up.</summary>
internal static class InitScript
{
    /// <summary>Its exit code when it cannot do what it was told: as docker's own.</summary>
    public const int CannotBegin = 125;

    private const int NotFound = 127;
    private const ulong Here = unchecked((ulong)-100); // AT_FDCWD
    private const ulong All = unchecked((ulong)-1);
    private const ulong First = 3; // the lowest descriptor that is free after the standard ones
    private const ulong PollIn = 1;

    /// <summary>
    /// The command as a container's first: its input is empty. Beside it stays the keeper, a process of the init's own that is no child of the
    /// command, reads the lines of <see cref="Until"/> and kills all but the engine's init, which then ends, when a time has passed by CLOCK_BOOTTIME. It needs neither daemon nor guard nor engine for that.
    /// </summary>
    /// <param name="command">Program and arguments.</param>
    /// <param name="environment">The whole environment.</param>
    /// <param name="until">Until when it may run, by the clock.</param>
    /// <param name="filter">What it may not ask of the kernel, beside what the engine's own filter says; empty for nothing.</param>
    /// <param name="countsSuspend">Whether the clock goes on while the machine is suspended (CLOCK_BOOTTIME), or stands still then (CLOCK_MONOTONIC).</param>
    public static byte[] Start(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, TimeSpan until, ReadOnlySpan<byte> filter = default, bool countsSuspend = true)
    {
        const ulong childEnds = 17; // SIGCHLD
        var (block, calls) = (new InitBlock(), SystemCalls.Here);
        var (between, keeper) = (new InitBlock.Label(), new InitBlock.Label());
        var failure = block.Failure(CannotBegin, "pc: the container could not be begun: it has too few processes or too little memory\n");

        // 1. The keeper, a grandchild whose parent has gone: the engine's init inherits it.
        block.Branch(calls.Fork, between, failure, childEnds);
        block.Try(calls.Wait, All);
        // 2. The command.
        block.Try(calls.Close, First);
        block.Must(calls.Open, 0, failure, Here, block.Text("/dev/null"), 2);
        block.Try(calls.Duplicate, First, 0);
        block.Try(calls.Close, First);
        Become(block, calls, command, environment, filter);

        block.Mark(between);
        block.Branch(calls.Fork, keeper, failure, childEnds);
        block.Try(calls.Exit, 0);
        block.Mark(keeper);
        Keep(block, calls, until, countsSuspend);
        return block.ToBytes();
    }

    /// <summary>A further command, whose input is what follows the block.</summary>
    public static byte[] Further(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, ReadOnlySpan<byte> filter = default)
    {
        var block = new InitBlock();
        Become(block, SystemCalls.Here, command, environment, filter);
        return block.ToBytes();
    }

    /// <summary>What prolongs the time of a command, as the keeper reads it: seconds and nanoseconds of its clock.</summary>
    public static byte[] Until(TimeSpan sinceBoot)
    {
        var bytes = new byte[2 * sizeof(long)];
        // Never zero, which would turn the timer off.
        var ticks = Math.Max(sinceBoot.Ticks, 1);
        BinaryPrimitives.WriteInt64LittleEndian(bytes, ticks / TimeSpan.TicksPerSecond);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(sizeof(long)), ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick);
        return bytes;
    }

    private static void Become(InitBlock block, SystemCalls calls, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, ReadOnlySpan<byte> filter)
    {
        const int instructionBytes = 8;
        const ulong setFilter = 1;
        // What it may not ask of the kernel, beside what the engine's own filter says. struct sock_fprog: length:u16, padding, address.
        if (!filter.IsEmpty)
            block.Must(calls.Filter, 0, block.Failure(CannotBegin, "pc: the container could not be begun: this kernel takes no filter of system calls\n"), setFilter, 0, block.Words((ulong)(filter.Length / instructionBytes), block.Put(filter)));
        var (words, variables) = (block.Texts(command), block.Texts(environment.Select(variable => $"{variable.Key}={variable.Value}")));
        // As execvp(3): a name is looked for, a path is not.
        var paths = command[0].Contains('/', StringComparison.Ordinal) ? [command[0]]
            : command[0].Length == 0 ? []
            : environment.GetValueOrDefault("PATH", "").Split(':').Select(folder => folder.Length == 0 ? command[0] : $"{folder.TrimEnd('/')}/{command[0]}");
        foreach (var path in paths) block.Try(calls.Execute, block.Text(path), words, variables);
        // No call of this number: what is said is said of the command.
        block.Must(calls.Close, 0, block.Failure(NotFound, $"pc: {Quoted(command[0])} was not found in the container, or cannot be run there\n"), All);
    }

    private static void Keep(InitBlock block, SystemCalls calls, TimeSpan until, bool countsSuspend)
    {
        const ulong bootTime = 7, monotonic = 1, clock = 1, absolute = 1, kill = 9;
        var (set, expired, read, alone, wait) = (new InitBlock.Label(), new InitBlock.Label(), new InitBlock.Label(), new InitBlock.Label(), new InitBlock.Label());
        var failure = block.Failure(CannotBegin, "");
        // An itimerspec: no repetition, then the time, which is read anew from the input.
        var timer = block.Put([.. new byte[2 * sizeof(long)], .. Until(until)]);
        var time = timer + (2 * sizeof(long));
        // Two pollfd: the input, and the timer, which is the second.
        var both = block.Words(PollIn << 32, clock | (PollIn << 32));
        var second = both + sizeof(ulong);
        var zero = block.Words(0, 0);
        var pause = block.Words(0, 50_000_000);

        // 1. Out of the command's sight: a group, a session and an output of its own.
        block.Try(calls.NewSession);
        block.Try(calls.Close, 1);
        block.Try(calls.Close, 2);
        // It is 1 then, the lowest that is free.
        block.Must(calls.MakeTimer, 0, failure, countsSuspend ? bootTime : monotonic);
        // 2. Until the time is up, or another is told.
        block.Mark(set);
        block.Must(calls.SetTimer, 0, failure, clock, absolute, timer);
        block.Mark(wait);
        block.Try(calls.Poll, both, 2);
        block.Branch(calls.Poll, read, 0, second, 1, zero);
        // 3. It is up: everything that may be signalled from here is killed, as often as it takes.
        block.Mark(expired);
        block.Try(calls.Kill, All, kill);
        block.Try(calls.Sleep, pause);
        block.Branch(calls.Yield, expired, 0);
        // 4. Another time; at the end of the input no other will come.
        block.Mark(read);
        block.Branch(calls.Poll, wait, 0, both, 1, zero);
        block.Branch(calls.Read, alone, failure, 0, time, 2 * sizeof(long));
        block.Branch(calls.Yield, set, 0);
        block.Mark(alone);
        block.Try(calls.Poll, second, 1);
        block.Branch(calls.Yield, expired, 0);
    }

    private static string Quoted(string word) => new([.. word.Take(100).Select(c => char.IsControl(c) ? '?' : c)]);
}

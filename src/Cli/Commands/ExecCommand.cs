using System.Buffers.Binary;
using System.CommandLine;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Execs;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc exec: runs a command beside a program, in its sandbox.</summary>
internal static class ExecCommand
{
    private const int BlockBytes = 16 << 10;

    private static readonly Argument<string[]> WordsGiven = new("words")
    {
        Description = "The swarm, the program's name or hash, then -- and the command with its arguments.",
        HelpName = "SWARM PROGRAM -- COMMAND",
        Arity = new ArgumentArity(2, 4096),
    };

    private static readonly Option<bool> NoInput = new("--no-input", "-n") { Description = "Give the command an empty standard input instead of this one's: for scripts that read their own." };

    public static PcCommand Create()
    {
        var command = new PcCommand("exec", "Run a command beside a program, in its sandbox.")
        {
            Synopsis = "[-n] [SWARM] <PROGRAM> -- <COMMAND> [ARGUMENTS]",
            Details = """
                Runs a further command where the program runs now: it sees the same files, network and environment and counts in the same limits. Standard input, output and error pass as they are, byte by byte; there is no terminal on the other side. Ctrl-C ends the command. For the program's owner and for admins only.

                The swarm's feed keeps for ever that it was run, by whom and the command's name, and not its arguments. Environment variables of the program, secrets among them, can be read this way: who may exec may read them.

                The exit code is the command's. When it could not be run at all, the error is written to standard error and the code is pc's own: see pc --help.

                With --json each piece of output is a line {"stream": "out" or "err", "data": base64}, the last line {"exit": code}.
                """,
            Examples =
            [
                ("pc exec friends my-bot -- ls -l", "What is in its folder."),
                ("pc exec friends my-bot -- tar c data > data.tar", "Copy its data here."),
                ("pc exec friends my-bot -- sh", "A shell, line by line."),
            ],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(NoInput);
        return command.Runs(Run);
    }

    /// <summary>What the words mean: SWARM PROGRAM COMMAND... or, where the words before -- are told apart, PROGRAM COMMAND...</summary>
    public static (string? Swarm, string Program, string[] Command) Split(string[] words, int before) => before switch
    {
        1 when words.Length > 1 => (null, words[0], words[1..]),
        2 when words.Length > 2 => (words[0], words[1], words[2..]),
        < 0 when words.Length > 2 => (words[0], words[1], words[2..]),
        _ => throw new PcException(ErrorCode.Usage, "name a program and a command", "pc exec SWARM PROGRAM -- COMMAND"),
    };

    private static int Run(Invocation invocation)
    {
        var words = invocation.Value(WordsGiven);
        var (named, program, command) = Split(words, WordsBefore(invocation, words.Length));
        var swarm = invocation.SwarmOr(named);
        var (input, output) = invocation.Client.OpenUpgraded(ProgramWords.Path(swarm, program, "exec"), ExecFrame.Upgrade);
        using (input)
        using (output)
        {
            Send(output, ExecFrameKind.Open, JsonSerializer.SerializeToUtf8Bytes(new ExecRequest(command), ExecJson.Default.ExecRequest));
            // It waits in a read that nothing ends; the process does not wait for it.
            if (invocation.Value(NoInput)) Send(output, ExecFrameKind.InputEnds, []);
            else new Thread(() => Feed(output)) { IsBackground = true }.Start();
            return Receive(input, invocation);
        }
    }

    // How many words stand before "--"; negative without one.
    private static int WordsBefore(Invocation invocation, int count)
    {
        var tokens = invocation.Parsed.Tokens;
        for (var index = 0; index < tokens.Count; index++)
            if (tokens[index].Type == System.CommandLine.Parsing.TokenType.DoubleDash) return count - (tokens.Count - index - 1);
        return -1;
    }

    private static void Feed(Stream output)
    {
        try
        {
            using var input = Console.OpenStandardInput();
            var block = new byte[BlockBytes];
            while (input.Read(block) is > 0 and var count) Send(output, ExecFrameKind.Input, block.AsSpan(0, count));
            Send(output, ExecFrameKind.InputEnds, []);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The daemon has gone, or the command has ended: the other thread says what happened.
        }
    }

    private static void Send(Stream output, ExecFrameKind kind, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[ExecFrame.HeaderBytes + payload.Length];
        ExecFrame.WriteHeader(frame, kind, payload.Length);
        payload.CopyTo(frame.AsSpan(ExecFrame.HeaderBytes));
        output.Write(frame);
    }

    private static int Receive(HttpBody input, Invocation invocation)
    {
        var (toOut, toErr) = (new StandardStream(StandardStream.Output), new StandardStream(StandardStream.Error));
        var header = new byte[ExecFrame.HeaderBytes];
        while (input.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length)
        {
            if (!ExecFrame.TryReadHeader(header, out var kind, out var length)) throw Unexpected();
            var payload = new byte[length];
            if (input.ReadAtLeast(payload, length, throwOnEndOfStream: false) < length) break;
            switch (kind)
            {
                case ExecFrameKind.Out or ExecFrameKind.Err when invocation.Json:
                    invocation.WriteJson(new ExecOutput(kind == ExecFrameKind.Out ? "out" : "err", payload), CliJson.Default.ExecOutput);
                    invocation.Terminal.Out.Flush();
                    break;
                case ExecFrameKind.Out:
                    toOut.Write(payload);
                    break;
                case ExecFrameKind.Err:
                    toErr.Write(payload);
                    break;
                case ExecFrameKind.Exit when length == 4:
                    var code = BinaryPrimitives.ReadInt32BigEndian(payload);
                    if (invocation.Json) invocation.WriteJson(new ExecEnded(code), CliJson.Default.ExecEnded);
                    return code;
                case ExecFrameKind.Error:
                    throw new DaemonErrorException(JsonSerializer.Deserialize(payload, ExecJson.Default.ErrorReply) ?? throw Unexpected());
                default:
                    throw Unexpected();
            }
        }
        throw new PcException(ErrorCode.DaemonWentAway, "the daemon ended the connection before the command did");
    }

    private static PcException Unexpected() => new(ErrorCode.DaemonAnswer, "the daemon's answer could not be understood");
}

using System.Text;

namespace PeoplesCloud.Runtimes.Docker.Init;

/// <summary>Has the init inside of a container make files in the command's folder: many small ones by one block, a large one by several.</summary>
/// <param name="output">Where blocks go.</param>
internal sealed class InitFiles(Stream output)
{
    private const ulong Here = unchecked((ulong)-100); // AT_FDCWD
    private const ulong First = 3;
    private const ulong Create = 1 | 0x40 | 0x200 | 0x80000; // O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC
    private const int PieceBytes = 256 << 10;
    private const ulong Modes = 0xFFF;

    private readonly SystemCalls _calls = SystemCalls.Here;
    private readonly List<(string Name, UnixFileMode Mode)> _folders = [];
    private readonly byte[] _piece = new byte[PieceBytes];
    private InitBlock _block = new();

    /// <summary>Makes a folder, unless it is there.</summary>
    public ValueTask FolderAsync(string name, UnixFileMode mode, CancellationToken cancellationToken)
    {
        const ulong ownersAlone = 0b111_000_000;
        _block.Try(_calls.MakeFolder, Here, _block.Text(name), ownersAlone);
        // Not before all that is in it: it may be one that cannot be written to.
        _folders.Add((name, mode));
        return SendIfFullAsync(cancellationToken);
    }

    /// <summary>Makes a link.</summary>
    public ValueTask LinkAsync(string name, string target, CancellationToken cancellationToken)
    {
        _block.Must(_calls.MakeLink, 0, Failure(name), _block.Text(target), Here, _block.Text(name));
        return SendIfFullAsync(cancellationToken);
    }

    /// <summary>Makes a file.</summary>
    public async ValueTask FileAsync(string name, UnixFileMode mode, DateTimeOffset changed, Stream content, CancellationToken cancellationToken)
    {
        const ulong ownersAlone = 0b110_000_000;
        _block.Try(_calls.Close, First);
        _block.Must(_calls.Open, 0, Failure(name), Here, _block.Text(name), Create | _calls.NoFollow, ownersAlone);
        while (await content.ReadAtLeastAsync(_piece, PieceBytes, throwOnEndOfStream: false, cancellationToken) is > 0 and var count)
        {
            // Less than asked for is written where the folder is full.
            _block.Must(_calls.Write, count, Failure(name), First, _block.Put(_piece.AsSpan(0, count)), (ulong)count);
            await SendIfFullAsync(cancellationToken);
        }
        _block.Try(_calls.ChangeModeOfOpen, First, (ulong)mode & Modes);
        var seconds = (ulong)changed.ToUnixTimeSeconds();
        _block.Try(_calls.SetTimes, First, 0, _block.Words(seconds, 0, seconds, 0));
        _block.Try(_calls.Close, First);
        await SendIfFullAsync(cancellationToken);
    }

    /// <summary>Sends what is left.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, mode) in Enumerable.Reverse(_folders))
        {
            _block.Try(_calls.ChangeMode, Here, _block.Text(name), (ulong)mode & Modes);
            await SendIfFullAsync(cancellationToken);
        }
        await SendAsync(cancellationToken);
    }

    private ulong Failure(string name) => _block.Failure(InitScript.CannotBegin, $"pc: {name} could not be written: no space is left, or its name is taken\n");

    // A piece and what goes with a name fit into what is left of a block then.
    private ValueTask SendIfFullAsync(CancellationToken cancellationToken) => _block.Length < DockerLimits.InitBlockBytes / 2 ? ValueTask.CompletedTask : SendAsync(cancellationToken);

    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        await output.WriteAsync(_block.ToBytes(), cancellationToken);
        _block = new InitBlock();
    }
}

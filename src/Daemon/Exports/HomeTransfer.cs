using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>What was exported.</summary>
/// <param name="PeerId">Whose home it is.</param>
/// <param name="Bytes">The file's length.</param>
/// <param name="Blocks">How many blocks are in it.</param>
/// <param name="Pins">How many CIDs are pinned.</param>
/// <param name="WasRunning">Whether its daemon ran meanwhile.</param>
public sealed record ExportReport(string PeerId, long Bytes, long Blocks, int Pins, bool WasRunning);

/// <summary>What was imported.</summary>
/// <param name="PeerId">Whose home it is.</param>
/// <param name="Created">When it was exported.</param>
/// <param name="Blocks">How many blocks came with it.</param>
/// <param name="Pins">How many CIDs are pinned.</param>
/// <param name="Home">Where it is now.</param>
public sealed record ImportReport(string PeerId, DateTimeOffset Created, long Blocks, int Pins, string Home);

/// <summary>Backs up and moves a home, without its daemon (<c>pc export</c>, <c>pc import</c>).</summary>
public static class HomeTransfer
{
    /// <summary>Writes a home into a new file with mode 0600. Blocks.</summary>
    /// <param name="home">The home's absolute path; its daemon may run.</param>
    /// <param name="file">The file's path; nothing may be there.</param>
    /// <param name="withBlocks">Whether the block store goes along.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeMissing"/>, <see cref="ErrorCode.ExportExists"/>, codes of the home and of the disk.</exception>
    public static ExportReport Export(string home, string file, bool withBlocks) => new HomeExporter(home, Path.GetFullPath(file), withBlocks, TimeProvider.System, SystemDisk.Instance).Export();

    /// <summary>Makes a home of a file. Blocks.</summary>
    /// <param name="file">The file's path.</param>
    /// <param name="home">The home's absolute path; a folder there must be empty.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.HomeNotEmpty"/>, <see cref="ErrorCode.ExportDamaged"/>, <see cref="ErrorCode.ExportNewer"/>, codes of the home and of the disk.</exception>
    public static ImportReport Import(string file, string home) => new HomeImporter(Path.GetFullPath(file), home, SystemDisk.Instance).Import();
}

using System.Globalization;
using System.Runtime.InteropServices;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// The versions of the mesh's routes that a node speaks, from the oldest to the newest. Nodes of one swarm are updated one by one, so each
/// says its range with every answer (<see cref="Header"/>), and two nodes use the newest version that both speak.
/// <code>range = oldest "-" newest          decimal, 1 to 9999</code>
/// </summary>
/// <param name="Oldest">The oldest version.</param>
/// <param name="Newest">The newest version.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MeshVersions(int Oldest, int Newest)
{
    /// <summary>The header of every answer.</summary>
    public const string Header = "Pc-Mesh-Versions";

    /// <summary>What this program speaks. A new version is added here with its routes; the oldest goes when no supported release needs it.</summary>
    public static readonly MeshVersions Ours = new(1, 1);

    private const int Highest = 9999;
    private const string Root = "/mesh/v";
    private const string Named = "/mesh/v1"; // how the code names a route

    /// <summary>Whether a version is one of these.</summary>
    public bool Contains(int version) => version >= Oldest && version <= Newest;

    /// <summary>The newest version that both speak; null when there is none.</summary>
    public int? CommonWith(MeshVersions other) => Math.Min(Newest, other.Newest) is var newest && newest >= Math.Max(Oldest, other.Oldest) ? newest : null;

    /// <summary>As the header has it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Oldest}-{Newest}");

    /// <summary>Reads the header.</summary>
    public static bool TryParse(string? text, out MeshVersions versions)
    {
        versions = default;
        if (text is not { Length: <= 9 } || text.Split('-') is not [var first, var last] || !TryRead(first, out var oldest) || !TryRead(last, out var newest) || oldest > newest) return false;
        versions = new MeshVersions(oldest, newest);
        return true;
    }

    /// <summary>The path of a route in a version.</summary>
    /// <param name="version">The version.</param>
    /// <param name="path">The path with /mesh/v1, as the code names it.</param>
    public static string PathIn(int version, string path) =>
        version == 1 || !path.StartsWith(Named + "/", StringComparison.Ordinal) ? path : string.Create(CultureInfo.InvariantCulture, $"{Root}{version}{path.AsSpan(Named.Length)}");

    /// <summary>The version that a path asks for; null when it names none.</summary>
    public static int? Of(string path)
    {
        if (!path.StartsWith(Root, StringComparison.Ordinal)) return null;
        var end = path.IndexOf('/', Root.Length);
        return TryRead(end < 0 ? path.AsSpan(Root.Length) : path.AsSpan(Root.Length, end - Root.Length), out var version) ? version : null;
    }

    /// <summary>The error of a node that was asked in a version which it does not speak, or that asked one which speaks none of its own.</summary>
    public PcException Mismatch(string who, string theirs) =>
        new(ErrorCode.VersionUnknown, string.Create(CultureInfo.InvariantCulture, $"{who} speaks {theirs} of the mesh protocol, this node {Words()}"));

    /// <summary>In words.</summary>
    public string Words() => Oldest == Newest ? string.Create(CultureInfo.InvariantCulture, $"version {Oldest}") : string.Create(CultureInfo.InvariantCulture, $"versions {Oldest} to {Newest}");

    private static bool TryRead(ReadOnlySpan<char> digits, out int version)
    {
        version = 0;
        return digits.Length is > 0 and <= 4 && digits[0] != '0' && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out version) && version <= Highest;
    }
}

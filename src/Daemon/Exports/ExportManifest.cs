using System.Text.Json;
using System.Text.Json.Serialization;
using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Exports;

/// <summary>A file of a home in an export.</summary>
/// <param name="Name">Its path in the home.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">The SHA-256 of its bytes, 64 lower-case hex digits.</param>
internal sealed record ExportedFile(string Name, long Bytes, string Sha256);

/// <summary>The first entry of an export: what follows it (docs/layouts/export.md).</summary>
/// <param name="Format">Always <see cref="ExportManifest.FormatName"/>.</param>
/// <param name="Version">The format's version.</param>
/// <param name="PeerId">Whose home it is.</param>
/// <param name="Created">When it was made.</param>
/// <param name="WithBlocks">Whether the blocks follow the files.</param>
/// <param name="Files">The files that follow, in their order.</param>
internal sealed record ExportManifest(string Format, int Version, string PeerId, DateTimeOffset Created, bool WithBlocks, IReadOnlyList<ExportedFile> Files)
{
    /// <summary>What this is.</summary>
    public const string FormatName = "peoples-cloud export";

    /// <summary>The version that this program writes, and the highest that it reads. 1 had neither public nor host.toml.</summary>
    public const int CurrentVersion = 2;

    /// <summary>As it is stored.</summary>
    public byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(this, ExportJson.Default.ExportManifest);

    /// <summary>Reads and checks one.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ExportDamaged"/>, <see cref="ErrorCode.ExportNewer"/>.</exception>
    public static ExportManifest Decode(ReadOnlySpan<byte> bytes)
    {
        ExportManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(bytes, ExportJson.Default.ExportManifest);
        }
        catch (JsonException malformed)
        {
            throw ExportFormat.Damaged("its manifest is no JSON", malformed);
        }
        if (manifest is not { Format: FormatName }) throw ExportFormat.Damaged("its manifest is of something else");
        if (manifest.Version > CurrentVersion) throw new PcException(ErrorCode.ExportNewer, $"the export has version {manifest.Version}, this program reads up to {CurrentVersion}");
        if (manifest is not { Version: > 0, PeerId: not null, Files: { } files }) throw ExportFormat.Damaged("its manifest lacks a part");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            if (file is not { Name: not null, Bytes: >= 0, Sha256.Length: 64 } || !ExportFormat.IsFile(file.Name)) throw ExportFormat.Damaged("its manifest names a file that no home has");
            if (!names.Add(file.Name)) throw ExportFormat.Damaged("its manifest names a file twice");
            if (file.Bytes > ExportFormat.MaxFileBytes) throw ExportFormat.Damaged("its manifest names a file that is too large");
        }
        foreach (var needed in ExportFormat.Needed)
            if (!names.Contains(needed)) throw ExportFormat.Damaged($"it holds no {needed}");
        return manifest;
    }
}

/// <summary>Serialization of the manifest.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, MaxDepth = 8)]
[JsonSerializable(typeof(ExportManifest))]
internal sealed partial class ExportJson : JsonSerializerContext;

using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>
/// Opens a bundle's encrypted bytes: from this node's blocks, or from the members that keep it. Throws a
/// <see cref="PcException"/> when they cannot be had.
/// </summary>
public delegate Task<Stream> OpenBundle(Cid bundle, IReadOnlyList<PeerId> keepers, CancellationToken cancellationToken);

/// <summary>
/// One program's place on this host; docs/layouts/bundle.md.
/// <code>
/// programs/LOCALNAME/app        the unpacked bundle, while the program is placed here; unpacked afresh by each daemon
/// programs/LOCALNAME/log, log.1 its log
/// programs/LOCALNAME/finished   it ended by itself with exit code 0 and is not started again; the last restart that it knew, or empty
/// </code>
/// </summary>
internal sealed class Workplace(string folder, ProgramSpec spec, RunPlace place, PeerId self, X25519Key key, OpenBundle open, ProgramHostOptions options, PackageCache packages, IDisk disk, TimeProvider time, ILogger logger)
{
    private readonly BundleUnpacker _unpacker = new(options.Bundles);
    private InstalledPackages? _installed;

    /// <summary>The name of the mark of a program that finished.</summary>
    public const string FinishedMark = "finished";

    /// <summary>The name of the image that a program's Dockerfile becomes.</summary>
    public static string BuiltImageOf(ProgramSpec spec) => $"peoples-cloud-built:{spec.LocalName}";

    /// <summary>The program.</summary>
    public ProgramSpec Spec => spec;

    /// <summary>Its log.</summary>
    public LogStore Log { get; } = new(folder, options.Logs, time);

    /// <summary>What the runtime is told.</summary>
    public RunSpec RunSpec
    {
        get
        {
            var language = Language.Find(spec.Deployed.Language) ?? throw new PcException(ErrorCode.LanguageUnknown, $"the language {Quoted.Text(spec.Deployed.Language)} is not known here");
            var manifest = spec.Deployed.Manifest;
            var command = language.CommandIn(AppFolder, manifest);
            if (_installed is { } found && manifest.Command is not null) command = found.Installer.Finding(command);
            // An image that brings its own command brings its own files too.
            var source = language.IsImage && manifest.Command is null ? null : AppFolder;
            var limits = spec.Deployed.Limits;
            return new RunSpec(spec.LocalName, command, source, EnvironmentOf(language), limits.ToRunLimits(), limits.ToNetworkMode())
            {
                Image = place.Builder is null ? place.Image : BuiltImage,
                Mounts = _installed is { } shown ? [shown.Installer.MountOf(shown.Folder)] : [],
                Ports = [.. manifest.Ports.Where(port => port.Protocol != ProgramPort.Udp).Select(port => port.Number)],
            };
        }
    }

    // What the owner sets wins over what the language would set, and what only keepers know over what everybody may. Made anew for each start, and
    // handed to the runtime only: no file, no log and no argument of a process has it.
    private Dictionary<string, string> EnvironmentOf(Language language)
    {
        var environment = new Dictionary<string, string>(language.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in spec.Deployed.Manifest.Environment) environment[name] = value;
        foreach (var (name, value) in options.Secrets(spec)) environment[name] = value;
        _installed?.Installer.AddTo(environment);
        return environment;
    }

    // One name for each bundle: what was built for another version is another image.
    private string BuiltImage => BuiltImageOf(spec);

    private string AppFolder => Path.Combine(folder, "app");

    /// <summary>Fetches, decrypts and unpacks the bundle.</summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        using (var bundleKey = BundleKey.Open(key, self, spec))
        {
            DeleteFolder(AppFolder);
            await using var bundle = await OpenAsync(cancellationToken);
            await _unpacker.UnpackAsync(bundle, bundleKey, AppFolder, cancellationToken);
        }
        await InstallAsync(cancellationToken);
        if (place.Builder is { } builder) await BuildAsync(builder, cancellationToken);
    }

    // As an installation of packages: with what compilers need, and a network for this alone where the host's owner allows programs one. An image is
    // larger than what a program writes: it may take as much disk as any program here.
    private Task BuildAsync(IImageRuntime builder, CancellationToken cancellationToken)
    {
        var policy = options.Policy();
        var limits = InstallBudget.Of(spec.Deployed.Limits.ToRunLimits(), policy).With(options.Packages) with { DiskBytes = policy.Most.DiskBytes };
        return builder.BuildAsync(AppFolder, BuiltImage, limits, policy.Network == NetworkMode.None ? NetworkMode.None : NetworkMode.Internet, SayAsync, cancellationToken);
    }

    /// <summary>Remembers, durably, that it ended by itself and is not started again.</summary>
    /// <param name="lastRestart">The last restart that it had done: a later one starts it again all the same.</param>
    public void Mark(EntryHash? lastRestart)
    {
        try
        {
            disk.Replace(Path.Combine(folder, FinishedMark), lastRestart is { } restart ? restart.ToBytes() : []);
        }
        catch (IOException failed)
        {
            // A full disk. The program is started once more when the daemon starts again: told in the log, and better than not at all.
            Log.Say($"the host could not remember that it finished: {failed.Message}");
        }
    }

    /// <summary>The program is over: its files go, its log stays and is complete.</summary>
    public void CleanUp()
    {
        _installed?.Dispose();
        DeleteFolder(AppFolder);
        Log.Dispose();
    }

    private async Task InstallAsync(CancellationToken cancellationToken)
    {
        _installed?.Dispose();
        _installed = null;
        if (Language.Find(spec.Deployed.Language) is not { } language || PackageList.Of(AppFolder, language) is not { } list) return;
        _installed = await packages.RequireAsync(list, AppFolder, language, place, InstallBudget.Of(spec.Deployed.Limits.ToRunLimits(), options.Policy()), line => Log.Say($"{list.Installer.Name}: {line}"), cancellationToken);
    }

    private ValueTask SayAsync(string line)
    {
        Log.Say($"docker: {line}");
        return ValueTask.CompletedTask;
    }

    private async Task<Stream> OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await open(spec.Deployed.Bundle, [.. spec.Keepers.Where(keeper => keeper != self)], cancellationToken);
        }
        catch (PcException missing) when (missing.Code == ErrorCode.BlockNotFound)
        {
            throw new PcException(ErrorCode.BundleUnavailable, $"the bundle of {spec.Name} could not be fetched: {missing.Message}", inner: missing);
        }
    }

    private void DeleteFolder(string path)
    {
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            ProgramsLog.NotRemoved(logger, path, failed);
        }
    }
}

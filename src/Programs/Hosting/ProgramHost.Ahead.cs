using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Packages;

namespace PeoplesCloud.Programs.Hosting;

// A guardian's packages: installed before the program comes, so that it comes as quickly as one without.
public sealed partial class ProgramHost
{
    /// <summary>
    /// Installs the packages that a program lists, at the lowest priority, if they are not here. True when there is nothing more to do for it; false
    /// when this host would not run it now, so that its owner's rules are kept here too.
    /// </summary>
    /// <param name="spec">The program, whose bundle this node can open.</param>
    /// <param name="cancellationToken">Ends the installation.</param>
    /// <exception cref="Base.PcException">What starting the program would throw: its bundle is not to be had, the installer failed, or the host's policy allows no network.</exception>
    public async Task<bool> InstallAheadAsync(ProgramSpec spec, CancellationToken cancellationToken)
    {
        if (Language.Find(spec.Deployed.Language) is not { DependencyFile: not null } language || Runs(spec.Id)) return true;
        if (WhyNot(spec) is not null) return false;
        var app = _packages.UnfinishedFolder($"ahead-{spec.LocalName}");
        try
        {
            using (var bundleKey = BundleKey.Open(_key, _self, spec))
            {
                await using var bundle = await _open(spec.Deployed.Bundle, [.. spec.Keepers.Where(keeper => keeper != _self)], cancellationToken);
                await new BundleUnpacker(_options.Bundles).UnpackAsync(bundle, bundleKey, app, cancellationToken);
            }
            if (PackageList.Of(app, language) is not { } list) return true;
            var budget = InstallBudget.Of(spec.Deployed.Limits.ToRunLimits(), Policy) with { IsAhead = true };
            using var installed = await _packages.RequireAsync(list, app, language, Place(spec.Deployed.Language, spec.Deployed.Manifest), budget, _ => { }, cancellationToken);
            return true;
        }
        finally
        {
            if (Directory.Exists(app)) PackageTree.Remove(app);
        }
    }
}

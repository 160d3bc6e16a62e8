using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

// Which runtime of this host a program gets. The sandbox wins where both could, since it is the lighter one.
public sealed partial class ProgramHost
{
    /// <summary>Runs container images; null when this host has no Docker.</summary>
    public IImageRuntime? Images { get; init; }

    /// <summary>The names of the images that programs here, and those that wait for the policy, are built into; no others are needed now.</summary>
    public IReadOnlySet<string> BuiltImages =>
        _programs.Values.Where(program => !program.IsOver).Select(program => program.Spec).Concat(_held.Values.Select(held => held.Spec)).Select(Workplace.BuiltImageOf).ToHashSet(StringComparer.Ordinal);

    /// <summary>
    /// Says until when a program's lease lets it run, as time since boot (CLOCK_BOOTTIME). What outlives the daemon, a container, is ended then by
    /// whoever guards it, unless this is said again. Null when nobody else may run it: it ends a while after this daemon. Nothing when it is not here.
    /// </summary>
    public void RunsUntil(EntryHash id, TimeSpan? sinceBoot)
    {
        if (_programs.TryGetValue(id, out var program)) program.RunsUntil(sinceBoot);
    }

    private bool CanRun(Language language) => language.IsImage ? Images is { Answers: true } : _canRun(language) || (language.Image is { } image && Images?.Has(image) == true);

    private RunPlace Place(string languageName, ProgramManifest manifest)
    {
        var sandbox = new RunPlace(_runtime);
        if (manifest.Schedule is { } schedule && CronSchedule.TryParse(schedule) is null) return sandbox with { Refusal = $"does not know the times {Quoted.Text(schedule)}" };
        // A language that is not known here is told apart by who asks.
        if (Language.Find(languageName) is not { } language) return sandbox;
        if (manifest.Runtime is not (null or "sandbox" or "docker")) return sandbox with { Refusal = $"does not know the runtime {Quoted.Text(manifest.Runtime)}" };
        var wantsImage = manifest.Image is not null || language.IsImage || manifest.Runtime == "docker";
        if (manifest.Runtime == "sandbox" && (manifest.Image is not null || language.IsImage)) return sandbox with { Refusal = "its sandbox runs no container images" };
        if (!wantsImage && _canRun(language)) return sandbox;
        if (manifest.Runtime == "sandbox") return sandbox with { Refusal = $"its sandbox cannot run {language.Name}" };
        if (Images is not { Answers: true } images) return sandbox with { Refusal = wantsImage ? "has no Docker" : $"cannot run {language.Name}" };
        if (manifest.Image is null && language.IsImage && images.BuildObstacle is { } obstacle) return sandbox with { Refusal = obstacle };
        if (manifest.Image is null && language.IsImage) return new RunPlace(images.Runtime, Builder: images);
        if ((manifest.Image ?? language.Image) is not { } image) return sandbox with { Refusal = "knows no container image for it; name one" };
        // What nobody asked for by name is not fetched: the offer would be a promise about somebody else's server.
        var mayFetch = images.Fetches && wantsImage;
        return images.Has(image) || mayFetch ? new RunPlace(images.Runtime, image) : sandbox with { Refusal = $"its Docker has no image {image}" };
    }
}

using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Packages;

/// <summary>
/// A tool that installs packages inside of a sandbox or container. It runs in a copy of the program's folder, writes below /app/data, and leaves
/// what is kept in data/packages.
/// </summary>
/// <param name="Name">The tool, for messages.</param>
/// <param name="Package">Its Debian package.</param>
/// <param name="Target">Where programs see what was installed.</param>
/// <param name="Programs">Where commands of packages are, below the target.</param>
internal sealed record PackageInstaller(string Name, string Package, string Target, string Programs)
{
    /// <summary>What a shell answers when there is no such command.</summary>
    public const int NotFound = 127;

    // TMPDIR on the disk: downloads in a tmpfs would count as memory. Nothing is asked, and a bar would be a thousand lines in a log.
    private const string Begin = "mkdir -p /app/data/packages /app/data/tmp && export TMPDIR=/app/data/tmp";

    /// <summary>pip, for both Pythons.</summary>
    public static PackageInstaller Pip { get; } = new("pip", "python3-pip", "/opt/packages", "bin");

    /// <summary>npm. In a folder with the lists alone, without the program's own scripts: those of packages run, as people expect.</summary>
    public static PackageInstaller Npm { get; } = new("npm", "npm", "/app/node_modules", ".bin");

    /// <summary>The command that installs a list.</summary>
    public IReadOnlyList<string> CommandFor(PackageList list, Language language) => ["/bin/sh", "-c", this == Pip ? PipScript(language.Interpreter[0], list.File) : NpmScript(list)];

    /// <summary>What a program with packages is run with besides.</summary>
    /// <param name="folder">The folder of what was installed, on this host.</param>
    public RunMount MountOf(string folder) => new(folder, Target);

    /// <summary>The environment of a program with packages; what its owner set for the same variable comes first.</summary>
    public void AddTo(Dictionary<string, string> environment)
    {
        if (this != Pip) return;
        environment["PYTHONPATH"] = environment.TryGetValue("PYTHONPATH", out var own) && own.Length > 0 ? $"{own}:{Target}" : Target;
    }

    /// <summary>A command of the owner that finds the commands of packages.</summary>
    public IReadOnlyList<string> Finding(IReadOnlyList<string> command) => ["/bin/sh", "-c", $"PATH={Target}/{Programs}:$PATH; export PATH; exec \"$@\"", "sh", .. command];

    private static string PipScript(string python, string file) =>
        $"{Begin} && {python} -c 'import pip' 2>/dev/null || exit {NotFound}; "
        + $"exec {python} -m pip install --no-input --disable-pip-version-check --no-cache-dir --no-warn-script-location --progress-bar off --target /app/data/packages -r {file}";

    private static string NpmScript(PackageList list)
    {
        var copies = string.Join(' ', list.Inputs.Where(input => input != PackageJson.FileName).Select(Quote));
        var how = list.LockFile is null ? "install" : "ci";
        return $"{Begin} && command -v npm >/dev/null || exit {NotFound}; "
            + "node -e 'const fs=require(\"fs\"),p=JSON.parse(fs.readFileSync(\"package.json\"));delete p.scripts;fs.writeFileSync(\"/app/data/tmp/package.json\",JSON.stringify(p))' && "
            + (copies.Length == 0 ? "" : $"cp --parents {copies} /app/data/tmp/ && ")
            + $"cd /app/data/tmp && npm_config_cache=/app/data/tmp/.cache npm {how} --omit=dev --no-audit --no-fund --loglevel=http --no-progress --no-update-notifier && "
            // A list of nothing but optional packages that do not fit leaves no folder.
            + "{ [ ! -d node_modules ] || { rmdir /app/data/packages && mv node_modules /app/data/packages; }; }";
    }

    private static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}

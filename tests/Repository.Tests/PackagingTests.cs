using System.Diagnostics;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Repository.Tests;

/// <summary>What packages install: checked by the programs that read it.</summary>
public sealed class PackagingTests
{
    [Fact]
    public void Systemd_understands_every_line_of_the_unit()
    {
        var folder = Directory.CreateTempSubdirectory("pc-unit-").FullName;
        try
        {
            // The program need not be installed here; an unknown key or a bad value would be said and passed over.
            var unit = Path.Combine(folder, "pc-sessions.service");
            var text = Tree.Read("packaging/pc-sessions.service");
            Assert.Contains("\nExecStart=/usr/bin/pc sessions --settings %d/settings.yml\n", text, StringComparison.Ordinal);
            File.WriteAllText(unit, text.Replace("=/usr/bin/pc ", "=/bin/true ", StringComparison.Ordinal));
            Assert.Equal("", Said("verify", "--man=no", unit));
            File.WriteAllText(unit, text.Replace("=/usr/bin/pc ", "=/bin/true ", StringComparison.Ordinal).Replace("ProtectHome=yes", "ProtectHomes=yes", StringComparison.Ordinal));
            Assert.Contains("ProtectHomes", Said("verify", "--man=no", unit), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_example_of_settings_is_read_and_is_what_its_document_shows()
    {
        var settings = PyCloudSettings.Load(Path.Combine(Tree.Root, "packaging", "settings.yml"));
        Assert.Equal(("pycloud", null, "redis://localhost:6379", null), (settings.Region, settings.Hostname, settings.Redis.ToString(), settings.Redis.Password));
        var lines = Tree.Read("packaging/settings.yml").Split('\n').Where(line => line.Length > 0 && line[0] != '#');
        Assert.Contains(string.Join('\n', lines), Tree.Read("docs/layouts/settings-yml.md"), StringComparison.Ordinal);
    }

    private static string Said(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("systemd-analyze", arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return said;
    }
}

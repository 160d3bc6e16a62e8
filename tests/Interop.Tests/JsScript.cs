using System.Diagnostics;
using System.Text.Json;

namespace PeoplesCloud.Interop.Tests;

/// <summary>One run of a script below js/: its lines of JSON.</summary>
internal static class JsScript
{
    public static async Task<IReadOnlyList<JsonElement>> RunAsync(string script, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(JsPeer.Node, [script, .. arguments])
        {
            WorkingDirectory = JsPeer.Folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(JsPeer.Patience);
        try
        {
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, $"{script} failed: {await errors}");
            return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}

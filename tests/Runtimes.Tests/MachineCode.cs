using System.Diagnostics;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>What is the same for all small programs in machine code, looked at with the assembler and binutils of this machine.</summary>
internal static class MachineCode
{
    /// <summary>What a source beside the tests assembles to, in hex.</summary>
    public static string Assembled(string folder, string source)
    {
        var (assembled, bytes) = (Path.Combine(folder, "code.o"), Path.Combine(folder, "code"));
        Run("gcc", "-c", "-o", assembled, Path.Combine(AppContext.BaseDirectory, source));
        Run("objcopy", "-O", "binary", "-j", ".text", assembled, bytes);
        return Convert.ToHexStringLower(File.ReadAllBytes(bytes));
    }

    /// <summary>The program is whole, asks for no library, and has no memory that may be both written and run.</summary>
    public static void NeedsNothing(string folder, byte[] program)
    {
        var file = Path.Combine(folder, "program");
        File.WriteAllBytes(file, program);
        var header = Run("readelf", "--wide", "--file-header", "--segments", file);
        Assert.Contains("EXEC (Executable file)", header, StringComparison.Ordinal);
        Assert.DoesNotContain("INTERP", header, StringComparison.Ordinal);
        Assert.DoesNotContain("RWE", header, StringComparison.Ordinal);
        Assert.DoesNotContain("Warning", header, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Runs a tool and returns what it prints; it must end with 0.</summary>
    public static string Run(string program, params string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {errors.Result}");
        return output.Trim();
    }
}

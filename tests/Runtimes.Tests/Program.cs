using PeoplesCloud.Runtimes.Tests.Sandbox;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>The test program; with <see cref="DoomedDaemon.Word"/> and a folder it is the daemon that a test kills.</summary>
internal static class Program
{
    public static Task<int> Main(string[] arguments) =>
        arguments is [DoomedDaemon.Word, var folder] ? DoomedDaemon.RunAsync(folder)
        : arguments.Any(argument => argument is "-automated" or "@@") ? Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(arguments) // how an IDE asks
        : Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(arguments, SelfRegisteredExtensions.AddSelfRegisteredExtensions);
}

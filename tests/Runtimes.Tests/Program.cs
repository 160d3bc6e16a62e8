using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Tests.Docker;
using PeoplesCloud.Runtimes.Tests.Sandbox;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>The test program; with <see cref="DoomedDaemon.Word"/> and a folder it is the daemon that a test kills, with <see cref="DockerGuard.Word"/> a guard of containers.</summary>
internal static class Program
{
    public static Task<int> Main(string[] arguments) =>
        arguments is [DoomedDaemon.Word, var folder] ? DoomedDaemon.RunAsync(folder)
        : arguments is [DoomedDocker.Word, var socket, var home] ? DoomedDocker.RunAsync(socket, home)
        : arguments is [DockerGuard.Word, var engine] ? DockerGuard.RunAsync(engine, TimeProvider.System)
        : arguments.Any(argument => argument is "-automated" or "@@") ? Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(arguments) // how an IDE asks
        : Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(arguments, SelfRegisteredExtensions.AddSelfRegisteredExtensions);
}

using PeoplesCloud.Daemon.Tests;
using PeoplesCloud.Daemon.Tests.Crash;
using PeoplesCloud.Runtimes.Docker;

if (args is [DaemonProcess.StoppingMode, ..]) return await DaemonProcess.RunStoppingAsync(args[1..]);
if (args is [DaemonProcess.Mode, ..]) return await DaemonProcess.RunAsync(args[1..]);
if (args is [DockerGuard.Word, var engine]) return await DockerGuard.RunAsync(engine, TimeProvider.System);

return args.Any(a => a is "-automated" or "@@")
    ? await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args)
    : await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);

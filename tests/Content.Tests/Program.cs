using PeoplesCloud.Content.Tests;
using PeoplesCloud.Content.Tests.Crash;

if (args is [CrashHelper.Mode, ..]) return await CrashHelper.RunAsync(args[1..]);

return args.Any(a => a is "-automated" or "@@")
    ? await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args)
    : await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);

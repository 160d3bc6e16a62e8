using PeoplesCloud.Sessions.Tests;
using PeoplesCloud.Sessions.Tests.Whole;

if (args is [NodeProcess.Word, ..]) return await NodeProcess.RunAsync(args[1..]);

return args.Any(a => a is "-automated" or "@@")
    ? await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args)
    : await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);

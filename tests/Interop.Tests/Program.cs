using PeoplesCloud.Interop.Tests;

if (args is [OurPeer.Mode]) return await OurPeer.RunAsync(Console.In, Console.Out);

return args.Any(a => a is "-automated" or "@@")
    ? await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args)
    : await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);

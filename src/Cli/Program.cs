using PeoplesCloud.Cli;

return QuickList.Understands(args, out var swarm, out var json) ? QuickList.Run(swarm, json) : CommandLine.Run(args);

using PeoplesCloud.Cli;

return CommandLine.Run(args);

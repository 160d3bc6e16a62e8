using PeoplesCloud.Cli;
using PeoplesCloud.Runtimes.Docker;

// Not a command for people: the daemon starts itself again as the guard of its containers.
if (args is [DockerGuard.Word, var socket]) return await DockerGuard.RunAsync(socket, TimeProvider.System);
return QuickList.Understands(args, out var swarm, out var json) ? QuickList.Run(swarm, json) : CommandLine.Run(args);

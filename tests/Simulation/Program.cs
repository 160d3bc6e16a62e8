return PeoplesCloud.Simulation.SimCommand.Run(args, Console.Out);

using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Sessions.Hosting;

namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>A host of sessions in real sandboxes.</summary>
internal sealed class SandboxFolder : SessionBed
{
    public SandboxFolder(SessionHostOptions? options = null)
    {
        File.SetUnixFileMode(Path, (UnixFileMode)0b111_001_001);
        Runtime = new SandboxRuntime(new SandboxOptions { Folder = System.IO.Path.Combine(Path, "sandbox"), Standby = [] }, TimeProvider.System, NullLogger.Instance);
        Host = new SessionHost(
            (options ?? new SessionHostOptions { Folder = "", Hostname = "localhost" }) with { Folder = Sessions, Address = IPAddress.Loopback, Network = NetworkMode.None },
            new SessionLimits(), Runtime, TimeProvider.System, NullLogger.Instance);
        Watch(Host);
    }

    public SandboxRuntime Runtime { get; }

    public override SessionHost Host { get; }

    public override string Shell(string lines) => $"#!/bin/sh\n{lines}\n";

    public override string Echo() => Scripts.Echo;

    public override Task<int> LeftAsync() => Task.FromResult(ProcessesWith(System.IO.Path.Combine(Path, "sandbox")));

    protected override async Task CloseAsync()
    {
        await Host.DisposeAsync();
        await Runtime.DisposeAsync();
    }
}

using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Sessions.Containers;

namespace PeoplesCloud.Sessions.Tests.Containers;

public sealed class ContainerScriptTests
{
    [Fact]
    public void A_script_with_all_options_is_read()
    {
        var script = ContainerScriptReader.Read("""
            registry.example.org/games/world:1.2
            {"port": 25565, "command": "run --name 'a b' \"c\\\"d\" e\\ f ''", "entrypoint": ["/bin/sh", "-c"],
             "environment": {"A": "1", "B": 2, "C": true, "D": null, "E": 1.5}, "hostname": "world", "labels": {"game": "world"},
             "mem_limit": "512m", "nano_cpus": 500000000, "cpu_shares": 512, "pids_limit": 64, "network_mode": "none", "read_only": true,
             "restart_policy": {"Name": "on-failure", "MaximumRetryCount": 3}, "tmpfs": {"/tmp": "size=64m,mode=1777"}, "user": "1000:1000",
             "volumes": {"/srv/world": {"bind": "/world", "mode": "ro"}}, "working_dir": "/world", "auto_remove": false,
             "ports": {"80/tcp": 8080, "53/udp": null, "81": ["127.0.0.1", 8081], "82": [8082, "8083", ["127.0.0.2", 8084], null]}}
            """);
        Assert.Equal(("registry.example.org/games/world:1.2", 25565), (script.Image, script.Port));
        Assert.Equal(["run", "--name", "a b", "c\"d", "e f", ""], script.Command);
        Assert.Equal(["/bin/sh", "-c"], script.Entrypoint);
        Assert.Equal([("A", "1"), ("B", "2"), ("C", "True"), ("D", null), ("E", "1.5")], script.Environment.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Equal(("world", "world", "1000:1000", "/world"), (script.Hostname, script.Labels["game"], script.User, script.WorkingFolder));
        Assert.Equal((512L << 20, 500_000_000L, 512L, 64L), (script.MemoryBytes, script.NanoCpus, script.CpuShares, script.PidsLimit));
        Assert.Equal((ContainerNetwork.None, true), (script.Network, script.IsReadOnly));
        Assert.Equal(new RestartRule(Always: false, OnFailure: true, Most: 3), script.Restart);
        Assert.Equal("size=64m,mode=1777", script.Tmpfs["/tmp"]);
        Assert.Equal([new ContainerVolume("/srv/world", "/world", IsReadOnly: true)], script.Volumes);
        Assert.Equal(
            [
                new ContainerPort(80, PortKinds.Tcp, null, 8080), new ContainerPort(53, PortKinds.Udp, null, 0), new ContainerPort(81, PortKinds.Tcp, IPAddress.Loopback, 8081),
                new ContainerPort(82, PortKinds.Tcp, null, 8082), new ContainerPort(82, PortKinds.Tcp, null, 8083), new ContainerPort(82, PortKinds.Tcp, IPAddress.Parse("127.0.0.2"), 8084), new ContainerPort(82, PortKinds.Tcp, null, 0),
            ],
            script.Ports);
    }

    [Fact]
    public void The_other_forms_of_docker_py_are_read_too()
    {
        var script = ContainerScriptReader.Read("""
            world
            {'port': 80, 'environment': ['A=1=2', 'B'], 'labels': ['one', 'two'], 'tmpfs': ['/tmp:size=1m', '/run'], 'user': 5, 'read_only': False, 'command': None,
             'volumes': ['/srv/a:/a:ro', '/srv/b:/b'], 'mem_limit': 1048576, 'pids_limit': -1, 'network_mode': 'bridge', 'restart_policy': {'Name': 'unless-stopped'}}
            """);
        Assert.Equal([("A", "1=2"), ("B", null)], script.Environment.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Equal(["one", "two"], script.Labels.Keys.Order());
        Assert.Equal([("/run", ""), ("/tmp", "size=1m")], script.Tmpfs.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Equal([new ContainerVolume("/srv/a", "/a", IsReadOnly: true), new ContainerVolume("/srv/b", "/b", IsReadOnly: false)], script.Volumes);
        Assert.Equal(("5", false, 0, 1048576L, -1L, ContainerNetwork.Usual), (script.User, script.IsReadOnly, script.Command.Count, script.MemoryBytes, script.PidsLimit, script.Network));
        Assert.True(script.Restart.Always);
        Assert.Equal(["/a", "/b"], ContainerScriptReader.Read("x\n{\"port\": 1, \"volumes\": {\"/srv/a\": \"/a\", \"/srv/b\": {\"bind\": \"/b\"}}}").Volumes.Select(volume => volume.Target));
    }

    [Theory]
    [InlineData("512m", 512L << 20)]
    [InlineData("512MB", 512L << 20)]
    [InlineData("1.5g", 3L << 29)]
    [InlineData("1024", 1024)]
    [InlineData("1024b", 1024)]
    [InlineData("2t", 2L << 40)]
    [InlineData("7K", 7 << 10)]
    public void Memory_is_written_as_docker_py_takes_it(string text, long bytes) => Assert.Equal(bytes, ContainerScriptReader.Read($"x\n{{\"port\": 1, \"mem_limit\": \"{text}\"}}").MemoryBytes);

    [Theory]
    [InlineData("x", "port")]
    [InlineData("x\n{}", "port")]
    [InlineData("x\n{\"port\": null}", "port")]
    [InlineData("x\n{\"port\": 0}", "port")]
    [InlineData("x\n{\"port\": 65536}", "port")]
    [InlineData("x\n{\"port\": \"80\"}", "port")]
    [InlineData("x\n{\"port\": 80.5}", "port")]
    [InlineData("\n{\"port\": 80}", "first line")]
    [InlineData("a b\n{\"port\": 80}", "first line")]
    [InlineData("#!/bin/sh\necho", "first line")]
    [InlineData("x\n[]", "no JSON object")]
    [InlineData("x\n{\"port\": 80", "no JSON object")]
    [InlineData("x\n{\"port\": 80, \"privileged\": true}", "'privileged'")]
    [InlineData("x\n{\"port\": 80, \"privileged\": null}", "'privileged'")]
    [InlineData("x\n{\"port\": 80, \"Command\": \"a\"}", "'Command'")]
    [InlineData("x\n{\"port\": 80, \"command\": 5}", "command")]
    [InlineData("x\n{\"port\": 80, \"command\": [5]}", "command")]
    [InlineData("x\n{\"port\": 80, \"command\": \"'open\"}", "command")]
    [InlineData("x\n{\"port\": 80, \"command\": \"a\\u0000\"}", "command")]
    [InlineData("x\n{\"port\": 80, \"entrypoint\": {}}", "entrypoint")]
    [InlineData("x\n{\"port\": 80, \"environment\": \"A=1\"}", "environment")]
    [InlineData("x\n{\"port\": 80, \"environment\": [\"=1\"]}", "environment")]
    [InlineData("x\n{\"port\": 80, \"environment\": {\"A\": [1]}}", "environment")]
    [InlineData("x\n{\"port\": 80, \"environment\": {\"A=\": \"\"}}", "environment")]
    [InlineData("x\n{\"port\": 80, \"hostname\": 5}", "hostname")]
    [InlineData("x\n{\"port\": 80, \"labels\": {\"a\": 5}}", "labels")]
    [InlineData("x\n{\"port\": 80, \"labels\": {\"peoples-cloud.session\": \"a\"}}", "labels")]
    [InlineData("x\n{\"port\": 80, \"mem_limit\": \"much\"}", "mem_limit")]
    [InlineData("x\n{\"port\": 80, \"mem_limit\": -1}", "mem_limit")]
    [InlineData("x\n{\"port\": 80, \"mem_limit\": \"99999999999t\"}", "mem_limit")]
    [InlineData("x\n{\"port\": 80, \"nano_cpus\": 0.5}", "nano_cpus")]
    [InlineData("x\n{\"port\": 80, \"cpu_shares\": \"512\"}", "cpu_shares")]
    [InlineData("x\n{\"port\": 80, \"pids_limit\": 1.5}", "pids_limit")]
    [InlineData("x\n{\"port\": 80, \"network_mode\": \"container:abc\"}", "network_mode")]
    [InlineData("x\n{\"port\": 80, \"read_only\": 1}", "read_only")]
    [InlineData("x\n{\"port\": 80, \"restart_policy\": \"always\"}", "restart_policy")]
    [InlineData("x\n{\"port\": 80, \"restart_policy\": {\"Name\": \"sometimes\"}}", "restart_policy")]
    [InlineData("x\n{\"port\": 80, \"restart_policy\": {\"Name\": \"always\", \"MaximumRetryCount\": 5}}", "restart_policy")]
    [InlineData("x\n{\"port\": 80, \"restart_policy\": {\"Name\": \"always\"}, \"auto_remove\": true}", "auto_remove")]
    [InlineData("x\n{\"port\": 80, \"tmpfs\": {\"tmp\": \"\"}}", "tmpfs")]
    [InlineData("x\n{\"port\": 80, \"tmpfs\": {\"/tmp\": \"suid\"}}", "tmpfs")]
    [InlineData("x\n{\"port\": 80, \"tmpfs\": {\"/../tmp\": \"\"}}", "tmpfs")]
    [InlineData("x\n{\"port\": 80, \"user\": true}", "user")]
    [InlineData("x\n{\"port\": 80, \"volumes\": [\"world:/world\"]}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"volumes\": [\"/world\"]}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"volumes\": {\"/srv/../etc\": {\"bind\": \"/a\"}}}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"volumes\": {\"/srv\": {\"mode\": \"ro\"}}}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"volumes\": {\"/srv\": {\"bind\": \"/a\", \"mode\": \"rwx\"}}}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"working_dir\": \"srv\"}", "working_dir")]
    [InlineData("x\n{\"port\": 80, \"ports\": [80]}", "ports")]
    [InlineData("x\n{\"port\": 80, \"ports\": {\"80/sctp\": 80}}", "ports")]
    [InlineData("x\n{\"port\": 80, \"ports\": {\"0/tcp\": 80}}", "ports")]
    [InlineData("x\n{\"port\": 80, \"ports\": {\"80/tcp\": 65536}}", "ports")]
    [InlineData("x\n{\"port\": 80, \"ports\": {\"80/tcp\": {\"HostPort\": [80]}}}", "ports")]
    [InlineData("x\n{\"port\": 80, \"ports\": {\"80/tcp\": {\"HostIp\": \"here\", \"HostPort\": 80}}}", "ports")]
    [InlineData("x\n{\"port\": 80, \"volumes\": {\"/srv\": {\"bind\": \"/a\", \"ro\": \"yes\"}}}", "volumes")]
    [InlineData("x\n{\"port\": 80, \"auto_remove\": \"yes\"}", "auto_remove")]
    [InlineData("x\n{\"port\": 80, \"user\": \"\\ud800\"}", "no Unicode")]
    public void Anything_else_is_refused_by_the_name_of_the_option(string script, string named)
    {
        var refused = Assert.Throws<PcException>(() => ContainerScriptReader.Read(script));
        Assert.Equal(ErrorCode.SessionScriptRefused, refused.Code);
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_than_a_container_needs_is_refused()
    {
        var many = string.Join(',', Enumerable.Range(1, 2000).Select(i => $"\"a{i}\""));
        foreach (var option in new[] { "command", "entrypoint", "environment", "labels", "tmpfs", "volumes" })
            Assert.Contains(option, Assert.Throws<PcException>(() => ContainerScriptReader.Read($"x\n{{\"port\": 1, \"{option}\": [{many}]}}")).Message, StringComparison.Ordinal);
        var ports = string.Join(',', Enumerable.Range(1, 33).Select(i => $"\"{i}\": null"));
        Assert.Contains("ports", Assert.Throws<PcException>(() => ContainerScriptReader.Read($"x\n{{\"port\": 1, \"ports\": {{{ports}}}}}")).Message, StringComparison.Ordinal);
        Assert.Throws<PcException>(() => ContainerScriptReader.Read($"x\n{{\"port\": 1, \"command\": \"{new string('a', ContainerLimits.Chars + 1)}\"}}"));
    }

    [Fact]
    public void A_restart_waits_longer_each_time_and_ends_with_its_count()
    {
        var rule = new RestartRule(Always: false, OnFailure: true, Most: 3);
        Assert.Equal([100, 200, 400], Enumerable.Range(0, 3).Select(i => rule.PauseAfter(1, i)!.Value.TotalMilliseconds));
        Assert.Null(rule.PauseAfter(1, 3));
        Assert.Null(rule.PauseAfter(0, 0));
        Assert.Null(RestartRule.Never.PauseAfter(1, 0));
        Assert.Equal(TimeSpan.FromMinutes(1), new RestartRule(Always: true, OnFailure: false, Most: null).PauseAfter(0, 1000));
    }
}

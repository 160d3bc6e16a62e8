using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Sessions.Containers;

namespace PeoplesCloud.Sessions.Tests.Containers;

public sealed class ContainerRulesTests
{
    private static readonly ContainerPolicy Policy = new(new RunLimits { MemoryBytes = 1 << 30, Cpus = 2, Pids = 100 }, NetworkMode.Internet);

    [Fact]
    public void Of_a_limit_the_smaller_counts_and_none_is_the_hosts()
    {
        var none = Apply("{'port': 1}");
        Assert.Equal((1L << 30, 2.0, 100, 0L), (none.Limits.MemoryBytes, none.Limits.Cpus, none.Limits.Pids, none.CpuShares));
        var less = Apply("{'port': 1, 'mem_limit': '64m', 'nano_cpus': 500000000, 'pids_limit': 10, 'cpu_shares': 2}");
        Assert.Equal((64L << 20, 0.5, 10, 2L), (less.Limits.MemoryBytes, less.Limits.Cpus, less.Limits.Pids, less.CpuShares));
        var more = Apply("{'port': 1, 'mem_limit': '64g', 'nano_cpus': 64000000000, 'pids_limit': 100000, 'cpu_shares': 200000}");
        Assert.Equal((1L << 30, 2.0, 100, 1024L), (more.Limits.MemoryBytes, more.Limits.Cpus, more.Limits.Pids, more.CpuShares));
        Assert.Equal(100, Apply("{'port': 1, 'pids_limit': -1}").Limits.Pids);
    }

    [Fact]
    public void The_network_is_the_hosts_or_none_and_the_hosts_own_where_it_allows_that()
    {
        Assert.Equal(NetworkMode.Internet, Apply("{'port': 1}").Network);
        Assert.Equal(NetworkMode.None, Apply("{'port': 1, 'network_mode': 'none'}").Network);
        Assert.Equal(NetworkMode.None, Apply("{'port': 1, 'network_mode': 'bridge'}", Policy with { Network = NetworkMode.None }).Network);
        Refused("network_mode", "{'port': 1, 'network_mode': 'host'}");
        Assert.True(Apply("{'port': 1, 'network_mode': 'host'}", Policy with { AllowsHostNetwork = true }).HasHostNetwork);
    }

    [Fact]
    public void Folders_of_the_host_are_seen_where_it_lists_them()
    {
        var policy = Policy with { Volumes = ["/srv/world/"], ReadOnly = ["/opt/games"] };
        Assert.Equal([new LastingMount("/srv/world", "/w", IsReadOnly: false)], Apply("{'port': 1, 'volumes': ['/srv/world:/w']}", policy).Mounts);
        Assert.Equal([new LastingMount("/opt/games/a", "/a", IsReadOnly: true)], Apply("{'port': 1, 'volumes': ['/opt/games/a:/a:ro']}", policy).Mounts);
        Refused("volumes", "{'port': 1, 'volumes': ['/srv/world:/w']}");
        Refused("volumes", "{'port': 1, 'volumes': ['/srv/world/below:/w']}", policy);
        Refused("volumes", "{'port': 1, 'volumes': ['/srv:/w']}", policy);
        Refused("volumes", "{'port': 1, 'volumes': ['/opt/games/a:/a']}", policy);
        Refused("volumes", "{'port': 1, 'volumes': ['/opt/gamesmore:/a:ro']}", policy);
        Refused("volumes", "{'port': 1, 'volumes': ['/:/a:ro']}", policy, ErrorCode.SessionScriptRefused);
    }

    // A session that may write to a folder can put a link into it, which the engine follows for the next one.
    [Theory]
    [InlineData("/srv/games/world/link:/w:ro")]
    [InlineData("/srv/games//world/link:/w:ro")]
    [InlineData("/srv/games/world/inner:/w")]
    public void Nothing_below_a_folder_that_sessions_write_to_is_given(string volume)
    {
        var policy = Policy with { Volumes = ["/srv/games/world", "/srv/games/world/inner"], ReadOnly = ["/srv/games"] };
        Refused("below a folder that sessions write to", $$"""{'port': 1, 'volumes': ['{{volume}}']}""", policy);
        Assert.Equal([new LastingMount("/srv/games/maps", "/m", IsReadOnly: true)], Apply("{'port': 1, 'volumes': ['/srv/games//maps:/m:ro']}", policy).Mounts);
    }

    [Fact]
    public void Ports_of_the_machines_services_and_addresses_beside_the_sessions_are_not_given()
    {
        Refused("ports", "{'port': 1, 'ports': {'80': 80}}");
        Refused("ports", "{'port': 1, 'ports': {'80': ['192.0.2.1', 8080]}}");
        Assert.NotNull(Apply("{'port': 1, 'ports': {'80': ['127.0.0.1', 8080], '81': null}}"));
    }

    private static LastingSpec Apply(string options, ContainerPolicy? policy = null) => ContainerRules.Apply("a1", ContainerScriptReader.Read("x\n" + options), policy ?? Policy, IPAddress.Loopback);

    private static void Refused(string option, string options, ContainerPolicy? policy = null, ErrorCode code = ErrorCode.SessionOptionRefused)
    {
        var refused = Assert.Throws<PcException>(() => Apply(options, policy));
        Assert.Equal(code, refused.Code);
        Assert.Contains(option, refused.Message, StringComparison.Ordinal);
    }
}

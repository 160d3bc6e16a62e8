using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Tests.Sandbox.Limits;

/// <summary>Where our groups go, on hosts of each kind, by what the kernel writes there.</summary>
public sealed class CgroupLayoutTests
{
    [Fact]
    public void A_host_with_version_2_has_one_tree()
    {
        var layout = Parse(
            ["30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"],
            ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/pc.service"]);

        Assert.Equal("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/pc.service", layout.V2);
        Assert.Equal("/sys/fs/cgroup", layout.V2Root);
        Assert.Empty(layout.V1);
    }

    [Fact]
    public void A_hybrid_host_has_a_tree_for_each_controller()
    {
        var layout = Parse(
            [
                "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct",
                "32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
                "33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
                "34 30 0:30 / /proc rw - proc proc rw",
            ],
            ["4:memory:/own/group", "2:cpu,cpuacct:/", "0::/"]);

        Assert.Equal("/sys/fs/cgroup/memory/own/group", layout.V1["memory"]);
        Assert.Equal("/sys/fs/cgroup/cpu,cpuacct", layout.V1["cpu"].TrimEnd('/'));
        Assert.Equal(layout.V1["cpu"], layout.V1["cpuacct"]);
        Assert.Equal("/sys/fs/cgroup/unified", layout.V2?.TrimEnd('/'));
    }

    [Fact]
    public void In_a_container_the_mount_is_the_own_group()
    {
        string[] mounts = ["32 30 0:28 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory"];

        Assert.Equal("/sys/fs/cgroup/memory", Parse(mounts, ["4:memory:/docker/abc"]).V1["memory"].TrimEnd('/'));
        Assert.Equal("/sys/fs/cgroup/memory/inner", Parse(mounts, ["4:memory:/docker/abc/inner"]).V1["memory"]);
        // A path of the host that is not seen here.
        Assert.Equal("/sys/fs/cgroup/memory", CgroupLayout.Parse(mounts, ["4:memory:/elsewhere"], _ => false).V1["memory"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no separator")]
    [InlineData("32 30 - cgroup")]
    [InlineData("32 30 0:28 / /mnt rw - cgroup")]
    public void A_line_that_is_none_is_passed_over(string line)
    {
        var layout = Parse([line], [line, "x"]);

        Assert.Empty(layout.V1);
        Assert.Null(layout.V2);
    }

    private static CgroupLayout Parse(string[] mounts, string[] groups) => CgroupLayout.Parse(mounts, groups, _ => true);
}

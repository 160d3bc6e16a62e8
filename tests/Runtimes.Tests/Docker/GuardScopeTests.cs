using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>How the guard of containers is started where systemd would end it with its daemon. A script stands in for systemd-run; no engine is needed.</summary>
public sealed class GuardScopeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("guard-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_guard_is_started_in_a_scope_and_is_one_process_with_it()
    {
        var script = Script("scope", "printf '%s ' \"$@\" > \"$0.words\"\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"");
        await using var keeper = Keeper([script, .. GuardKeeper.ScopesOf(systemd: true, root: false)[0].Skip(1)], []);
        await keeper.AddAsync("container", null, Token);
        Assert.StartsWith("--scope --collect --quiet --user -- ", await File.ReadAllTextAsync(script + ".words", Token), StringComparison.Ordinal);
        var words = (await File.ReadAllTextAsync($"/proc/{keeper.Pid}/cmdline", Token)).Split('\0');
        Assert.Contains(DockerGuard.Word, words);
        keeper.Remove("container");
    }

    [Fact]
    public async Task Where_a_scope_is_refused_or_there_is_no_systemd_run_the_guard_runs_without()
    {
        await using var keeper = Keeper([Script("refused", "echo no bus for this user >&2\nexit 1")], [Path.Combine(_folder, "none")], []);
        await keeper.AddAsync("container", null, Token);
        Assert.NotNull(keeper.Pid);
        keeper.Remove("container");
    }

    [Fact]
    public async Task What_the_last_attempt_said_is_told()
    {
        await using var keeper = Keeper([Script("refused", "echo no bus for this user >&2\nexit 1")]);
        var error = await Assert.ThrowsAsync<PcException>(() => keeper.AddAsync("container", null, Token));
        Assert.Equal(ErrorCode.DockerGuardFailed, error.Code);
        Assert.EndsWith("no bus for this user", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Root_asks_the_system_and_others_their_own_systemd_and_all_can_do_without()
    {
        Assert.Equal([[]], GuardKeeper.ScopesOf(systemd: false, root: true));
        Assert.Equal([["systemd-run", "--scope", "--collect", "--quiet", "--"], []], GuardKeeper.ScopesOf(systemd: true, root: true));
        Assert.Contains("--user", GuardKeeper.ScopesOf(systemd: true, root: false)[0]);
        Assert.Equal(GuardKeeper.ScopesOf(Directory.Exists("/run/systemd/system"), Environment.IsPrivilegedProcess), DockerTestBase.Options("/none", _folder).Scopes);
    }

    private GuardKeeper Keeper(params IReadOnlyList<string>[] scopes) =>
        new(DockerTestBase.Options(Path.Combine(_folder, "none.sock"), _folder) with { Scopes = scopes }, TimeProvider.System, NullLogger.Instance);

    private string Script(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, $"#!/bin/sh\n{text}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}

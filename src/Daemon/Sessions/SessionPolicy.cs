using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Hosting;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>
/// What the owner of this host allows of sessions: when they run at all, how many, in what, with which network, and that they fit beside programs into what is
/// given in all (docs/protocols/programs.md, "Policy of a host"). Thread-safe.
/// </summary>
internal sealed class SessionPolicy
{
    private static readonly RunLimits Nothing = new() { MemoryBytes = 0, Cpus = 0, Pids = 0, DiskBytes = 0 };

    private readonly SessionsConfig _config;
    private readonly Func<HostPolicy> _policy;
    private readonly Func<HostUse> _programs;
    private readonly TimeProvider _time;

    /// <summary>Makes it.</summary>
    /// <param name="config">The table [sessions].</param>
    /// <param name="policy">The rules, asked anew each time.</param>
    /// <param name="programs">What programs of this host were promised.</param>
    /// <param name="time">The clock on the wall, for hours.</param>
    public SessionPolicy(SessionsConfig config, Func<HostPolicy> policy, Func<HostUse> programs, TimeProvider time)
    {
        (_config, _policy, _programs, _time) = (config, policy, programs, time);
        Shares = new SessionShares(RefusalOf);
    }

    /// <summary>What sessions were promised.</summary>
    public SessionShares Shares { get; }

    /// <summary>What holds for a script that starts now: never a wider network than the internet, since whoever publishes is nobody's neighbour.</summary>
    public (RunLimits Limits, NetworkMode Network) Terms =>
        _policy() is var policy && policy.Network < NetworkMode.Internet ? (policy.LimitsOf(_config.Limits), policy.Network) : (policy.LimitsOf(_config.Limits), NetworkMode.Internet);

    /// <summary>Whether nothing may run here now.</summary>
    public bool IsClosed => _policy().Closed(_time.GetLocalNow()) is not null;

    /// <summary>Why one session more would not start now; null when it would. What one in Docker asks for is known when it does.</summary>
    public PcException? Refusal => Shares.RefusalOf(IsDocker ? Nothing : Terms.Limits);

    private bool IsDocker => _config.Mode == "docker";

    private PcException? RefusalOf(RunLimits asked, SessionUse sessions)
    {
        var refusal = _policy().SessionRefusal(asked, IsDocker ? "docker" : "sandbox", sessions.Count, _programs().Beside(sessions.MemoryBytes, sessions.Cpus), _time.GetLocalNow());
        return refusal is null ? null : new PcException(ErrorCode.HostRefuses, $"this node refuses one session more: {refusal.Text}", "ask again later, or ask its owner: pc host show there says what it gives");
    }
}

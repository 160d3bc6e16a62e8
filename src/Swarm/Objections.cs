using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm;

/// <summary>Says to a person why this node may not write an entry.</summary>
internal static class Objections
{
    public static PcException? ToException(this Objection objection, string swarm, EntryBody body) =>
        objection switch
        {
            Objection.None => null,
            Objection.NotAMember => new PcException(ErrorCode.NotAMember, $"this node is not a member of {swarm}"),
            Objection.NotAdmin => new PcException(ErrorCode.NotAllowed, $"only an admin of {swarm} may do this ({body.Kind})"),
            Objection.GuestMayNot => new PcException(ErrorCode.NotAllowed, $"a guest of {swarm} may not deploy"),
            Objection.NotOwnerOrAdmin => new PcException(ErrorCode.NotAllowed, $"only the program's owner or an admin of {swarm} may do this"),
            Objection.HostMayNot => new PcException(ErrorCode.NotAllowed, $"the chosen host is a guest or not a member of {swarm}"),
            Objection.Oneself => new PcException(ErrorCode.NotAllowed, "a node cannot do this to itself", "To leave a swarm: pc leave SWARM."),
            Objection.UnknownMember => new PcException(ErrorCode.MemberUnknown, $"there is no such member in {swarm}"),
            Objection.UnknownProgram => new PcException(ErrorCode.SwarmProgramUnknown, $"there is no such program in {swarm}"),
            Objection.ProgramStopped => new PcException(ErrorCode.SwarmProgramUnknown, $"the program in {swarm} is stopped already"),
            Objection.OldGeneration => new PcException(ErrorCode.NotAllowed, "a later choice of the host is known"),
            _ => new PcException(ErrorCode.NotAllowed, $"{swarm} has no use for this entry ({objection})"),
        };
}

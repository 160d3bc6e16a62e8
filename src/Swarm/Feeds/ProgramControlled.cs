using System.Text;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>What somebody did with a running program. Numbers are on the wire.</summary>
public enum ControlAction
{
    /// <summary>It is to be started again, wherever it runs.</summary>
    Restart = 1,

    /// <summary>A command was run beside it in its sandbox.</summary>
    Exec = 2,

    /// <summary>Its owner is told something about its data: a host kept a copy that lost against another.</summary>
    DataTold = 3,
}

/// <summary>The owner, an admin or (for <see cref="ControlAction.DataTold"/>) a keeper did something with a program.</summary>
/// <param name="Program">The program's id.</param>
/// <param name="Action">What was done.</param>
/// <param name="Detail">
/// More about it, at most <see cref="SwarmLimits.MaxControlDetailBytes"/>: of a command its first word and how many follow, never the
/// words themselves, which may be secrets and would be kept for ever.
/// </param>
public sealed record ProgramControlled(EntryHash Program, ControlAction Action, string Detail) : EntryBody(EntryKind.ProgramControlled)
{
    internal override byte[] Encode() =>
        new ProgramControlledMessage { Program = ByteString.CopyFrom(Program.ToBytes()), Action = (uint)Action, Detail = Detail }.ToByteArray();

    // An action of a later version is unknown as a whole: it is kept, forwarded and changes nothing.
    internal static ProgramControlled? From(ProgramControlledMessage m) =>
        EntryHash.TryFromBytes(m.Program.Span, out var program) && Enum.IsDefined((ControlAction)m.Action)
            && Encoding.UTF8.GetByteCount(m.Detail) <= SwarmLimits.MaxControlDetailBytes && !m.Detail.Any(char.IsControl)
            ? new ProgramControlled(program, (ControlAction)m.Action, m.Detail)
            : null;
}

/// <summary>One of the last things that were done with a program, as the feeds know it.</summary>
/// <param name="Entry">The hash of its <see cref="ProgramControlled"/> entry.</param>
/// <param name="Author">Who did it.</param>
/// <param name="At">When, by the author's clock.</param>
/// <param name="Action">What.</param>
/// <param name="Detail">More about it.</param>
public sealed record ProgramControl(EntryHash Entry, PeerId Author, DateTimeOffset At, ControlAction Action, string Detail);

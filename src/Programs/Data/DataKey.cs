using System.Text;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>Whose data it is: of all programs of one owner and name in a swarm, one after the other, so that it outlives a redeploy.</summary>
/// <param name="Swarm">The swarm.</param>
/// <param name="Owner">Who deploys.</param>
/// <param name="Name">The program's name.</param>
public sealed record DataKey(SwarmId Swarm, PeerId Owner, string Name)
{
    /// <summary>The key of a program.</summary>
    public static DataKey Of(ProgramSpec spec) => new(spec.Swarm, spec.Owner, spec.Name);

    /// <summary>Its folder's name: 26 characters of a hash, since names of people belong in no path.</summary>
    public string FolderName => DataHash.Of([.. "peoples-cloud program data folder 1:"u8, .. Swarm.ToBytes(), .. Owner.Bytes, .. Encoding.UTF8.GetBytes(Name)]).ToString()[..26];
}

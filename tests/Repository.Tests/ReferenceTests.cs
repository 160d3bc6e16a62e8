using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace PeoplesCloud.Repository.Tests;

/// <summary>References go down only (DESIGN section 3, with Base below all).</summary>
public sealed class ReferenceTests
{
    // What each floor may refer to. A wing never refers to another wing.
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Base"] = [],
        ["Libp2p"] = ["Base"],
        ["Content"] = ["Base"],
        ["Runtimes"] = ["Base"],
        ["Swarm"] = ["Base", "Libp2p", "Content"],
        ["Programs"] = ["Base", "Swarm", "Runtimes", "Content", "Libp2p"],
        ["Sessions"] = ["Base", "Swarm", "Runtimes", "Content", "Libp2p"],
        ["Daemon"] = ["Base", "Libp2p", "Content", "Swarm", "Runtimes", "Programs", "Sessions"],
        ["Cli"] = ["Daemon", "Base"],
    };

    [Fact]
    public void Projects_refer_to_lower_floors_only()
    {
        var projects = Tree.Under("src/", ".csproj").ToList();
        Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), projects.Select(Name).Order(StringComparer.Ordinal));
        foreach (var project in projects)
        {
            var references = XDocument.Parse(Tree.Read(project)).Descendants("ProjectReference").Select(reference => Name(reference.Attribute("Include")!.Value));
            Assert.Empty(references.Except(Allowed[Name(project)], StringComparer.Ordinal).Select(wrong => $"{Name(project)} -> {wrong}"));
        }
    }

    [Theory]
    [InlineData("Swarm")]
    [InlineData("Programs")]
    [InlineData("Sessions")]
    public void A_wing_and_the_swarm_see_nothing_of_libp2p_but_the_peer_id(string floor) =>
        Assert.Equal(["PeerId"], TypesUsed(floor, "PeoplesCloud.Libp2p"));

    [Fact]
    public void The_command_line_speaks_with_the_daemon_only() =>
        Assert.Empty(TypesUsed("pc", "PeoplesCloud.Libp2p").Concat(TypesUsed("pc", "PeoplesCloud.Swarm")).Concat(TypesUsed("pc", "PeoplesCloud.Content")));

    [Fact]
    public void The_swarm_has_no_socket_and_no_file()
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "PeoplesCloud.Swarm.dll")));
        var reader = file.GetMetadataReader();
        var assemblies = reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name));
        Assert.Empty(assemblies.Where(name => name is "System.Net.Sockets" or "System.Net.Http" or "System.IO.Pipelines"));
        var types = reader.TypeReferences.Select(handle => reader.GetString(reader.GetTypeReference(handle).Name));
        Assert.Empty(types.Where(name => name is "File" or "FileStream" or "Directory" or "Task" or "Thread" or "Timer"));
    }

    private static SortedSet<string> TypesUsed(string program, string of)
    {
        var name = program == "pc" ? "pc.dll" : $"PeoplesCloud.{program}.dll";
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, name)));
        var reader = file.GetMetadataReader();
        var used = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var handle in reader.TypeReferences)
        {
            var type = reader.GetTypeReference(handle);
            if (type.ResolutionScope.Kind != HandleKind.AssemblyReference) continue;
            var assembly = reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope);
            if (reader.GetString(assembly.Name) == of) used.Add(reader.GetString(type.Name));
        }
        return used;
    }

    private static string Name(string project) => Path.GetFileNameWithoutExtension(project);
}

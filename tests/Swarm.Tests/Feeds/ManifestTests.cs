using System.Collections.Immutable;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class ManifestTests
{
    private static readonly ProgramManifest Full = new()
    {
        Command = ["python3", "-m", "bot"],
        Runtime = "docker",
        Image = "example.org/team/bot:3",
        Ports = [new(8080, "web", ProgramPort.Http), new(9000), new(9000, null, ProgramPort.Udp)],
        Environment = new Dictionary<string, string> { ["MODE"] = "calm", ["A"] = "" }.ToImmutableDictionary(),
        Secrets = ["TOKEN", "KEY"],
        Data = true,
        WhenAlone = "stop",
        Schedule = "*/5 * * * *",
    };

    // The bytes are signed: what changes them is another format. Names, ports and secrets are in order, whatever order they came in.
    [Fact]
    public void A_manifest_is_these_bytes_and_is_read_back()
    {
        const string Expected = "0a07707974686f6e330a022d6d0a03626f741206646f636b65721a166578616d706c652e6f72672f7465616d2f626f743a33220e08903f12037765621a0468747470"
            + "220308a846220808a8461a037564702a030a01412a0c0a044d4f4445120463616c6d32034b45593205544f4b454e3801420473746f704a0b2a2f35202a202a202a202a";
        Assert.Equal(Expected, Convert.ToHexStringLower(Full.Encode()));
        var read = ProgramManifest.TryDecode(Full.Encode())!;
        Assert.Equal(Full, read);
        Assert.Equal(["KEY", "TOKEN"], read.Secrets);
        Assert.Equal(["A", "MODE"], read.Environment.Keys);
        Assert.Equal([ProgramPort.Http, ProgramPort.Tcp, ProgramPort.Udp], read.Ports.Select(port => port.Protocol));
        Assert.Equal(("python3 -m bot", "docker", true, "stop", "*/5 * * * *"), (string.Join(' ', read.Command!), read.Runtime, read.Data, read.WhenAlone, read.Schedule));
    }

    [Fact]
    public void A_program_that_asks_for_nothing_has_the_entry_of_earlier_versions()
    {
        Assert.True(ProgramManifest.Empty.IsEmpty);
        Assert.False(Full.IsEmpty);
        Assert.Equal(ProgramManifest.Empty, ProgramManifest.TryDecode([]));
        var village = new Village(Role.Member);
        var plain = (ProgramDeployed)village.Deploy(0).Body;
        Assert.Equal(ProgramManifest.Empty, plain.Manifest);
        Assert.Equal(plain.Encode(), (plain with { Manifest = new ProgramManifest() }).Encode());
        var asking = plain with { Manifest = Full };
        var entry = StoredEntry.Create(new SimKeys().Signer(3), village[0].Id, 7, EntryHash.Of([1]), [], new HybridClock(99), asking);
        Assert.True(StoredEntry.TryDecode(entry.Bytes.Span, out var read, out _));
        Assert.Equal(Full, Assert.IsType<ProgramDeployed>(read.Body).Manifest);
    }

    public static TheoryData<string, ProgramManifest> Impossible => new()
    {
        { "the command begins with an empty word", new() { Command = [""] } },
        { "the command has 0 words", new() { Command = [] } },
        { "the command has 257 words", new() { Command = [.. Enumerable.Repeat("x", 257)] } },
        { "the command holds a NUL", new() { Command = ["a\0b"] } },
        { "the runtime is no word", new() { Runtime = "../docker" } },
        { "the image is no reference", new() { Image = "-v/:/host" } },
        { "0 is no port", new() { Ports = [new(0)] } },
        { "70000 is no port", new() { Ports = [new(70000)] } },
        { "port 80 is there twice", new() { Ports = [new(80), new(80, null, ProgramPort.Http)] } },
        { "two ports have one name", new() { Ports = [new(80, "web"), new(81, "web")] } },
        { "it has 33 ports", new() { Ports = [.. Enumerable.Range(1, 33).Select(number => new ProgramPort(number))] } },
        { "a name of an environment variable", new() { Environment = new Dictionary<string, string> { ["A=B"] = "" } } },
        { "a name of an environment variable", new() { Secrets = ["7UP"] } },
        { "PATH is set by the host", new() { Environment = new Dictionary<string, string> { ["PATH"] = "/tmp" } } },
        { "TOKEN is set twice", new() { Environment = new Dictionary<string, string> { ["TOKEN"] = "x" }, Secrets = ["TOKEN"] } },
        { "the value of A holds a NUL", new() { Environment = new Dictionary<string, string> { ["A"] = "x\0" } } },
        { "when-alone is neither", new() { WhenAlone = "maybe" } },
        { "the schedule is no line", new() { Schedule = "* * * *\n*" } },
        { "takes more than 8192 bytes", new() { Environment = new Dictionary<string, string> { ["A"] = new('x', 8192) } } },
        { "more than 128 environment variables", new() { Secrets = [.. Enumerable.Range(0, 129).Select(number => $"S{number}")] } },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void What_is_not_possible_is_said_and_not_written(string sentence, ProgramManifest manifest)
    {
        Assert.Contains(sentence, manifest.Problem);
        // An empty command has no bytes, and an unknown when-alone may be of a later version: only the owner's side refuses them.
        if (manifest.IsEmpty || manifest.WhenAlone is not null) return;
        Assert.Null(ProgramManifest.TryDecode(manifest.Encode()));
        var deployed = (ProgramDeployed)new Village(Role.Member).Deploy(0).Body with { Manifest = manifest };
        Assert.Throws<ArgumentException>(() => StoredEntry.Create(new SimKeys().Signer(3), new Village()[0].Id, 7, EntryHash.Of([1]), [], new HybridClock(99), deployed));
    }

    [Fact]
    public void A_word_of_a_later_version_is_kept_and_an_unknown_when_alone_is_the_careful_one()
    {
        var read = ProgramManifest.TryDecode([.. new ProgramManifest { Runtime = "wasm", Ports = [new(443, null, "quic")] }.Encode(), 0x42, 5, .. "never"u8])!;
        Assert.Equal(("wasm", "quic", "stop"), (read.Runtime, read.Ports[0].Protocol, read.WhenAlone));
    }

    [Fact]
    public void Every_truncation_and_every_flipped_bit_is_refused_or_read_whole()
    {
        var bytes = Full.Encode();
        for (var length = 0; length < bytes.Length; length++) _ = ProgramManifest.TryDecode(bytes.AsSpan(0, length));
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            if (ProgramManifest.TryDecode(bytes) is { } read) Assert.Equal(read, ProgramManifest.TryDecode(read.Encode()));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }
}

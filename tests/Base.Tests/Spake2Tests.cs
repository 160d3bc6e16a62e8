using System.Diagnostics;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Base.Tests;

public sealed class Spake2Tests
{
    private static readonly JsonElement Vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors/spake2/1/spake2.json"))).RootElement;
    private static readonly byte[] Password = P256.Reduce("any bytes that are long enough to be a number"u8);

    public static TheoryData<string> Names(string kind) => [.. Vectors.GetProperty(kind).EnumerateArray().Select(v => v.GetProperty("name").GetString()!)];

    [Theory]
    [MemberData(nameof(Names), "exchanges")]
    public void Both_sides_of_a_vector_say_its_bytes(string name)
    {
        byte[] Of(string field) => Convert.FromHexString(Vector("exchanges", name).GetProperty(field).GetString()!);
        using var a = new Spake2(isA: true, Of("w"), Of("x"));
        using var b = new Spake2(isA: false, Of("w"), Of("y"));
        Assert.Equal(Of("pA"), a.Share);
        Assert.Equal(Of("pB"), b.Share);
        Assert.True(a.TryTake(b.Share, Of("idA"), Of("idB"), Of("aad")));
        Assert.True(b.TryTake(a.Share, Of("idA"), Of("idB"), Of("aad")));
        Assert.Equal(Of("ke"), a.Key);
        Assert.Equal(Of("ke"), b.Key);
        Assert.Equal(Of("cA"), a.Confirmation);
        Assert.Equal(Of("cB"), b.Confirmation);
        Assert.True(a.Confirms(Of("cB")));
        Assert.True(b.Confirms(Of("cA")));
        Assert.False(a.Confirms(Of("cA")));
    }

    [Theory]
    [MemberData(nameof(Names), "passwords")]
    public void A_password_becomes_the_scalar_of_its_vector(string name)
    {
        var vector = Vector("passwords", name);
        byte[] Of(string field) => Convert.FromHexString(vector.GetProperty(field).GetString()!);
        var cost = new ScryptCost(vector.GetProperty("logN").GetInt32(), vector.GetProperty("r").GetInt32(), vector.GetProperty("p").GetInt32());
        Assert.Equal(Of("w"), SlowPassword.Derive(Of("secret"), Of("salt"), cost));
    }

    [Fact] // An independent implementation: whole numbers in Python. It needs no library, but Python itself is not on every machine.
    public void Another_implementation_agrees_with_the_vectors()
    {
        var start = new ProcessStartInfo("python3", ["-B", Path.Combine(VectorFolder(), "spake2.py")]) { RedirectStandardOutput = true, UseShellExecute = false };
        Process python;
        try
        {
            python = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("python3 is not installed");
            return;
        }
        using (python)
        {
            var said = python.StandardOutput.ReadToEnd();
            python.WaitForExit();
            Assert.True(python.ExitCode == 0, said);
        }
    }

    [Fact]
    public void Sides_that_know_one_password_agree_and_each_run_is_another()
    {
        var keys = new HashSet<string>();
        for (var run = 0; run < 20; run++)
        {
            var (a, b) = Run(Password, Password);
            using (a)
            using (b)
            {
                Assert.True(a.Confirms(b.Confirmation) && b.Confirms(a.Confirmation));
                Assert.Equal(a.Key, b.Key);
                Assert.True(keys.Add(Convert.ToHexString(a.Key!)) && keys.Add(Convert.ToHexString(a.Share)) && keys.Add(Convert.ToHexString(b.Share)));
            }
        }
    }

    [Fact]
    public void A_wrong_password_is_seen_by_both_sides()
    {
        var other = (byte[])Password.Clone();
        other[^1] ^= 1;
        var (a, b) = Run(Password, other);
        Assert.False(a.Confirms(b.Confirmation));
        Assert.False(b.Confirms(a.Confirmation));
        Assert.NotEqual(a.Key, b.Key);
    }

    [Theory]
    [InlineData("eve", "inviter", "channel")]
    [InlineData("joiner", "eve", "channel")]
    [InlineData("joiner", "inviter", "another channel")]
    [InlineData("joinerinviter", "", "channel")]
    public void Sides_that_see_other_names_or_another_channel_do_not_agree(string idA, string idB, string data)
    {
        using var a = new Spake2(true, Password);
        using var b = new Spake2(false, Password);
        Assert.True(a.TryTake(b.Share, "joiner"u8, "inviter"u8, "channel"u8));
        Assert.True(b.TryTake(a.Share, Encoding.UTF8.GetBytes(idA), Encoding.UTF8.GetBytes(idB), Encoding.UTF8.GetBytes(data)));
        Assert.False(a.Confirms(b.Confirmation));
        Assert.False(b.Confirms(a.Confirmation));
    }

    [Fact]
    public void A_side_that_hears_itself_does_not_agree()
    {
        using var a = new Spake2(true, Password);
        Assert.True(a.TryTake(a.Share, "joiner"u8, "inviter"u8, []));
        Assert.False(a.Confirms(a.Confirmation));
    }

    [Fact]
    public void A_share_that_is_no_point_of_the_group_is_refused()
    {
        using var b = new Spake2(false, Password);
        var good = b.Share;
        var compressed = (byte[])[(byte)(2 + (good[64] & 1)), .. good[1..33]];
        byte[][] bad =
        [
            [], [0], new byte[65], [4], [4, .. new byte[64]], good[..64], [.. good, 0], compressed, [6, .. good[1..]], [.. Enumerable.Repeat((byte)255, 65)],
            [4, .. Enumerable.Repeat((byte)255, 64)],
            [.. good[..64], (byte)(good[64] ^ 1)], // beside the curve
        ];
        foreach (var share in bad)
        {
            using var a = new Spake2(true, Password);
            Assert.False(a.TryTake(share, [], [], []), Convert.ToHexString(share));
            Assert.Null(a.Confirmation);
            Assert.False(a.Confirms([]));
            Assert.False(a.Confirms(new byte[32]));
        }
    }

    [Fact] // The identity would be the shared secret whatever our scalar is.
    public void A_share_that_leads_to_the_identity_is_refused()
    {
        // w*N is the share of a side B whose scalar is zero. With w = 1 that is N itself.
        var one = (byte[])[.. new byte[31], 1];
        using var a = new Spake2(true, one);
        var n = Convert.FromHexString("04D8BBD6C639C62937B04D997F38C3770719C629D7014D49A24B4F98BAA1292B4907D60AA6BFADE45008A636337F5168C64D9BD36034808CD564490B1E656EDBE7");
        Assert.False(a.TryTake(n, [], [], []));
        Assert.Null(a.Key);
    }

    [Fact]
    public void Only_scalars_of_the_group_are_passwords()
    {
        var order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
        Assert.False(Spake2.IsPassword(order));
        Assert.False(Spake2.IsPassword(new byte[32]));
        Assert.False(Spake2.IsPassword(Password.AsSpan(1)));
        Assert.True(Spake2.IsPassword(Password));
        Assert.Throws<ArgumentException>(() => new Spake2(true, order));
        order[^1]--;
        Assert.True(Spake2.IsPassword(order));
        Assert.Equal(order, P256.Reduce(order));
        Assert.Equal((byte[])[.. new byte[31], 5], P256.Reduce(Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632556")));
    }

    [Fact]
    public void A_run_takes_one_share_only_and_confirms_nothing_when_it_is_over()
    {
        var (a, b) = Run(Password, Password);
        Assert.False(a.TryTake(b.Share, [], [], []));
        var confirmation = b.Confirmation!;
        Assert.True(a.Confirms(confirmation));
        a.Dispose();
        Assert.False(a.Confirms(confirmation));
        Assert.Equal(new byte[16], a.Key);
    }

    [Fact]
    public void Costs_out_of_range_are_not_computed()
    {
        Assert.True(ScryptCost.Default.IsAcceptable);
        foreach (var cost in new[] { new ScryptCost(13, 8, 1), new ScryptCost(18, 8, 1), new ScryptCost(15, 9, 1), new ScryptCost(15, 1, 1), new ScryptCost(15, 8, 3), new ScryptCost(15, 8, 0), default, new ScryptCost(-1, 8, 1), new ScryptCost(79, 8, 1) })
            Assert.Throws<ArgumentException>(() => SlowPassword.Derive("secret"u8, new byte[16], cost));
    }

    [Fact]
    public void Another_salt_or_another_cost_gives_another_scalar()
    {
        var cheap = new ScryptCost(14, 2, 1);
        var seen = new HashSet<string>
        {
            Convert.ToHexString(SlowPassword.Derive("secret"u8, new byte[16], cheap)),
            Convert.ToHexString(SlowPassword.Derive("secret"u8, [1, .. new byte[15]], cheap)),
            Convert.ToHexString(SlowPassword.Derive("secreT"u8, new byte[16], cheap)),
            Convert.ToHexString(SlowPassword.Derive("secret"u8, new byte[16], cheap with { R = 4 })),
        };
        Assert.Equal(4, seen.Count);
    }

    private static (Spake2 A, Spake2 B) Run(byte[] passwordOfA, byte[] passwordOfB)
    {
        var a = new Spake2(true, passwordOfA);
        var b = new Spake2(false, passwordOfB);
        Assert.True(a.TryTake(b.Share, "joiner"u8, "inviter"u8, "channel"u8));
        Assert.True(b.TryTake(a.Share, "joiner"u8, "inviter"u8, "channel"u8));
        return (a, b);
    }

    private static JsonElement Vector(string kind, string name) => Vectors.GetProperty(kind).EnumerateArray().Single(v => v.GetProperty("name").GetString() == name);

    private static string VectorFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent!;
        return Path.Combine(folder.FullName, "tests", "vectors", "spake2", "1");
    }
}

using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Noise;

namespace PeoplesCloud.Libp2p.Tests.Noise;

public sealed class NoiseXXTests
{
    private static readonly string[][] Lines = [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "noise", "1", "xx.txt"))
        .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' '))];

    private static readonly (byte[] Payload, byte[] Ciphertext)[] Messages =
        [.. Lines.Where(line => line[0] == "message").Select(line => (Convert.FromHexString(line[1]), Convert.FromHexString(line[2])))];

    [Fact]
    public void The_published_vector_holds_in_both_roles()
    {
        using var initiator = Start(initiator: true);
        using var responder = Start(initiator: false);
        for (var i = 0; i < 3; i++)
        {
            var (writer, reader) = i % 2 == 0 ? (initiator, responder) : (responder, initiator);
            Assert.True(writer.IsOurTurn);
            Assert.False(reader.IsOurTurn);
            Assert.Equal(Messages[i].Ciphertext, Write(writer, Messages[i].Payload));
            Assert.True(reader.TryRead([.. Messages[i].Ciphertext], out var payload));
            Assert.Equal(Messages[i].Payload, payload.ToArray());
        }
        Assert.True(initiator.IsComplete && responder.IsComplete);
        Assert.Equal(Value("handshake-hash"), initiator.HandshakeHash.ToArray());
        Assert.Equal(Value("handshake-hash"), responder.HandshakeHash.ToArray());

        var (initiatorSend, initiatorReceive) = initiator.Split();
        var (responderSend, responderReceive) = responder.Split();
        for (var i = 3; i < Messages.Length; i++)
        {
            var (send, receive) = i % 2 == 0 ? (initiatorSend, responderReceive) : (responderSend, initiatorReceive);
            byte[] frame = [.. Messages[i].Payload, .. new byte[NoiseCipher.TagBytes]];
            send.Encrypt(frame.AsSpan(..^NoiseCipher.TagBytes), frame.AsSpan(..^NoiseCipher.TagBytes), frame.AsSpan(^NoiseCipher.TagBytes..));
            Assert.Equal(Messages[i].Ciphertext, frame);
            Assert.True(receive.TryDecrypt(frame.AsSpan(..^NoiseCipher.TagBytes), frame.AsSpan(^NoiseCipher.TagBytes..), frame.AsSpan(..^NoiseCipher.TagBytes)));
            Assert.Equal(Messages[i].Payload, frame[..^NoiseCipher.TagBytes]);
        }
    }

    [Fact]
    public void Every_truncation_and_every_flipped_bit_of_a_handshake_message_is_refused()
    {
        foreach (var number in new[] { 1, 2 })
        {
            var whole = Messages[number].Ciphertext;
            for (var length = 0; length < whole.Length; length++) Assert.False(Reads(number, whole[..length]), $"message {number} of {length} bytes was taken");
            for (var bit = 0; bit < whole.Length * 8; bit++)
            {
                // X25519 ignores the highest bit of a key; the hash does not, so it is refused all the same.
                byte[] changed = [.. whole];
                changed[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(Reads(number, changed), $"message {number} with bit {bit} flipped was taken");
            }
            Assert.True(Reads(number, [.. whole]));
        }
        for (var length = 0; length < X25519Key.KeyBytes; length++) Assert.False(Reads(0, Messages[0].Ciphertext[..length]));
    }

    [Fact]
    public void A_key_of_small_order_is_refused()
    {
        // The shared secret would be zero whatever our key is (RFC 7748, section 6.1).
        foreach (var key in new[] { "0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" })
        {
            using var responder = Start(initiator: false);
            Assert.True(responder.TryRead(Convert.FromHexString(key), out _));
            Assert.False(responder.TryWrite([], new byte[NoiseXX.MaxOverheadBytes], out _));
        }
    }

    [Fact] // RFC 8439, section 2.8.2
    public void The_cipher_gives_the_ciphertext_of_the_RFC()
    {
        using var cipher = new ChaCha20Poly1305(Convert.FromHexString("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
        var text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8.ToArray();
        var tag = new byte[16];
        cipher.Encrypt(Convert.FromHexString("070000004041424344454647"), text, text, tag, Convert.FromHexString("50515253c0c1c2c3c4c5c6c7"));
        Assert.Equal("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
            + "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116", Convert.ToHexStringLower(text));
        Assert.Equal("1ae10b594f09e26a7e902ecbd0600691", Convert.ToHexStringLower(tag));
    }

    [Fact]
    public void The_fuzz_entry_survives_the_vectors_and_noise()
    {
        foreach (var (_, ciphertext) in Messages) NoiseHandshake.Fuzz([(byte)(ciphertext.Length >> 8), (byte)ciphertext.Length, .. ciphertext]);
        for (var length = 0; length < 300; length++) NoiseHandshake.Fuzz(RandomNumberGenerator.GetBytes(length));
    }

    /// <summary>Whether a machine that went through the earlier messages takes this one.</summary>
    private static bool Reads(int number, byte[] message)
    {
        using var machine = Start(initiator: number == 1);
        for (var i = 0; i < number; i++)
        {
            if (machine.IsOurTurn) Write(machine, Messages[i].Payload);
            else Assert.True(machine.TryRead([.. Messages[i].Ciphertext], out _));
        }
        return machine.TryRead(message, out _);
    }

    private static NoiseXX Start(bool initiator)
    {
        var role = initiator ? "init" : "resp";
        return new NoiseXX(initiator, new X25519Key(Value($"{role}-static")), new X25519Key(Value($"{role}-ephemeral")), Value("prologue"));
    }

    private static byte[] Write(NoiseXX machine, byte[] payload)
    {
        var output = new byte[payload.Length + NoiseXX.MaxOverheadBytes];
        Assert.True(machine.TryWrite(payload, output, out var written));
        return output[..written];
    }

    private static byte[] Value(string name) => Convert.FromHexString(Lines.Single(line => line[0] == name)[1]);
}

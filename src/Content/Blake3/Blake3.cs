using System.Buffers.Binary;
using System.Text;

namespace PeoplesCloud.Content;

/// <summary>
/// BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: "BLAKE3: one function, fast everywhere", 2021): hash, keyed hash and key
/// derivation with output of any length. Many chunks are hashed at once, one in each lane of the machine's widest vectors; nothing is
/// allocated. One object is not thread-safe; the static methods are.
/// <code>
/// var hash = new Blake3();
/// hash.Append(first);
/// hash.Append(second);
/// hash.Finish(digest); // as Blake3.Hash of both
/// </code>
/// </summary>
public sealed class Blake3
{
    /// <summary>The usual length of the output, in bytes.</summary>
    public const int HashBytes = 32;

    /// <summary>The length of a key, in bytes.</summary>
    public const int KeyBytes = 32;

    private Blake3State _state;

    /// <summary>Begins a hash without a key.</summary>
    public Blake3()
        : this(Blake3State.BestWidth)
    {
    }

    internal Blake3(Blake3Width width) => _state.Begin(Blake3Rounds.InitialWords, Blake3Flags.None, width);

    private Blake3(ReadOnlySpan<byte> key, Blake3Flags flags, Blake3Width width) => BeginKeyed(ref _state, key, flags, width);

    /// <summary>Begins a keyed hash: a message authentication code.</summary>
    /// <param name="key">32 bytes.</param>
    public static Blake3 Keyed(ReadOnlySpan<byte> key) => new(key, Blake3Flags.KeyedHash, Blake3State.BestWidth);

    /// <summary>Appends bytes.</summary>
    public void Append(ReadOnlySpan<byte> data) => _state.Append(data);

    /// <summary>Gives the hash of what was appended so far, as long as the output is; the first 32 bytes are what is meant by "the hash".</summary>
    public void Finish(Span<byte> output) => _state.Finish(output);

    /// <summary>The hash of some bytes, as long as the output is.</summary>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> output) => Hash(data, output, Blake3State.BestWidth);

    /// <summary>The keyed hash of some bytes, as long as the output is.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="output">Gets the hash.</param>
    public static void HashKeyed(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> output) => HashKeyed(key, data, output, Blake3State.BestWidth);

    /// <summary>Derives a key from key material.</summary>
    /// <param name="context">What the key is for: one constant text for one purpose, in all programs of the world.</param>
    /// <param name="material">The secret to derive from.</param>
    /// <param name="output">Gets the key.</param>
    public static void DeriveKey(string context, ReadOnlySpan<byte> material, Span<byte> output) => DeriveKey(context, material, output, Blake3State.BestWidth);

    internal static void Hash(ReadOnlySpan<byte> data, Span<byte> output, Blake3Width width)
    {
        var state = default(Blake3State);
        state.Begin(Blake3Rounds.InitialWords, Blake3Flags.None, width);
        state.Append(data);
        state.Finish(output);
    }

    internal static void HashKeyed(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> output, Blake3Width width)
    {
        var state = default(Blake3State);
        BeginKeyed(ref state, key, Blake3Flags.KeyedHash, width);
        state.Append(data);
        state.Finish(output);
    }

    internal static void DeriveKey(string context, ReadOnlySpan<byte> material, Span<byte> output, Blake3Width width)
    {
        var state = default(Blake3State);
        Span<byte> key = stackalloc byte[KeyBytes];
        state.Begin(Blake3Rounds.InitialWords, Blake3Flags.DeriveKeyContext, width);
        Span<byte> few = stackalloc byte[256];
        state.Append(Encoding.UTF8.TryGetBytes(context, few, out var length) ? few[..length] : Encoding.UTF8.GetBytes(context));
        state.Finish(key);
        BeginKeyed(ref state, key, Blake3Flags.DeriveKeyMaterial, width);
        state.Append(material);
        state.Finish(output);
    }

    private static void BeginKeyed(ref Blake3State state, ReadOnlySpan<byte> key, Blake3Flags flags, Blake3Width width)
    {
        if (key.Length != KeyBytes) throw new ArgumentException("a key has 32 bytes", nameof(key));
        Span<uint> words = stackalloc uint[8];
        for (var i = 0; i < words.Length; i++) words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
        state.Begin(words, flags, width);
    }
}

namespace PeoplesCloud.Content;

/// <summary>What the algorithm needs of a vector type to work on as many chunks as it has lanes, one in each lane.</summary>
/// <typeparam name="TVector">Lanes of 32 bits.</typeparam>
internal interface IBlake3Lanes<TVector>
    where TVector : struct
{
    /// <summary>How many lanes.</summary>
    static abstract int Count { get; }

    /// <summary>The same word in every lane.</summary>
    static abstract TVector Same(uint word);

    /// <summary>first, first + step, first + 2 step, ... modulo 2^32, and in <paramref name="high"/> what is carried.</summary>
    static abstract TVector Counters(ulong first, uint step, out TVector high);

    /// <summary>Exclusive or.</summary>
    static abstract TVector Xor(TVector left, TVector right);

    /// <summary>The quarter round (section 2.2).</summary>
    static abstract void Mix(ref TVector a, ref TVector b, ref TVector c, ref TVector d, TVector x, TVector y);

    /// <summary>
    /// Reads a block of 64 bytes of each input, the inputs <paramref name="stride"/> bytes apart: word i of all of them goes to the i-th of
    /// the 16 vectors.
    /// </summary>
    static abstract void Load(ref byte input, nint stride, ref TVector message);
}

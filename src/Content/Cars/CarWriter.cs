using System.Buffers;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content;

// car    = length header *( length cid block )                          CARv1; length = varint of what follows, cid and block together
// header = %xA2 %x65 "roots" %x81 %xD8.2A %x58 n %x00 cid %x67 "version" %x01     DAG-CBOR; n = 1 + bytes of the CID
// https://ipld.io/specs/transport/car/carv1/

/// <summary>Writes a content archive, version 1: one root, then blocks with their CIDs.</summary>
public static class CarWriter
{
    /// <summary>Begins an archive whose root is a CID in its binary form, of at most 200 bytes; it need not be one that we know.</summary>
    public static void WriteHeader(IBufferWriter<byte> output, ReadOnlySpan<byte> root)
    {
        byte[] header = [0xa2, 0x65, .. "roots"u8, 0x81, 0xd8, 0x2a, 0x58, checked((byte)(root.Length + 1)), 0x00, .. root, 0x67, .. "version"u8, 0x01];
        Varint.Write(output, (ulong)header.Length);
        output.Write(header);
    }

    /// <summary>Adds a block.</summary>
    public static void WriteBlock(IBufferWriter<byte> output, Cid cid, ReadOnlySpan<byte> block)
    {
        Varint.Write(output, (ulong)(cid.Bytes.Length + block.Length));
        output.Write(cid.Bytes);
        output.Write(block);
    }
}

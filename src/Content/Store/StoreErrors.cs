using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>Errors for people about what the disk said.</summary>
internal static class StoreErrors
{
    private const int Enospc = 28;
    private const int Edquot = 122;

    /// <summary>A full disk, or one that failed.</summary>
    public static PcException Explain(Exception error, string folder) => error is IOException { HResult: Enospc or Edquot }
        ? new PcException(ErrorCode.DiskFull, $"the disk that holds {folder} is full", null, error)
        : new PcException(ErrorCode.StoreFailed, $"the disk that holds {folder} failed: {error.Message}", null, error);
}

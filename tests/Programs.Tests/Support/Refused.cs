using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Tests.Support;

/// <summary>Expects an error for people, with words that it must say.</summary>
internal static class Refused
{
    public static PcException With(ErrorCode code, string words, Action act) => Check(code, words, Assert.Throws<PcException>(act));

    public static async Task<PcException> WithAsync(ErrorCode code, string words, Func<Task> act) => Check(code, words, await Assert.ThrowsAsync<PcException>(act));

    private static PcException Check(ErrorCode code, string words, PcException error)
    {
        Assert.Equal(code, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.NotEmpty(error.Hint);
        return error;
    }
}

using System.IO.Pipelines;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Negotiation;

namespace PeoplesCloud.Libp2p.Tests.Negotiation;

public sealed class MultistreamTests
{
    private const int MaxBytes = 1024;
    private static readonly Libp2pLimits Limits = Libp2pLimits.Default;

    // From the examples of the multistream-select specification.
    [Theory]
    [InlineData("/multistream/1.0.0", "132f6d756c746973747265616d2f312e302e300a")]
    [InlineData("na", "036e610a")]
    public void Messages_are_the_specified_bytes(string text, string hex)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(MultistreamMessage.Encode(text)));
        Assert.Equal(ParseStatus.Done, MultistreamMessage.TryRead(Convert.FromHexString(hex), MaxBytes, out var read, out var bytes));
        Assert.Equal(text, read);
        Assert.Equal(hex.Length / 2, bytes);
    }

    [Fact]
    public void Every_message_survives_and_claims_its_own_length() => Prop.ForAll(Texts().ToArbitrary(), text =>
    {
        var bytes = MultistreamMessage.Encode(text);
        return MultistreamMessage.TryRead([.. bytes, 1, 2, 3], MaxBytes, out var read, out var count) == ParseStatus.Done && read == text && count == bytes.Length;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Every_truncation_needs_more() => Prop.ForAll(Texts().ToArbitrary(), text =>
    {
        var bytes = MultistreamMessage.Encode(text);
        return Enumerable.Range(0, bytes.Length).All(n => MultistreamMessage.TryRead(bytes.AsSpan(0, n), MaxBytes, out _, out _) == ParseStatus.NeedMore);
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("00")]
    [InlineData("8108")]            // 1,025 bytes
    [InlineData("ffffffff07")]
    [InlineData("8000")]            // not the shortest form
    [InlineData("036e6161")]        // no newline
    [InlineData("03ff610a")]        // no UTF-8
    [InlineData("046e0a610a")]      // a newline inside
    public void Damaged_messages_are_invalid(string hex) =>
        Assert.Equal(ParseStatus.Invalid, MultistreamMessage.TryRead(Convert.FromHexString(hex), MaxBytes, out _, out _));

    [Fact]
    public async Task The_two_sides_agree_and_nothing_behind_the_agreement_is_read()
    {
        var (dialer, listener) = Pipes();
        var answer = MultistreamSelect.AnswerAsync(NegotiationChannel.Over(listener), p => p == "/b/1", Limits, Timeout()).AsTask();
        await MultistreamSelect.SendProposalAsync(NegotiationChannel.Over(dialer), "/b/1", Timeout());
        await dialer.Output.WriteAsync("data"u8.ToArray());
        Assert.Equal("/b/1", await answer);
        await listener.Output.WriteAsync("reply"u8.ToArray());
        await MultistreamSelect.ReadAnswerAsync(NegotiationChannel.Over(dialer), "/b/1", Limits, Timeout());
        Assert.Equal("data", Text(await listener.Input.ReadAtLeastAsync(4)));
        Assert.Equal("reply", Text(await dialer.Input.ReadAtLeastAsync(5)));
    }

    [Fact]
    public async Task A_second_proposal_is_heard_after_the_first_was_refused()
    {
        var (dialer, listener) = Pipes();
        var answer = MultistreamSelect.AnswerAsync(NegotiationChannel.Over(listener), p => p == "/b/1", Limits, Timeout()).AsTask();
        await dialer.Output.WriteAsync(MultistreamMessage.Encode(MultistreamMessage.Header, "/a/1", "/b/1"));
        Assert.Equal("/b/1", await answer);
        Assert.Equal("\u0013/multistream/1.0.0\n\u0003na\n\u0005/b/1\n", Text(await dialer.Input.ReadAtLeastAsync(20 + 4 + 6)));
    }

    [Fact]
    public async Task A_protocol_that_is_not_served_is_told_apart_from_a_broken_peer()
    {
        var refused = await FailureOfProposalAsync(MultistreamMessage.Encode(MultistreamMessage.Header, "na"));
        Assert.Equal(Libp2pError.ProtocolNotSupported, refused.Error);
        Assert.Equal(Libp2pError.ProtocolViolation, (await FailureOfProposalAsync(MultistreamMessage.Encode(MultistreamMessage.Header, "/other"))).Error);
        Assert.Equal(Libp2pError.ProtocolViolation, (await FailureOfProposalAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: x\r\n" + new string(' ', 100)))).Error);
        Assert.Equal(Libp2pError.ProtocolViolation, (await FailureOfProposalAsync([0xff, 0xff, 0xff, 0xff])).Error);
        Assert.Equal(Libp2pError.Reset, (await FailureOfProposalAsync(MultistreamMessage.Encode(MultistreamMessage.Header)[..9])).Error);
    }

    [Fact]
    public async Task Endless_proposals_are_cut_off()
    {
        var (dialer, listener) = Pipes();
        var many = Enumerable.Repeat("/x/1", Limits.MaxProposals + 5).Prepend(MultistreamMessage.Header).ToArray();
        await dialer.Output.WriteAsync(MultistreamMessage.Encode(many));
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await MultistreamSelect.AnswerAsync(NegotiationChannel.Over(listener), _ => false, Limits, Timeout()));
        Assert.Equal(Libp2pError.LimitReached, failure.Error);
    }

    [Fact]
    public async Task A_lazy_stream_checks_the_answer_before_its_first_byte()
    {
        // Goal: data that follows a refusal never reaches the application. Method: "na" and data in one segment.
        var (dialer, listener) = Pipes();
        await listener.Output.WriteAsync((byte[])[.. MultistreamMessage.Encode(MultistreamMessage.Header, "na"), .. "data"u8]);
        var lazy = new LazyReader(dialer.Input, () => MultistreamSelect.ReadAnswerAsync(NegotiationChannel.Over(dialer), "/a/1", Limits, Timeout()).AsTask());
        Assert.False(lazy.TryRead(out _));
        for (var i = 0; i < 2; i++)
            Assert.Equal(Libp2pError.ProtocolNotSupported, (await Assert.ThrowsAsync<Libp2pException>(async () => await lazy.ReadAsync())).Error);
    }

    [Fact]
    public async Task A_cancelled_read_of_a_lazy_stream_loses_nothing()
    {
        var (dialer, listener) = Pipes();
        var lazy = new LazyReader(dialer.Input, () => MultistreamSelect.ReadAnswerAsync(NegotiationChannel.Over(dialer), "/a/1", Limits, CancellationToken.None).AsTask());
        var agreement = MultistreamMessage.Encode(MultistreamMessage.Header, "/a/1");
        await listener.Output.WriteAsync(agreement.AsMemory(0, 7));
        using var impatient = new CancellationTokenSource();
        var read = lazy.ReadAsync(impatient.Token).AsTask();
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
        var second = lazy.ReadAsync().AsTask();
        lazy.CancelPendingRead();
        Assert.True((await second).IsCanceled);
        await listener.Output.WriteAsync((byte[])[.. agreement[7..], .. "data"u8]);
        Assert.Equal("data", Text(await lazy.ReadAsync(Timeout())));
    }

    private static async Task<Libp2pException> FailureOfProposalAsync(byte[] answer)
    {
        var (dialer, listener) = Pipes();
        await listener.Output.WriteAsync(answer);
        await listener.Output.CompleteAsync();
        return await Assert.ThrowsAsync<Libp2pException>(async () => await MultistreamSelect.ProposeAsync(NegotiationChannel.Over(dialer), ["/b/1"], Limits, Timeout()));
    }

    private static CancellationToken Timeout() => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    private static string Text(ReadResult result) => Encoding.UTF8.GetString(result.Buffer);

    private static (IDuplexPipe Dialer, IDuplexPipe Listener) Pipes()
    {
        var (forth, back) = (new Pipe(), new Pipe());
        return (new Duplex(back.Reader, forth.Writer), new Duplex(forth.Reader, back.Writer));
    }

    private static Gen<string> Texts() => Gen.NonEmptyListOf(Gen.Elements("/abcÄ€-.019 ".ToCharArray())).Select(c => new string([.. c.Take(300)]));

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}

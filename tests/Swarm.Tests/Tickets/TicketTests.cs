using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

// Node 0 is the creator, 1 another admin, 2 a member. Node 9 wants to join.
public sealed class TicketTests
{
    private static readonly byte[] Key = new byte[SwarmKeyState.KeyBytes];
    private readonly Village _village = new(Role.Admin, Role.Member);

    private Ticket Issue(int uses = 1, double hours = 24, Role role = Role.Member, byte secret = 7) =>
        _village[0].IssueTicket(role, TimeSpan.FromHours(hours), uses, ["/ip4/192.0.2.7/tcp/4242", "/dns4/oak.example/tcp/4242"], Enumerable.Repeat(secret, 16).ToArray(), _village.Now).Ticket;

    private JoinRequest Request(Ticket ticket, string name = "fir") => new(ticket.Swarm, ticket.Secret, name, Enumerable.Repeat((byte)9, 32).ToArray(), _village.Now);

    private ErrorCode Refusal(int redeemer, int joiner, JoinRequest request, DateTimeOffset? now = null) =>
        Assert.Throws<PcException>(() => _village[redeemer].Redeem(_village.Peer(joiner), request, Key, now ?? _village.Now)).Code;

    [Fact]
    public void A_ticket_is_read_back_as_it_was_written()
    {
        var ticket = Issue(uses: 3);
        var text = ticket.ToText();
        foreach (var shown in new[] { text, $"  {text}\n", text.ToUpperInvariant() })
        {
            var read = Ticket.Parse(shown);
            Assert.Equal((ticket.Swarm, ticket.Name, ticket.Inviter, ticket.Role, ticket.Expires, ticket.Uses), (read.Swarm, read.Name, read.Inviter, read.Role, read.Expires, read.Uses));
            Assert.Equal(ticket.Addresses, read.Addresses);
            Assert.Equal(ticket.Secret, read.Secret);
        }
        Assert.StartsWith("pc1", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString(ticket.Secret), ticket.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_ticket_that_lacks_its_end_is_told_from_one_that_was_changed()
    {
        var text = Issue().ToText();
        for (var length = 0; length < text.Length; length++)
        {
            Assert.False(Ticket.TryParse(text[..length], out _, out var error));
            Assert.Equal(length < 3 ? TicketError.Malformed : TicketError.Truncated, error);
        }
        for (var i = 8; i < text.Length; i++) // after version and length
        {
            var changed = text[..i] + (text[i] == 'a' ? 'b' : 'a') + text[(i + 1)..];
            Assert.False(Ticket.TryParse(changed, out _, out var error), $"character {i}");
            Assert.Equal(TicketError.Damaged, error);
        }
        Assert.Equal(ErrorCode.TicketTruncated, Assert.Throws<PcException>(() => Ticket.Parse(text[..^5])).Code);
        Assert.Equal(ErrorCode.TicketDamaged, Assert.Throws<PcException>(() => Ticket.Parse(text + "aa")).Code);
        Assert.Equal(ErrorCode.TicketDamaged, Assert.Throws<PcException>(() => Ticket.Parse(text[..40] + (text[40] == 'a' ? 'b' : 'a') + text[41..])).Code);
        Assert.Equal(ErrorCode.TicketMalformed, Assert.Throws<PcException>(() => Ticket.Parse("hello")).Code);
        Assert.Equal(ErrorCode.TicketMalformed, Assert.Throws<PcException>(() => Ticket.Parse(text[..20] + "!" + text[20..])).Code);
        Assert.Equal(ErrorCode.TicketMalformed, Assert.Throws<PcException>(() => Ticket.Parse(null)).Code);
        Assert.Equal(ErrorCode.TicketVersion, Assert.Throws<PcException>(() => Ticket.Parse("pc1ai" + text[5..])).Code); // version 2
    }

    [Fact]
    public void A_node_joins_by_ticket_and_all_hear_of_it()
    {
        var ticket = Issue();
        var parsed = Ticket.Parse(ticket.ToText());
        Assert.True(JoinRequest.TryDecode(Request(parsed).Encode(), out var request));
        var (reply, entries) = _village[0].Redeem(_village.Peer(9), request, Key, _village.Now);
        Assert.Single(entries);
        Assert.True(JoinReply.TryDecode(reply.Encode(), out var received));
        var joined = SwarmReplica.Join(_village.Keys.Signer(9), _village.Keys, parsed, received, _village.Now, out var toPersist);
        Assert.Equal(Key, received.SwarmKey);
        Assert.Equal(_village[0].Count, toPersist.Count);
        Assert.True(joined.OwnHeadConfirmed);
        Assert.Equal("fir", joined.State.Find(_village.Peer(9))!.Name);
        joined.Append(Village.Program("mine"), _village.Now);
        _village.Meet([.. _village.Replicas, joined]);
        _village.AssertAgree();
        Assert.Single(_village[2].State.Programs);
        // Its store loads.
        Assert.Equal(joined.Count - 1, SwarmReplica.Load(_village.Keys.Signer(9), _village.Keys, ticket.Swarm, toPersist).Count);
    }

    [Fact]
    public void Each_reason_to_refuse_a_ticket_has_its_own_error()
    {
        var once = Issue();
        _village[0].Redeem(_village.Peer(9), Request(once), Key, _village.Now);
        Assert.Equal(ErrorCode.TicketUsedUp, Refusal(0, 10, Request(once)));
        var old = Issue(hours: 1, secret: 8);
        Assert.Equal(ErrorCode.TicketExpired, Refusal(0, 10, Request(old), _village.Now.AddHours(2)));
        var other = new Village();
        Assert.Equal(ErrorCode.TicketOtherSwarm, Refusal(0, 10, Request(old) with { Swarm = other[0].Id with { Genesis = EntryHash.Of([1]) } }));
        Assert.Equal(ErrorCode.TicketUnknown, Refusal(0, 10, Request(old) with { Secret = new byte[16] }));
        _village.MeetAll();
        Assert.Equal(ErrorCode.TicketUnknown, Refusal(1, 10, Request(old))); // only its issuer redeems it
        Assert.Equal(ErrorCode.ClockWrong, Refusal(0, 10, Request(old) with { Clock = _village.Now.AddDays(1) }));
        _village.Remove(0, 2);
        Assert.Equal(ErrorCode.TicketClosed, Refusal(0, 2, Request(old))); // the removed member knew it
    }

    [Fact]
    public void Asking_again_after_a_lost_reply_uses_nothing_up()
    {
        var ticket = Issue();
        _village[0].Redeem(_village.Peer(9), Request(ticket), Key, _village.Now);
        var (again, entries) = _village[0].Redeem(_village.Peer(9), Request(ticket), Key, _village.Now.AddDays(3));
        Assert.Empty(entries);
        Assert.NotNull(SwarmReplica.Join(_village.Keys.Signer(9), _village.Keys, ticket, again, _village.Now, out _).State.Find(_village.Peer(9)));
        Assert.Equal(1, _village[0].State.Tickets[ticket.Id].Used);
    }

    [Fact]
    public void Two_nodes_of_one_name_are_told_apart()
    {
        var ticket = Issue(uses: 0);
        foreach (var joiner in new[] { 9, 10, 11 }) _village[0].Redeem(_village.Peer(joiner), Request(ticket), Key, _village.Now);
        Assert.Equal(["fir", "fir-2", "fir-3"], _village[0].State.ActiveMembers.Select(member => member.Name).Where(name => name.StartsWith("fir", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void A_swarm_has_at_most_so_many_members()
    {
        var ticket = Issue(uses: 0);
        for (var i = _village[0].State.Members.Count; i < SwarmLimits.MaxMembers; i++)
            _village[0].Append(new MemberAdmitted(_village.Peer(100 + i), $"n-{i}", new byte[32], Role.Guest, null), _village.Now);
        Assert.Equal(ErrorCode.SwarmFull, Refusal(0, 9, Request(ticket)));
    }

    [Fact]
    public void A_reply_that_is_not_the_swarm_of_the_ticket_is_refused()
    {
        var ticket = Issue();
        var (reply, _) = _village[0].Redeem(_village.Peer(9), Request(ticket), Key, _village.Now);
        ErrorCode CodeOf(Ticket shown, JoinReply answer, DateTimeOffset now) =>
            Assert.Throws<PcException>(() => SwarmReplica.Join(_village.Keys.Signer(9), _village.Keys, shown, answer, now, out _)).Code;
        Assert.Equal(ErrorCode.JoinFailed, CodeOf(ticket with { Swarm = new SwarmId(EntryHash.Of([3])) }, reply, _village.Now));
        Assert.Equal(ErrorCode.JoinFailed, CodeOf(ticket, reply with { Entries = [.. reply.Entries.SkipLast(1)] }, _village.Now)); // not admitted
        Assert.Equal(ErrorCode.JoinFailed, CodeOf(ticket, reply with { Entries = [] }, _village.Now));
        Assert.Equal(ErrorCode.ClockWrong, CodeOf(ticket, reply, _village.Now.AddDays(-3)));
    }

    [Fact]
    public void Whoever_comes_back_asks_for_its_own_last_entry_before_it_writes()
    {
        _village.Deploy(2, "before");
        _village[2].Leave(_village.Now);
        _village.Give(_village[2], _village[0]);
        var ticket = Issue();
        var (reply, _) = _village[0].Redeem(_village.Peer(2), Request(ticket), Key, _village.Now);
        var back = SwarmReplica.Join(_village.Keys.Signer(2), _village.Keys, ticket, reply, _village.Now, out _, _village.Beginning);
        Assert.False(back.OwnHeadConfirmed);
        back.ConfirmOwnHead();
        Assert.Equal(3UL, back.Append(Village.Program("after"), _village.Now).Sequence);
    }

    [Fact]
    public void Damaged_requests_and_replies_never_throw()
    {
        var ticket = Issue();
        var random = new Random(5);
        var (reply, _) = _village[0].Redeem(_village.Peer(9), Request(ticket), Key, _village.Now);
        foreach (var bytes in new[] { Request(ticket).Encode(), reply.Encode(), System.Text.Encoding.ASCII.GetBytes(ticket.ToText()) })
        {
            for (var i = 0; i < 3_000; i++)
            {
                var damaged = bytes[..random.Next(bytes.Length)];
                if (damaged.Length > 0) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                JoinRequest.Fuzz(damaged);
                JoinReply.Fuzz(damaged);
                Ticket.Fuzz(damaged);
            }
        }
        Assert.False(JoinRequest.TryDecode(new byte[SwarmLimits.MaxJoinRequestBytes + 1], out _));
    }
}

using System.Text;
using System.Text.Json;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions.Tests.Ranks;

public sealed class RankTests
{
    private const double Clock = 1_795_220_888.5;
    private static readonly TimeSpan Now = TimeSpan.FromHours(3);

    [Fact]
    public void A_rank_has_the_four_keys_and_the_score_is_sessions_and_half_of_both_loads()
    {
        Assert.Equal(3 + 45, RankMessage.ScoreOf(3, 20, 70));
        var rank = new RankMessage("6b5f271b", 55.1, Clock, ["6b6bb78e", "6b350120"]);
        var json = JsonDocument.Parse(rank.Write()).RootElement;
        Assert.Equal(["id", "score", "time", "sessions"], json.EnumerateObject().Select(property => property.Name));
        var read = RankMessage.Read(Encoding.UTF8.GetBytes("""{"id": "6b5f271b", "score": 55.1, "time": 1795220888.5, "sessions": ["6b6bb78e", "6b350120"]}"""))!;
        Assert.Equal((rank.Cloud, rank.Score, rank.Time), (read.Cloud, read.Score, read.Time));
        Assert.Equal(rank.Sessions, read.Sessions);
    }

    [Theory]
    [InlineData("""{"id": "aa", "score": NaN, "time": 5, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": Infinity, "time": 5, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": -1e999, "time": 5, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": "NaN", "time": 5, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": 5, "time": 1e999, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": 5, "time": null, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": 5, "time": 5}""")]
    [InlineData("""{"id": 7, "score": 5, "time": 5, "sessions": []}""")]
    [InlineData("""{"id": "aa", "score": 5, "time": 5, "sessions": {}}""")]
    [InlineData("[]")]
    [InlineData("")]
    public void What_has_no_usable_score_time_or_id_is_no_rank(string payload) => Assert.Null(RankMessage.Read(Encoding.UTF8.GetBytes(payload)));

    [Fact]
    public void The_lowest_wins_and_of_equals_the_lower_id()
    {
        var table = new RankTable();
        Hear(table, "cc", 5);
        Hear(table, "aa", 7);
        Hear(table, "bb", 5);
        Assert.Equal(["bb", "cc", "aa"], table.Order(Now));
        table.Expect("bb");
        table.Expect("bb");
        table.Expect("bb");
        Assert.Equal(["cc", "aa", "bb"], table.Order(Now));
    }

    [Fact]
    public void A_rank_ends_a_second_after_it_was_heard_whatever_time_it_claims()
    {
        var table = new RankTable();
        Assert.True(table.Hear(new RankMessage("aa", 0, Clock + 1e9, []), Now, Clock));
        Assert.True(table.Hear(new RankMessage("bb", 9, Clock, ["55"]), Now, Clock));
        Assert.False(table.Hear(new RankMessage("cc", 0, Clock - 1.001, []), Now, Clock));
        Assert.Equal(["aa", "bb"], table.Order(Now));
        Assert.Equal("bb", table.RunnerOf("55", Now));
        var later = Now + RankTable.Life;
        Assert.Empty(table.Order(later));
        Assert.Null(table.RunnerOf("55", later));

        // Its clock was put right meanwhile: it is believed again.
        Assert.True(table.Hear(new RankMessage("aa", 3, Clock + 1, []), later, Clock + 1));
        Assert.False(table.Hear(new RankMessage("aa", 0, Clock + 0.5, []), later, Clock + 1)); // late
        Assert.Equal(["aa"], table.Order(later));
    }

    [Fact]
    public void Ranks_of_many_names_take_bounded_memory_and_starve_nobody_for_longer_than_they_last()
    {
        var table = new RankTable();
        var taken = 0;
        for (var i = 0; i < 3 * SessionLimits.MaxRanks; i++) taken += table.Hear(new RankMessage(i.ToString("x6", System.Globalization.CultureInfo.InvariantCulture), 0, Clock, []), Now, Clock) ? 1 : 0;
        Assert.Equal(SessionLimits.MaxRanks, taken);
        Assert.Equal(SessionLimits.MaxRanks, table.Order(Now).Count);
        Assert.True(table.Hear(new RankMessage("aa", 5, Clock + 1, []), Now + RankTable.Life, Clock + 1));
        Assert.Equal(["aa"], table.Order(Now + RankTable.Life));
    }

    [Fact]
    public void The_other_program_compares_whole_numbers()
    {
        var table = new RankTable();
        Hear(table, SessionNames.CloudId([1, 2, 3, 4, 5, 6]), 55.1);
        Assert.False(table.ForeignIsLowest(Now));
        Hear(table, "6b5f271b", 56);
        Assert.False(table.ForeignIsLowest(Now));
        Hear(table, "6b5f271c", 55.9);
        Assert.True(table.ForeignIsLowest(Now));
    }

    private static void Hear(RankTable table, string cloud, double score) => Assert.True(table.Hear(new RankMessage(cloud, score, Clock, []), Now, Clock));
}

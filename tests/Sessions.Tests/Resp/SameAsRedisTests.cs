using System.Text;
using System.Text.RegularExpressions;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Resp;

/// <summary>The same bytes go to Debian's redis-server and to the endpoint, and the same bytes come back.</summary>
public sealed partial class SameAsRedisTests
{
    private static readonly string[] Conversations =
    [
        "PING\r\n", "ping hello\r\n", "PING a b\r\n", "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nping\r\n$5\r\na\r\nbc\r\n", "\r\n\r\n  \r\nPING\r\n", "*0\r\n*-1\r\nPING\r\n",
        "foo\r\n", "*1\r\n$0\r\n\r\n", "FOO a b c\r\n", "*2\r\n$5\r\nf\r\noo\r\n$4\r\na\r\nb\r\n", $"FOO {new string('x', 200)} y\r\n", $"FOO {string.Join(' ', Enumerable.Repeat("argument", 40))}\r\n", $"{new string('F', 300)}\r\n", "client|id\r\n",
        "*x\r\n", "*01\r\n", "*\r\n", "*+1\r\n", "*1 \r\n", "*2147483648\r\n", "*1\r\n:3\r\n", "*1\r\n\r\n", "*1\r\n$x\r\n", "*1\r\n$-1\r\n", "*1\r\n$536870913\r\n", "*1\r\n$4xPING\r\nPING\r\n",
        "\"abc\r\n", "ping \"a\"b\r\n", "ping \"\\x41\\n\\t\\\"\\q\\x4\"\r\n", "ping 'a\\'b\\n'\r\n", "ping '' \"\"\r\n", "ping a\"b c\"\r\n", "ping 'x\r\n", "ping \x0b\x0cx\r\n", "ping x\n",
        "*1\r\n" + new string('x', 70_000), "*" + new string('1', 70_000), new string('x', 70_000),
        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "Host: localhost\r\n", "GET\r\nhost: x\r\nPING\r\n", "post\r\n",
        "QUIT\r\nPING\r\n", "quit a b\r\n", "RESET\r\n",
        "SELECT 0\r\n", "SELECT 1\r\n", "SELECT -1\r\n", "SELECT x\r\n", "SELECT 99999999999\r\n", "SELECT\r\n",
        "AUTH x\r\n", "AUTH default x\r\n", "AUTH other x\r\n", "AUTH a b c\r\n", "AUTH\r\n",
        "HELLO\r\n", "HELLO 2\r\n", "HELLO 3\r\nPING\r\nCLIENT GETNAME\r\n", "HELLO 1\r\n", "HELLO 4\r\n", "HELLO x\r\n", "HELLO 3 FOO\r\nPING\r\n", "HELLO 3 AUTH a b\r\n", "HELLO 3 AUTH default b\r\n", "HELLO 2 AUTH a\r\n", "HELLO 3 SETNAME me\r\nCLIENT GETNAME\r\n", "HELLO 3 SETNAME \"a b\"\r\nCLIENT GETNAME\r\n", "HELLO 3 setname x auth default y\r\n",
        "CLIENT\r\n", "CLIENT FOO\r\n", "client foo bar\r\n", "CLIENT GETNAME\r\n", "CLIENT SETNAME me\r\nclient getname\r\nCLIENT SETNAME \"\"\r\nCLIENT GETNAME\r\n", "CLIENT SETNAME \"a b\"\r\n", "CLIENT SETNAME\r\n", "CLIENT ID x\r\n", "CLIENT NO-EVICT on\r\n", "CLIENT NO-EVICT OFF\r\n", "CLIENT NO-EVICT x\r\n", "CLIENT LIST FOO\r\n",
        "SUBSCRIBE\r\n", "SUBSCRIBE a a b\r\nPING\r\nPING x\r\nPING x y\r\nPUBLISH a b\r\nCLIENT ID\r\nSELECT 0\r\nFOO\r\nCLIENT FOO\r\nHELLO 3\r\nAUTH x\r\nUNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPING\r\n",
        "PSUBSCRIBE a* b?\r\nPUNSUBSCRIBE c\r\nPUNSUBSCRIBE a*\r\nPUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE x y\r\n", "SUBSCRIBE a\r\nPSUBSCRIBE a\r\nUNSUBSCRIBE\r\nPING\r\nPUNSUBSCRIBE\r\nPING\r\n",
        "HELLO 3\r\nSUBSCRIBE a\r\nPUBLISH a b\r\nPSUBSCRIBE *\r\nPUBLISH a b\r\nPUBLISH b c\r\nPING\r\nPING x\r\nCLIENT GETNAME\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\n",
        "SUBSCRIBE a\r\nRESET\r\nPING\r\nPUBLISH a b\r\n", "SUBSCRIBE a\r\nQUIT\r\nPING\r\n", "PUBLISH a\r\n", "PUBLISH a b c\r\n", "PUBLISH nobody x\r\n",
        "PUBSUB\r\n", "PUBSUB FOO\r\n", "PUBSUB CHANNELS\r\n", "PUBSUB CHANNELS a b\r\n", "PUBSUB NUMSUB\r\n", "PUBSUB NUMSUB a b\r\n", "PUBSUB NUMPAT\r\n", "PUBSUB NUMPAT x\r\n",
        // Whatever else of these commands there is, and what comes of too many words, too few and wrong ones.
        "PUBSUB SHARDCHANNELS\r\n", "PUBSUB SHARDCHANNELS a\r\n", "PUBSUB SHARDCHANNELS a b\r\n", "PUBSUB SHARDNUMSUB\r\n", "PUBSUB SHARDNUMSUB a b\r\n", "HELLO 3\r\nPUBSUB SHARDNUMSUB a\r\n", "PUBSUB HELP x\r\n", "pubsub numsub\r\n",
        "PSUBSCRIBE\r\n", "PUNSUBSCRIBE\r\n", "UNSUBSCRIBE\r\n", "HELLO 3\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE a\r\n", "PUBLISH \"\" x\r\n", "SUBSCRIBE \"\"\r\nUNSUBSCRIBE \"\"\r\n", "SUBSCRIBE \"a\\x00b\" \"\\xff\"\r\n", "PSUBSCRIBE \"\"\r\nPUNSUBSCRIBE \"\"\r\n",
        "HELLO 3 AUTH\r\n", "HELLO 3 SETNAME\r\n", "HELLO \"\"\r\n", "HELLO 03\r\n", "HELLO -3\r\n", "HELLO 3.0\r\n", "HELLO 3 AUTH default x SETNAME y\r\nCLIENT GETNAME\r\n", "HELLO 3\r\nHELLO 2\r\nCLIENT GETNAME\r\n", "HELLO 3\r\nFOO\r\nSELECT x\r\n",
        "SELECT \"\"\r\n", "SELECT 0 0\r\n", "SELECT 00\r\n", "SELECT +1\r\n", "SELECT 9223372036854775808\r\n", "SELECT 2147483648\r\n", "QUIT x y\r\n", "RESET\r\nRESET\r\n", "PING\r\nQUIT\r\nPING\r\n", "INFO nosuch\r\n", "HELLO 3\r\nINFO nosuch\r\n",
        "CLIENT GETNAME x\r\n", "CLIENT INFO x\r\n", "CLIENT NO-EVICT\r\n", "CLIENT HELP x\r\n", "CLIENT GETREDIR\r\n", "CLIENT LIST TYPE foo\r\n", "CLIENT LIST TYPE\r\n", "CLIENT LIST TYPE master\r\n", "CLIENT LIST TYPE replica\r\n", "CLIENT LIST TYPE normal x\r\n", "CLIENT LIST FOO bar\r\n",
        "CLIENT LIST ID\r\n", "CLIENT LIST ID x\r\n", "CLIENT LIST ID 0\r\n", "CLIENT LIST ID 99998 99999\r\n", "CLIENT LIST ID 99999 x\r\n", "HELLO 3\r\nCLIENT LIST ID 99999\r\n",
        "SUBSCRIBE m1\r\nPUBSUB CHANNELS\r\nCLIENT LIST\r\nAUTH\r\nPUBLISH a\r\nUNSUBSCRIBE b\r\n", "HELLO 3\r\nSUBSCRIBE m2\r\nHELLO 2\r\nPUBLISH m2 b\r\nPING\r\n", "HELLO 3\r\nPSUBSCRIBE m3*\r\nSUBSCRIBE m3b\r\nPUBLISH m3b x\r\nRESET\r\nPUBLISH m3b x\r\n",
        "HELLO 3\r\nSUBSCRIBE a b\r\nPSUBSCRIBE *\r\nPUBSUB NUMSUB a b c\r\nPUBSUB NUMPAT\r\nPUBSUB CHANNELS a\r\nPUBSUB CHANNELS [b\r\n",
    ];

    [Fact]
    public async Task Every_conversation_is_answered_as_Redis_answers_it()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var endpoint = new TestEndpoint();
        var differences = new List<string>();
        foreach (var conversation in Conversations) if (await DifferenceAsync(redis.Port, endpoint.Port, conversation) is { } difference) differences.Add(difference);
        Assert.True(differences.Count == 0, string.Join('\n', differences));
    }

    [Fact]
    public async Task Thousands_of_commands_in_one_piece_are_answered_as_Redis_answers_them()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var endpoint = new TestEndpoint();
        string[] cycle = ["PING\r\n", "*2\r\n$4\r\nPING\r\n$3\r\na\r\n\r\n", "PUBLISH news x\r\n", "FOO bar\r\n", "*3\r\n$7\r\nPUBLISH\r\n$4\r\nself\r\n$2\r\nhi\r\n", "PUBSUB NUMSUB self\r\n", "\r\n", "CLIENT SETNAME me\r\n"];
        var conversation = "HELLO 3\r\nSUBSCRIBE self\r\n" + string.Concat(Enumerable.Range(0, 20_000).Select(at => cycle[at % cycle.Length]));
        Assert.Null(await DifferenceAsync(redis.Port, endpoint.Port, conversation));
    }

    [Fact]
    public async Task Who_ends_its_side_gets_the_answers_to_what_it_said_and_no_more()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var endpoint = new TestEndpoint();
        foreach (var conversation in new[] { "PING\r\nPUBLISH a b\r\nFOO\r\n", "SUBSCRIBE a\r\nPING\r\n", "PING\r\n*2\r\n$4\r\nPI", "", string.Concat(Enumerable.Repeat("PING\r\n", 5000)) })
        {
            var (theirs, ours) = (await EndAsync(redis.Port, conversation), await EndAsync(endpoint.Port, conversation));
            Assert.EndsWith("<closed>", ours, StringComparison.Ordinal);
            Assert.Equal(theirs, ours);
        }
        // It hears nothing any more either.
        using var publisher = new RawClient(endpoint.Port);
        Assert.Equal(":0\r\n", await publisher.AskAsync("PUBLISH a x\r\n"u8.ToArray(), "\r\n"u8.ToArray()));
    }

    [Fact]
    public async Task Without_the_password_a_client_is_told_what_Redis_tells_it()
    {
        await using var redis = await RedisServer.StartAsync("--requirepass", "secret word");
        await using var endpoint = new TestEndpoint("secret word");
        string[] conversations =
        [
            "PING\r\n", "FOO\r\n", "PUBLISH a\r\n", "PUBLISH a b\r\n", "SUBSCRIBE a\r\n", "CLIENT ID\r\n", "CLIENT\r\n", "QUIT\r\n", "RESET\r\nPING\r\n", "HELLO 3\r\n", "HELLO\r\n", "AUTH wrong\r\nPING\r\n", "AUTH other \"secret word\"\r\n", "AUTH \"secret word\"\r\nPING\r\nRESET\r\nPING\r\n",
            "AUTH default \"secret word\"\r\nPING\r\nAUTH wrong\r\nPING\r\n", "HELLO 3 AUTH default wrong\r\nPING\r\n", "HELLO 3 AUTH default \"secret word\"\r\nPING\r\n", "*11\r\n", "*1\r\n$16385\r\n", "POST x\r\n",
        ];
        foreach (var conversation in conversations) await CompareAsync(redis.Port, endpoint.Port, conversation);
    }

    [Fact]
    public async Task Conversations_byte_by_byte_are_the_same_conversations()
    {
        await using var endpoint = new TestEndpoint();
        foreach (var conversation in Conversations.Where(text => text.Length < 500 && !text.Contains("host", StringComparison.OrdinalIgnoreCase)))
        {
            var (whole, pieces) = (await SayAsync(endpoint.Port, conversation, 0), await SayAsync(endpoint.Port, conversation, 1));
            Assert.Equal(Comparable(whole), Comparable(pieces));
        }
    }

    // A pattern that a client subscribes to and a channel that is published; counted by the answer of PUBLISH.
    [Fact]
    public async Task Patterns_match_what_they_match_in_Redis()
    {
        await using var redis = await RedisServer.StartAsync();
        using var subscriber = new RawClient(redis.Port);
        using var publisher = new RawClient(redis.Port);
        var random = new Random(20261121);
        const string Alphabet = "ab*?[]^-\\\u0080\u00ff";
        string Any(int most) => new([.. Enumerable.Range(0, random.Next(most + 1)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
        var differ = new List<string>();
        var matched = 0;
        for (var i = 0; i < 200; i++)
        {
            var pattern = Any(8);
            List<string> names = [.. Enumerable.Range(0, 12).Select(_ => Any(5)), pattern, pattern.Replace('*', 'a').Replace('?', 'b'), ""];
            await subscriber.AskAsync(Command("PSUBSCRIBE", pattern), ":1\r\n"u8.ToArray());
            await publisher.SendAsync([.. names.SelectMany(name => Command("PUBLISH", name, "x"))]);
            var answers = (await publisher.ReadUntilAsync(text => text.Count(c => c == '\n') == names.Count)).Split("\r\n");
            for (var at = 0; at < names.Count; at++)
            {
                var ours = GlobPattern.Matches(ChannelName.FromBytes(Encoding.Latin1.GetBytes(pattern)), ChannelName.FromBytes(Encoding.Latin1.GetBytes(names[at])));
                if (ours) matched++;
                if (ours != (answers[at] == ":1")) differ.Add($"'{pattern}' and '{names[at]}': Redis {answers[at]}, here {ours}");
            }
            await subscriber.AskAsync(Command("PUNSUBSCRIBE"), ":0\r\n"u8.ToArray());
        }
        Assert.Empty(differ);
        Assert.True(matched > 300, $"only {matched} of the names matched: the test says little");
    }

    private static async Task CompareAsync(int redis, int endpoint, string conversation) => Assert.Null(await DifferenceAsync(redis, endpoint, conversation));

    private static async Task<string?> DifferenceAsync(int redis, int endpoint, string conversation)
    {
        var (theirs, ours) = (await SayAsync(redis, conversation, 0), await SayAsync(endpoint, conversation, 0));
        return Comparable(theirs) == Comparable(ours) ? null : $"{Shown(conversation)}\n Redis:    {Shown(theirs)}\n endpoint: {Shown(ours)}";
    }

    private static async Task<string> EndAsync(int port, string conversation)
    {
        using var client = new RawClient(port);
        await client.SendAsync(conversation);
        client.EndSending();
        return await client.ReadUntilAsync(_ => false);
    }

    // The end is known by an answer that nothing else gives; a connection that was closed before has none.
    private static async Task<string> SayAsync(int port, string conversation, int step)
    {
        using var client = new RawClient(port);
        var bytes = Encoding.Latin1.GetBytes(conversation);
        try
        {
            if (step == 0) await client.SendAsync(bytes);
            else foreach (var one in bytes.Chunk(step)) await client.SendAsync(one);
            if (!Unfinished().IsMatch(conversation)) await client.SendAsync("RESET x\r\n");
        }
        catch (System.Net.Sockets.SocketException)
        {
            // It was closed already.
        }
        return await client.ReadUntilAsync(text => text.EndsWith("'reset' command\r\n", StringComparison.Ordinal));
    }

    private static string Comparable(string answer) => Ids().Replace(answer, "$1:N");

    private static string Shown(string text) => (text.Length > 600 ? text[..600] + "..." : text).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static byte[] Command(params string[] words) => Encoding.Latin1.GetBytes($"*{words.Length}\r\n{string.Concat(words.Select(word => $"${word.Length}\r\n{word}\r\n"))}");

    [GeneratedRegex(@"(\$2\r\nid\r\n):\d+", RegexOptions.None, 1000)]
    private static partial Regex Ids();

    // What waits for more, or is cut off for its length, has no end to add.
    [GeneratedRegex(@"^(\*1\r\n)?[x*1]{70000}", RegexOptions.None, 1000)]
    private static partial Regex Unfinished();
}

using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Ranks;

namespace PeoplesCloud.Sessions.Tests.Messages;

public sealed class SessionRequestTests
{
    [Fact]
    public void Requests_of_existing_clients_are_read()
    {
        var create = Read(SessionVerb.Create, """{"id": "76cc08416c7979a0", "script": "#!/bin/bash\nsleep 240"}""");
        Assert.Equal(new SessionRequest(new(SessionVerb.Create, "76cc08416c7979a0"), "#!/bin/bash\nsleep 240", "", null), create.Request);
        var status = Read(SessionVerb.Status, """{"session": "6b5e3c69", "id": "a1", "later": {"unknown": [1, {}]}}""");
        Assert.Equal(new SessionRequest(new(SessionVerb.Status, "a1"), "", "6b5e3c69", null), status.Request);
        Assert.Equal("6b5e3c69", Read(SessionVerb.Remove, """{"id": "a1", "session": "6b5e3c69"}""").Request!.Session);
        Assert.Equal("b", Read(SessionVerb.Create, """{"id": "a", "script": "x", "id": "b"}""").Request!.Key.Id);
    }

    [Theory]
    [InlineData("\"10m\"", 600)]
    [InlineData("\"1s\"", 1)]
    [InlineData("\"30d\"", 30 * 86400)]
    [InlineData("null", null)]
    public void A_session_may_say_when_it_sleeps(string idle, int? seconds) =>
        Assert.Equal(seconds is { } known ? TimeSpan.FromSeconds(known) : null, Read(SessionVerb.Create, $$"""{"id": "a", "script": "x", "idle": {{idle}}}""").Request!.Idle);

    [Theory]
    [InlineData("", null)]
    [InlineData("[]", null)]
    [InlineData("[{\"id\": \"a1\"}]", null)]
    [InlineData("\"a1\"", null)]
    [InlineData("{}", null)]
    [InlineData("{\"script\": \"x\"}", null)]
    [InlineData("{\"id\": null, \"script\": \"x\"}", null)]
    [InlineData("{\"id\": {\"id\": \"a1\"}, \"script\": \"x\"}", null)]
    [InlineData("{\"id\": \"\", \"script\": \"x\"}", null)]
    [InlineData("{\"id\": \"a\\u0000b\", \"script\": \"x\"}", null)]
    [InlineData("{\"id\": \"\\ud800\", \"script\": \"x\"}", null)]
    [InlineData("{\"id\": 17, \"script\": \"x\"}", "17")]
    [InlineData("{\"id\": \"a b\", \"script\": \"x\"}", "a b")]
    [InlineData("{\"id\": \"a.b\", \"script\": \"x\"}", "a.b")]
    [InlineData("{\"id\": \"A1\", \"script\": \"x\"}", "A1")]
    [InlineData("{\"id\": \"a1\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": null}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": 5}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": [\"x\"]}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \" \\n\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"a\\u0000b\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"x\", \"idle\": 10}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"x\", \"idle\": \"10\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"x\", \"idle\": \"99999999999d\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"x", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"x\"} and more", "a1")]
    [InlineData("{\"id\": \"a1\", \"script\": \"\\ud800\"}", "a1")]
    [InlineData("{\"id\": \"a1\", \"deep\": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", "a1")]
    public void Anything_else_is_refused_and_its_id_is_read_where_it_can_be(string payload, string? id)
    {
        var read = Read(SessionVerb.Create, payload);
        Assert.Null(read.Request);
        Assert.Equal(id, read.Id);
        Assert.Equal(ErrorCode.SessionRequestInvalid, read.Problem!.Code);
    }

    [Fact]
    public void What_is_too_long_is_refused_without_being_kept()
    {
        var longId = Read(SessionVerb.Create, $$"""{"id": "{{new string('a', 1 << 20)}}", "script": "x"}""");
        Assert.Equal((null, null), (longId.Id, longId.Request));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var payload = Encoding.UTF8.GetBytes($$"""{"script": "{{new string('x', 10 << 20)}}", "id": "a1"}""");
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var longScript = SessionRequestReader.Read(SessionVerb.Create, payload);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 64 << 10);
        Assert.True(allocated > before);
        Assert.Equal("a1", longScript.Id);
        Assert.Equal(ErrorCode.SessionScriptRefused, longScript.Problem!.Code);
        Assert.Null(SessionRequestReader.Read(SessionVerb.Create, new byte[SessionLimits.MaxPayloadBytes + 1]).Id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"id\": \"a1\"}")]
    [InlineData("{\"id\": \"a1\", \"session\": 6}")]
    [InlineData("{\"id\": \"a1\", \"session\": \"../../etc\"}")]
    public void Status_and_remove_name_a_session(string payload)
    {
        Assert.Null(Read(SessionVerb.Status, payload).Request);
        Assert.Equal(ErrorCode.SessionRequestInvalid, Read(SessionVerb.Remove, payload).Problem!.Code);
    }

    [Fact]
    public void Answers_have_the_keys_and_types_that_clients_read()
    {
        Assert.Equal("""{"cloud":"c","id":"s","hostname":"example.org","port":25565}""", Text(SessionAnswer.Created("c", "s", "example.org", 25565)));
        var ports = new Dictionary<string, IReadOnlyList<int>>(StringComparer.Ordinal) { ["81/tcp"] = [8081, 8082], ["53/udp"] = [5353] };
        Assert.Equal("""{"cloud":"c","id":"s","hostname":"h","port":1,"ports":{"53/udp":[5353],"81/tcp":[8081,8082]}}""", Text(SessionAnswer.Created("c", "s", "h", 1, ports)));
        Assert.Equal("""{"cloud":"c","id":"s","status":true}""", Text(SessionAnswer.Status("c", "s", SessionState.Running, null)));
        Assert.Equal("""{"cloud":"c","id":"s","status":false,"state":"exited","exit":3}""", Text(SessionAnswer.Status("c", "s", SessionState.Exited, 3)));
        Assert.Equal("""{"cloud":"c","id":"s","status":false,"state":"ended"}""", Text(SessionAnswer.Status("c", "s", SessionState.Ended, null)));
        Assert.Equal("""{"cloud":"c","id":"s","status":true,"state":"asleep"}""", Text(SessionAnswer.Status("c", "s", SessionState.Asleep, null)));
        Assert.Equal("""{"cloud":"c","id":"s","status":false}""", Text(SessionAnswer.Status("c", "s", null, null)));
        Assert.Equal("""{"cloud":"c","id":"s","session":"s","status":true}""", Text(SessionAnswer.Removed("c", "s", true)));
        var error = JsonDocument.Parse(SessionAnswer.Error("c", "r\"'", new PcException(ErrorCode.SessionsBusy, "it's full", "wait"))).RootElement;
        Assert.Equal("r\"'", error.GetProperty("id").GetString());
        Assert.Equal(["code", "message", "try"], error.GetProperty("error").EnumerateObject().Select(property => property.Name));
    }

    [Fact]
    public void Who_created_a_session_is_read_also_from_the_other_program()
    {
        Assert.Equal(("6ba947c4", "6b5e3c69"), SessionAnswer.CreatedBy("{'cloud': '6ba947c4', 'id': '6b5e3c69'}"u8));
        Assert.Equal(("6ba947c4", "6b5e3c69"), SessionAnswer.CreatedBy(SessionAnswer.Created("6ba947c4", "6b5e3c69", "h", 1).Span));
        Assert.Null(SessionAnswer.CreatedBy(SessionAnswer.Error("6ba947c4", "6b5e3c69", new PcException(ErrorCode.SessionsBusy, "")).Span));
        Assert.Null(SessionAnswer.CreatedBy("nothing"u8));
    }

    [Theory]
    [InlineData("{'a': 'b', \"c\": 'it\\'s', 'd': \"it's\", 'e': 'say \"x\"', 'f': True, 'g': [None, False, 1.5]}", """{"a": "b", "c": "it's", "d": "it's", "e": "say \"x\"", "f": true, "g": [null, false, 1.5]}""")]
    [InlineData("{\"True\": \"it's None\"}", """{"True": "it's None"}""")]
    [InlineData("{'a': 'back\\\\'}", """{"a": "back\\"}""")]
    public void Single_quotes_are_read_as_double_ones(string loose, string json)
    {
        using var read = LooseJson.Read(Encoding.UTF8.GetBytes(loose));
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(json).RootElement, read!.RootElement));
    }

    [Theory]
    [InlineData("{'a': 'b'")]
    [InlineData("{'a'}")]
    [InlineData("'")]
    [InlineData("{'a': 'b\\")]
    [InlineData("__import__('os')")]
    public void What_is_no_json_in_any_quotes_is_refused(string loose) => Assert.Null(LooseJson.Read(Encoding.UTF8.GetBytes(loose)));

    [Fact]
    public void Messages_between_nodes_survive_being_written()
    {
        var from = SessionNames.CloudId([1, 2, 3, 4, 5, 6]);
        var request = new SessionRequest(new(SessionVerb.Create, "a1"), "#!/bin/sh\necho \"ä\"", "", TimeSpan.FromMinutes(10));
        var ask = new NodeMessage(NodeMessageKind.Ask, from, request, default);
        Assert.Equal(request, NodeMessage.Read(ask.Write().Span)!.Request);
        var done = NodeMessage.Read(new NodeMessage(NodeMessageKind.Done, from, request with { Script = "" }, SessionAnswer.Created(from, "aa", "h", 5)).Write().Span)!;
        Assert.Equal(SessionAnswer.Created(from, "aa", "h", 5).ToArray(), done.Answer.ToArray());
        Assert.Null(NodeMessage.Read("""{"kind":"ask","from":"6b5f271b","verb":"create","id":"a1","script":"x"}"""u8)); // not one of ours
        Assert.Null(NodeMessage.Read("{}"u8));
    }

    [Fact]
    public void Ids_of_our_nodes_are_known_by_their_form()
    {
        var random = new Random(5);
        var bytes = new byte[6];
        for (var i = 0; i < 100; i++)
        {
            random.NextBytes(bytes);
            var id = SessionNames.CloudId(bytes);
            Assert.True(SessionNames.IsOurs(id) && SessionNames.IsId(id), id);
            Assert.False(SessionNames.IsOurs(id[1..] + "0"));
        }
        Assert.False(SessionNames.IsOurs("6b5f271b"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20261121)]
    public void Mutated_messages_break_no_promise(int seed)
    {
        var from = SessionNames.CloudId([1, 2, 3, 4, 5, 6]);
        byte[][] seeds =
        [
            [.. """{"id": "76cc", "script": "#!/bin/bash\nsleep 240", "idle": "10m"}"""u8], [.. """{"id": "a1", "session": "6b5e"}"""u8],
            [.. "{'port': 80, 'environment': {'A': \"it's\"}, 'read_only': True}"u8], new NodeMessage(NodeMessageKind.Done, from, new(new(SessionVerb.Status, "a1"), "", "bb", null), "{}"u8.ToArray()).Write().ToArray(),
            [.. """{"id": "6b5f271b", "score": 55.1, "time": 1795220888.325003, "sessions": ["6b6bb78e", "6b350120"]}"""u8],
        ];
        var random = new Random(seed);
        for (var round = 0; round < 3000; round++)
        {
            var mutated = seeds[random.Next(seeds.Length)].ToArray();
            for (var times = random.Next(1, 4); times > 0; times--) mutated[random.Next(mutated.Length)] = (byte)"{}[]\"':,\\0n \u0080"[random.Next(13)];
            var cut = mutated.AsSpan(0, random.Next(3) == 0 ? random.Next(mutated.Length) : mutated.Length);
            SessionRequestReader.Fuzz(cut);
            LooseJson.Fuzz(cut);
            NodeMessage.Fuzz(cut);
            RankMessage.Fuzz(cut);
        }
    }

    private static ReadRequest Read(SessionVerb verb, string payload) => SessionRequestReader.Read(verb, Encoding.UTF8.GetBytes(payload));

    private static string Text(ReadOnlyMemory<byte> payload) => Encoding.UTF8.GetString(payload.Span);
}

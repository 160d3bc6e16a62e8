namespace PeoplesCloud.Daemon.Tests.Crash;

/// <summary>Speaks with the daemon of a home.</summary>
internal sealed class HomeClient(string home) : IDisposable
{
    private readonly LocalClient _client = new(Path.Combine(home, "pc.sock"));

    public Task<Api.SwarmReply> JoinAsync(string ticket) => _client.PostAsync("/v1/swarms/join", new Api.JoinRequest(ticket, null), TestNode.Json.JoinRequest, TestNode.Json.SwarmReply);

    public async Task<Api.SwarmInfo> ListAsync(string swarm) => (await _client.GetAsync($"/v1/list?swarm={swarm}", TestNode.Json.ListReply)).Swarms.Single();

    public async Task<IReadOnlyList<string>> PinsAsync() => (await _client.GetAsync("/v1/pins", TestNode.Json.PinsReply)).Pins;

    public async Task<string> AddAsync(string path)
    {
        string? cid = null;
        await foreach (var happened in _client.EventsAsync(HttpMethod.Post, "/v1/add", System.Net.Http.Json.JsonContent.Create(new Api.AddRequest(path, false, null), TestNode.Json.AddRequest), TestNode.Json.EventAddedReply))
            cid = happened.Result?.Cid ?? cid;
        return cid!;
    }

    public async Task<Api.DeployReply> DeployAsync(string swarm, string path)
    {
        Api.DeployReply? reply = null;
        await foreach (var happened in _client.EventsAsync(HttpMethod.Post, $"/v1/swarms/{swarm}/deploy", System.Net.Http.Json.JsonContent.Create(new Api.DeployRequest(path, null, "bot", null), TestNode.Json.DeployRequest), TestNode.Json.EventDeployReply))
            reply = happened.Result ?? reply;
        return reply!;
    }

    public void Dispose() => _client.Dispose();
}

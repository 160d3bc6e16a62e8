using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Chromium with one page, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol): what a person sees, by the names, rules
/// and sockets of a real browser.
/// </summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly string _folder;
    private readonly ClientWebSocket _page = new();
    private int _calls;

    private Browser(Process process, string folder) => (_process, _folder) = (process, folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<Browser> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("browser-").FullName;
        // Its own sandbox needs rights that a container has not; it sees nothing but pages of our own here.
        string[] arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--no-proxy-server", "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank"];
        var browser = new Browser(Process.Start(new ProcessStartInfo("chromium", arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false })!, folder);
        try
        {
            await browser.ConnectAsync().WaitAsync(Patience, Token);
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens an address and waits until what came is shown, whatever it is.</summary>
    public async Task OpenAsync(Uri address)
    {
        await CallAsync("Page.navigate", new JsonObject { ["url"] = address.ToString() });
        await UntilAsync("document.readyState", "complete");
    }

    /// <summary>The value of an expression of JavaScript in the page; a promise is waited for. Null while a page is exchanged for another.</summary>
    public async Task<string?> ValueAsync(string expression)
    {
        var answer = await CallAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["awaitPromise"] = true });
        return answer["result"]?["result"]?["value"]?.ToString();
    }

    /// <summary>Waits until an expression has a value.</summary>
    public async Task UntilAsync(string expression, string value)
    {
        using var patience = new CancellationTokenSource(Patience);
        var last = "";
        try
        {
            while ((last = await ValueAsync(expression)) != value) await Task.Delay(50, patience.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{expression} is {last}, not {value}, in: {await ValueAsync("document.documentElement.outerHTML")}");
        }
    }

    /// <summary>Writes a picture of the page (PNG).</summary>
    public async Task PictureAsync(string path) => await File.WriteAllBytesAsync(path, Convert.FromBase64String((await CallAsync("Page.captureScreenshot", []))["result"]!["data"]!.ToString()), Token);

    public async ValueTask DisposeAsync()
    {
        _page.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        // Its helpers may still be writing on their way out.
        for (var attempt = 0; Directory.Exists(_folder) && attempt < 100; attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
            }
            catch (IOException)
            {
                await Task.Delay(50, CancellationToken.None);
            }
        }
    }

    private async Task ConnectAsync()
    {
        string? line;
        do line = await _process.StandardError.ReadLineAsync(Token) ?? throw new InvalidOperationException("chromium ended at once");
        while (!line.StartsWith("DevTools listening on ", StringComparison.Ordinal));
        _ = DrainAsync();
        var port = new Uri(line["DevTools listening on ".Length..]).Port;
        using var client = new HttpClient();
        var targets = await client.GetFromJsonAsync<JsonArray>(new Uri($"http://127.0.0.1:{port}/json/list"), Token);
        await _page.ConnectAsync(new Uri(targets!.First(target => target!["type"]!.ToString() == "page")!["webSocketDebuggerUrl"]!.ToString()), Token);
    }

    // What it complains about would fill the pipe.
    private async Task DrainAsync()
    {
        while (await _process.StandardError.ReadLineAsync(CancellationToken.None) is not null) { }
    }

    private async Task<JsonObject> CallAsync(string method, JsonObject parameters)
    {
        var id = ++_calls;
        var call = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        await _page.SendAsync(JsonSerializer.SerializeToUtf8Bytes(call), WebSocketMessageType.Text, endOfMessage: true, Token);
        while (true)
        {
            var message = await ReceiveAsync().WaitAsync(Patience, Token);
            if (message["id"]?.GetValue<int>() == id) return message;
        }
    }

    private async Task<JsonObject> ReceiveAsync()
    {
        var all = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (true)
        {
            var received = await _page.ReceiveAsync(buffer, Token);
            all.Write(buffer, 0, received.Count);
            if (received.EndOfMessage) return JsonNode.Parse(all.ToArray())!.AsObject();
        }
    }
}

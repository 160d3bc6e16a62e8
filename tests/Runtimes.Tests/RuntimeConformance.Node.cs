namespace PeoplesCloud.Runtimes.Tests;

// Node.js: an interpreter that compiles while it runs, starts a dozen threads, and asks the kernel for its newest calls.
public abstract partial class RuntimeConformance
{
    [Fact]
    public async Task Node_runs_with_files_threads_children_and_sockets()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "node")).FullName;
        await File.WriteAllTextAsync(Path.Combine(source, "package.json"), """{ "type": "module" }""", Token);
        await File.WriteAllTextAsync(Path.Combine(source, "bot.js"), """
            import { readFile, writeFile } from 'node:fs/promises';
            import { execFileSync } from 'node:child_process';
            import { createHash, randomBytes } from 'node:crypto';
            import { createServer } from 'node:http';
            import { Worker } from 'node:worker_threads';

            await writeFile('state', 'kept');
            console.log('file', await readFile('state', 'utf8'));
            console.log('child', execFileSync(process.execPath, ['-p', '6 * 7'], { encoding: 'utf8' }).trim());
            console.log('crypto', randomBytes(8).length, createHash('sha256').update('abc').digest('hex').slice(0, 8));

            const worker = new Worker("let s = 0; for (let i = 0; i < 3e6; i++) s = (s + i) % 1000003; require('node:worker_threads').parentPort.postMessage(s)", { eval: true });
            console.log('thread', await new Promise((done, failed) => worker.on('message', done).on('error', failed)));

            const server = createServer((_, answer) => answer.end('hello'));
            await new Promise(done => server.listen(0, '127.0.0.1', done));
            console.log('http', await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text());
            server.close();

            const wasm = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11);
            console.log('wasm', (await WebAssembly.instantiate(wasm)).instance.exports.f());
            process.exitCode = 3;
            """, Token);

        // Its file system calls go through io_uring where it may; here it may not, and they work all the same.
        var (exit, output) = await RunAsync(Spec("node", "bot.js") with { SourceFolder = source, Environment = new Dictionary<string, string> { ["UV_USE_IO_URING"] = "1" } });

        Assert.Equal("file kept\nchild 42\ncrypto 8 ba7816bf\nthread 45\nhttp hello\nwasm 42\n", output.Out + output.Err);
        Assert.Equal(new RunExit(3, RunExitReason.Exited), exit);
    }

    [Fact]
    public async Task Node_cannot_take_more_than_the_memory_limit()
    {
        var (exit, output) = await RunAsync(
            Spec("node", "-e", "const kept = []; for (let i = 0; i < 600; i++) kept.push(Buffer.alloc(1 << 20, 1)); console.log('took it')") with { Limits = new RunLimits { MemoryBytes = 128L << 20 } });

        Assert.NotEqual(0, exit.ExitCode);
        Assert.DoesNotContain("took it", output.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_ends_in_order_when_it_is_stopped()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Spec("node", "-e", "process.on('SIGTERM', () => { console.log('tidied'); process.exit(7); }); setInterval(() => {}, 1000); console.log('ready')"), output.Receive, Token);
        await output.WaitForAsync("ready");

        await run.StopAsync(Patience);

        Assert.Equal(new RunExit(7, RunExitReason.Stopped), await run.Exited);
        Assert.Equal("ready\ntidied\n", output.Out);
    }
}

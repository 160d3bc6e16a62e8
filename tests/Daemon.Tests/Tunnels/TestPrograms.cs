using PeoplesCloud.Daemon.Tests.Hosting;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>Programs with ports, in Python's standard library.</summary>
internal static class TestPrograms
{
    /// <summary>Port 7000 gives each connection's bytes back until its half closes, then says how many they were.</summary>
    public const string Echo = """
        import asyncio
        async def serve(reader, writer):
            count = 0
            try:
                while data := await reader.read(65536):
                    count += len(data)
                    writer.write(data)
                    await writer.drain()
                writer.write(b'END %d' % count)
                await writer.drain()
            except OSError: pass
            writer.close()
        async def main():
            server = await asyncio.start_server(serve, '127.0.0.1', 7000, backlog=200)
            print('listening', flush=True)
            await server.serve_forever()
        asyncio.run(main())
        """;

    /// <summary>Port 5300 answers each datagram with its sender's port and itself; "quick" is answered by 5,000 long ones before.</summary>
    public const string Datagrams = """
        import socket
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(('127.0.0.1', 5300))
        print('listening', flush=True)
        while True:
            data, sender = server.recvfrom(65536)
            if data == b'quick':
                for i in range(5000): server.sendto(b'x' * 1200, sender)
            server.sendto(b'%d %s' % (sender[1], data), sender)
        """;

    /// <summary>
    /// Port 8080 is a web server: says what it was asked, echoes WebSockets, sends events, and hashes what is posted. /endless has no end, and /sent says
    /// how much of it was sent; /meet/N is answered when N ask for it at once; /silent reads what is posted only when somebody asks for /listen; /broken
    /// breaks off.
    /// </summary>
    public const string Web = """
        import base64, hashlib, http.server, struct, sys, threading
        sent, here, listening = 0, [], threading.Event()
        everybody = threading.Condition()
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                if self.headers.get('Upgrade') == 'websocket': return self.socket()
                if self.path == '/events': return self.events()
                if self.path == '/endless': return self.endless()
                if self.path == '/sent': return self.answer(b'%d' % sent)
                if self.path == '/listen': listening.set()
                if self.path == '/broken': return self.broken()
                if self.path.startswith('/meet/'): self.meet(int(self.path[6:]))
                self.answer(f'{self.path} {self.headers["Host"]} {self.headers.get("Connection")} {self.headers.get("Cookie")}'.encode())
            def do_POST(self):
                if self.path == '/silent': listening.wait()
                digest, count = hashlib.sha256(), int(self.headers['Content-Length'])
                while count > 0:
                    part = self.rfile.read(min(count, 65536))
                    count -= len(part)
                    digest.update(part)
                self.answer(digest.hexdigest().encode())
            def answer(self, body):
                self.send_response(200)
                self.send_header('Set-Cookie', 'who=me; Domain=friends.localhost; Path=/; HttpOnly')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def events(self):
                self.send_response(200)
                self.send_header('Content-Type', 'text/event-stream')
                self.end_headers()
                self.wfile.write(b'data: first\n\n')
                self.close_connection = True
                self.rfile.read(1)  # until the reader goes away
            def endless(self):
                global sent
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                try:
                    while True:
                        self.wfile.write(b'x' * 65536)
                        sent += 65536
                except OSError: pass
            def meet(self, count):
                with everybody:
                    here.append(self)
                    everybody.notify_all()
                    everybody.wait_for(lambda: len(here) >= count)
            def broken(self):
                self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n' + b'half')
                self.close_connection = True
            def socket(self):
                key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
                self.send_response(101)
                self.send_header('Upgrade', 'websocket')
                self.send_header('Connection', 'Upgrade')
                self.send_header('Sec-WebSocket-Accept', base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
                self.end_headers()
                self.close_connection = True
                while head := self.rfile.read(2):
                    length = head[1] & 127
                    if length == 126: length = struct.unpack('>H', self.rfile.read(2))[0]
                    mask, data = self.rfile.read(4), self.rfile.read(length)
                    data = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
                    size = struct.pack('B', length) if length < 126 else struct.pack('>BH', 126, length)
                    self.wfile.write(bytes([head[0]]) + size + data)
                    if head[0] & 15 == 8: return
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Handler)
        print('listening', flush=True)
        server.serve_forever()
        """;

    /// <summary>A folder with a program and its pc.toml.</summary>
    public static ProgramFolder Folder(string bot, string manifest)
    {
        var folder = new ProgramFolder(bot);
        File.WriteAllText(Path.Combine(folder.Path, "pc.toml"), manifest);
        return folder;
    }
}

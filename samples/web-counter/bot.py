"""A web page that counts its visitors, for everybody in the swarm. The number changes in every open browser at once."""
import base64
import hashlib
import http.server
import struct
import threading

PAGE = b"""<!doctype html><meta charset="utf-8"><title>web-counter</title>
<p>Visitors so far: <b id="count">?</b>, looking now: <b id="now">?</b></p>
<script>
const socket = new WebSocket(`ws://${location.host}/live`);
socket.onmessage = e => [count.textContent, now.textContent] = e.data.split(" ");
</script>"""

visitors = 0
watching = set()
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/live":
            self.live()
        elif self.path == "/":
            self.answer(200, PAGE, "text/html; charset=utf-8")
        else:
            self.answer(404, b"nothing here\n", "text/plain")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def live(self):
        """A WebSocket (RFC 6455): tells the numbers whenever they change, until the browser goes away."""
        global visitors
        key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        with lock:
            visitors += 1
            watching.add(self)
        tell()
        while self.rfile.read(1):  # whatever the browser says; its end is what matters
            pass
        with lock:
            watching.discard(self)
        tell()


def tell():
    with lock:
        text = f"{visitors} {len(watching)}".encode()
        for one in watching:
            try:
                one.wfile.write(struct.pack("BB", 0x81, len(text)) + text)
            except OSError:
                pass  # its own thread notices


print("listening on port 8080", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()

"""A stand-in for logind on a bus of a test: Inhibit of org.freedesktop.login1, and PrepareForSleep when a line on standard input says so.

Speaks D-Bus by itself, so that what it understands was not written twice by the same hand's library. Says on standard output: ready, inhibited WHAT WHO MODE,
released. Lines on standard input: sleep, wake, forged (as somebody else).
"""
import os
import select
import socket
import struct
import sys


def align(data, to):
    return data + b"\0" * (-len(data) % to)


def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


class Bus:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        self.socket.recv(512)
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self.socket.recv(512)
        self.socket.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.bytes = b""

    def send(self, kind, fields, signature="", body=b"", files=()):
        self.serial += 1
        if signature:
            fields[8] = ("g", signature)
        if files:
            fields[9] = ("u", len(files))
        head = b""
        for code, (type, value) in fields.items():
            head = align(head, 8) + bytes([code, 1, ord(type), 0])
            if type == "g":
                head += bytes([len(value)]) + value.encode() + b"\0"
            elif type == "u":
                head += struct.pack("<I", value)
            else:
                head += text(value)
        message = align(struct.pack("<BBBBIII", ord("l"), kind, 0, 1, len(body), self.serial, len(head)) + head, 8) + body
        if files:
            socket.send_fds(self.socket, [message], files)
        else:
            self.socket.sendall(message)

    def call(self, member, *arguments, flags=None):
        body = b""
        for argument in arguments:
            body = align(body, 4) + text(argument)
        signature = "s" * len(arguments)
        if flags is not None:
            body = align(body, 4) + struct.pack("<I", flags)
            signature += "u"
        self.send(1, {1: ("o", "/org/freedesktop/DBus"), 2: ("s", "org.freedesktop.DBus"), 3: ("s", member), 6: ("s", "org.freedesktop.DBus")}, signature, body)

    def tell(self, going, to=None):
        fields = {1: ("o", "/org/freedesktop/login1"), 2: ("s", "org.freedesktop.login1.Manager"), 3: ("s", "PrepareForSleep")}
        if to:
            fields[6] = ("s", to)
        self.send(4, fields, "b", struct.pack("<I", going))

    def messages(self):
        self.bytes += self.socket.recv(65536)
        while len(self.bytes) >= 16:
            body, serial, head = struct.unpack_from("<III", self.bytes, 4)
            start = (16 + head + 7) // 8 * 8
            if len(self.bytes) < start + body:
                return
            message, self.bytes = self.bytes[: start + body], self.bytes[start + body :]
            yield message[1], serial, self.fields(message, 16 + head), message[start:]

    @staticmethod
    def fields(message, end):
        found, at = {}, 16
        while at < end:
            at = (at + 7) // 8 * 8
            code, type = message[at], chr(message[at + 2])
            at += 4
            if type == "u":
                found[code] = struct.unpack_from("<I", message, at)[0]
                at += 4
                continue
            size = message[at] if type == "g" else struct.unpack_from("<I", message, at)[0]
            at += 1 if type == "g" else 4
            found[code] = message[at : at + size].decode()
            at += size + 1
        return found


def texts(body):
    at = 0
    while at < len(body):
        at = (at + 3) // 4 * 4
        size = struct.unpack_from("<I", body, at)[0]
        yield body[at + 4 : at + 4 + size].decode()
        at += 5 + size


bus, other = Bus(sys.argv[1]), Bus(sys.argv[1])
for one in (bus, other):
    one.call("Hello")
bus.call("RequestName", "org.freedesktop.login1", flags=0)
print("ready", flush=True)
held, caller, words = {}, None, b""
while True:
    ready, _, _ = select.select([sys.stdin, bus.socket, other.socket, *held], [], [])
    for one in ready:
        if one is sys.stdin:
            # Not by readline: what it reads ahead, select never tells of.
            said = os.read(sys.stdin.fileno(), 4096)
            if not said:
                sys.exit()
            words += said
            *whole, words = words.split(b"\n")
            for word in whole:
                if word == b"forged":
                    other.tell(1, to=caller)
                else:
                    bus.tell(word == b"sleep")
        elif one is other.socket:
            other.socket.recv(65536)
        elif one is bus.socket:
            for kind, serial, fields, body in bus.messages():
                if kind != 1 or fields.get(3) != "Inhibit":
                    continue
                what, who, _, mode = texts(body)
                caller = fields[7]
                ours, theirs = os.pipe()
                bus.send(2, {5: ("u", serial), 6: ("s", caller)}, "h", struct.pack("<I", 0), [theirs])
                os.close(theirs)
                held[ours] = True
                print(f"inhibited {what} {who} {mode}", flush=True)
        else:
            os.close(one)
            del held[one]
            print("released", flush=True)

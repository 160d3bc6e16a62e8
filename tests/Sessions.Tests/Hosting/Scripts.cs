namespace PeoplesCloud.Sessions.Tests.Hosting;

/// <summary>Scripts as clients send them.</summary>
internal static class Scripts
{
    /// <summary>Says by TCP and UDP on its port what it is told, behind a word of its own; counts its starts for whoever asks.</summary>
    public const string Echo = """
        #!/usr/bin/env python3
        import json, os, selectors, socket
        port = json.load(open('pycloud.json'))['port']
        tcp = socket.create_server(('127.0.0.1', port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(('127.0.0.1', port))
        print('ready', os.getcwd(), sorted(os.listdir('.')), flush=True)
        s = selectors.DefaultSelector()
        s.register(tcp, 1); s.register(udp, 1)
        while True:
          for key, _ in s.select():
            if key.fileobj is tcp:
              c, _ = tcp.accept()
              c.sendall(b'tcp ' + c.recv(100)); c.close()
            else:
              data, who = udp.recvfrom(100)
              udp.sendto(b'udp ' + data, who)
        """;

    /// <summary>Ignores what asks it politely to end, and starts others that do too.</summary>
    public static string Stubborn(string mark) => $"#!/bin/sh\ntrap '' TERM HUP INT\n(trap '' TERM HUP INT; while :; do sleep {mark}; done) &\nsetsid sh -c \"trap '' TERM HUP INT; while :; do sleep {mark}; done\" &\necho ready\nwhile :; do sleep {mark}; done\n";
}

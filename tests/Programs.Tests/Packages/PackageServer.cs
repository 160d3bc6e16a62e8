using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Programs.Tests.Support;

namespace PeoplesCloud.Programs.Tests.Packages;

/// <summary>
/// An index of Python packages and an npm registry beside this host, in a network namespace of their own behind a veth, at an address that stands in for
/// the internet: a sandbox reaches it and nothing nearer. The packages are made here: for Python a pure wheel, one with a C extension, a source
/// that fails to build; for Node.js a package with a command, and one whose script fails. Made by root.
/// </summary>
public sealed class PackageServer : IDisposable
{
    private const string Maker = """
        import base64, hashlib, io, json, os, subprocess, sys, sysconfig, tarfile, zipfile
        root = sys.argv[1]

        def wheel(name, tag, files):
          info = f'{name}-1.0.dist-info'
          files = dict(files)
          files[f'{info}/METADATA'] = f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'.encode()
          files[f'{info}/WHEEL'] = f'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {"true" if tag.endswith("any") else "false"}\nTag: {tag}\n'.encode()
          record = ''.join(f'{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()},{len(data)}\n' for path, data in files.items())
          files[f'{info}/RECORD'] = (record + f'{info}/RECORD,,\n').encode()
          folder = f'{root}/simple/{name}'; os.makedirs(folder)
          with zipfile.ZipFile(f'{folder}/{name}-1.0-{tag}.whl', 'w') as z:
            for path, data in files.items(): z.writestr(path, data)
          listed(folder)

        def listed(folder):
          with open(f'{folder}/index.html', 'w') as f: f.write(''.join(f'<a href="{n}">{n}</a>\n' for n in os.listdir(folder) if n != 'index.html'))

        def packed(path, top, files):
          os.makedirs(os.path.dirname(path), exist_ok=True)
          with tarfile.open(path, 'w:gz') as t:
            for name, data in files.items():
              member = tarfile.TarInfo(f'{top}/{name}'); member.size = len(data); member.mode = 0o755; t.addfile(member, io.BytesIO(data))

        wheel('greeting', 'py3-none-any', {
          'greeting.py': b'def of(name): return "good day, " + name\ndef main(): print(of("command"))\n',
          'greeting-1.0.dist-info/entry_points.txt': b'[console_scripts]\ngreet = greeting:main\n'})

        # A module in C against the interpreter's own headers.
        open(f'{root}/fastsum.c', 'w').write('''
        #define PY_SSIZE_T_CLEAN
        #include <Python.h>
        static PyObject *sum_to(PyObject *self, PyObject *args) {
          long n; if (!PyArg_ParseTuple(args, "l", &n)) return NULL;
          long sum = 0; for (long i = 1; i <= n; i++) sum += i;
          return PyLong_FromLong(sum);
        }
        static PyMethodDef methods[] = {{"sum_to", sum_to, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
        static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastsum", NULL, -1, methods};
        PyMODINIT_FUNC PyInit_fastsum(void) { return PyModule_Create(&module); }
        ''')
        suffix = sysconfig.get_config_var('EXT_SUFFIX')
        subprocess.run(['gcc', '-shared', '-fPIC', '-O1', '-I', sysconfig.get_paths()['include'], f'{root}/fastsum.c', '-o', f'{root}/fastsum{suffix}'], check=True)
        abi = 'cp%d%d' % sys.version_info[:2]
        wheel('fastsum', f'{abi}-{abi}-linux_{os.uname().machine}', {f'fastsum{suffix}': open(f'{root}/fastsum{suffix}', 'rb').read()})

        # A source whose build says why it fails; its backend lies in it, so that nothing else is needed.
        packed(f'{root}/simple/broken/broken-1.0.tar.gz', 'broken-1.0', {
          'PKG-INFO': b'Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n',
          'pyproject.toml': b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
          'backend.py': b'def build_wheel(*a, **k): raise SystemExit("broken needs the quux library, which is not here")\nbuild_editable = build_sdist = prepare_metadata_for_build_wheel = build_wheel\n'})
        listed(f'{root}/simple/broken')

        def npm(name, manifest, files):
          manifest = {'name': name, 'version': '1.0.0', **manifest}
          path = f'{root}/npm/tarballs/{name}-1.0.0.tgz'
          packed(path, 'package', {'package.json': json.dumps(manifest).encode(), **files})
          data = open(path, 'rb').read()
          integrity = 'sha512-' + base64.b64encode(hashlib.sha512(data).digest()).decode()
          manifest['dist'] = {'tarball': f'{{BASE}}/npm/tarballs/{name}-1.0.0.tgz', 'integrity': integrity, 'shasum': hashlib.sha1(data).hexdigest()}
          with open(f'{root}/npm/{name}', 'w') as f: json.dump({'name': name, 'dist-tags': {'latest': '1.0.0'}, 'versions': {'1.0.0': manifest}}, f)
          print(name, integrity)

        npm('pc-greeting', {'main': 'index.js', 'bin': {'pc-greet': 'bin.js'}}, {'index.js': b'exports.of = name => "good day, " + name;\n', 'bin.js': b'#!/usr/bin/env node\nconsole.log(require("./index.js").of("command"));\n'})
        npm('pc-broken', {'main': 'index.js', 'scripts': {'install': 'echo pc-broken needs the quux library, which is not here >&2; exit 3'}}, {'index.js': b''})
        """;

    private const string Server = """
        import http.server, os, socketserver, sys, threading
        os.chdir(sys.argv[1])
        class Handler(http.server.SimpleHTTPRequestHandler):
          def do_GET(self):
            path = self.path.split('?')[0].strip('/')
            if path.startswith('npm/') and '/' not in path[4:] and os.path.isfile(path):
              body = open(path, 'rb').read().replace(b'{BASE}', b'http://' + self.headers['Host'].encode())
              self.send_response(200); self.send_header('Content-Type', 'application/json'); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
            else: super().do_GET()
          def log_message(self, *a): open('requests', 'a').write(self.path + '\n')
        class Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
        server = Threaded(('0.0.0.0', 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        """;

    // Of the addresses for documentation, one that no other run of these tests has.
    private readonly string _address = string.Create(CultureInfo.InvariantCulture, $"203.0.113.{80 + (Environment.ProcessId % 170)}");
    private readonly string _link = string.Create(CultureInfo.InvariantCulture, $"pcpk{Environment.ProcessId}");
    private readonly TestFolder _folder = new();
    private readonly Dictionary<string, string> _integrity = new(StringComparer.Ordinal);
    private readonly Process? _server;

    public PackageServer()
    {
        if (!Environment.IsPrivilegedProcess) return;
        foreach (var line in Run("/usr/bin/python3", "-c", Maker, _folder.Path).Split('\n', StringSplitOptions.RemoveEmptyEntries)) _integrity[line.Split(' ')[0]] = line.Split(' ')[1];
        _server = Process.Start(new ProcessStartInfo("unshare", ["--net", "/usr/bin/python3", "-c", Server, _folder.Path]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
        var port = _server.StandardOutput.ReadLine();
        var hostEnd = string.Create(CultureInfo.InvariantCulture, $"198.51.100.{80 + (Environment.ProcessId % 170)}");
        Run("ip", "link", "add", _link, "type", "veth", "peer", "name", "far", "netns", $"{_server.Id}");
        Run("ip", "address", "add", $"{hostEnd}/32", "dev", _link);
        Run("ip", "link", "set", _link, "up");
        foreach (var there in new[] { "link set lo up", "link set far up", $"address add {_address}/32 dev far", $"route add {hostEnd}/32 dev far" })
            Run("nsenter", [$"--net=/proc/{_server.Id}/ns/net", "ip", .. there.Split(' ')]);
        Run("ip", "route", "add", _address, "dev", _link, "src", hostEnd);
        Url = $"http://{_address}:{port}";
    }

    /// <summary>Where it is; null when it could not be made.</summary>
    public string? Url { get; }

    /// <summary>How often anything was asked for.</summary>
    public int Requests => File.Exists(_folder["requests"]) ? File.ReadAllLines(_folder["requests"]).Length : 0;

    /// <summary>The lines of a requirements.txt that name the index, and packages.</summary>
    public string Requirements(params string[] packages) => $"--index-url {Url}/simple/\n--trusted-host {_address}\n{string.Join('\n', packages)}\n";

    /// <summary>Lists of npm that name the registry, for one package.</summary>
    internal TestFolder WithNpm(TestFolder folder, string app, string package)
    {
        var dependencies = $"\"dependencies\":{{\"{package}\":\"1.0.0\"}}";
        folder.With($"{app}/.npmrc", $"registry={Url}/npm/\n");
        folder.With($"{app}/package.json", $"{{\"name\":\"{app}\",\"version\":\"1.0.0\",\"scripts\":{{\"prepare\":\"exit 9\"}},{dependencies}}}");
        return folder.With(
            $"{app}/package-lock.json",
            $"{{\"name\":\"{app}\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":{{\"\":{{\"name\":\"{app}\",\"version\":\"1.0.0\",{dependencies}}},"
            + $"\"node_modules/{package}\":{{\"version\":\"1.0.0\",\"resolved\":\"{Url}/npm/tarballs/{package}-1.0.0.tgz\",\"integrity\":\"{_integrity.GetValueOrDefault(package, "sha512-AA==")}\",{(package == "pc-greeting" ? "\"bin\":{\"pc-greet\":\"bin.js\"}" : "\"hasInstallScript\":true")}}}}}}}");
    }

    /// <summary>Skips a test that needs it, and a tool.</summary>
    public void Need(string tool)
    {
        Assert.SkipWhen(Url is null, "only root can make the network beside this host");
        Assert.SkipUnless(File.Exists($"/usr/bin/{tool}") || File.Exists($"/usr/lib/python3/dist-packages/{tool}/__init__.py"), $"{tool} is not installed where sandboxes see it");
    }

    /// <summary>From now on nobody answers there.</summary>
    public void SwitchOff()
    {
        // Its namespace ends with it, and the veth with the namespace.
        _server?.StandardInput.Close();
        _server?.WaitForExit();
    }

    public void Dispose()
    {
        SwitchOff();
        _server?.Dispose();
        _folder.Dispose();
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments.Where(argument => argument.Length < 100))}: {errors.Result}");
        return output;
    }
}

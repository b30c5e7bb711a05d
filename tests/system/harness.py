# SPDX-License-Identifier: BSD-3-Clause
"""The whole server in a world of its own: two network namespaces, a cable, a data folder.

The server runs in one namespace (so its admin port and its Ethernet end collide with nothing), the test
itself in the other: every socket a test opens and every program it starts is the client.

    @system_test('cached GETs are counted', limit_s=20)
    def cached_gets(world):
        server = world.start()
        client = world.client()
        client.put('greeting', b'hello')

A test fails by an exception. Whatever it started is stopped and removed when it ends, also after a timeout.
"""
import collections
import contextlib
import ctypes
import hashlib
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BINARY = os.environ.get('GANNET_BINARY', str(TOP / 'build' / 'gannet'))
SERVER_IPV4, SERVER_IPV6, CLIENT_END = '10.99.0.2', 'fd99::2', 'gannet-c0'
URL = f'http://{SERVER_IPV4}'
VALUES = '/v1/ns/demo/values/'
ADMIN_PORT = 9090
CLONE_NEWNET = 0x40000000
READY_LIMIT_S = float(os.environ.get('GANNET_READY_LIMIT_S', '30'))

libc = ctypes.CDLL(None, use_errno=True)


def depth(name, fallback):
    """How long or how often: small in CI, large with `./dev test --long`."""
    return int(os.environ.get(name, fallback))


# ---- the registry of tests ----------------------------------------------------------------------

Test = collections.namedtuple('Test', 'name sentence function limit_s is_short')
TESTS = []


def system_test(sentence, limit_s, is_short=False):
    """limit_s bounds the test; is_short ones also run against the sanitizer build."""
    def register(function):
        TESTS.append(Test(function.__name__, sentence, function, limit_s, is_short))
        return function
    return register


class Skipped(Exception):
    """This machine lacks what the test needs; says what."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def check_equal(got, expected, what=''):
    if got != expected:
        raise AssertionError(f'{what}: got {shorten(got)}, expected {shorten(expected)}')


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else f'{text[:200]}... ({len(text)} characters)'


def wait_for(condition, limit_s, what, step_s=0.02):
    """Polls until condition() is true and returns what it returned."""
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'not within {limit_s} s: {what}')
        time.sleep(step_s)


# ---- namespaces ---------------------------------------------------------------------------------

def set_namespace(path):
    """For the calling thread, and for the threads and processes it starts from now on."""
    with open(path, 'rb') as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))


@contextlib.contextmanager
def inside(namespace):
    with open('/proc/thread-self/ns/net', 'rb') as before:
        set_namespace(f'/run/netns/{namespace}')
        try:
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), 'cannot return to the former namespace')


class Link:
    """A cable with a namespace at each end, named after this process: parallel runs do not meet."""

    def __init__(self, number):
        self.client = f'gannet-c-{os.getpid()}-{number}'
        self.server = f'gannet-s-{os.getpid()}-{number}'
        self._veth('up')

    def _veth(self, verb):
        subprocess.run([TOP / 'tests/support/veth.sh', verb, self.client, self.server], check=True,
                       stdin=subprocess.DEVNULL)

    def remove(self):
        self._veth('down')

    def lose(self, percent):
        """Drops this share of the frames in both directions, at the client's end. 0 ends it."""
        commands = 'table netdev loss {}\ndelete table netdev loss\n'
        if percent:
            for hook in ('ingress', 'egress'):
                commands += (f'add table netdev loss\nadd chain netdev loss {hook} '
                             f'{{ type filter hook {hook} device {CLIENT_END} priority 0; }}\n'
                             f'add rule netdev loss {hook} numgen random mod 1000 < '
                             f'{int(percent * 10)} counter drop\n')
        self.in_client(['nft', '-f', '-'], input=commands, text=True)

    def lost_frames(self):
        listing = self.in_client(['nft', 'list', 'table', 'netdev', 'loss'], text=True).stdout
        return [int(count) for count in re.findall(r'counter packets (\d+)', listing)]

    def in_client(self, command, **options):
        with inside(self.client):
            return subprocess.run(command, check=True, capture_output=True, **options)


# ---- configuration ------------------------------------------------------------------------------

def default_config():
    return {
        'workers': {'cores': [os.cpu_count() - 1], 'poll': 'adaptive'},
        'control': {'threads': 1},
        'memory': {'packets': 8192, 'values_mib': 128},
        'cache': {'memory_mib': 32},
        'http': {},
        'tcp': {},
        # A shared disk may take seconds to sync: only a test that is about it has a deadline like a real one.
        'store': {'segment_mib': 16, 'space_reserve_mib': 16, 'index_memory_mib': 128,
                  'request_timeout_ms': 15000},
        'admin': {'listen': f'127.0.0.1:{ADMIN_PORT}', 'drain_timeout_ms': 5000},
        'ports': [{'device': 'net_af_packet0,iface=gannet0', 'queues': 1, 'ipv4': f'{SERVER_IPV4}/24',
                   'ipv6': f'{SERVER_IPV6}/64'}],
        'listeners': [{'port': 80}],
        'namespaces': [{'name': 'demo'}, {'name': 'other'}],
        'routes': [{'path': '/v1/', 'backend': 'values'}, {'path': '/echo/', 'backend': 'echo'}],
    }


def two_workers():
    return {'workers': {'cores': [0, 1]}, 'control': {'threads': 2}}


def merge(base, changes):
    for key, value in changes.items():
        if isinstance(value, dict):
            base[key] = merge(dict(base.get(key, {})), value)
        else:
            base[key] = value
    return base


def to_yaml(config):
    """Enough of YAML for our own files: sections of scalars and lists of records."""
    lines = []
    for section, content in config.items():
        if isinstance(content, dict):
            if content:
                lines += [f'{section}:'] + [f'  {key}: {scalar(value)}' for key, value in content.items()]
        else:
            lines.append(f'{section}:')
            for record in content:
                items = [f'{key}: {scalar(value)}' for key, value in record.items()]
                lines += [f'  - {items[0]}'] + [f'    {item}' for item in items[1:]]
    return '\n'.join(lines) + '\n'


def scalar(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, list):
        return '"' + ','.join(map(str, value)) + '"'
    return str(value) if isinstance(value, int) else f'"{value}"'


# ---- the server ---------------------------------------------------------------------------------

class Server:
    def __init__(self, link, folder, changes):
        self.link = link
        self.folder = Path(folder)
        self.config = merge(default_config(), {'store': {'directory': str(self.folder / 'data')}})
        self.change(changes)
        self.process = None
        self.log_path = self.folder / 'server.log'

    def change(self, changes):
        merge(self.config, changes)

    def start(self):
        path = self.folder / 'gannet.yaml'
        path.write_text(to_yaml(self.config))
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.link.server, BINARY, 'serve', str(path)], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_for(self._is_ready_or_dead, READY_LIMIT_S, f'the server is ready\n{self.log_tail()}')
        return self

    def _is_ready_or_dead(self):
        if self.process.poll() is not None:
            raise AssertionError(f'the server ended with {self.process.returncode}\n{self.log_tail()}')
        try:
            return self.admin('/readyz')[0] == 200
        except OSError:
            return False

    def log_text(self):
        return self.log_path.read_text(errors='replace') if self.log_path.exists() else ''

    def log_tail(self):
        return '\n'.join(self.log_text().splitlines()[-25:])

    def check_after_test(self):
        """It neither died nor complained while nobody looked."""
        if self.process is not None and self.process.poll() is not None:
            check(self.process.returncode in (0, -signal.SIGKILL),
                  f'the server ended with {self.process.returncode}')
        complaint = re.search(r'.*(Sanitizer|runtime error:|assertion failed).*', self.log_text())
        check(not complaint, f'the server complained: {complaint and complaint.group(0)}')

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill9(self):
        self.process.kill()
        self.process.wait(10)

    def term(self, limit_s=15):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(limit_s)

    def stop(self):
        if self.is_alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill9()

    def restart(self, changes=None):
        check_equal(self.term(), 0, 'exit code after SIGTERM')
        self.change(changes or {})
        return self.start()

    def admin(self, path, method='GET'):
        """(status, body) from the admin port, which lies on the server's own loopback."""
        with inside(self.link.server):
            connection = http.client.HTTPConnection('127.0.0.1', ADMIN_PORT, timeout=5)
            try:
                connection.request(method, path)
                response = connection.getresponse()
                return response.status, response.read()
            except http.client.HTTPException as error:
                raise OSError(str(error)) from error
            finally:
                connection.close()

    def metrics(self):
        status, body = self.admin('/metrics')
        check_equal(status, 200, '/metrics')
        return Metrics(body.decode())

    def cpu_seconds(self):
        fields = Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(') ', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def threads(self):
        """{thread id: name}"""
        found = {}
        for task in Path(f'/proc/{self.process.pid}/task').iterdir():
            with contextlib.suppress(OSError):
                found[int(task.name)] = (task / 'comm').read_text().strip()
        return found


class Metrics:
    """Prometheus text, parsed: {(name, frozenset of labels): value}."""

    LINE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')

    def __init__(self, text):
        self.text = text
        self.samples = {}
        self.types = {}
        for line in text.splitlines():
            if line.startswith('# TYPE '):
                _, _, name, kind = line.split()
                self.types[name] = kind
            elif line and not line.startswith('#'):
                found = self.LINE.match(line)
                check(found, f'/metrics has a line that is not Prometheus text: {line!r}')
                labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found.group(2) or ''))
                key = (found.group(1), labels)
                check(key not in self.samples, f'/metrics has this sample twice: {line!r}')
                self.samples[key] = float(found.group(3))

    def total(self, name_part, **labels):
        """Sum of the counters whose name contains name_part (without histogram buckets)."""
        wanted = set(labels.items())
        values = [value for (name, have), value in self.samples.items()
                  if name_part in name and wanted <= have and not name.endswith('_bucket')]
        check(values, f'/metrics shows nothing named *{name_part}* with {labels}:\n{self.text[:3000]}')
        return sum(values)


# ---- clients ------------------------------------------------------------------------------------

class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        """A header's value; '' when it is not there."""
        return self.headers.get(name.lower(), '')

    def __repr__(self):
        return f'<{self.status} {self.headers} {shorten(self.body)}>'


class Client:
    """One kept-alive connection by Python's own http.client, which shares no code with the server."""

    def __init__(self, host=SERVER_IPV4, port=80, timeout_s=20):
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def connect(self):
        """Not needed before request(); tells a refused connection from a lost answer."""
        if self.connection is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
            connection.connect()
            self.connection = connection

    def request(self, method, path, body=None, headers=None):
        self.connect()
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def put(self, key, body, **headers):
        return self.request('PUT', VALUES + key, body, dashed(headers))

    def get(self, key, **headers):
        return self.request('GET', VALUES + key, None, dashed(headers))

    def head(self, key, **headers):
        return self.request('HEAD', VALUES + key, None, dashed(headers))

    def delete(self, key, **headers):
        return self.request('DELETE', VALUES + key, None, dashed(headers))


def dashed(headers):
    """If_Match='"1"' -> {'If-Match': '"1"'}"""
    return {name.replace('_', '-'): value for name, value in headers.items()}


class RawConnection:
    """A TCP connection on which a test writes the very bytes it wants."""

    def __init__(self, host=SERVER_IPV4, port=80, timeout_s=10):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b''

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def _more(self):
        data = self.socket.recv(1 << 18)
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                raise AssertionError(f'closed in the middle of an answer: {shorten(self.buffer)}')
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def response(self, method='GET'):
        """The next answer, parsed strictly. 1xx answers are answers of their own."""
        head = self._until(b'\r\n\r\n').decode('latin-1').split('\r\n')
        status_line = re.fullmatch(r'HTTP/1\.1 (\d\d\d)( .*)?', head[0])
        check(status_line, f'status line {head[0]!r}')
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(': ')
            headers[name.lower()] = value
        status = int(status_line.group(1))
        has_body = method != 'HEAD' and status not in (204, 304) and status >= 200
        length = int(headers.get('content-length', '0')) if has_body else 0
        while len(self.buffer) < length:
            check(self._more(), 'closed in the middle of a body')
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Response(status, headers, body)

    def is_closed_by_server(self, limit_s=5):
        """True when the server closes (or resets) within the limit, and says nothing more."""
        self.socket.settimeout(limit_s)
        try:
            return self.buffer == b'' and not self._more()
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def curl(*arguments, limit_s=60):
    """Runs curl in the client's namespace; returns its standard output. Fails when curl does."""
    done = subprocess.run(['curl', '-sS', '--max-time', str(limit_s), *map(str, arguments)],
                          capture_output=True, timeout=limit_s + 5, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f'curl {arguments}: exit {done.returncode}: {done.stderr.decode()}')
    return done.stdout


def program(*command, limit_s=60):
    """Runs a program of the client; returns its output as text, both streams. Fails when it does."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=limit_s, stdin=subprocess.DEVNULL)
    text = done.stdout + done.stderr
    check(done.returncode == 0, f'{command}: exit {done.returncode}: {text}')
    return text


def wrk(path, seconds=3, connections=64, threads=2, script=None, limit_s=None):
    """Runs wrk; fails on socket errors and on any status but 2xx. Returns (requests, requests/s)."""
    command = ['wrk', f'-t{threads}', f'-c{connections}', f'-d{seconds}s', '--timeout', '20s']
    text = program(*command, *(['-s', script] if script else []), URL + path,
                   limit_s=limit_s or seconds + 40)
    check('Socket errors' not in text and 'Non-2xx' not in text, f'wrk saw errors:\n{text}')
    count = int(re.search(r'(\d+) requests in', text).group(1))
    check(count > 0, f'wrk had no answer:\n{text}')
    return count, float(re.search(r'Requests/sec:\s+([\d.]+)', text).group(1))


def random_bytes(count, seed):
    return random.Random(seed).randbytes(count)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def in_threads(functions, limit_s):
    """Runs them at the same time; the first exception of any is raised here."""
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    if errors:
        raise errors[0]
    check(not any(thread.is_alive() for thread in threads), f'client threads hang after {limit_s} s')


# ---- one test's world ---------------------------------------------------------------------------

class World:
    def __init__(self, name):
        self.folder = Path(tempfile.mkdtemp(prefix=f'gannet-{name[:30]}-'))
        self.links = []
        self.servers = []
        self.mounts = []

    def link(self, kind=Link):
        link = kind(len(self.links))
        self.links.append(link)
        if len(self.links) == 1:
            set_namespace(f'/run/netns/{link.client}')
        return link

    def server(self, *changes, link=None):
        """A server that is not started yet, on a cable of its own if none is given. Later changes win."""
        folder = self.folder / f'server{len(self.servers)}'
        folder.mkdir()
        server = Server(link or self.link(), folder, {})
        for change in changes:
            server.change(change)
        self.servers.append(server)
        return server

    def start(self, *changes):
        return self.server(*changes).start()

    def client(self, **options):
        return Client(**options)

    def tmpfs(self, size_mib):
        """A small disk."""
        path = self.folder / f'disk{len(self.mounts)}'
        path.mkdir()
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size_mib}m', 'tmpfs', path], check=True)
        self.mounts.append(path)
        return path

    def logs(self):
        return '\n'.join(f'--- {server.log_path.parent.name}:\n{server.log_tail()}'
                         for server in self.servers)

    def remove(self):
        # Tests may have sent signals; nothing may stop the cleaning up.
        signal.alarm(0)
        for server in self.servers:
            with contextlib.suppress(Exception):
                server.process.terminate()
                time.sleep(0.05)
                server.stop()  # the second signal: nobody waits for the connections that tests leave open
        for link in self.links:
            with contextlib.suppress(Exception):
                link.remove()
        for path in self.mounts:
            subprocess.run(['umount', '-l', path], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

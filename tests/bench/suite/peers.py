# SPDX-License-Identifier: BSD-3-Clause
"""Other people's servers, each on one core, with the configurations in tests/bench/peers."""
import contextlib
import shutil
import string
import tempfile
from pathlib import Path
from typing import Iterator, Optional

from tests.bench.suite.bench import Bench
from tests.bench.suite.client import KEY_BYTES
from tests.bench.suite.process import Failed, Program, run, wait_until

VALUES = 'v1/ns/demo/values'
ORIGIN_PORT = 8000
PORTS = {'nginx': ORIGIN_PORT, 'h2o': 8001, 'haproxy': 8002, 'varnish': 8003}  # nginx first: the caches ask it
START_LIMIT_S = 20


def value_of(key: int, size: int) -> bytes:
    """The length is what counts; the bytes tell keys apart when somebody looks."""
    return (f'{key} ' * size)[:size].encode()


@contextlib.contextmanager
def value_files(keys: int, size: int) -> Iterator[Path]:
    """One file per key in memory: a disk is not what this compares. Readable by the servers' own users."""
    root = Path(tempfile.mkdtemp(prefix='gannet-bench-', dir='/dev/shm'))
    try:
        root.chmod(0o755)
        folder = root / VALUES
        folder.mkdir(parents=True)
        for key in range(keys):
            (folder / f'{key:0{KEY_BYTES}}').write_bytes(value_of(key, size))
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def configured(bench: Bench, name: str, folder: Path, files: Path) -> Path:
    """The committed configuration with its few @places filled in."""
    source = next((bench.top / 'tests/bench/peers').glob(f'{name}.*'))
    text = source.read_text()
    places = {'FOLDER': folder, 'FILES': files, 'PORT': PORTS[name], 'ORIGIN_PORT': ORIGIN_PORT}
    for place, value in places.items():
        text = text.replace(f'@{place}@', str(value))
    path = folder / source.name
    path.write_text(text)
    return path


def command_line(name: str, folder: Path, path: Path) -> list[object]:
    return {
        'nginx': ['nginx', '-e', folder / 'error.log', '-p', folder, '-c', path],
        'h2o': ['h2o', '-c', path],
        'haproxy': ['haproxy', '-db', '-f', path],
        # Its options are its configuration: RAM storage, one pool (one core), threads for as many connections
        # as are measured, no log of requests.
        'varnish': ['varnishd', '-j', 'none', '-F', '-n', folder / 'varnish', '-f', path,
                    '-a', f'0.0.0.0:{PORTS["varnish"]}',
                    '-s', 'malloc,1G', '-p', 'thread_pools=1', '-p', 'thread_pool_min=200',
                    '-p', 'thread_pool_max=2000', '-p', 'vsl_mask=-VCL_trace,-ReqHeader,-RespHeader,-ReqURL',
                    '-p', 'listen_depth=4096'],
    }[name]


@contextlib.contextmanager
def http_peer(bench: Bench, name: str, namespace: str, files: Path) -> Iterator[Program]:
    """haproxy and varnish are caches: nginx must be up before they are asked."""
    folder = bench.folder(name)
    path = configured(bench, name, folder, files)
    with Program(command_line(name, folder, path), folder / 'log', [bench.cores.server], namespace) as program:
        wait_until(lambda: is_answering(program, name, namespace), START_LIMIT_S, f'{name} answers')
        yield program


def is_answering(program: Program, name: str, namespace: str) -> bool:
    if not program.is_alive():
        raise Failed(f'{name} ended with {program.process.returncode}\n{program.tail()}')
    url = f'http://127.0.0.1:{PORTS[name]}/{VALUES}/{0:0{KEY_BYTES}}'
    return run(['curl', '-s', '-m', '2', '-o', '/dev/null', '-w', '%{http_code}', url], 10, namespace=namespace,
               may_fail=True) == '200'


@contextlib.contextmanager
def redis(bench: Bench, namespace: str, log: Optional[Path] = None, sync: str = 'everysec') -> Iterator[Program]:
    """In memory only, or with an append-only file in the folder `log`; sync `always`: before it acknowledges."""
    folder = bench.folder('redis')
    options = ['--dir', log, '--appendonly', 'yes', '--appendfsync', sync] if log else ['--dir', folder]
    words = ['redis-server', bench.top / 'tests/bench/peers/redis.conf', *options]
    with Program(words, folder / 'log', [bench.cores.server], namespace) as program:
        wait_until(lambda: is_redis_ready(program, namespace), 300, 'redis answers', 0.01)
        yield program


def is_redis_ready(program: Program, namespace: str) -> bool:
    if not program.is_alive():
        raise Failed(f'redis ended with {program.process.returncode}\n{program.tail()}')
    return run(['redis-cli', 'ping'], 10, namespace=namespace, may_fail=True).strip() == 'PONG'


def fill_redis(namespace: str, keys: int, size: int) -> None:
    """Every key as redis-benchmark -r will ask for it: key:000000000042."""
    lines = [b'*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n' % (key, size, value_of(key, size))
             for key in range(keys)]
    run(['redis-cli', '--pipe'], 60 + keys / 10_000, namespace=namespace, given=b''.join(lines))

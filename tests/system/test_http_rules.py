# SPDX-License-Identifier: BSD-3-Clause
"""HTTP on the real server: ambiguous requests, other people's clients, a large body beside small reads."""
import statistics
import subprocess
import threading
import time
from pathlib import Path

from harness import (BINARY, URL, VALUES, RawConnection, check, check_equal, curl, program, random_bytes,
                     system_test, wrk)

EVERY = 6  # of the ambiguous requests: all of them run in process, in http_ambiguity_test
MARKED = (f'GET {VALUES}k HTTP/1.1\r\nHost: h\r\nRequest-Id: marked\r\nConnection: close\r\n\r\n').encode()


def ambiguous_requests():
    listing = Path(BINARY).parent / 'tests/unit/http_ambiguity_test'
    lines = subprocess.run([listing, '--print'], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    for line in lines[::EVERY]:
        rule, text, name = line.split(b'\t', 2)
        yield rule.decode(), bytes.fromhex(text.decode()).replace(b'/ns/default/', b'/ns/demo/'), name


def everything_said(raw):
    said = b''
    try:
        while data := raw.socket.recv(1 << 16):
            said += data
    except ConnectionError:
        pass
    return said


@system_test('a sample of ambiguous requests: refused and closed, or accepted and the next one answered', 60, True)
def ambiguity(world):
    world.start()
    world.client().put('k', b'vvv')
    count = 0
    for rule, text, name in ambiguous_requests():
        raw = RawConnection()
        raw.send(text + MARKED)
        said = everything_said(raw)
        raw.close()
        answers = said.count(b'Server: gannet\r\n')
        if rule == 'refused':
            check(said[:10] in (b'HTTP/1.1 4', b'HTTP/1.1 5') and answers == 1, f'{name}: {said}')
        else:
            check_equal((said[:11], answers, said.count(b'Request-Id: marked')), (b'HTTP/1.1 20', 2, 1), f'{name}')
        count += 1
    print(f'{count} requests')
    check(count >= 70, f'only {count} requests')


@system_test('curl, wrk, ab and h2load read, write and check values and parts', 90)
def clients(world):
    world.start()
    value = random_bytes(200000, 5)
    path = world.folder / 'value'
    path.write_bytes(value)
    url = f'{URL}{VALUES}v'
    curl('-T', path, url)
    check_equal(curl(url), value, 'whole')
    check_equal(curl('-r', '1000-1999', url), value[1000:2000], 'a part')
    check_equal(curl('-r', '-7', url), value[-7:], 'the end')
    check_equal(curl('--http1.0', url), value, 'HTTP/1.0')
    half = world.folder / 'half'
    half.write_bytes(value[:100000])
    curl('-C', '-', '-o', half, url)
    check_equal(half.read_bytes(), value, 'a download that goes on')
    tag_file = world.folder / 'tag'
    curl('--etag-save', tag_file, '-o', '/dev/null', url)
    again = curl('--etag-compare', tag_file, '-o', '/dev/null', '-w', '%{http_code}', url)
    check_equal(again, b'304', 'revalidation')
    check_equal(curl('-I', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', url), b'200 0', 'HEAD')
    curl('-X', 'PUT', '-d', 'small', f'{URL}{VALUES}s')
    wrk(f'{VALUES}s', seconds=1, connections=16)
    text = program('ab', '-q', '-k', '-n', '2000', '-c', '8', f'{URL}{VALUES}s')
    check('Failed requests:        0' in text and 'Non-2xx' not in text, f'ab:\n{text}')
    text = program('h2load', '--h1', '-n', '2000', '-c', '8', f'{URL}{VALUES}s')
    check('2000 succeeded, 0 failed' in text and '2000 2xx' in text, f'h2load:\n{text}')


def latencies_ms(stop, results):
    raw = RawConnection()
    while not stop.is_set():
        begin = time.monotonic()
        raw.send(f'GET {VALUES}small HTTP/1.1\r\nHost: h\r\n\r\n'.encode())
        check_equal(raw.response().status, 200, 'a small read')
        results.append((time.monotonic() - begin) * 1000)


def measure_while(work):
    stop, results = threading.Event(), []
    reader = threading.Thread(target=latencies_ms, args=(stop, results))
    reader.start()
    work()
    stop.set()
    reader.join()
    results.sort()
    return statistics.median(results), results[len(results) * 99 // 100], len(results)


@system_test('a body of 64 MiB does not disturb small reads on the same worker', 90)
def large_body(world):
    world.start({'http': {'body_max': 64 << 20, 'body_memory_mib': 256}, 'memory': {'values_mib': 512}})
    path = world.folder / 'large'
    path.write_bytes(random_bytes(64 << 20, 9))
    world.client().put('small', b'x' * 100)
    idle = measure_while(lambda: time.sleep(1))
    began = time.monotonic()
    busy = measure_while(lambda: curl('-T', path, f'{URL}{VALUES}large'))
    took = time.monotonic() - began
    print(f'alone p50 {idle[0]:.2f} p99 {idle[1]:.2f} ms of {idle[2]}; '
          f'beside 64 MiB in {took:.1f} s p50 {busy[0]:.2f} p99 {busy[1]:.2f} ms of {busy[2]}')
    # A round copies at most 256 KiB of a body; the rest is the machine's own disturbance, and curl's.
    check(busy[0] < 5 + 10 * idle[0], 'the median read waits for the body')
    check(busy[1] < 100 + 10 * idle[1], 'one read in a hundred waits for the body')

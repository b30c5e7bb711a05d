# SPDX-License-Identifier: BSD-3-Clause
"""Other people's clients - wrk, ab, curl, Python's http.client - on a good link and on a bad one."""
import re
import time

from harness import (URL, VALUES, Client, check, check_equal, curl, depth, digest, in_threads, program,
                     random_bytes, system_test, two_workers, wrk)

SECONDS = depth('GANNET_SYSTEM_SECONDS', 1)


@system_test('wrk with 64 connections on a cached key: no error, and /metrics counts every hit', 60, True)
def wrk_cached(world):
    server = world.start()
    client = world.client()
    client.put('hot', b'x' * 128)
    client.get('hot')
    before = server.metrics().total('cache_hits')
    count, rate = wrk(VALUES + 'hot', seconds=3 * SECONDS)
    hits = server.metrics().total('cache_hits') - before
    check(hits >= count, f'{count} answers, but {hits} hits')
    print(f'{rate:.0f} requests/s')


@system_test('two workers serve at once, with correct results under wrk', 60)
def wrk_two_workers(world):
    server = world.start(two_workers())
    client = world.client()
    value = random_bytes(4000, 1)
    client.put('hot', value)
    client.get('hot')
    script = world.folder / 'compare.lua'
    script.write_text('''-- every body must have the right length
function response(status, headers, body)
    if status ~= 200 or #body ~= 4000 then os.exit(3) end
end
''')
    wrk(VALUES + 'hot', seconds=3 * SECONDS, script=script)
    for _ in range(50):
        check_equal(digest(world.client().get('hot').body), digest(value), 'a fresh connection each')
    shares = [value for (name, labels), value in server.metrics().samples.items()
              if 'http_requests' in name and dict(labels).get('thread', '').startswith('worker')]
    check(len(shares) != 1 and all(share > 0 for share in shares), f'every worker served: {shares}')


@system_test('ab: keep-alive and one connection per request', 60)
def apache_bench(world):
    world.start()
    world.client().put('ab', b'x' * 1000)
    for options in (['-k', '-n', 20000], ['-n', 3000]):
        text = program('ab', '-q', '-c', 16, *options, URL + VALUES + 'ab')
        check(re.search(r'Failed requests:\s+0\n', text) and 'Non-2xx' not in text, text)
        check_equal(re.search(r'Document Length:\s+(\d+)', text).group(1), '1000', 'length')


@system_test('sixteen http.client connections read and write their own keys', 40)
def python_clients(world):
    world.start()

    def one(number):
        client = Client()
        for count in range(60 * SECONDS):
            value = random_bytes(1 + (count * 977) % 30000, number * 1000 + count)
            check(client.put(f'c{number}', value).status in (201, 204), 'PUT')
            check_equal(digest(client.get(f'c{number}').body), digest(value), f'client {number}')

    in_threads([lambda n=n: one(n) for n in range(16)], 35)


@system_test('5 % of the frames lost both ways: curl, wrk, ab and http.client still get everything', 120)
def lossy_link(world):
    server = world.start({'http': {'idle_timeout_ms': 60000}})
    client = Client(timeout_s=60)
    value = random_bytes(1 << 20, 9)
    world.links[0].lose(5)
    started = time.monotonic()
    check_equal(client.put('big', value).status, 201, 'PUT of 1 MiB')
    check_equal(digest(client.get('big').body), digest(value), 'GET of 1 MiB')
    file = world.folder / 'file'
    file.write_bytes(value)
    curl('-f', '-T', file, URL + VALUES + 'curl')
    check_equal(digest(curl('-f', URL + VALUES + 'curl')), digest(value), 'curl')
    client.put('small', b'x' * 128)

    def one(number):
        own = Client(timeout_s=60)
        for count in range(20):
            small = random_bytes(3000, number * 100 + count)
            check(own.put(f'l{number}', small).status in (201, 204), 'PUT')
            check_equal(digest(own.get(f'l{number}').body), digest(small), f'client {number}')

    in_threads([lambda n=n: one(n) for n in range(8)], 60)
    wrk(VALUES + 'small', seconds=4, connections=16)
    text = program('ab', '-q', '-s', '60', '-k', '-c', 8, '-n', 400, URL + VALUES + 'small', limit_s=60)
    check(re.search(r'Failed requests:\s+0\n', text), text)
    lost = world.links[0].lost_frames()
    check(len(lost) == 2 and min(lost) > 20, f'frames were lost in both directions: {lost}')
    check(server.metrics().total('retransmits') > 0, 'the server sent again what was lost')
    print(f'{lost} frames lost, {time.monotonic() - started:.1f} s')

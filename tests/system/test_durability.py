# SPDX-License-Identifier: BSD-3-Clause
"""What was acknowledged is there: after kill -9, after restarts with other threads, after a full disk."""
import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import threading
import time

from harness import (BINARY, VALUES, Client, RawConnection, check, check_equal, depth, digest, in_threads,
                     random_bytes, system_test, wait_for, wrk)

KILL_ROUNDS = depth('GANNET_KILL_ROUNDS', 20)


class Ledger:
    """One writer's keys: what was acknowledged last, and what may have happened after that."""

    def __init__(self, name, seed):
        self.name = name
        self.random = random.Random(seed)
        self.acknowledged = {}  # key -> value or None (deleted)
        self.under_way = {}     # key -> value or None: the answer never came
        self.touched = set()    # since the last comparison
        self.client = None
        self.writes = 0

    def write_until_it_dies(self, stop):
        self.client = Client(timeout_s=10)
        try:
            while not stop.is_set():
                self.write_one(self.client)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self.client.close()

    def hang_up(self):
        """A killed server has no kernel that resets its connections: the client would wait."""
        with contextlib.suppress(AttributeError, OSError):
            self.client.connection.sock.shutdown(socket.SHUT_RDWR)

    def write_one(self, client):
        # Half of them are written once, so that no later write hides a lost one.
        number = f'new{self.writes}' if self.random.random() < 0.5 else self.random.randrange(30)
        key = f'{self.name}-{number}'
        value = None
        if self.random.random() > 0.2:
            size = self.random.choice([0, 10, 300, 300, 4000, 4000, 4000, 70000])
            value = f'{key} {self.writes} '.encode() + self.random.randbytes(size)
        self.under_way = {key: value}
        answer = client.delete(key) if value is None else client.put(key, value)
        check(answer.status in (201, 204), f'write of {key}: {answer}')
        self.acknowledged[key] = value
        self.touched.add(key)
        self.under_way = {}
        self.writes += 1

    def compare(self, client, keys=None):
        for key in sorted((self.touched if keys is None else keys) | self.under_way.keys()):
            answer = client.get(key)
            check(answer.status in (200, 404), f'{key}: {answer}')
            found = answer.body if answer.status == 200 else None
            allowed = [self.acknowledged.get(key)]
            if key in self.under_way:
                allowed.append(self.under_way[key])
            check(found in allowed, f'{key}: found {describe(found)}, acknowledged was '
                                    f'{describe(allowed[0])}, under way {self.under_way.keys()}')
            self.acknowledged[key] = found
        self.under_way = {}
        self.touched = set()


def describe(value):
    return 'nothing' if value is None else f'{len(value)} bytes {value[:24]!r}'


def judge(server):
    """The checker that shares no code with recovery, before recovery has touched anything."""
    done = subprocess.run([BINARY, 'store', 'verify', str(server.folder / 'data')], capture_output=True,
                          text=True, check=False)
    check(done.returncode == 0, f'gannet store verify: {done.stdout}{done.stderr}')


@system_test(f'kill -9 under write load, {KILL_ROUNDS} times: every acknowledged write and delete holds',
             60 + 6 * KILL_ROUNDS)
def kill_nine(world):
    server = world.start({'control': {'threads': 2}, 'store': {'segment_mib': 4}})
    ledgers = [Ledger(f'w{number}', number) for number in range(6)]
    chance = random.Random(1)
    for round_number in range(KILL_ROUNDS):
        stop = threading.Event()

        def kill(stop=stop):
            server.kill9()
            stop.set()
            for ledger in ledgers:
                ledger.hang_up()

        killer = threading.Timer(chance.uniform(0.05, 0.5), kill)
        killer.start()
        in_threads([lambda l=ledger: l.write_until_it_dies(stop) for ledger in ledgers], 30)
        killer.join()
        check(server.process.poll() == -signal.SIGKILL, f'round {round_number}: it died by itself')
        judge(server)
        server.start()
        client = Client()
        for ledger in ledgers:
            ledger.compare(client)
        client.close()
    client = Client()
    for ledger in ledgers:
        ledger.compare(client, set(ledger.acknowledged))
    written = sum(ledger.writes for ledger in ledgers)
    check(written > 10 * KILL_ROUNDS, f'only {written} writes: the test tests nothing')
    print(f'{written} acknowledged writes')


@system_test('kill -9 under increments with an Idempotency-Key, each tried again until answered: counted once', 60)
def kill_nine_once(world):
    server = world.start({'control': {'threads': 2}})
    rounds, answered, clients = 2, [], []
    stop = threading.Event()

    def count(name):
        number = 0
        while not stop.is_set():
            headers = {'Idempotency-Key': f'"{name}-{number}"'}
            client = Client(timeout_s=10)
            clients.append(client)
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    answer = client.request('POST', VALUES + 'counter?op=incr', None, headers)
                    check(answer.status in (200, 409), f'{headers}: {answer}')
                    if answer.status == 200:
                        answered.append((int(answer.body), answer['etag'], answer['idempotent-replayed']))
                        number += 1
                        headers = {'Idempotency-Key': f'"{name}-{number}"'}
                        if stop.is_set():
                            return
            client.close()
            time.sleep(0.05)

    def kill():
        for _ in range(rounds):
            time.sleep(0.4)
            server.kill9()
            for client in clients:  # nobody resets their connections
                with contextlib.suppress(AttributeError, OSError):
                    client.connection.sock.shutdown(socket.SHUT_RDWR)
            server.start()
        stop.set()

    in_threads([kill] + [lambda n=name: count(n) for name in ('a', 'b', 'c', 'd')], 50)
    sums = sorted(number for number, _, _ in answered)
    check_equal(sums, list(range(1, len(sums) + 1)), 'every sum is one increment\'s answer')
    check_equal(int(Client().get('counter').body), len(sums))
    check(len(sums) > 50, f'only {len(sums)} increments: the test tests nothing')
    replayed = sum(1 for _, _, replay in answered if replay)
    print(f'{len(sums)} increments, {replayed} of them answered from memory')


@system_test('kill -9, restart, and the value put by curl is still there', 20, True)
def survives_kill(world):
    server = world.start()
    Client().put('photo', random_bytes(100000, 8))
    server.kill9()
    server.start()
    check_equal(digest(Client().get('photo').body), digest(random_bytes(100000, 8)), 'photo')


@system_test('SIGTERM: no new connections, answers under way are finished, exit 0', 30, True)
def sigterm_drains(world):
    server = world.start()
    client = Client()
    client.put('k', b'x')
    slow = RawConnection()
    body = random_bytes(50000, 2)
    slow.send(f'PUT {VALUES}slow HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n'.encode())
    slow.send(body[:20000])
    time.sleep(0.3)
    server.process.terminate()
    time.sleep(0.3)
    check(server.is_alive(), 'it waits for the request under way')
    slow.send(body[20000:])
    check_equal(slow.response('PUT').status, 201, 'the request under way is answered')
    check_equal(server.process.wait(10), 0, 'exit code')
    server.start()
    check_equal(digest(Client().get('slow').body), digest(body), 'and was kept')


@system_test('a drain that takes too long ends at its deadline; a second signal ends it at once', 40)
def drain_deadline(world):
    server = world.start({'admin': {'drain_timeout_ms': 1500}})
    for signals in (1, 2):
        stuck = RawConnection()
        stuck.send(f'PUT {VALUES}stuck HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\nx'.encode())
        time.sleep(0.2)
        started = time.monotonic()
        for _ in range(signals):
            server.process.terminate()
            time.sleep(0.1)
        server.process.wait(8)
        took = time.monotonic() - started
        check(took < (5 if signals == 1 else 1.4), f'{signals} signals: {took:.1f} s')
        stuck.close()
        server.start()
    check_equal(Client().get('stuck').status, 404, 'half a body is not a value')


@system_test('control threads 1, 4, 2, 1 between starts, with overwrites and deletes: nothing changes', 60)
def other_thread_counts(world):
    server = world.start({'control': {'threads': 1}, 'store': {'segment_mib': 2}})
    expected = {}
    chance = random.Random(4)
    for round_number, threads in enumerate((4, 2, 1)):
        client = Client()
        for count in range(400):
            key = f'k{chance.randrange(150)}'
            if chance.random() < 0.25:
                check_equal(client.delete(key).status, 204, key)
                expected.pop(key, None)
            else:
                expected[key] = chance.randbytes(chance.choice([5, 2000, 20000]))
                check(client.put(key, expected[key]).status in (201, 204), key)
        client.close()
        server.restart({'control': {'threads': threads}})
        client = Client()
        for number in range(150):
            answer = client.get(f'k{number}')
            found = answer.body if answer.status == 200 else None
            check(found == expected.get(f'k{number}'),
                  f'round {round_number}, k{number}: {describe(found)} instead of '
                  f'{describe(expected.get(f"k{number}"))}')
        client.close()


@system_test('SIGTERM waits for a job; after the restart its writes are there and nobody knows it', 20)
def drain_waits_for_jobs(world):
    server = world.start()
    keys = [f'job-{number:04}' for number in range(1000)]
    body = '[' + ','.join(f'{{"key":"{key}","value":"{key}"}}' for key in keys) + ']'
    place = Client().request('PUT', '/v1/ns/demo/bulk', body, {'Prefer': 'respond-async'})['location']
    server.term()
    server.start()
    client = Client()
    answer = client.request('GET', place)
    check(answer.status == 404 and b'no-such-job' in answer.body, f'{place}: {answer}')
    for key in keys:
        check_equal(client.get(key).body, key.encode(), key)


@system_test('ETags grow across delete, kill -9 and restart', 30)
def versions_grow(world):
    server = world.start()
    last = 0
    for round_number in range(4):
        client = Client()
        for _ in range(5):
            answer = client.put('v', b'x')
            tag = int(answer['ETag'].strip('"'))
            check(tag > last, f'round {round_number}: {tag} after {last}')
            last = tag
            client.delete('v')
        client.close()
        server.kill9()
        server.start()


@system_test('a full disk: PUT is 507, reads go on, deletes make room, writes come back', 90)
def disk_full(world):
    for _ in range(depth('GANNET_DISK_FULL_ROUNDS', 1)):
        disk = world.tmpfs(64)
        server = world.start({'store': {'directory': str(disk / 'data'), 'segment_mib': 2,
                                        'space_reserve_mib': 6, 'compact_mib_per_s': 200}})
        client = Client()
        stored = []
        while len(stored) < 1000:
            answer = client.put(f'f{len(stored)}', random_bytes(100000, len(stored)))
            if answer.status == 507:
                break
            check_equal(answer.status, 201, f'PUT {len(stored)}')
            stored.append(f'f{len(stored)}')
        check(200 < len(stored) < 700, f'{len(stored)} values of 100 kB before 507 on 64 MiB')
        for key in stored[::10]:
            check_equal(digest(client.get(key).body), digest(random_bytes(100000, int(key[1:]))), key)
        for key in stored[:-50]:
            check_equal(client.delete(key).status, 204, f'DELETE {key} on a full disk')
        wait_for(lambda: client.put('after', b'x' * 100000).status in (201, 204), 30,
                 'writes are possible again', step_s=0.1)
        for key in stored[-50:]:
            check_equal(digest(client.get(key).body), digest(random_bytes(100000, int(key[1:]))), key)
        client.close()
        server.restart()
        check_equal(Client().get('after').status, 200, 'after a restart')
        check_equal(Client().get(stored[0]).status, 404, 'deleted stays deleted')


@system_test('compaction gives space back while values stay readable', 60)
def compaction(world):
    server = world.start({'store': {'segment_mib': 2, 'compact_mib_per_s': 200}})
    data = server.folder / 'data'
    values = {}
    chance = random.Random(6)

    def one(number):
        client = Client()
        for count in range(700):
            key = f'w{number}-{count % 20}'
            values[key] = bytes([number]) * chance.randrange(10000, 30000) + str(count).encode()
            check(client.put(key, values[key]).status in (201, 204), key)

    in_threads([lambda n=n: one(n) for n in range(4)], 50)

    def is_small():
        used = sum(path.stat().st_blocks * 512 for path in data.rglob('*') if path.is_file())
        return used < 24 << 20
    wait_for(is_small, 20, '56 MiB were written, 2 MiB are alive: less than 24 MiB on disk', step_s=0.2)
    client = Client()
    for key, value in values.items():
        check_equal(digest(client.get(key).body), digest(value), key)
    server.restart()
    client = Client()
    for key, value in values.items():
        check_equal(digest(client.get(key).body), digest(value), f'{key} after a restart')


@system_test('on a core they share, control threads wait for a round to end, but not for all work', 60)
def shared_core(world):
    core = 1 % os.cpu_count()
    server = world.start({'workers': {'cores': [core], 'poll': 'adaptive'}, 'control': {'cores': [core]}})

    def policies():
        return {os.sched_getscheduler(thread) for thread, name in server.threads().items()
                if name.startswith('control')}

    check_equal(policies(), {os.SCHED_BATCH}, 'a control thread beside an adaptive worker')
    client = Client()
    client.put('hot', b'x')
    took = []

    def ask():
        for number in range(200):
            started = time.monotonic()
            check_equal(client.get(f'never-{number}').status, 404, 'a key that was not asked for yet')
            took.append(time.monotonic() - started)

    in_threads([lambda: wrk(VALUES + 'hot', seconds=3, connections=16), ask], 30)
    took.sort()
    check(took[len(took) // 2] < 0.05, f'a miss beside cached reads took {took[len(took) // 2] * 1000:.1f} ms')
    server.restart({'workers': {'poll': 'busy'}, 'control': {'cores': 'none'}})
    check_equal(policies(), {os.SCHED_OTHER}, 'beside one that never yields')


@system_test('control.io: threads - where the kernel refuses io_uring - keeps values like io_uring does', 30)
def thread_pool_io(world):
    server = world.start({'control': {'io': 'threads', 'threads': 2}})
    values = {f't{number}': random_bytes(number * 3000, number) for number in range(40)}
    client = Client()
    for key, value in values.items():
        check_equal(client.put(key, value).status, 201, key)
    client.close()
    server.kill9()
    server.change({'control': {'io': 'auto', 'threads': 1}})
    server.start()
    client = Client()
    for key, value in values.items():
        check_equal(digest(client.get(key).body), digest(value), key)

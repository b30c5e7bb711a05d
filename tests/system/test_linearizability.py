# SPDX-License-Identifier: BSD-3-Clause
"""Concurrent reads, writes, deletes and compare-and-set over real HTTP, checked key by key."""
import http.client
import math
import random
import threading
import time

from harness import (Client, check, check_equal, depth, in_threads, system_test, two_workers)
from linearizability import Operation, first_impossible, versions_with_two_values

SECONDS = depth('GANNET_SYSTEM_SECONDS', 1)


def operation(kind, value, start, end, expected=None, outcome='ok', existed=None):
    return Operation(kind, value, expected, outcome, existed, start, end)


HISTORIES = [
    ('one after the other', True, [operation('put', 'a', 0, 1), operation('get', 'a', 2, 3)]),
    ('a stale read after a write', False,
     [operation('put', 'a', 0, 1), operation('put', 'b', 2, 3), operation('get', 'a', 4, 5)]),
    ('a read during a write may see either', True,
     [operation('put', 'a', 0, 1), operation('put', 'b', 2, 9), operation('get', 'a', 3, 4),
      operation('get', 'b', 5, 6)]),
    ('new and then old again during one write', False,
     [operation('put', 'a', 0, 1), operation('put', 'b', 2, 9), operation('get', 'b', 3, 4),
      operation('get', 'a', 5, 6)]),
    ('a deleted value comes back', False,
     [operation('put', 'a', 0, 1), operation('delete', None, 2, 3), operation('get', 'a', 4, 5)]),
    ('two compare-and-sets of the same version both win', False,
     [operation('put', 'a', 0, 1), operation('cas', 'b', 2, 5, 'a'), operation('cas', 'c', 2, 5, 'a')]),
    ('one of two compare-and-sets is refused', True,
     [operation('put', 'a', 0, 1), operation('cas', 'b', 2, 5, 'a'),
      operation('cas', 'c', 2, 5, 'a', 'refused')]),
    ('a refusal that nothing explains', False,
     [operation('put', 'a', 0, 1), operation('cas', 'b', 2, 3, 'a', 'refused')]),
    ('a lost answer may have happened', True,
     [operation('put', 'a', 0, 9, outcome='unknown'), operation('get', 'a', 5, 6)]),
    ('or not', True, [operation('put', 'a', 0, 9, outcome='unknown'), operation('get', None, 5, 6)]),
    ('but not after its end', False,
     [operation('put', 'a', 0, 1, outcome='unknown'), operation('get', None, 2, 3),
      operation('get', 'a', 5, 6)]),
    ('and not twice', False,
     [operation('put', 'a', 0, 9, outcome='unknown'), operation('get', 'a', 2, 3),
      operation('delete', None, 4, 5), operation('get', 'a', 6, 7)]),
    ('created, the server says, though it was there', False,
     [operation('put', 'a', 0, 1), operation('put', 'b', 2, 3, existed=False)]),
    ('a value nobody wrote', False, [operation('get', 'z', 0, 1)]),
]


@system_test('the checker itself tells good histories from bad ones', 5, True)
def checker_checks(_world):
    for what, is_good, history in HISTORIES:
        check_equal(first_impossible(history) is None, is_good, what)
    check_equal(versions_with_two_values([(1, 'a'), (2, 'b'), (1, 'a')]), [], 'good versions')
    check_equal(len(versions_with_two_values([(1, 'a'), (1, 'b')])), 1, 'a version with two values')


class Recorder:
    def __init__(self, keys):
        self.histories = {key: [] for key in keys}
        self.versions = {key: [] for key in keys}
        self.lock = threading.Lock()
        self.counts = {'get': 0, 'put': 0, 'delete': 0, 'cas': 0, 'refused': 0, 'hit': 0, 'unknown': 0}

    def add(self, key, entry, version, was_hit):
        with self.lock:
            self.histories[key].append(entry)
            self.counts[entry.kind] += 1
            self.counts['hit'] += was_hit
            if entry.outcome != 'ok':
                self.counts[entry.outcome] += 1
            if version and entry.value is not None and entry.outcome == 'ok':
                self.versions[key].append((version, entry.value))


class Worker:
    """One client: picks a key and a verb at random, remembers the last version it saw of each key."""

    def __init__(self, number, recorder, seed, value_bytes, timeout_s=10):
        self.client = Client(timeout_s=timeout_s)
        self.number, self.recorder, self.value_bytes = number, recorder, value_bytes
        self.random = random.Random(seed)
        self.seen = {}
        self.count = 0

    def run_until(self, end):
        while time.monotonic() < end:
            self.step()
        self.client.close()

    def step(self):
        key = self.random.choice(list(self.recorder.histories))
        kind = self.random.choices(['get', 'put', 'delete', 'cas'], [60, 15, 10, 15])[0]
        if kind == 'cas' and key not in self.seen:
            kind = 'get'
        value, expected, headers, answer = None, None, {}, None
        if kind in ('put', 'cas'):
            self.count += 1
            value = f'{self.number}.{self.count}'
        if kind == 'cas':
            headers['If-Match'], expected = self.seen[key]
        method = {'get': 'GET', 'delete': 'DELETE'}.get(kind, 'PUT')
        body = None if value is None else self.body_of(value)
        self.client.connect()  # what fails here was never asked
        start = time.monotonic()
        try:
            answer = self.client.request(method, '/v1/ns/demo/values/' + key, body, headers)
        except (OSError, http.client.HTTPException):
            pass
        self.record(key, kind, value, expected, answer, start, time.monotonic())

    def body_of(self, value):
        return value.encode().ljust(self.value_bytes, b'.')

    def record(self, key, kind, value, expected, answer, start, end):
        existed, outcome = None, 'ok'
        if answer is None or answer.status >= 500:
            outcome = 'unknown'
        elif answer.status == 412 and kind == 'cas':
            outcome = 'refused'
        elif kind == 'get':
            check(answer.status in (200, 404), f'GET: {answer}')
            if answer.status == 200:
                value = answer.body.rstrip(b'.').decode()
                check_equal(answer.body, self.body_of(value), 'a body is whole')
                self.seen[key] = (answer['ETag'], value)
        else:
            check(answer.status in (201, 204), f'{kind}: {answer}')
            if kind != 'delete':
                existed = answer.status == 204
                self.seen[key] = (answer['ETag'], value)
        version = answer['ETag'] if answer else ''
        was_hit = kind == 'get' and answer is not None and 'hit' in answer['Cache-Status']
        self.recorder.add(key, Operation(kind, value, expected, outcome, existed, start, end), version,
                          was_hit)


def judge(recorder, kills=()):
    for key, history in recorder.histories.items():
        history = [with_latest_end(entry, kills) for entry in history]
        bad = first_impossible(history)
        if bad:
            near = [entry for entry in history if abs(entry.end - bad.end) < 0.05]
            raise AssertionError(f'key {key}: nothing explains {bad}; at that time:\n' +
                                 '\n'.join(map(str, near)))
        twice = versions_with_two_values(recorder.versions[key])
        check(not twice, f'key {key}: one version, two values: {twice[:3]}')


def with_latest_end(entry, kills):
    """What a killed server had not done by then, it did not do."""
    if entry.outcome != 'unknown':
        return entry
    return entry._replace(end=min((kill for kill in kills if kill > entry.start), default=math.inf))


def hammer(clients, keys, seconds, value_bytes, seed):
    recorder = Recorder([f'lin-{seed}-{number}' for number in range(keys)])
    end = time.monotonic() + seconds
    workers = [Worker(number, recorder, seed * 1000 + number, value_bytes) for number in range(clients)]
    in_threads([lambda w=worker: w.run_until(end) for worker in workers], seconds + 30)
    return recorder


@system_test('two workers, two control threads: GET, PUT, DELETE and compare-and-set are linearizable',
             60 + 4 * SECONDS)
def linearizable(world):
    server = world.start(two_workers())
    for seed, keys in enumerate((2, 12)):
        recorder = hammer(6, keys, 4 * SECONDS, 40, seed)
        judge(recorder)
        print(recorder.counts)
        check(min(recorder.counts[kind] for kind in ('get', 'put', 'delete', 'cas', 'refused', 'hit')) > 10,
              f'every kind of answer was seen: {recorder.counts}')
        check_equal(recorder.counts['unknown'], 0, 'requests without a clear answer')
    check(server.is_alive(), 'the server lives')


@system_test('the same with a cache so small that at least a tenth of the reads miss', 60 + 4 * SECONDS)
def linearizable_with_evictions(world):
    server = world.start(two_workers(), {'cache': {'memory_mib': 1}, 'store': {'segment_mib': 2}})
    recorder = hammer(6, 150, 5 * SECONDS, 30000, 7)
    judge(recorder)
    print(recorder.counts)
    check(recorder.counts['hit'] < 0.9 * recorder.counts['get'], f'too few misses: {recorder.counts}')
    check(recorder.counts['hit'] > 10, f'too few hits: {recorder.counts}')
    check(server.metrics().total('cache_evictions') > 0, 'entries were evicted')


@system_test('the same through kill -9 and restart', 90)
def linearizable_through_restarts(world):
    server = world.start(two_workers())
    # Each kill leaves requests without answer; many keys, so that few of them meet on one.
    recorder = Recorder([f'crash-{number}' for number in range(40)])
    end = time.monotonic() + 6 * SECONDS
    kills = []

    def kill_and_start():
        while time.monotonic() < end - 1:
            time.sleep(1)
            server.kill9()
            kills.append(time.monotonic())
            server.start()

    workers = [Worker(number, recorder, 50 + number, 100, timeout_s=2) for number in range(4)]

    def work(worker):
        while time.monotonic() < end:
            try:
                worker.run_until(end)
            except OSError:
                time.sleep(0.05)

    in_threads([kill_and_start] + [lambda w=worker: work(w) for worker in workers], 60)
    judge(recorder, kills)
    print(recorder.counts)

# SPDX-License-Identifier: BSD-3-Clause
"""gannet store verify, backup, restore, inspect: on the data of a server that runs, was killed, or is damaged."""
import json
import os
import shutil
import subprocess
import threading

from harness import BINARY, Client, check, check_equal, random_bytes, system_test, wait_for

GOOD, DAMAGED, USAGE, UNUSABLE = 0, 1, 2, 3


def store(server, *words, status=GOOD):
    """Runs where the server runs: the admin socket is on its loopback."""
    done = subprocess.run(['ip', 'netns', 'exec', server.link.server, BINARY, 'store', *map(str, words)],
                          capture_output=True, text=True, timeout=60, check=False)
    check_equal(done.returncode, status, f'gannet store {words}: {done.stdout}{done.stderr}')
    return done.stdout + done.stderr


def write_for_ever(number, stop, written):
    client = Client()
    for count in range(100000):
        if stop.is_set():
            break
        key = f'w{number}-{count % 40}'
        value = random_bytes(100 if count % 9 else 80000, number * 1000 + count % 97)
        check(client.put(key, value).status in (201, 204), key)
        written[key] = value
    client.close()


@system_test('a backup of a server under write load holds what was acknowledged before; restored, it serves', 90)
def backup_while_running(world):
    server = world.start({'control': {'threads': 2}, 'store': {'segment_mib': 1, 'compact_mib_per_s': 200}})
    data, backup, second = server.folder / 'data', server.folder / 'backup', server.folder / 'second'
    client = Client()
    kept = {f'k{number}': random_bytes(number * 700, number) for number in range(150)}
    for key, value in kept.items():
        check(client.put(key, value).status in (201, 204), key)
    client.put('gone', b'x')
    client.delete('gone')
    stop = threading.Event()
    writers = [threading.Thread(target=write_for_ever, args=(number, stop, {})) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        check('in use: what it writes meanwhile is not judged' in store(server, 'verify', data), 'verify')
        for number in range(4):  # streams go on in other segments while it runs
            store(server, 'backup', data, server.folder / f'early{number}')
            store(server, 'verify', server.folder / f'early{number}')
        store(server, 'backup', data, backup)
        store(server, 'backup', '--base', backup, data, second)
        store(server, 'verify', data)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    last = int(client.put('k1', b'after the backup')['ETag'].strip('"'))
    client.close()
    store(server, 'verify', backup)
    check_equal(server.term(), 0, 'exit code')
    contents = next(line for line in store(server, 'verify', second).splitlines() if 'contents' in line)
    shutil.rmtree(data)
    store(server, 'restore', second, data)
    check(contents in store(server, 'verify', data), 'the same contents')
    server.start()
    client = Client()
    for key, value in kept.items():
        answer = client.get(key)
        check(answer.status == 200 and answer.body == value, f'{key} of the backup: {answer.status}')
    check_equal(client.get('gone').status, 404, 'deleted stays deleted')
    check(int(client.put('k1', b'y')['ETag'].strip('"')) > last, 'no ETag is issued twice')


@system_test('damage: verify names it, the server refuses to start, the backup brings it back', 40, True)
def damage_and_repair(world):
    server = world.start()
    data, backup = server.folder / 'data', server.folder / 'backup'
    client = Client()
    client.put('precious', b'x' * 5000)
    client.put('other', b'y' * 5000)
    client.close()
    metrics = server.metrics()
    accepted = metrics.total('gannet_store_bytes_accepted_total')
    check(10000 < accepted < metrics.total('gannet_store_bytes_written_total'), 'amplification can be reckoned')
    check_equal(metrics.total('gannet_store_scrub_damage_total'), 0, 'nothing is damaged yet')
    check_equal(server.term(), 0, 'exit code')
    store(server, 'backup', data, backup)
    rows = json.loads(store(server, 'inspect', '--json', data, 'demo/precious'))['records']
    check_equal([row['kind'] for row in rows], ['put'], 'records')
    path = data / f'seg-{rows[0]["segment"]:08x}.log'
    place = rows[0]['offset'] + 1000
    bytes_of_it = bytearray(path.read_bytes())
    bytes_of_it[place] ^= 1
    path.unlink()  # the backup has the same file under another name
    path.write_bytes(bytes_of_it)
    check('demo/precious, version' in store(server, 'verify', data, status=DAMAGED), 'it names the key')
    try:
        server.start()
        raise RuntimeError('it started on damaged data')
    except AssertionError:
        check('store: refusing to open' in server.log_text(), 'it says why')
    store(server, 'verify', backup)
    shutil.rmtree(data)
    store(server, 'restore', backup, data)
    server.start()
    check_equal(Client().get('precious').body, b'x' * 5000, 'the value')
    store(server, 'compact', data, status=UNUSABLE)
    store(server, 'compact', '--dead-percent', '95', data, status=USAGE)
    store(server, 'verify', server.folder / 'nothing', status=UNUSABLE)
    store(server, 'verify', status=USAGE)


@system_test('a running server finds a flipped bit in a sealed segment by itself, and serves the rest', 40)
def scrubber(world):
    server = world.start({'store': {'segment_mib': 1, 'scrub_mib_per_s': 2}})
    client = Client()
    for number in range(80):
        check_equal(client.put(f'k{number}', random_bytes(50000, number)).status, 201, f'k{number}')
    path = server.folder / 'data' / 'seg-00000002.log'
    with path.open('r+b') as segment:
        segment.seek(500000)
        byte = segment.read(1)[0]
        segment.seek(500000)
        segment.write(bytes([byte ^ 1]))
        segment.flush()
        os.fsync(segment.fileno())
    wait_for(lambda: server.metrics().total('gannet_store_scrub_damage_total') == 1, 20, 'damage found')
    check('store: segment 00000002 near' in server.log_text(), 'it says where')
    check_equal(server.metrics().total('gannet_store', what='quarantined_segments'), 1, 'quarantined')
    damaged = [number for number in range(80) if client.get(f'k{number}').status != 200]
    check(len(damaged) <= 1, f'only what was damaged cannot be read, not {damaged}')
    client.close()

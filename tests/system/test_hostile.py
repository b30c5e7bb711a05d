# SPDX-License-Identifier: BSD-3-Clause
"""Clients that mean harm, and neighbours that fail: the next honest request is answered all the same."""
import contextlib
import os
import random
import resource
import select
import socket
import subprocess
import time
from pathlib import Path

from harness import (CLIENT_END, SERVER_IPV4, URL, VALUES, Client, RawConnection, check, check_equal, curl,
                     depth, in_threads, random_bytes, system_test, wait_for, wrk)
from stopped_threads import stopped

CONNECTIONS = depth('GANNET_CONNECTIONS', 100000)


def still_serves(server, what):
    check(server.is_alive(), f'{what}: the server died\n{server.log_tail()}')
    answer = curl('-f', URL + VALUES + 'honest', limit_s=10)
    check_equal(answer, b'value', what)


def start_with_value(world, *changes):
    server = world.start(*changes)
    check_equal(Client().put('honest', b'value').status, 201, 'PUT')
    return server


def good_frames(server_mac, client_mac):
    """Frames that are nearly right, to be damaged: ARP, IPv4 (TCP, ICMP), IPv6 (TCP, ND).

    Neighbours are announced for addresses other than the honest client's: who may forge those on the same
    wire can always take its traffic.
    """
    ethernet = server_mac + client_mac
    tcp = bytes.fromhex('3039 0050 00000001 00000000 a002 ffff 0000 0000'.replace(' ', '')) + bytes.fromhex(
        '020405b4 0402080a 00000001 00000000 01030307'.replace(' ', ''))
    address = socket.inet_aton('10.99.0.1') + socket.inet_aton(SERVER_IPV4)
    six = socket.inet_pton(socket.AF_INET6, 'fd99::1') + socket.inet_pton(socket.AF_INET6, 'fd99::2')

    def ipv4(protocol, payload):
        return ethernet + bytes.fromhex('0800') + bytes.fromhex('4500') + (20 + len(payload)).to_bytes(
            2, 'big') + bytes.fromhex('12344000') + bytes([64, protocol, 0, 0]) + address + payload

    def ipv6(protocol, payload, addresses=six):
        return ethernet + bytes.fromhex('86dd') + bytes.fromhex('60000000') + len(payload).to_bytes(
            2, 'big') + bytes([protocol, 255]) + addresses + payload

    arp = bytes(6 * [255]) + ethernet[6:] + bytes.fromhex('08060001080006040001') + ethernet[6:] + \
        socket.inet_aton('10.99.0.77') + bytes(6) + socket.inet_aton(SERVER_IPV4)
    solicitation = bytes.fromhex('8700000000000000') + six[16:] + bytes.fromhex('0101') + client_mac
    six_other = socket.inet_pton(socket.AF_INET6, 'fd99::77') + six[16:]
    vlan = ethernet + bytes.fromhex('81000005')
    return [arp, ipv4(6, tcp), ipv4(1, bytes.fromhex('0800f7ff00000000') + bytes(40)), ipv6(6, tcp),
            ipv6(58, solicitation, six_other),
            ipv6(0, bytes.fromhex('3a00050200000100') + solicitation, six_other),
            ipv6(44, bytes.fromhex('0600000100000001') + tcp), vlan + ipv4(6, tcp)[12:]]


def is_forged_neighbour(frame):
    """Damage made it an announcement of the honest client's own address."""
    kind = bytes(frame[12:14])
    return (kind == b'\x08\x06' and socket.inet_aton('10.99.0.1') in frame) or \
        (kind == b'\x86\xdd' and frame[22:38] == socket.inet_pton(socket.AF_INET6, 'fd99::1') and
         frame[20] in (0, 44, 58))


def client_mac():
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((CLIENT_END, 0))
    return wire.getsockname()[4]


@system_test('300 000 random and damaged frames; then curl is answered', 60, True)
def random_frames(world):
    server = start_with_value(world)
    with open(f'/proc/{server.process.pid}/net/dev', encoding='ascii') as devices:
        check('gannet0' in devices.read(), 'the server sees gannet0')
    shown = subprocess.run(['ip', 'neigh', 'show', SERVER_IPV4], capture_output=True, text=True, check=True)
    mac = bytes.fromhex(shown.stdout.split('lladdr ')[1].split()[0].replace(':', ''))
    chance = random.Random(11)
    frames = good_frames(mac, client_mac())
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((CLIENT_END, 0))
    end = time.monotonic() + 25
    sent = 0
    while sent < 300000 and time.monotonic() < end:
        frame = bytearray(chance.choice(frames))
        kind = chance.randrange(4)
        if kind == 0:
            frame = bytearray(mac + chance.randbytes(chance.randrange(8, 300)))
        elif kind == 1:
            frame += chance.randbytes(chance.randrange(0, 1400))
        elif kind == 2:
            del frame[chance.randrange(14, len(frame)):]
        for _ in range(chance.randrange(1, 6)):
            frame[chance.randrange(12, len(frame))] = chance.randrange(256)
        if is_forged_neighbour(frame):
            continue
        with contextlib.suppress(OSError):
            wire.send(frame)
        sent += 1
        if sent % 50000 == 0:
            still_serves(server, f'{sent} frames')
    check(sent > 20000, f'only {sent} frames: the test tests nothing')
    still_serves(server, f'{sent} frames')


@system_test('random bytes over TCP on hundreds of connections; then curl is answered', 40, True)
def random_requests(world):
    server = start_with_value(world)
    chance = random.Random(12)
    words = [b'GET ', b'PUT ', VALUES.encode(), b' HTTP/1.1\r\n', b'Host: x\r\n', b'Content-Length: ', b'\r\n\r\n',
             b'Transfer-Encoding: chunked\r\n', b'99999', b'0\r\n', b'%00', b'\0', b'?ttl=', b'If-Match: "']
    for number in range(400):
        raw = RawConnection()
        data = b''.join(chance.choice(words) if chance.random() < 0.8 else chance.randbytes(7)
                        for _ in range(chance.randrange(1, 60)))
        with contextlib.suppress(OSError):
            raw.send(data)
            if number % 3:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        raw.close()
    still_serves(server, 'random requests')
    with contextlib.suppress(OSError):
        RawConnection().send(random_bytes(3 << 20, 13))
    still_serves(server, 'three megabytes of noise')


@system_test('half a request and then silence, five hundred times; then curl is answered', 40, True)
def half_requests(world):
    server = start_with_value(world)
    kept = []
    for number in range(500):
        raw = RawConnection()
        raw.send((b'GET /v1/ns/demo/val', f'PUT {VALUES}half HTTP/1.1\r\nHost: x\r\nContent-Length: 99999'
                  '\r\n\r\nsome'.encode(), b'\r\n', b'G')[number % 4])
        kept.append(raw)
    still_serves(server, 'half requests')
    check_equal(Client().put('more', b'x').status, 201, 'a write')
    for raw in kept:
        raw.close()
    check_equal(Client().get('half').status, 404, 'half a body is no value')


def hold_connections(source, count, limit_s):
    """Opens count connections from one address; returns the sockets, connected or not."""
    subprocess.run(['ip', 'addr', 'add', f'{source}/24', 'dev', CLIENT_END], check=True)
    kept, end = [], time.monotonic() + limit_s
    while len(kept) < count and time.monotonic() < end:
        poller = select.epoll()
        opening = set()
        for _ in range(min(500, count - len(kept))):
            one = socket.socket()
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            one.bind((source, 0))
            one.connect_ex((SERVER_IPV4, 80))
            poller.register(one, select.EPOLLOUT)
            opening.add(one.fileno())
            kept.append(one)
        patience = time.monotonic() + 1
        while opening and time.monotonic() < patience:
            for number, _ in poller.poll(0.2):
                poller.unregister(number)
                opening.discard(number)
        poller.close()
    return kept


def connection_holder(source, count, limit_s):
    """A process, for one may have only so many open files. Returns (pid, connected, function to end it)."""
    report, tell = os.pipe()
    wait, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(release)
        connected = 0
        for one in hold_connections(source, count, limit_s):
            with contextlib.suppress(OSError):
                one.getpeername()
                connected += 1
        os.write(tell, str(connected).encode())
        os.read(wait, 1)
        os._exit(0)
    os.close(tell)
    connected = int(os.read(report, 20) or b'0')
    # A byte, not a close: later holders have inherited this end and keep it open.
    return connected, lambda: (os.write(release, b'x'), os.waitpid(pid, 0))


@system_test(f'{CONNECTIONS} connections opened and left; then curl is answered', 120)
def many_connections(world):
    server = start_with_value(world)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    each = min(CONNECTIONS, 15000, open_files - 100)
    holders = []
    while len(holders) * each < CONNECTIONS:
        holders.append(connection_holder(f'10.99.0.{10 + len(holders)}', each, 60 * each // CONNECTIONS + 3))
        still_serves(server, f'{len(holders) * each} connections')
    connected = sum(count for count, _ in holders)
    print(f'{connected} connections open')
    check(connected >= min(CONNECTIONS, 60000) * 0.9, f'only {connected} connected')
    check_equal(Client().put('more', b'x').status, 201, 'a write')
    for _, release in holders:
        release()
    still_serves(server, 'after they closed')


@system_test('the control threads stand still: cached GETs keep going, misses are refused in time', 60)
def stopped_control_threads(world):
    server = start_with_value(world, {'store': {'request_timeout_ms': 1000}, 'control': {'threads': 2}})
    client = Client()
    client.put('cold', b'x')
    check_equal(client.get('honest').body, b'value', 'now it is cached')
    _, rate_before = wrk(VALUES + 'honest', seconds=2, connections=16)
    control = [thread for thread, name in server.threads().items() if name.startswith('control')]
    check(len(control) == 2, f'control threads by name: {server.threads()}')
    server_side = []
    with stopped(control):
        check_equal(client.get('honest').body, b'value', 'a cached value')
        _, rate = wrk(VALUES + 'honest', seconds=2, connections=16)
        check(rate > rate_before * 0.7, f'{rate:.0f}/s instead of {rate_before:.0f}/s')

        def miss(number):
            own = Client(timeout_s=10)
            started = time.monotonic()
            answer = own.get(f'never-read-{number}')
            check(answer.status in (503, 504), f'a miss: {answer}')
            check(time.monotonic() - started < 4, 'a miss hangs')
            if answer.status == 503:
                check(answer['Retry-After'].isdigit(), f'503 has Retry-After: {answer}')
            server_side.append(answer.status)

        # More at once than a worker has operations: some find no credit and are refused at once.
        in_threads([lambda n=n: miss(n) for n in range(200)], 30)
        write = Client(timeout_s=10).put('while-stopped', b'x')
        check(write.status in (503, 504), f'a write: {write}')
        check_equal(client.get('honest').body, b'value', 'a cached value after all that')
    check_equal(len(server_side), 200, 'every miss was answered')
    wait_for(lambda: Client().get('cold').status == 200, 10, 'misses are answered again')
    wait_for(lambda: Client().put('later', b'x').status in (201, 204), 10, 'writes too')


@system_test('two servers side by side on one machine do not disturb each other', 40)
def side_by_side(world):
    first, second = world.server(), world.server()
    first.start()
    second.start()
    check(first.is_alive() and second.is_alive(), 'both run')
    Client().put('who', b'first')
    check_equal(Client().get('who').body, b'first', 'the first')
    second.kill9()
    check_equal(Client().get('who').body, b'first', 'the first goes on when the second is killed')
    second.start()
    check_equal(first.term(), 0, 'the first stops')
    check(second.admin('/readyz')[0] == 200, 'the second goes on')


@system_test('a second server on the same data folder is refused', 30)
def same_folder(world):
    first = world.start()
    second = world.server({'store': {'directory': first.config['store']['directory']}})
    with contextlib.suppress(AssertionError):
        second.start()
        raise SystemExit('the second server opened the same folder')
    check(first.is_alive(), 'the first goes on')
    check_equal(Client().put('k', b'x').status, 201, 'and writes')
    second.process = None


@system_test('an idle server with poll: adaptive leaves the processor alone', 30)
def idle_processor(world):
    server = world.start()
    Client().put('k', b'x')
    time.sleep(0.5)
    before, started = server.cpu_seconds(), time.monotonic()
    time.sleep(3)
    share = (server.cpu_seconds() - before) / (time.monotonic() - started)
    print(f'{share:.1%} of a core')
    check(share < 0.2, f'{share:.0%} of a core while idle')
    started = time.monotonic()
    check_equal(Client().get('k').status, 200, 'it wakes up')
    check(time.monotonic() - started < 0.5, 'quickly')


@system_test('no hugepage files and no runtime folders stay behind', 30)
def nothing_left_behind(world):
    def left():
        folders = [path for path in (Path('/dev/hugepages'), Path('/var/run/dpdk')) if path.exists()]
        return {str(path) for folder in folders for path in folder.iterdir()}
    before = left()
    server = world.start()
    check_equal(server.term(), 0, 'exit code')
    check_equal(left() - before, set(), 'left after SIGTERM')
    server.start()
    server.kill9()
    server.start()
    check_equal(server.term(), 0, 'exit code')
    check(len(left() - before) <= 1, f'left after kill -9 and a restart: {left() - before}')

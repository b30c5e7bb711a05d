# SPDX-License-Identifier: BSD-3-Clause
"""The exception path: one port, two stacks. The kernel's services live behind a TAP interface of the server."""
import contextlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from harness import (SERVER_IPV4, Client, check, check_equal, in_threads, inside, program, random_bytes,
                     system_test, two_workers, wait_for)

INTERFACE = 'gannet-k0'
KERNEL_IPV4, KERNEL_IPV6, CLIENT_IPV4 = '10.99.0.3', 'fd99::3', '10.99.0.1'
KERNEL_PORT = 2222  # served by the kernel on Gannet's own address
SERVICE = 8000
FILE_BYTES = 4 << 20


def with_kernel_side(world, *changes):
    """A started server with a kernel interface, which has addresses of its own, and Gannet's for one port."""
    server = world.server(*changes)
    server.config['ports'][0].update(kernel_interface=INTERFACE, kernel_ports=str(KERNEL_PORT))
    with inside(server.link.server):
        # a packet socket only copies: a real NIC's frames would not reach the kernel beside it
        program('nft', 'add table netdev only_gannet; add chain netdev only_gannet in '
                '{ type filter hook ingress device gannet0 priority 0; policy drop; }')
    server.start()
    give_addresses(server)
    return server


def give_addresses(server):
    with inside(server.link.server):
        program('ip', 'addr', 'add', f'{KERNEL_IPV4}/24', 'dev', INTERFACE)
        program('ip', 'addr', 'add', f'{KERNEL_IPV6}/64', 'dev', INTERFACE, 'nodad')
        program('ip', 'addr', 'add', f'{SERVER_IPV4}/32', 'dev', INTERFACE)


@contextlib.contextmanager
def web_server(namespace, folder, address, port):
    """Python's http.server on the kernel's stack."""
    with inside(namespace):
        process = subprocess.Popen(
            [sys.executable, '-m', 'http.server', str(port), '--bind', address, '--directory', str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
                return True
            return False
        wait_for(listens, 10, f'http.server on {address}')
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def fetch(address, port):
    with urllib.request.urlopen(f'http://{address}:{port}/file', timeout=10) as answer:
        return answer.read()


def ping(address):
    text = program('ping', '-n', '-c', '3', '-i', '0.1', '-W', '2', address)
    check('3 received' in text and 'DUP' not in text, text)


def link_address(name):
    return program('ip', '-br', 'link', 'show', 'dev', name).split()[2]


def gets_until(stop, expected):
    client = Client()
    count = 0
    while not stop.is_set():
        check_equal(client.get('key').body, expected, 'a GET beside the kernel traffic')
        count += 1
    check(count > 50, f'only {count} GETs beside the kernel traffic')


@system_test('kernel services behind the port: in, out, ping, a port of our own, beside GETs', 60, is_short=True)
def kernel_services(world):
    server = with_kernel_side(world)
    content = random_bytes(FILE_BYTES, 7)
    (world.folder / 'file').write_bytes(content)
    world.client().put('key', b'value')
    stop = threading.Event()

    def kernel_traffic():
        try:
            with web_server(server.link.server, world.folder, KERNEL_IPV4, SERVICE), \
                    web_server(server.link.server, world.folder, KERNEL_IPV6, SERVICE), \
                    web_server(server.link.server, world.folder, SERVER_IPV4, KERNEL_PORT):
                check(fetch(KERNEL_IPV4, SERVICE) == content, "from the kernel's address")
                check(fetch(f'[{KERNEL_IPV6}]', SERVICE) == content, "from the kernel's IPv6 address")
                check(fetch(SERVER_IPV4, KERNEL_PORT) == content, "from the kernel's port of our address")
                ping(KERNEL_IPV4)
                ping(KERNEL_IPV6)
                ping(SERVER_IPV4)
            with web_server(server.link.client, world.folder, CLIENT_IPV4, SERVICE), inside(server.link.server):
                check(fetch(CLIENT_IPV4, SERVICE) == content, 'a connection that the kernel opens')
        finally:
            stop.set()

    in_threads([kernel_traffic, lambda: gets_until(stop, b'value')], 45)
    metrics = server.metrics()
    frames = FILE_BYTES // 1448
    check(metrics.total('kernel_frames_given') > frames, 'frames handed to the kernel')
    check(metrics.total('kernel_frames_taken') > 3 * frames, 'frames of the kernel sent')
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection((SERVER_IPV4, KERNEL_PORT + 1), 5)
        check(False, 'a port that neither serves was not reset')
    with inside(server.link.server):
        check_equal(link_address(INTERFACE), link_address('gannet0'), 'link address of the interface')


@system_test('the kernel interface ends with the server, also after kill -9, and comes back with it', 60)
def kernel_interface_ends(world):
    server = with_kernel_side(world)

    def interface_is_there():
        with inside(server.link.server):
            return INTERFACE in [name for _, name in socket.if_nameindex()]

    check(interface_is_there(), 'there is no interface')
    server.kill9()
    wait_for(lambda: not interface_is_there(), 5, 'the interface ends with a killed server')
    server.start()
    give_addresses(server)
    ping(KERNEL_IPV4)
    check_equal(server.term(), 0, 'exit code after SIGTERM')
    check(not interface_is_there(), 'the interface is there after SIGTERM')


@system_test('two workers: a flood of frames for the kernel is bounded, both stacks go on', 60)
def kernel_flood(world):
    server = with_kernel_side(world, two_workers(), {'network': {'kernel_per_s': 2000}})
    world.client().put('key', b'value')
    content = random_bytes(100_000, 8)
    (world.folder / 'file').write_bytes(content)
    stop = threading.Event()

    def flood():
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    sender.sendto(b'x' * 100, (KERNEL_IPV4, 9))
            time.sleep(0.5)  # what waited before the kernel takes its turn
            ping(KERNEL_IPV4)
            with web_server(server.link.server, world.folder, KERNEL_IPV4, SERVICE):
                for _ in range(8):  # flows of either worker
                    check(fetch(KERNEL_IPV4, SERVICE) == content, 'after the flood')
        finally:
            stop.set()

    before = server.metrics()
    started = time.monotonic()
    in_threads([flood, lambda: gets_until(stop, b'value')], 30)
    metrics = server.metrics()
    took_s = time.monotonic() - started
    given = metrics.total('kernel_frames_given') - before.total('kernel_frames_given')
    check(given < 2000 * took_s + 300, f'{given} frames were given to the kernel in {took_s:.1f} s')
    check(metrics.total('drops', reason='KERNEL_REFUSED') > 1000, 'the flood was not refused')

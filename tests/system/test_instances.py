# SPDX-License-Identifier: BSD-3-Clause
"""Several servers on one machine, and what dead ones leave to the next: files, sockets, hugepages."""
from pathlib import Path

from harness import Client, Skipped, check, check_equal, inside, system_test

RUNTIME = Path('/var/run/dpdk')
HUGEPAGES = Path('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')
HUGEPAGE_FILES = Path('/dev/hugepages')
HUGEPAGES_NEEDED = 300
HUGE = {'memory': {'pages': 'huge'}}


def runtime_folder(server):
    return RUNTIME / f'gannet-{server.process.pid}'


def hugepage_files():
    return sorted(HUGEPAGE_FILES.iterdir()) if HUGEPAGE_FILES.is_dir() else []


@system_test('two servers side by side: each serves its own values, and stopping one leaves the other', 60)
def two_instances(world):
    first, second = world.start(), world.start()
    check(runtime_folder(first) != runtime_folder(second), 'they share a runtime folder')
    world.client().put('name', b'first')
    with inside(second.link.client):
        Client().put('name', b'second')
        check_equal(Client().get('name').body, b'second', 'from the second')
    check_equal(world.client().get('name').body, b'first', 'from the first')
    check_equal(first.term(), 0, 'exit code after SIGTERM')
    check(not runtime_folder(first).exists(), 'the first left its runtime folder')
    check(runtime_folder(second).exists(), "the first took the second's runtime folder along")
    with inside(second.link.client):
        check_equal(Client().get('name').body, b'second', 'from the second, alone')


@system_test('a start removes the runtime folder of a killed server, and only that', 60)
def killed_server_leftovers(world):
    killed, living = world.start(), world.start()
    left = runtime_folder(killed)
    killed.kill9()
    check(left.exists(), 'nothing was left: this test tests nothing')
    killed.start()
    check(not left.exists(), f'{left} is still there')
    check(runtime_folder(living).exists(), 'a living server lost its runtime folder')


def start_twice_on_socket(world, device, path):
    server = world.server({'ports': [{'device': device, 'queues': 1, 'ipv4': '10.98.0.2/24'}]}).start()
    check(path.is_socket(), f'the driver made no socket {path}')
    server.kill9()
    check(path.is_socket(), 'nothing was left: this test tests nothing')
    server.start()
    check(f'removed the socket {path}' in server.log_text(), 'it does not say what it removed')
    check_equal(server.term(), 0, 'exit code after SIGTERM')


@system_test('the memif socket of a killed server does not keep the next one from starting', 60)
def stale_memif_socket(world):
    path = world.folder / 'memif.sock'
    start_twice_on_socket(world, f'net_memif0,role=server,socket={path},socket-abstract=no', path)


@system_test('the vhost socket of a killed server does not keep the next one from starting', 60)
def stale_vhost_socket(world):
    path = world.folder / 'vhost.sock'
    start_twice_on_socket(world, f'net_vhost0,iface={path},queues=1', path)


@system_test('hugepages: served from them, and every one is free again after SIGTERM and after kill -9', 90)
def hugepages(world):
    before = int(HUGEPAGES.read_text())
    files = hugepage_files()
    HUGEPAGES.write_text(str(before + HUGEPAGES_NEEDED))
    try:
        if int(HUGEPAGES.read_text()) < before + HUGEPAGES_NEEDED:
            raise Skipped(f'no {HUGEPAGES_NEEDED} free hugepages to be had')
        free = free_hugepages()
        server = world.start(HUGE)
        check(free_hugepages() < free - 50, 'it does not use them')
        world.client().put('key', b'value')
        check_equal(hugepage_files(), files, 'files in /dev/hugepages while it runs')
        left = runtime_folder(server)
        check_equal(server.term(), 0, 'exit code after SIGTERM')
        check_equal(free_hugepages(), free, 'free hugepages after SIGTERM')
        check(not left.exists(), f'{left} is still there after SIGTERM')
        server.start()
        server.kill9()
        check_equal(free_hugepages(), free, 'free hugepages after kill -9')
        server.start()
        check_equal(world.client().get('key').body, b'value', 'after the restart')
        check_equal(server.term(), 0, 'exit code after SIGTERM')
        check_equal(hugepage_files(), files, 'files in /dev/hugepages')
    finally:
        for server in world.servers:
            server.stop()
        HUGEPAGES.write_text(str(before))


def free_hugepages():
    return int(HUGEPAGES.with_name('free_hugepages').read_text())

# SPDX-License-Identifier: BSD-3-Clause
"""Bulk both ways over bad links, every byte compared, beside the kernel's own TCP over the same link.

A round is one PUT and one GET of random bytes of its own, by the same client, to both servers.
"""
import errno
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import (SERVER_IPV4, VALUES, Client, check, check_equal, depth, in_threads, inside, random_bytes,
                     system_test)
from rough_link import RoughLink

MIB = 1 << 20
GOODPUT_MIB = float(os.environ.get('GANNET_GOODPUT_MIB', '0.125'))
GOODPUT_ROUNDS = depth('GANNET_GOODPUT_ROUNDS', 5)
# The congestion control of the kernel's end, and which direction it matters for: the sender's.
KERNEL_CONGESTION = os.environ.get('GANNET_GOODPUT_CONGESTION', 'cubic')
LOSS_PERCENT = depth('GANNET_GOODPUT_LOSS', 10)
# Short transfers scatter by a factor of a thousand, as timeouts fall: only the long form can compare rates.
IS_LONG = GOODPUT_MIB >= 64 and GOODPUT_ROUNDS >= 9
RATIO_MIN = 0.8
# Each loss of the same segment doubles a wait that may begin at 3 s: eight in a row are one in a million.
LONG_ENOUGH_S = int(600 + GOODPUT_MIB * GOODPUT_ROUNDS * 60)
VALUES_MIB = 256 + int(GOODPUT_MIB * GOODPUT_ROUNDS * 1.5)

BULK = {
    'workers': {'poll': 'adaptive', 'idle_us': 20, 'sleep_us': 20},
    'memory': {'packets': 16384, 'values_mib': VALUES_MIB},
    'http': {'body_max': 128 * MIB, 'body_memory_mib': VALUES_MIB * 3 // 4, 'body_rate_min': 1,
             'body_rate_over_ms': 600000, 'head_timeout_ms': 600000, 'idle_timeout_ms': 600000,
             'write_timeout_ms': 600000},
    'tcp': {'user_timeout_s': 600},  # bad luck is no failure
    'store': {'segment_mib': 256, 'request_timeout_ms': 60000},
}


def bulk_server(world, link, *changes):
    """A server for values of 100 MiB, on memory: its disk is not what is measured."""
    server = world.server(BULK, {'store': {'directory': str(world.tmpfs(4096) / 'data')},
                                 'namespaces': [{'name': 'demo', 'value_max': 128 * MIB}]}, *changes, link=link)
    server.start()
    # The kernel answers in its interrupts, whatever else runs here; a worker that waits for a core would be
    # judged for the machine's load.
    for thread, name in server.threads().items():
        if name.startswith('rte-worker'):
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
    return server


class KernelServer:
    def __init__(self, link):
        link.serve_by_kernel()
        with inside(link.server):
            self.process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name('kernel_server.py'), SERVER_IPV4, '80',
                 KERNEL_CONGESTION],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        check_equal(self.process.stdout.readline(), b'ready\n', 'the comparison server')

    def stop(self):
        self.process.kill()
        self.process.wait()


def connect(client):
    """The link loses requests for addresses too, and the kernel gives up after three."""
    for attempt in range(5):
        try:
            client.connect()
            break
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH or attempt == 4:
                raise
    client.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, KERNEL_CONGESTION.encode())


def put_and_get(link, key, value):
    """(seconds up, seconds down); a byte that differs is an error."""
    with inside(link.client):
        client = Client(timeout_s=LONG_ENOUGH_S)  # for the whole of a body
        connect(client)
        started = time.monotonic()
        answer = client.put(key, value)
        up_s = time.monotonic() - started
        check(answer.status in (201, 204), f'PUT: {answer}')
        client.close()
        connect(client)
        started = time.monotonic()
        answer = client.get(key)
        down_s = time.monotonic() - started
        client.close()
    check_equal(answer.status, 200, 'GET')
    check(answer.body == value, f'{len(answer.body)} bytes came back, and not those that were sent')
    return up_s, down_s


def show(name, ours, kernels):
    ratio = statistics.median(ours) / statistics.median(kernels)
    print(f'{name}: gannet {statistics.median(ours):.2f} MiB/s ({min(ours):.2f}..{max(ours):.2f}), '
          f'kernel {statistics.median(kernels):.2f} MiB/s ({min(kernels):.2f}..{max(kernels):.2f}), '
          f'ratio {ratio:.2f}', flush=True)
    return ratio


RECOVERY_COUNTERS = ('retransmits_fast', 'retransmits_timeout', 'retransmits_probe', 'spurious_timeouts',
                     'spurious_recoveries')


def recovery(server):
    """{counter: count}"""
    metrics = server.metrics()
    return {name: int(sum(value for (metric, _), value in metrics.samples.items()
                          if metric == f'gannet_tcp_{name}_total')) for name in RECOVERY_COUNTERS}


def compare(world, mib, rounds, prepare, *changes):
    """Both servers behind links made alike by prepare(link); returns ratios of medians (up, down).

    All rounds at once, each on a connection of its own: the link has no bandwidth to share, and at such losses
    they are mostly silent.
    """
    links = [world.link(RoughLink), world.link(RoughLink)]
    for link in links:
        link.set_kernel('net.ipv4.tcp_no_metrics_save', 1)  # no round helps or hinders the next one
    server = bulk_server(world, links[0], *changes)
    kernel = KernelServer(links[1])
    rates = {}

    def transfer(which, number):
        value = random_bytes(int(mib * MIB), number)
        up_s, down_s = put_and_get(links[which], f'bulk-{number}', value)
        rates.setdefault((which, 'up'), []).append(mib / up_s)
        rates.setdefault((which, 'down'), []).append(mib / down_s)
    try:
        for link in links:
            prepare(link)
        for which in (0, 1):
            in_threads([lambda n=n: transfer(which, n) for n in range(rounds)], LONG_ENOUGH_S)
        print('gannet: ' + ', '.join(f'{name} {count}' for name, count in recovery(server).items()), flush=True)
        return [show(f'{mib} MiB {way}, {rounds} rounds', rates[0, way], rates[1, way]) for way in ('up', 'down')]
    finally:
        kernel.stop()


@system_test(f'{GOODPUT_MIB} MiB up and down through {LOSS_PERCENT} % loss each way, beside the kernel\'s TCP',
             LONG_ENOUGH_S)
def goodput_with_loss(world):
    links = []

    def prepare(link):
        link.lose(LOSS_PERCENT)
        links.append(link)
    ratios = compare(world, GOODPUT_MIB, GOODPUT_ROUNDS, prepare)
    for link in links:
        lost, carried = link.frames()
        print(f'{lost} frames lost, {carried} carried')
        check(LOSS_PERCENT * 0.5 < 100 * lost / (lost + carried) < LOSS_PERCENT * 1.5, 'as many as wanted')
    # Of 450 segments down some 45 are lost; few of them at the end of what was sent, where only waiting helps.
    check(recovery(world.servers[0])['retransmits_fast'] >= 10, 'SACK tells what is lost')
    for ratio, way in zip(ratios, ('up', 'down')):
        if IS_LONG:
            check(ratio >= RATIO_MIN, f'{way}: {ratio:.2f} of the kernel\'s goodput, wanted {RATIO_MIN}')


# About what a busy radio link does, at 5 ms: one frame in ten is up to two round trips late.
UNRULY = {'delay_us': 2500, 'jitter_us': 500, 'reorder': 100, 'reorder_us': 10000, 'duplicate': 50}


@system_test('late, reordered and doubled frames: every byte arrives both ways, beside the kernel\'s TCP', 90)
def unruly_delivery(world):
    links = []

    def prepare(link):
        link.shim_start(**UNRULY)
        links.append(link)
    ratios = compare(world, 1, 5, prepare)
    for link in links:
        said = link.shim_stop()
        print(said)
        taken, delivered = (int(word) for word in said.split()[1::2])
        check(taken > 1000 and 1.03 < delivered / taken < 1.07, f'as many doubled as wanted: {said}')
    for ratio, way in zip(ratios, ('up', 'down')):
        check(ratio >= 0.3, f'{way}: {ratio:.2f} of the kernel\'s goodput')

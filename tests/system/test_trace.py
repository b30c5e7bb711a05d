# SPDX-License-Identifier: BSD-3-Clause
"""The trace ring: one client's last TCP events, chosen and read over the admin socket."""
import collections
import re
import shutil
import socket
import struct
import subprocess
import threading

from harness import (BINARY, SERVER_IPV6, Client, check, check_equal, inside, program, random_bytes, system_test,
                     two_workers)

CLIENT_IPV4, CLIENT_IPV6 = '10.99.0.1', 'fd99::1'
LINE = re.compile(r'(\d+\.\d{6}) (\S+):(\d+) (\S+):(\d+) (.*)')

Packet = collections.namedtuple('Packet', 'time source source_port destination destination_port length')


def choose(server, client):
    status, body = server.admin(f'/trace?client={client}', 'POST')
    check_equal(status, 200, body)


def trace_lines(server):
    status, body = server.admin('/trace')
    check_equal(status, 200, '/trace')
    return [LINE.fullmatch(line).groups() for line in body.decode().splitlines()]


def packets_of(pcap):
    """A pcap file of raw IP packets, read without any code of the server's."""
    magic, major, minor, _, _, _, link = struct.unpack_from('<IHHiIII', pcap)
    check_equal((magic, major, minor, link), (0xa1b2c3d4, 2, 4, 101), 'pcap header')
    packets, at = [], 24
    while at < len(pcap):
        seconds, microseconds, kept, whole = struct.unpack_from('<IIII', pcap, at)
        data = pcap[at + 16:at + 16 + kept]
        at += 16 + kept
        version = data[0] >> 4
        family, first, size, ip_bytes = {4: (socket.AF_INET, 12, 4, 20), 6: (socket.AF_INET6, 8, 16, 40)}[version]
        source, destination = (socket.inet_ntop(family, data[i:i + size]) for i in (first, first + size))
        source_port, destination_port, _, _, offset = struct.unpack_from('>HHIIB', data, ip_bytes)
        packets.append(Packet(seconds + microseconds / 1e6, source, source_port, destination, destination_port,
                              whole - ip_bytes - (offset >> 4) * 4))
    check_equal(at, len(pcap), 'bytes in the file')
    return packets


def check_with_tcpdump(world, pcap, count):
    """Another reader's opinion, where there is one."""
    if not shutil.which('tcpdump'):
        return
    path = world.folder / 'trace.pcap'
    path.write_bytes(pcap)
    lines = [line for line in program('tcpdump', '-n', '-r', path).splitlines() if 'Flags [' in line]
    check_equal(len(lines), count, 'packets that tcpdump sees')


@system_test("a client's trace: states, retransmissions and lengths, as text and pcap; nobody else's", 60,
             is_short=True)
def client_trace(world):
    server = world.start(two_workers())
    before = world.client()
    before.put('key', random_bytes(300_000, 3))  # not told: nobody is chosen yet
    check_equal(trace_lines(server), [], 'events before a client was chosen')

    choose(server, CLIENT_IPV4)
    client = world.client()
    check_equal(len(client.get('key').body), 300_000, 'a GET that is traced')
    other = Client(SERVER_IPV6)
    check_equal(other.get('key').status, 200, 'a GET of another client')
    port = client.connection.sock.getsockname()[1]
    client.close()

    texts = [text for _, _, remote_port, _, _, text in trace_lines(server) if int(remote_port) == port]
    check(texts[0].startswith('< [S] '), texts[0])
    for state in ('listen -> syn-received', 'syn-received -> established'):
        check(state in texts, f'{state} is not told')
    sent = sum(int(re.search(r'length (\d+)', text).group(1)) for text in texts if text.startswith('> ['))
    check(300_000 < sent < 301_000, f'{sent} bytes sent to the client are told')
    check({remote for _, remote, _, _, _, _ in trace_lines(server)} == {CLIENT_IPV4}, 'another client is told of')

    status, pcap = server.admin('/trace?format=pcap')
    check_equal(status, 200, 'pcap')
    packets = packets_of(pcap)
    check_with_tcpdump(world, pcap, len(packets))
    ours = [packet for packet in packets if packet.source_port == 80 and packet.destination_port == port]
    check(sum(packet.length for packet in ours) >= sent, 'bytes in the pcap')
    check([packet.time for packet in packets] == sorted(packet.time for packet in packets), 'order of time')

    client = world.client()
    client.connect()
    server.link.lose(3)
    check_equal(len(client.get('key').body), 300_000, 'a GET with losses')
    server.link.lose(0)
    check(any(text.startswith('> again') for *_, text in trace_lines(server)), 'no retransmission is told')

    choose(server, 'none')
    events = len(trace_lines(server))
    check_equal(client.get('key').status, 200, 'a GET that is not traced')
    check_equal(len(trace_lines(server)), events, 'events after tracing ended')
    choose(server, CLIENT_IPV6)
    check_equal(other.get('key').status, 200, 'a GET of the other client')
    check(any(remote == f'[{CLIENT_IPV6}]' for _, remote, *_ in trace_lines(server)), 'IPv6 is not told')


@system_test('gannet top --once shows what happens; without a server it says so', 30)
def top_once(world):
    server = world.start()
    client = Client()
    client.put('seen', b'value')
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            client.get('seen')

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    with inside(server.link.server):
        text = program(BINARY, 'top', '--once', server.config['admin']['listen'])
    stop.set()
    asking.join(5)
    rate = re.search(r'requests +all (\S+)( k)?/s', text)
    check(rate and float(rate.group(1)) > 1, text)
    check(re.search(r'hits \d+\.\d+ %', text) and re.search(r'worker0 +busy', text), text)
    check('\033' not in text, 'no codes of a terminal')
    alone = subprocess.run([BINARY, 'top', '--once', '127.0.0.1:1'], capture_output=True, text=True, check=False)
    check_equal(alone.returncode, 1, 'nobody is there')
    check('nobody listens there' in alone.stderr, alone.stderr)

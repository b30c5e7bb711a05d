# SPDX-License-Identifier: BSD-3-Clause
"""gannet capture: frames of a running server in pcapng, read here without any code of the server's."""
import collections
import shutil
import signal
import socket
import struct
import subprocess
import time

from harness import (BINARY, SERVER_IPV4, SERVER_IPV6, Client, check, check_equal, inside, program, random_bytes,
                     system_test, two_workers)

CLIENT_IPV4 = '10.99.0.1'
Frame = collections.namedtuple('Frame', 'time direction whole data')


def options_of(data):
    options, at = {}, 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from('<HH', data, at)
        if code == 0:
            break
        options[code] = data[at + 4:at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    return options


def read_pcapng(file):
    """Frames, and (taken, lost) of the statistics at the end."""
    frames, statistics, kinds, at = [], None, [], 0
    while at < len(file):
        kind, size = struct.unpack_from('<II', file, at)
        body = file[at + 8:at + size - 4]
        check_equal(struct.unpack_from('<I', file, at + size - 4)[0], size, 'a block ends in its length')
        kinds.append(kind)
        if kind == 0x0a0d0d0a:
            check_equal(struct.unpack_from('<IHHq', body), (0x1a2b3c4d, 1, 0, -1), 'section')
        elif kind == 1:
            check_equal(struct.unpack_from('<HH', body)[0], 1, 'Ethernet')
            check_equal(options_of(body[8:])[9], b'\x09', 'nanoseconds')
        elif kind == 6:
            interface, high, low, kept, whole = struct.unpack_from('<IIIII', body)
            check_equal(interface, 0, 'port')
            flags = options_of(body[20 + (kept + 3) // 4 * 4:])[2]
            frames.append(Frame((high << 32 | low) / 1e9, struct.unpack('<I', flags)[0], whole,
                                body[20:20 + kept]))
        else:
            check_equal(kind, 5, 'block')
            options = options_of(body[12:])
            statistics = tuple(struct.unpack('<Q', options[code])[0] for code in (6, 7))
        at += size
    check_equal(kinds[:2], [0x0a0d0d0a, 1], 'how the file begins')
    check(statistics, 'no statistics at the end')
    return frames, statistics


def tcp_of(frame):
    """Source, destination, sequence and payload of a TCP segment over IPv4."""
    check_equal(frame.data[12:14], b'\x08\x00', 'IPv4')
    ip = frame.data[14:14 + struct.unpack_from('>H', frame.data, 16)[0]]
    source, destination = (socket.inet_ntoa(ip[i:i + 4]) for i in (12, 16))
    source_port, destination_port, sequence = struct.unpack_from('>HHI', ip, 20)
    return (source, source_port), (destination, destination_port), sequence, ip[20 + (ip[32] >> 4) * 4:]


def capture(server, *words):
    with inside(server.link.server):
        return subprocess.Popen([BINARY, 'capture', *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until_it_captures(server):
    end = time.monotonic() + 5
    while 'capturing' not in server.log_text():
        check(time.monotonic() < end, 'it does not capture')
        time.sleep(0.02)


@system_test("gannet capture: one client's frames, both ways, whole; limits end it; bad filters are explained", 40,
             is_short=True)
def capture_frames(world):
    server = world.start(two_workers())
    value = random_bytes(50_000, 7)
    capturing = capture(server, f'client={CLIENT_IPV4},port=80', '--seconds', '30')
    wait_until_it_captures(server)
    before = time.time()
    client, other = world.client(), Client(SERVER_IPV6)
    client.put('key', value)
    check_equal(client.get('key').body, value, 'GET')
    check_equal(other.get('key').status, 200, 'a GET of another client')
    port = client.connection.sock.getsockname()[1]
    client.close()
    time.sleep(0.2)
    capturing.send_signal(signal.SIGINT)
    file, said = capturing.communicate(timeout=10)
    check_equal(capturing.returncode, 0, said)
    frames, statistics = read_pcapng(file)
    check_equal(statistics, (len(frames), 0), 'frames taken and lost')
    check(f'{len(frames)} frames, {len(file)} bytes, 0 lost'.encode() in said, said)
    check(all(before - 1 < frame.time < time.time() + 1 for frame in frames), 'times')
    check([frame.time for frame in frames] == sorted(frame.time for frame in frames), 'order of time')
    streams = {1: {}, 2: {}}
    for frame in frames:
        check_equal(frame.whole, len(frame.data), 'nothing is cut')
        source, destination, sequence, payload = tcp_of(frame)
        ours, theirs = (destination, source) if frame.direction == 1 else (source, destination)
        check_equal((ours, theirs), ((SERVER_IPV4, 80), (CLIENT_IPV4, port)), 'whose frame')
        if payload:
            streams[frame.direction][sequence] = payload
    for direction, what in ((1, 'the PUT'), (2, 'the GET')):
        stream = b''.join(payload for _, payload in sorted(streams[direction].items()))
        check(value in stream, f'{what} is not whole in the capture')
    if shutil.which('tcpdump'):
        path = world.folder / 'capture.pcapng'
        path.write_bytes(file)
        lines = [line for line in program('tcpdump', '-n', '-r', path).splitlines() if 'Flags [' in line]
        check_equal(len(lines), len(frames), 'packets that tcpdump sees')

    limited = capture(server, 'protocol=tcp,snap=60', '--packets', '9')
    while limited.poll() is None:
        world.client().get('key')
    frames, _ = read_pcapng(limited.stdout.read())
    check_equal(len(frames), 9, 'frames with a limit')
    check(all(len(frame.data) == min(60, frame.whole) for frame in frames), 'snap')
    wrong = subprocess.run([BINARY, 'capture', 'host=1'], capture_output=True, text=True, check=False)
    check_equal(wrong.returncode, 2, wrong.stderr)
    check('allowed are all, or client=, port=, protocol=, direction= and snap=' in wrong.stderr, wrong.stderr)
    check_equal(server.metrics().total('capture_lost'), 0, 'lost')

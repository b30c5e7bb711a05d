# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2: the client behind a balancer is the one in the log; anything else is reset."""
import json
import socket
import struct
import time

from harness import Client, RawConnection, check, check_equal, system_test, wait_for

GET = b'GET /v1/ns/demo/values/k HTTP/1.1\r\nHost: h\r\n\r\n'
SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def header(source, port, tlvs=b''):
    if ':' in source:
        family, addresses = 0x21, b''.join(socket.inet_pton(socket.AF_INET6, text) for text in (source, 'fd::1'))
    else:
        family, addresses = 0x11, socket.inet_aton(source) + socket.inet_aton('192.0.2.1')
    rest = addresses + struct.pack('>HH', port, 80) + tlvs
    return SIGNATURE + bytes((0x21, family)) + struct.pack('>H', len(rest)) + rest


@system_test('PROXY v2: the client behind the balancer is logged; a connection without the header is reset', 60,
             is_short=True)
def proxy_protocol(world):
    path = world.folder / 'access.log'
    server = world.start({'listeners': [{'port': 80, 'proxy_protocol': 'v2'}, {'port': 8080}],
                          'access_log': {'file': str(path)}, 'http': {'head_timeout_ms': 1000}})
    check_equal(Client(port=8080).put('k', b'v').status, 201)
    for source, port, tlvs in (('203.0.113.9', 4711, b''), ('2001:db8::9', 65535, b'\x04\0\x03abc')):
        connection = RawConnection()
        connection.send(header(source, port, tlvs) + GET + GET)
        check_equal([connection.response().status for _ in range(2)], [200, 200])
        connection.send(GET)
        check_equal(connection.response().status, 200, 'the header comes once')
    slow = RawConnection()
    for byte in header('203.0.113.10', 1) + GET:
        slow.send(bytes((byte,)))
        time.sleep(0.002)
    check_equal(slow.response().status, 200, 'byte by byte')
    local = RawConnection()
    local.send(SIGNATURE + b'\x20\0\0\0' + GET)
    check_equal(local.response().status, 200, 'LOCAL')

    def clients():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [(line['client'], line['client_port']) for line in lines][1:]

    got = wait_for(lambda: len(clients()) == 8 and clients(), 5, 'eight lines')
    check_equal(got[:7], [('203.0.113.9', 4711)] * 3 + [('2001:db8::9', 65535)] * 3 + [('203.0.113.10', 1)])
    check_equal(got[7][0], '10.99.0.1', 'LOCAL: the balancer itself')
    for bad in (GET, b'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n' + GET, SIGNATURE + b'\x21\x12\0\x0c' + bytes(12) + GET,
                SIGNATURE + b'\x21\x11\xff\xff' + bytes(100)):
        connection = RawConnection()
        connection.send(bad)
        check(connection.is_closed_by_server(), bad[:30])
    check_equal(server.metrics().total('proxy_headers_bad'), 4)
    silent = RawConnection()
    silent.send(SIGNATURE[:5])
    check(silent.is_closed_by_server(4), 'half a header, then nothing')
    check_equal(server.metrics().total('proxy_headers_bad'), 5)
    check_equal(Client(port=8080).get('k').body, b'v', 'the other listener goes on')

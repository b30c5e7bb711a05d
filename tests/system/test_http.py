# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/1.1 to the byte: pipelining, chunked bodies, Expect, framing doubts, deadlines."""
import time

from harness import VALUES, RawConnection, check, check_equal, random_bytes, system_test

PATH = VALUES.encode()


def head(method, key, *fields):
    lines = [f'{method} {VALUES}{key} HTTP/1.1', 'Host: test', *fields]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


@system_test('a hundred pipelined requests are answered in order; writes are seen by what follows', 20, True)
def pipelining(world):
    world.start()
    raw = RawConnection()
    requests, expected = b'', []
    for number in range(100):
        body = b'%d' % number
        requests += head('PUT', 'p', f'Content-Length: {len(body)}') + body + head('GET', 'p')
        requests += head('HEAD', 'p') + head('GET', 'absent')
        expected += [('PUT', (201 if number == 0 else 204), b''), ('GET', 200, body), ('HEAD', 200, b''),
                     ('GET', 404, None)]
    raw.send(requests)
    for number, (method, status, body) in enumerate(expected):
        answer = raw.response(method)
        check_equal(answer.status, status, f'answer {number}')
        if body is not None:
            check_equal(answer.body, body, f'answer {number}')


@system_test('requests split at every byte are answered like whole ones', 30, True)
def split_requests(world):
    world.start()
    raw = RawConnection()
    message = head('PUT', 's', 'Content-Length: 5') + b'split'
    for cut in range(1, len(message)):
        raw.send(message[:cut])
        time.sleep(0.001)
        raw.send(message[cut:])
        check(raw.response('PUT').status in (201, 204), f'cut at {cut}')


@system_test('chunked bodies in odd pieces, with extensions and trailers', 20, True)
def chunked(world):
    world.start()
    client = world.client()
    value = random_bytes(200000, 3)
    raw = RawConnection()
    raw.send(head('PUT', 'c', 'Transfer-Encoding: chunked'))
    at = 0
    for number, size in enumerate([1, 2, 3, 15, 16, 17, 1459, 1460, 1461, 65535, 65536, 65537]):
        piece = value[at:at + size]
        at += len(piece)
        extension = b';name=value' if number % 3 == 0 else b''
        raw.send(b'%X%s\r\n%s\r\n' % (len(piece), extension, piece))
    raw.send(b'0\r\nTrailer-Field: ignored\r\n\r\n')
    check_equal(raw.response('PUT').status, 201, 'PUT')
    check_equal(client.get('c').body, value[:at], 'the body')
    raw.send(head('GET', 'c'))
    check_equal(raw.response().body, value[:at], 'the connection goes on')


@system_test('Expect: 100-continue is answered before the body, and not when the head is refused', 20, True)
def expect_continue(world):
    world.start()
    raw = RawConnection()
    raw.send(head('PUT', 'e', 'Content-Length: 4', 'Expect: 100-continue'))
    check_equal(raw.response('PUT').status, 100, 'interim answer')
    raw.send(b'body')
    check_equal(raw.response('PUT').status, 201, 'final answer')
    raw.send(head('PUT', 'e', f'Content-Length: {1 << 40}', 'Expect: 100-continue'))
    check_equal(raw.response('PUT').status, 413, 'too large')
    raw = RawConnection()
    raw.send(head('PUT', 'e', 'Content-Length: 4', 'Expect: something'))
    check_equal(raw.response('PUT').status, 417, 'unknown expectation')


BAD_REQUESTS = [
    ('Content-Length with Transfer-Encoding', 400,
     head('PUT', 'x', 'Content-Length: 5', 'Transfer-Encoding: chunked') + b'0\r\n\r\n'),
    ('two different lengths', 400, head('PUT', 'x', 'Content-Length: 5', 'Content-Length: 6') + b'hello!'),
    ('a list of lengths', 400, head('PUT', 'x', 'Content-Length: 5, 6') + b'hello'),
    ('a signed length', 400, head('PUT', 'x', 'Content-Length: +5') + b'hello'),
    ('a length over 64 bits', 400, head('PUT', 'x', 'Content-Length: 99999999999999999999999')),
    ('a bare line feed', 400, b'GET ' + PATH + b'x HTTP/1.1\nHost: x\n\n'),
    ('a bare carriage return', 400, b'GET ' + PATH + b'x HTTP/1.1\r\nHost: x\rX: y\r\n\r\n'),
    ('a folded field', 400, b'GET ' + PATH + b'x HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'),
    ('a space before the colon', 400, b'GET ' + PATH + b'x HTTP/1.1\r\nHost : x\r\n\r\n'),
    ('no Host', 400, b'GET ' + PATH + b'x HTTP/1.1\r\n\r\n'),
    ('two Hosts', 400, head('GET', 'x', 'Host: other')),
    ('chunked is not last', 400, head('PUT', 'x', 'Transfer-Encoding: chunked, gzip')),
    ('an unknown coding', 501, head('PUT', 'x', 'Transfer-Encoding: gzip, chunked')),
    ('a bad chunk size', 400, head('PUT', 'x', 'Transfer-Encoding: chunked') + b'5x\r\nhello\r\n0\r\n\r\n'),
    ('a chunk without its end', 400, head('PUT', 'x', 'Transfer-Encoding: chunked') + b'5\r\nhelloXX0\r\n'),
    ('a NUL in a field', 400, head('GET', 'x', 'A: b\0c')),
    ('HTTP/2.0 in the request line', 505, b'GET / HTTP/2.0\r\nHost: x\r\n\r\n'),
    ('a request line too long', 414, head('GET', 'x' * 9000)),
    ('a head too long', 431, head('GET', 'x', *[f'A{n}: ' + 'y' * 500 for n in range(40)])),
    ('too many fields', 431, head('GET', 'x', *[f'A{n}: y' for n in range(200)])),
    ('a body too large', 413, head('PUT', 'x', f'Content-Length: {17 << 20}')),
]


@system_test('every framing doubt is refused with its status, and the connection closed', 60, True)
def framing_doubts(world):
    world.start()
    for what, status, message in BAD_REQUESTS:
        raw = RawConnection()
        raw.send(message)
        answer = raw.response()
        check_equal(answer.status, status, what)
        if status != 501:
            check(raw.is_closed_by_server(), f'{what}: the connection stays open')
        raw.close()
    check_equal(world.client().get('x').status, 404, 'nothing was stored')


@system_test('HTTP/1.0, Connection: close, absolute targets, OPTIONS', 20, True)
def versions_and_forms(world):
    world.start()
    world.client().put('v', b'value')
    raw = RawConnection()
    raw.send(b'GET ' + PATH + b'v HTTP/1.0\r\n\r\n')
    check_equal(raw.response().body, b'value', 'HTTP/1.0 without Host')
    check(raw.is_closed_by_server(), 'HTTP/1.0 closes')
    raw = RawConnection()
    raw.send(head('GET', 'v', 'Connection: close'))
    check_equal(raw.response().status, 200, 'Connection: close')
    check(raw.is_closed_by_server(), 'Connection: close closes')
    raw = RawConnection()
    raw.send(b'GET http://10.99.0.2' + PATH + b'v HTTP/1.1\r\nHost: 10.99.0.2\r\n\r\n')
    check_equal(raw.response().body, b'value', 'absolute form')
    raw.send(b'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n')
    check(raw.response().status in (200, 204), 'OPTIONS *')


@system_test('a client that stops in the middle is closed by a deadline, not kept for ever', 30)
def deadlines(world):
    world.start({'http': {'head_timeout_ms': 1000, 'idle_timeout_ms': 1500}})
    started = time.monotonic()
    half_head, idle = RawConnection(), RawConnection()
    half_head.send(b'GET /v1/ns HTTP/1.1\r\nHost:')
    idle.send(head('GET', 'x'))
    check_equal(idle.response().status, 404, 'the idle one first asks')
    try:
        check_equal(half_head.response().status, 408, 'half a head')
    except AssertionError as error:
        check('closed in the middle' in str(error) and half_head.buffer == b'', str(error))
    check(time.monotonic() - started < 5, 'half a head is given up in time')
    check(idle.is_closed_by_server(5), 'an idle connection is closed')

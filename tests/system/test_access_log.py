# SPDX-License-Identifier: BSD-3-Clause
"""The access log: JSON lines, sampled, rotated, and never in the way."""
import json
import re
import signal
import time

from harness import Client, RawConnection, check, check_equal, system_test, two_workers, wait_for, wrk

GET = b'GET /v1/ns/demo/values/k HTTP/1.1\r\nHost: h\r\n\r\n'


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@system_test('the access log has one JSON line per request; slow ones have the time of each stage; it rotates', 60,
             is_short=True)
def access_log(world):
    path = world.folder / 'access.log'
    server = world.start(two_workers(), {'access_log': {'file': str(path), 'slow_ms': 100}})
    client = Client()
    check_equal(client.put('k', b'hello').status, 201)
    check_equal(client.get('k').status, 200)
    answer = client.request('GET', '/v1/ns/demo/values/missing%22%00', None, {'Request-Id': 'mine'})
    check_equal(answer.status, 404)
    check_equal(client.request('DELETE', '/v1/ns').status, 405)
    plain = client.get('k')
    raw = RawConnection()
    raw.send(b'PUT /v1/ns/demo/values/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe')
    time.sleep(0.3)
    raw.send(b'llo')
    check_equal(raw.response().status, 201)
    lines = wait_for(lambda: len(lines_of(path)) >= 6 and lines_of(path), 5, 'six lines')
    check_equal([(line['method'], line['route'], line['status'], line['cache']) for line in lines],
                [('PUT', 'value', 201, 'none'), ('GET', 'value', 200, lines[1]['cache']),
                 ('GET', 'value', 404, 'none'), ('DELETE', 'refused', 405, 'none'), ('GET', 'value', 200, 'hit'),
                 ('PUT', 'value', 201, 'none')])
    check_equal((lines[2]['request_id'], lines[2]['namespace'], lines[2]['key']), ('mine', 'demo', 'missing"\0'))
    check_equal(lines[4]['request_id'], plain['request-id'], 'the id of a hit')
    fields = sum(len(name) + len(value) + 4 for name, value in plain.headers.items())
    check_equal(lines[4]['bytes'], len('HTTP/1.1 200 OK\r\n') + fields + 2 + 5, 'bytes of a hit')
    for line in lines:
        check_equal(line['client'], '10.99.0.1')
        check(re.fullmatch(r'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', line['time']), line)
    slow = lines[5]
    check(slow.get('slow') and slow['body_us'] >= 250_000 and slow['duration_us'] >= slow['body_us'], slow)
    check_equal([line for line in lines[:5] if 'slow' in line and line['duration_us'] < 100_000], [])

    path.rename(world.folder / 'access.log.1')
    server.process.send_signal(signal.SIGHUP)
    wait_for(path.exists, 5, 'the file is there again')
    check_equal(client.get('k').status, 200)
    wait_for(lambda: len(lines_of(path)) == 1, 5, 'new lines go to the new file')


@system_test('under load the log is sampled, and what does not fit is dropped and counted, not waited for', 60)
def access_log_under_load(world):
    path = world.folder / 'access.log'
    server = world.start({'access_log': {'file': str(path), 'one_of': 10, 'records': 64}})
    check_equal(Client().put('k', b'hello').status, 201)
    count, _ = wrk('/v1/ns/demo/values/k', seconds=3)
    time.sleep(0.5)
    written, dropped = len(lines_of(path)), server.metrics().total('access_log_dropped')
    check(abs((written + dropped) * 10 - count) <= 0.02 * count + 200, (count, written, dropped))
    check(written > 50, 'some were written')


@system_test('a traced request is a span in the log, hits as well; a bad traceparent is ignored and counted', 60,
             is_short=True)
def access_log_trace(world):
    path = world.folder / 'access.log'
    server = world.start({'access_log': {'file': str(path)}, 'http': {'server_timing': True}})
    client = Client()
    trace, parent = '0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'
    answer = client.put('k', b'v', traceparent=f'00-{trace}-{parent}-01', tracestate='a=b')
    check_equal(answer.status, 201)
    check(answer['server-timing'].startswith('head;dur='), answer)
    for _ in range(2):
        check_equal(client.get('k', traceparent=f'00-{trace}-{parent}-00').status, 200, 'a hit')
    check_equal(client.get('k').status, 200, 'without a trace')
    check_equal(client.get('k', traceparent=f'00-{trace.upper()}-{parent}-00').status, 200, 'a bad one')
    lines = wait_for(lambda: len(lines_of(path)) == 5 and lines_of(path), 5, 'five lines')
    check_equal([(line.get('trace_id'), line.get('parent_id'), line.get('sampled')) for line in lines],
                [(trace, parent, True)] + [(trace, parent, False)] * 2 + [(None, None, None)] * 2)
    check_equal([line['cache'] for line in lines], ['none'] + ['hit'] * 4)
    check_equal(len({line['span_id'] for line in lines[:3]}), 3, 'each is a span of its own')
    check_equal(server.metrics().total('trace_parents_bad'), 1)

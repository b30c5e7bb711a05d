# SPDX-License-Identifier: BSD-3-Clause
"""Rate limits on the real server: two workers, a reload, and what the operator sees."""
import json

from harness import (Client, RawConnection, check, check_equal, in_threads, system_test, to_yaml, two_workers,
                     wait_for)

KEY = '/v1/ns/demo/values/k'


@system_test('a rate limit is exact over two workers; the log, /metrics and /limited say who is refused', 60,
             is_short=True)
def limit_over_workers(world):
    path = world.folder / 'access.log'
    server = world.start(two_workers(), {
        'access_log': {'file': str(path)}, 'namespaces': [{'name': 'demo', 'rate_limits': 'ip'}],
        'rate_limits': [{'name': 'ip', 'quota': 60, 'window_s': 3600}]})
    statuses = []

    def ask():
        client = Client()
        statuses.extend(client.request('GET', KEY).status for _ in range(10))

    in_threads([ask] * 8, 20)
    check_equal((statuses.count(404), statuses.count(429)), (60, 20), 'whichever worker they came to')
    answer = Client().request('GET', KEY)
    check_equal((answer.status, answer['ratelimit-policy']), (429, '"ip";q=60;w=3600'))
    check(answer['ratelimit'].startswith('"ip";r=0;t='), answer)
    check_equal(answer['ratelimit'].split('t=')[1], answer['retry-after'])
    check_equal(json.loads(answer.body)['violated-policies'], ['ip'])
    metrics = server.metrics()
    check_equal(metrics.total('gannet_rate_limit_requests_total', limit='ip', answer='taken'), 60)
    check_equal(metrics.total('gannet_rate_limit_requests_total', limit='ip', answer='refused'), 21)
    status, text = server.admin('/limited')
    line = text.decode().splitlines()[1].split()
    check_equal((status, line[:3]), (200, ['ip', '10.99.0.1', '21']), text)

    def refused():
        return [line for line in map(json.loads, path.read_text().splitlines()) if line['status'] == 429]

    check_equal({line.get('limit') for line in wait_for(lambda: len(refused()) == 21 and refused(), 5, 'the log')},
                {'ip'})


@system_test('a reload brings and takes rate limits on a held connection; what was used stays used', 60,
             is_short=True)
def limit_reload(world):
    server = world.start()
    held = RawConnection()

    def ask():
        held.send(f'GET {KEY} HTTP/1.1\r\nHost: h\r\n\r\n'.encode())
        return held.response()

    def reload(changes):
        server.change(changes)
        (server.folder / 'gannet.yaml').write_text(to_yaml(server.config))
        check_equal(server.admin('/reload', 'POST')[0], 200)

    held.send(f'PUT {KEY} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello'.encode())
    check_equal(held.response().status, 201)
    check(not ask()['ratelimit'], 'no limit yet')
    limit = {'name': 'ip', 'quota': 3, 'window_s': 3600, 'everywhere': True}
    reload({'rate_limits': [limit]})
    wait_for(lambda: ask()['ratelimit'] or ask().status == 429, 5, 'the limit')
    wait_for(lambda: ask().status == 429, 5, 'its end')
    reload({'rate_limits': [{'name': 'other', 'quota': 9}, limit | {'quota': 4}]})
    wait_for(lambda: ask()['ratelimit-policy'] == '"ip";q=4;w=3600', 5, 'the larger quota')
    wait_for(lambda: ask().status == 429, 5, 'one more, not four')
    reload({'rate_limits': []})
    wait_for(lambda: ask().status == 200, 5, 'no limit any more')
    check_equal(server.metrics().total('gannet_rate_limit_requests_total', limit='ip', answer='taken') > 2, True)

# SPDX-License-Identifier: BSD-3-Clause
"""Reloading: SIGHUP and POST /reload, on a server that is at work."""
import signal
import threading

from harness import Client, RawConnection, check, check_equal, system_test, to_yaml, two_workers, wait_for


def write_config(server, text=None):
    (server.folder / 'gannet.yaml').write_text(text if text is not None else to_yaml(server.config))


def reload(server, expected=200):
    status, body = server.admin('/reload', 'POST')
    check_equal(status, expected, body)
    return body.decode()


def generation(server):
    return server.metrics().total('gannet_config', what='generation')


def names(client):
    return client.request('GET', '/v1/ns').body.decode()


@system_test('a reload changes namespaces, routes and limits on a held connection, and names what it cannot', 60,
             is_short=True)
def reload_takes_what_it_can(world):
    server = world.start(two_workers())
    held = RawConnection()

    def ask(request):
        held.send(request)
        return held.response()

    put = b'PUT /v1/ns/%s/values/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello'
    check_equal(ask(put % b'demo').status, 201, 'before')
    get = b'GET /v1/ns/%s/values/k HTTP/1.1\r\nHost: h\r\n\r\n'
    check_equal(ask(put % b'other').status, 201)
    for space in (b'demo', b'other'):
        check_equal(ask(get % space).body, b'hello', 'cached')
    check(b'no-such-resource' in ask(get % b'fresh').body, 'a namespace that is not there yet')
    server.change({'namespaces': [{'name': 'fresh', 'value_max': 4}, {'name': 'demo', 'ttl_s': 60}],
                   'routes': [{'path': '/v1/', 'backend': 'values'}, {'path': '/mirror/', 'backend': 'echo'}],
                   'http': {'head_max': 600, 'request_line_max': 300},
                   'tcp': {'connections': 4096, 'resets_per_s': 5},
                   'cache': {'memory_mib': 16}, 'admin': {'drain_timeout_ms': 1000, 'log_level': 'debug'}})
    write_config(server)
    said = reload(server)
    check('tcp.connections = 4096: takes a restart; it stays 65536\n' in said, said)
    check('cache.memory_mib = 16: takes a restart; it stays 32\n' in said, said)
    check('http.' not in said and 'resets_per_s' not in said, said)
    check_equal(generation(server), 2, 'generation')

    wait_for(lambda: b':not-found' in ask(get % b'fresh').body, 5, 'the new namespace')
    check(b'no-such-resource' in ask(get % b'other').body, 'the namespace that is gone, its value cached')
    check_equal(Client().request('PUT', '/v1/ns/fresh/values/k', b'hello').status, 413, 'its limit of values')
    bulk = b'[{"key":"a","value":"1"},{"key":"b","value":"too long"}]'
    done = Client().request('PUT', '/v1/ns/fresh/bulk', bulk).body
    check(b'"status":413' in done and b'"a"' in done, f'a task in the new namespace: {done}')
    check(b'"name":"a"' in Client().request('GET', '/v1/ns/fresh/keys').body, 'what it wrote is listed there')
    check_equal(ask(put % b'demo').status, 204, 'the one that stayed')
    check('ttl=' in ask(get % b'demo')['cache-status'],
          'the new time to live')
    check_equal(ask(b'GET /mirror/x HTTP/1.1\r\nHost: h\r\n\r\n').status, 200, 'the new route')
    check_equal(ask(b'GET /echo/x HTTP/1.1\r\nHost: h\r\n\r\n').status, 404, 'the route that is gone')
    check('"other"' not in names(Client()) and '"fresh"' in names(Client()), names(Client()))
    status, shown = server.admin('/config')
    check(b'drain_timeout_ms: 1000' in shown and b'memory_mib: 32' in shown and b'"other"' not in shown, shown)
    held.send(b'GET / HTTP/1.1\r\nHost: h\r\nX: ' + b'x' * 600 + b'\r\n\r\n')
    check_equal(held.response().status, 431, 'the new limit')

    server.change({'namespaces': [{'name': 'demo'}, {'name': 'other'}]})
    write_config(server)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: generation(server) == 3, 5, 'SIGHUP')
    wait_for(lambda: '"other"' in names(Client()), 5, 'the namespace came back')
    check_equal(Client().request('GET', '/v1/ns/other/values/k').body, b'hello', 'with its values')


@system_test('a bad file changes nothing and is answered in the words of gannet check', 40, is_short=True)
def reload_refuses_a_bad_file(world):
    server = world.start()
    client = Client()
    check_equal(client.put('k', b'v').status, 201)
    good = to_yaml(server.config)
    for bad, words in (
            (good + 'http:\n  body_max: 7\n',
             'http.body_max = 7: allowed 1024..134217728 bytes'),
            (good + 'namespace:\n  - name: x\n', 'did you mean namespaces?'),
            (good.replace('name: "other"', 'name: "o/r"'), 'allowed 1 to 64 of A-Z a-z 0-9 . _ -'),
            (good + 'routes: [', 'gannet.yaml:'),
            ('', 'no settings in this file'),
            ('admin:\n  drain_timeout_ms: 5\n', 'no port to serve on')):
        write_config(server, bad)
        said = reload(server, 422)
        check(words in said and said.endswith('nothing was changed\n'), f'{words!r} is not in {said!r}')
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda words=words: server.log_text().count(words) >= 2, 5, f'SIGHUP says {words}')
    check_equal(generation(server), 1, 'generation')
    check_equal(server.metrics().total('gannet_config', what='refused'), 12)
    check_equal(client.get('k').body, b'v', 'and goes on')
    (server.folder / 'gannet.yaml').unlink()
    check('cannot be read' in reload(server, 422), 'a file that is not there')


@system_test('200 reloads under load: no connection is lost, no request fails', 60)
def reload_under_load(world):
    server = world.start(two_workers())
    Client().put('k', b'v')
    stop = threading.Event()
    counts, failures = [0] * 8, []

    def load(number):
        client = RawConnection()
        while not stop.is_set():
            client.send(b'GET /v1/ns/demo/values/k HTTP/1.1\r\nHost: h\r\n\r\n'
                        b'PUT /v1/ns/demo/values/k%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx' % number)
            statuses = client.response().status, client.response().status
            if statuses[0] != 200 or statuses[1] not in (201, 204):
                failures.append(statuses)
            counts[number] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(200):
        server.change({'namespaces': [{'name': 'demo'}] + [{'name': f'n{number % 7}'}],
                       'http': {'head_max': 8192 + number, 'request_line_max': 4096}})
        write_config(server)
        reload(server)
    stop.set()
    for thread in threads:
        thread.join(20)
    check_equal(failures, [], 'answers')
    check(all(counts), f'every connection went on: {counts}')
    check_equal(generation(server), 201, 'generation')

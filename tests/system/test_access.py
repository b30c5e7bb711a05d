# SPDX-License-Identifier: BSD-3-Clause
"""API keys, anonymous access, CORS, demanded preconditions, deprecation: on the real server."""
import json
import re
import subprocess

from harness import (BINARY, Client, RawConnection, check, check_equal, inside, program, system_test, to_yaml,
                     wait_for)


def new_key(name):
    """(the key, its line for the file)"""
    lines = [line for line in program(BINARY, 'key', 'new', name).splitlines() if not line.startswith('#')]
    check_equal(len(lines), 2, lines)
    check(re.fullmatch(r'gannet_[A-Za-z0-9_-]{43}', lines[0]), lines[0])
    check(re.fullmatch(rf'{name} sha256:[0-9a-f]{{64}}', lines[1]), lines[1])
    return lines


def ask(method, path, key=None, port=80, body=None, **headers):
    if key is not None:
        headers['Authorization'] = f'Bearer {key}'
    return Client(port=port).request(method, path, body, headers)


def type_of(response):
    check_equal(response['content-type'], 'application/problem+json')
    return json.loads(response.body)['type'].rsplit(':', 1)[1]


def value(space, key='k'):
    return f'/v1/ns/{space}/values/{key}'


def reload(server, expected=200):
    (server.folder / 'gannet.yaml').write_text(to_yaml(server.config))
    status, body = server.admin('/reload', 'POST')
    check_equal(status, expected, body)
    return body.decode()


def server_with_keys(world, lines, **changes):
    keys = world.folder / 'keys'
    keys.write_text('\n'.join(lines) + '\n')
    server = world.server({'access': {'keys_file': str(keys)},
                           'listeners': [{'port': 80, 'trusted': True}, {'port': 8080}],
                           'namespaces': [{'name': 'closed'}, {'name': 'shop', 'anonymous': 'read'},
                                          {'name': 'open', 'anonymous': 'all'}]}, changes)
    return server.start(), keys


@system_test('API keys: who may do what, on which listener, and what a stranger is told', 60, is_short=True)
def api_keys(world):
    alice, alice_line = new_key('alice')
    bob, bob_line = new_key('bob')
    late, late_line = new_key('late')
    server, keys = server_with_keys(world, [
        '# clients', alice_line, bob_line + ' namespaces=shop methods=GET', late_line + ' expires=2020-01-01'])
    check(alice not in keys.read_text(), 'the key is not in the file')
    for space in ('closed', 'shop', 'open'):
        check_equal(ask('PUT', value(space), alice, body=b'hello').status, 201, space)
        check_equal(ask('GET', value(space), alice).body, b'hello', space)  # and it is cached now
    for method, space, key, status in (
            ('GET', 'closed', None, 401), ('PUT', 'closed', None, 401), ('DELETE', 'closed', None, 401),
            ('GET', 'shop', None, 200), ('HEAD', 'shop', None, 200), ('PUT', 'shop', None, 401),
            ('GET', 'open', None, 200), ('PUT', 'open', None, 204),
            ('GET', 'closed', bob, 403), ('GET', 'shop', bob, 200), ('HEAD', 'shop', bob, 200),
            ('PUT', 'shop', bob, 403), ('PUT', 'open', bob, 204),
            ('GET', 'closed', late, 401), ('GET', 'shop', late, 401), ('GET', 'shop', 'nonsense', 401),
            ('GET', 'nosuch', None, 401), ('GET', 'nosuch', alice, 404), ('OPTIONS', 'closed', None, 204)):
        answer = ask(method, value(space), key, body=b'hello' if method == 'PUT' else None)
        check_equal(answer.status, status, f'{method} {space} {key and key[:8]}')
        check_equal(answer['www-authenticate'], 'Bearer realm="gannet"' if status == 401 else '', answer)
        if status in (401, 403):
            check_equal(type_of(answer), 'key-required' if status == 401 else 'not-allowed')
            check(b'hello' not in answer.body, 'nothing of the value')
    answer = ask('GET', value('closed'), alice, port=8080)
    check_equal((answer.status, type_of(answer)), (403, 'not-allowed'), 'a listener that is not trusted')
    check_equal(ask('GET', value('shop'), port=8080).status, 200, 'anonymous there')
    for field in ('Basic YTpi', f'Bearer{alice}', 'Bearer', f'Bearer {alice} x', f'Bearer {alice[:-1]}'):
        answer = Client().request('GET', value('open'), None, {'Authorization': field})
        check_equal((field, answer.status), (field, 401))
    check_equal(ask('GET', value('shop'), authorization=f'bEARER  {alice}').status, 200, 'scheme in any case')

    def names(key):
        return [space['name'] for space in json.loads(ask('GET', '/v1/ns', key).body)['namespaces']]

    check_equal(names(None), ['shop', 'open'])
    check_equal(names(alice), ['closed', 'shop', 'open'])
    check_equal(names(bob), ['shop', 'open'])
    check_equal(ask('GET', '/echo/x').status, 401, 'the echo shows headers: clients only')
    check_equal(ask('GET', '/echo/x', alice).status, 200)


@system_test('on one connection nobody gets by the key of a request before, however alike they are', 40,
             is_short=True)
def api_keys_on_one_connection(world):
    alice, line = new_key('alice')
    server_with_keys(world, [line])
    connection = RawConnection()
    plain = b'GET /v1/ns/closed/values/k HTTP/1.1\r\nHost: h\r\n\r\n'
    with_key = plain[:-2] + b'Authorization: Bearer ' + alice.encode() + b'\r\n\r\n'
    with_other = with_key.replace(alice.encode(), alice.encode()[:-1] + b'!')
    put = with_key.replace(b'GET', b'PUT')[:-2] + b'Content-Length: 5\r\n\r\nhello'
    connection.send(put)
    check_equal(connection.response().status, 201)
    for _ in range(20):
        connection.send(with_key + plain + with_key + with_other + with_key)
        check_equal([connection.response().status for _ in range(5)], [200, 401, 200, 401, 200])


@system_test('keys reload: one is added, one is gone at once; a bad file of keys changes nothing', 40,
             is_short=True)
def api_keys_reload(world):
    alice, alice_line = new_key('alice')
    bob, bob_line = new_key('bob')
    server, keys = server_with_keys(world, [alice_line])
    held = Client()
    check_equal(held.request('PUT', value('closed'), b'v', {'Authorization': f'Bearer {alice}'}).status, 201)

    def status(key):
        return held.request('GET', value('closed'), None, {'Authorization': f'Bearer {key}'}).status

    check_equal((status(alice), status(bob)), (200, 401))
    keys.write_text(bob_line + '\n')
    reload(server)
    wait_for(lambda: (status(alice), status(bob)) == (401, 200), 5, 'the new file is in effect')
    keys.write_text(bob_line + '\ncarol sha256:12\n')
    said = reload(server, 422)
    check('keys: line 2: allowed sha256: and 64 hexadecimal digits' in said, said)
    check_equal((status(alice), status(bob)), (401, 200))
    path = server.folder / 'gannet.yaml'
    done = subprocess.run([BINARY, 'check', '--offline', str(path)], capture_output=True, text=True, check=False)
    check(done.returncode == 1 and 'keys: line 2: allowed sha256:' in done.stdout + done.stderr, done)
    server.change({'access': {'keys_file': 'none'}})
    reload(server)
    wait_for(lambda: held.request('GET', value('closed')).status == 200, 5, 'no keys: open')


@system_test('the admin socket is on loopback only, and nothing of it is reachable through the port', 30,
             is_short=True)
def admin_is_apart(world):
    server = world.start()
    with inside(server.link.server):
        listening = program('ss', '-Hltn')
    check_equal([line.split()[3] for line in listening.splitlines()], ['127.0.0.1:9090'], 'kernel sockets')
    for path in ('/metrics', '/config', '/readyz', '/trace'):
        check_equal(Client().request('GET', path).status, 404, path)
    check_equal(Client().request('POST', '/reload').status, 404)
    check_equal(Client().request('POST', '/drain').status, 404)


@system_test('CORS: preflight, listed origins, Vary; other origins and namespaces get nothing', 40, is_short=True)
def cors(world):
    world.start({'namespaces': [
        {'name': 'listed', 'cors_origins': 'https://a.example http://b.example:3000', 'cors_max_age_s': 60},
        {'name': 'any', 'cors_origins': '*'}, {'name': 'demo'}]})
    for space in ('listed', 'any', 'demo'):
        check_equal(ask('PUT', value(space), body=b'v').status, 201)

    def fields(method, space, origin, **more):
        headers = {'Origin': origin} if origin else {}
        answer = Client().request(method, value(space), None, {**headers, **more})
        return answer.status, answer['access-control-allow-origin'], answer['vary']

    for _ in range(2):  # a miss, then a hit
        check_equal(fields('GET', 'listed', 'http://b.example:3000'), (200, 'http://b.example:3000', 'Origin'))
        check_equal(fields('GET', 'listed', 'https://c.example'), (200, '', 'Origin'))
        check_equal(fields('GET', 'listed', None), (200, '', 'Origin'))
        check_equal(fields('GET', 'any', 'https://c.example'), (200, '*', ''))
        check_equal(fields('GET', 'demo', 'https://a.example'), (200, '', ''))
    refused = fields('GET', 'listed', 'https://a.example', **{'If-Match': '"99"'})
    check_equal(refused[:2], (412, 'https://a.example'), 'a refusal can be read, too')
    answer = Client().request('OPTIONS', value('listed'), None, {
        'Origin': 'https://a.example', 'Access-Control-Request-Method': 'PUT',
        'Access-Control-Request-Headers': 'if-match'})
    check_equal(answer.status, 204)
    check_equal(answer['access-control-allow-methods'], answer['allow'])
    check('PUT' in answer['allow'] and answer['access-control-max-age'] == '60', answer)
    check_equal(answer['access-control-allow-headers'], '*, Authorization')


@system_test('a namespace may demand preconditions (428), and a route may say that it is deprecated', 40,
             is_short=True)
def preconditions_and_deprecation(world):
    world.start({'namespaces': [{'name': 'strict', 'require_precondition': True}, {'name': 'demo'}],
                 'routes': [{'path': '/v1/ns/demo/', 'backend': 'values', 'deprecated_s': 1767225600,
                             'sunset_s': 1798761600, 'successor': '/v1/ns/strict/'}]})
    answer = ask('PUT', value('strict'), body=b'v')
    check_equal((answer.status, type_of(answer)), (428, 'precondition-required'))
    answer = Client().request('PUT', value('strict'), b'v', {'If-None-Match': '*'})
    check_equal(answer.status, 201)
    check_equal(ask('DELETE', value('strict')).status, 428)
    check_equal(ask('GET', value('strict')).body, b'v')
    check_equal(Client().request('DELETE', value('strict'), None, {'If-Match': answer['etag']}).status, 204)

    check_equal(ask('PUT', value('demo'), body=b'v').status, 201)
    for _ in range(2):
        answer = ask('GET', value('demo'))
        check_equal((answer.status, answer['deprecation'], answer['sunset'], answer['link']),
                    (200, '@1767225600', 'Fri, 01 Jan 2027 00:00:00 GMT',
                     '</v1/ns/strict/>; rel="successor-version"'))
    check_equal(ask('GET', value('strict'))['deprecation'], '')


@system_test('jobs and Idempotency-Keys are of one client each', 20)
def jobs_of_clients(world):
    alice, alice_line = new_key('alice')
    bob, bob_line = new_key('bob')
    server_with_keys(world, [alice_line, bob_line])
    answer = ask('POST', '/v1/ns/open/purge', alice, body=b'{"prefix":""}', Prefer='respond-async')
    check_equal(answer.status, 202, answer)
    place = answer['location']
    wait_for(lambda: ask('GET', place, alice).status == 303, 10, 'the end of the job')
    for stranger in (bob, None):
        for method, path in (('GET', place), ('GET', place + '/result'), ('DELETE', place)):
            check_equal(type_of(ask(method, path, stranger)), 'no-such-job', f'{method} {path}')
    check_equal(ask('GET', place + '/result', alice).status, 200)

    once = {'Idempotency-Key': '"order-1"'}
    for client, sums in ((alice, b'1'), (bob, b'2'), (None, b'3'), (alice, b'1'), (bob, b'2')):
        check_equal(ask('POST', value('open') + '?op=incr', client, **once).body, sums)

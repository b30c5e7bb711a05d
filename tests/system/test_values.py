# SPDX-License-Identifier: BSD-3-Clause
"""The values API as a user meets it: status, headers, bodies, conditions."""
import json
import subprocess
import time

from harness import (URL, VALUES, RawConnection, check, check_equal, curl, digest, program, random_bytes,
                     system_test, wait_for)


@system_test('PUT, GET, HEAD and DELETE of one value, with every header a client may rely on', 20, True)
def value_life(world):
    world.start()
    client = world.client()
    created = client.put('cart/42', b'hello', Content_Type='text/plain')
    check_equal(created.status, 201, 'first PUT')
    check_equal(created['Location'], VALUES + 'cart/42', 'Location')
    first = version(created)

    replaced = client.put('cart/42', b'hello again', Content_Type='text/plain')
    check_equal(replaced.status, 204, 'second PUT')
    check(version(replaced) > first, 'the ETag grows')

    for method in ('GET', 'HEAD'):
        answer = client.request(method, VALUES + 'cart/42')
        check_equal(answer.status, 200, method)
        check_equal(answer.body, b'hello again' if method == 'GET' else b'', method)
        check_equal(answer['Content-Length'], '11', method)
        check_equal(answer['Content-Type'], 'text/plain', method)
        check_equal(version(answer), version(replaced), method)
        check_equal(answer['Server'], 'gannet', method)
        check(answer['Date'].endswith(' GMT'), f'Date: {answer}')

    check_equal(client.delete('cart/42').status, 204, 'DELETE')
    check_equal(client.delete('cart/42').status, 204, 'DELETE of nothing')
    check_equal(client.get('cart/42').status, 404, 'GET after DELETE')
    again = client.put('cart/42', b'back')
    check_equal(again.status, 201, 'PUT after DELETE')
    check(version(again) > version(replaced), 'the ETag grows across delete and re-create')


def version(answer):
    tag = answer['ETag']
    check(tag.startswith('"') and tag.endswith('"') and tag[1:-1].isdigit(), f'ETag: {answer}')
    return int(tag[1:-1])


@system_test('If-Match and If-None-Match: compare-and-set, create-only, 304', 20, True)
def preconditions(world):
    world.start()
    client = world.client()
    tag = client.put('k', b'one')['ETag']
    check_equal(client.put('k', b'x', If_None_Match='*').status, 412, 'create-only of what exists')
    check_equal(client.put('k', b'x', If_Match='"1844674407370955161"').status, 412, 'wrong version')
    check_equal(client.get('k').body, b'one', 'refused writes change nothing')
    check_equal(client.put('k', b'two', If_Match=tag).status, 204, 'right version')
    check_equal(client.put('k', b'x', If_Match=tag).status, 412, 'a version matches once')
    check_equal(client.put('new', b'x', If_Match='*').status, 412, 'If-Match: * of nothing')
    check_equal(client.put('new', b'x', If_None_Match='*').status, 201, 'create-only of nothing')

    tag = client.get('k')['ETag']
    for method in ('GET', 'HEAD'):
        answer = client.request(method, VALUES + 'k', None, {'If-None-Match': tag})
        check_equal((answer.status, answer.body, answer['ETag']), (304, b'', tag), method)
    check_equal(client.get('k', If_None_Match='"1"').status, 200, 'another version')
    check_equal(client.get('k', If_Match='"1"').status, 412, 'GET If-Match')
    check_equal(client.delete('k', If_Match='"1"').status, 412, 'DELETE If-Match')
    check_equal(client.delete('k', If_Match=tag).status, 204, 'DELETE If-Match')


@system_test('errors are problem+json with the request id; ids are echoed when valid', 20, True)
def problems(world):
    world.start()
    client = world.client()
    for method, path, status in (('GET', VALUES + 'absent', 404), ('GET', '/nowhere', 404),
                                 ('GET', '/v1/ns/unknown/values/k', 404),
                                 ('POST', '/v1/ns', 405), ('PUT', VALUES + 'k' * 1025, 414)):
        answer = client.request(method, path)
        check(answer.status == status or (status == 414 and answer.status == 400),
              f'{method} {path[:40]}: {answer}')
        check_equal(answer['Content-Type'], 'application/problem+json', path[:40])
        problem = json.loads(answer.body)
        check_equal(problem['status'], answer.status, 'status in the body')
        check(problem['type'] and problem['title'], f'type and title: {problem}')
        check_equal(problem['instance'], answer['Request-Id'], 'instance')
    echoed = client.get('absent', Request_Id='abc-123_DEF')
    check_equal(echoed['Request-Id'], 'abc-123_DEF', 'Request-Id')
    one, two = client.get('absent')['Request-Id'], client.get('absent')['Request-Id']
    check(one and two and one != two, f'request ids differ: {one} {two}')
    check('Allow' in {name.title() for name in client.request('POST', '/v1/ns').headers}, '405 has Allow')


@system_test('ttl: a value is gone after its time, and from the cache too', 20, True)
def time_to_live(world):
    world.start()
    client = world.client()
    check_equal(client.put('short?ttl=2', b'x').status, 201, 'PUT')
    check_equal(client.put('long?ttl=3600', b'y').status, 201, 'PUT')
    put_at = time.monotonic()
    check_equal(client.get('short').status, 200, 'before')
    check_equal(client.get('short').status, 200, 'before, from the cache')
    wait_for(lambda: client.get('short').status == 404, 4, 'the value expires')
    check(time.monotonic() - put_at > 1.0, 'it expired too early')
    check_equal(client.get('long').status, 200, 'the other one')
    check(client.put('bad?ttl=x', b'y').status == 400, 'a ttl that is no number')


@system_test('the first read is a miss, the second a hit, and /metrics counts both', 20, True)
def cache_status(world):
    server = world.start()
    client = world.client()
    client.put('hot', b'v')
    server.restart()
    client.close()
    first, second = client.get('hot'), client.get('hot')
    check('hit' not in first['Cache-Status'], f'first: {first}')
    check('hit' in second['Cache-Status'], f'second: {second}')
    check_equal((first.body, second.body), (b'v', b'v'), 'bodies')
    metrics = server.metrics()
    check(metrics.total('cache_hits') >= 1, 'hits')
    check(metrics.total('cache_misses') >= 1, 'misses')
    client.put('hot', b'w')
    check_equal(client.get('hot').body, b'w', 'after a write')


@system_test('bodies of 0 B, 1 B, 1 KiB, 1 MiB and 64 MiB, both ways, twice, compared by hash', 90)
def bodies(world):
    server = world.start({'http': {'body_max': 64 << 20, 'body_memory_mib': 256},
                          'memory': {'values_mib': 512}, 'cache': {'value_max': 2 << 20},
                          'store': {'request_timeout_ms': 20000}})
    client = world.client(timeout_s=60)
    values = {f'b{size}': random_bytes(size, size) for size in (0, 1, 1024, 1460, 65536, 65537, 1 << 20,
                                                                64 << 20)}
    for key, value in values.items():
        check_equal(client.put(key, value).status, 201, key)
    check_equal(client.put('over', bytes((64 << 20) + 1)).status, 413, 'one byte over the limit')
    client.close()
    for round_name in ('first read', 'second read', 'after a restart'):
        if round_name == 'after a restart':
            server.restart()
            client.close()
        for key, value in values.items():
            answer = client.get(key)
            check_equal((answer.status, len(answer.body)), (200, len(value)), f'{key}, {round_name}')
            check_equal(digest(answer.body), digest(value), f'{key}, {round_name}')
            check_equal(client.head(key)['Content-Length'], str(len(value)), f'HEAD {key}')


@system_test('curl stores a file and gets it back, by Content-Length and chunked', 40, True)
def curl_round_trip(world):
    world.start()
    photo = world.folder / 'photo.jpg'
    photo.write_bytes(random_bytes(3 << 20, 5))
    url = URL + VALUES
    curl('-f', '-X', 'PUT', '--data-binary', f'@{photo}', url + 'photo')
    check_equal(digest(curl('-f', url + 'photo')), digest(photo.read_bytes()), 'GET')
    curl('-f', '-T', photo, '-H', 'Transfer-Encoding: chunked', url + 'chunked')
    check_equal(digest(curl('-f', url + 'chunked')), digest(photo.read_bytes()), 'GET of the chunked one')
    reader = subprocess.Popen(['cat', photo], stdout=subprocess.PIPE)
    done = subprocess.run(['curl', '-sSf', '-T', '-', url + 'piped'], stdin=reader.stdout,
                          capture_output=True, timeout=30)
    check_equal(done.returncode, 0, f'curl -T -: {done.stderr}')
    check_equal(digest(curl('-f', url + 'piped')), digest(photo.read_bytes()), 'GET of the piped one')
    head = curl('-fI', url + 'photo').decode()
    check(f'Content-Length: {3 << 20}' in head, head)


@system_test('keys: percent-encoding, slashes, 1024 bytes; namespaces do not mix', 20, True)
def keys(world):
    world.start()
    client = world.client()
    for key in ('a/b/c', '%20space', 'k' * 1024, '%C3%A9t%C3%A9', 'a%2Fb', '..%2f..%2fetc', 'x', 'x%00y',
                'x%00', '%00'):
        check_equal(client.put(key, key.encode()).status, 201, key[:30])
        check_equal(client.get(key).body, key.encode(), key[:30])
    check_equal(client.get('%61/b/c').body, b'a/b/c', 'an encoded letter is that letter')
    client.put('same', b'demo')
    client.request('PUT', '/v1/ns/other/values/same', b'other')
    check_equal(client.get('same').body, b'demo', 'namespace demo')
    check_equal(client.request('GET', '/v1/ns/other/values/same').body, b'other', 'namespace other')
    listed = json.loads(client.request('GET', '/v1/ns').body)
    check('demo' in json.dumps(listed) and 'other' in json.dumps(listed), f'/v1/ns: {listed}')
    for bad in ('%', '%zz', ''):
        status = client.put(bad, b'x').status
        check(status in (400, 404), f'key {bad!r}: {status}')


def counts(client, namespace='demo'):
    listed = json.loads(client.request('GET', '/v1/ns').body)['namespaces']
    one = json.loads(client.request('GET', f'/v1/ns/{namespace}').body)
    alone = [space.keys() for space in listed if space['name'] == namespace]  # a sweep may come between
    check_equal(alone, [one.keys()], 'listed as alone')
    return one['keys'], one['value_bytes']


@system_test('a namespace says how many keys and bytes it has, also after kill -9 with other threads', 20, True)
def namespace_counts(world):
    server = world.start()
    client = world.client()
    check_equal(counts(client), (0, 0), 'nothing there')
    client.put('small', b'x' * 100, Meta_Owner='alice')
    client.put('large', b'y' * 200_000)
    client.put('gone', b'z' * 7)
    client.put('brief?ttl=1', b'b' * 50)
    client.request('PUT', '/v1/ns/other/values/small', b'other')
    check_equal(counts(client), (4, 200_157), 'four keys')
    client.put('small', b'x' * 10)
    client.delete('gone')
    client.delete('never')
    wait_for(lambda: counts(client) == (2, 200_010), 10, 'overwritten, deleted, expired')
    check_equal(counts(client, 'other'), (1, 5), 'the other namespace')
    server.kill9()
    server.change({'control': {'threads': 2}})
    server.start()
    client = world.client()
    check_equal(counts(client), (2, 200_010), 'after kill -9')
    client.put('large', b'small now')
    check_equal(counts(client), (2, 19), 'a large value became a small one')
    metrics = server.metrics()
    check_equal(metrics.total('namespace_keys', namespace='demo'), 2, 'gannet_namespace_keys')
    check_equal(metrics.total('namespace_value_bytes', namespace='other'), 5, 'gannet_namespace_value_bytes')
    client.request('POST', '/v1/ns/demo/purge', b'{"prefix":""}', {'Content-Type': 'application/json'})
    check_equal(counts(client), (2, 19), 'a purge takes them out of the caches only')
    client.request('POST', '/v1/ns/demo/bulk/delete', b'{"keys":["small","large"]}',
                   {'Content-Type': 'application/json'})
    check_equal(counts(client), (0, 0), 'deleted')


@system_test('backend: echo answers method, target and body', 20, True)
def echo(world):
    world.start()
    client = world.client()
    answer = client.request('PUT', '/echo/some/path?q=1', b'the body', {'X-Mine': 'yes'})
    check_equal(answer.status, 200, 'status')
    text = answer.body.decode('latin-1')
    for part in ('PUT', '/echo/some/path?q=1', 'the body', 'yes'):
        check(part in text, f'{part!r} in {text!r}')


@system_test('ping and HTTP over IPv4 and IPv6', 20, True)
def both_ip_versions(world):
    world.start()
    for address in ('10.99.0.2', 'fd99::2'):
        output = program('ping', '-c', '3', '-i', '0.2', '-W', '2', address)
        check(' 0% packet loss' in output, output)
        program('ping', '-c', '2', '-i', '0.2', '-s', '1400', address)
    six = world.client(host='fd99::2')
    check_equal(six.put('six', b'x' * 100000).status, 201, 'PUT over IPv6')
    check_equal(world.client().get('six').body, b'x' * 100000, 'GET over IPv4')
    check_equal(curl('-g', '-f', 'http://[fd99::2]' + VALUES + 'six'), b'x' * 100000, 'curl over IPv6')
    raw = RawConnection('fd99::2')
    raw.send(b'GET ' + VALUES.encode() + b'six HTTP/1.1\r\nHost: [fd99::2]\r\n\r\n')
    check_equal(raw.response().status, 200, 'Host with an IPv6 address')

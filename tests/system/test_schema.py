# SPDX-License-Identifier: BSD-3-Clause
"""Namespaces with a JSON Schema: what clients are told, reloading, and what is refused at start."""
import json
import subprocess

from harness import (BINARY, URL, Client, check, check_equal, curl, system_test, to_yaml,
                     wait_for)

SCHEMA = {'type': 'object', 'required': ['sku'], 'additionalProperties': False,
          'properties': {'sku': {'type': 'string', 'minLength': 3}, 'count': {'type': 'integer', 'minimum': 1}}}
SPACE = '/v1/ns/orders'


def write_schema(world, schema):
    file = world.folder / 'order.json'
    file.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return str(file)


def violations(answer):
    check_equal((answer.status, answer['content-type']), (422, 'application/problem+json'))
    problem = json.loads(answer.body)
    return problem['type'].removeprefix('urn:gannet:problem:'), [
        f'{error["pointer"]}:{error["keyword"]}' for error in problem.get('errors', [])]


@system_test('a namespace with a schema takes what fits, names what does not, and follows a reload', 40,
             is_short=True)
def schema_of_a_namespace(world):
    file = write_schema(world, SCHEMA)
    server = world.start({'namespaces': [{'name': 'demo'}, {'name': 'orders', 'schema': file}]})
    client = Client()

    def put(body, key='1', **headers):
        return client.request('PUT', f'{SPACE}/values/{key}', body, headers)

    check_equal(put(b'{"sku":"abc","count":2}').status, 201)
    check_equal(violations(put(b'{"sku":"ab","count":0,"x":1}')),
                ('schema-violation', ['/x:additionalProperties', '/sku:minLength', '/count:minimum']))
    check_equal(violations(put(b'{')), ('not-json', []))
    check_equal(client.request('GET', f'{SPACE}/values/1').body, b'{"sku":"abc","count":2}', 'it stayed')
    said = curl('-X', 'PUT', f'{URL}{SPACE}/values/2', '-d', '[]')
    check(b'"pointer":"","keyword":"type"' in said, said)
    patch = {'Content-Type': 'application/merge-patch+json'}
    patched = client.request('PATCH', f'{SPACE}/values/1', b'{"sku":null}', patch)
    check_equal(violations(patched)[1], ['/sku:required'])
    bulk = b'[{"key":"a","value":"{\\"sku\\":\\"xyz\\"}"},{"key":"b","value":"{}"}]'
    done = json.loads(client.request('PUT', f'{SPACE}/bulk', bulk).body)
    check_equal((list(done['written']), done['unprocessed'][0]['errors'][0]['pointer']), (['a'], '/sku'))
    check_equal(client.put('k', b'not JSON').status, 201, 'another namespace')

    write_schema(world, {**SCHEMA, 'propertyNames': {}})
    status, said = server.admin('/reload', 'POST')
    check(status == 422 and b'order.json: /propertyNames: this keyword is not known here' in said
          and b'nothing was changed' in said, said)
    check_equal(violations(put(b'{}'))[1], ['/sku:required'], 'the former schema holds')
    write_schema(world, {'required': ['name']})
    check_equal(server.admin('/reload', 'POST')[0], 200)
    wait_for(lambda: put(b'{"name":1}').status == 204, 5, 'the new schema')
    check_equal(violations(put(b'{"sku":"abc"}'))[1], ['/name:required'])
    check_equal(client.request('GET', f'{SPACE}/values/a').status, 200, 'what was there before stays')
    check(server.metrics().total('gannet_schema_violations') >= 6, 'they are counted')


@system_test('a schema that is not understood is refused at start, with file, pointer and what is allowed', 30,
             is_short=True)
def bad_schemas(world):
    for schema, words in (({'properties': {'a': {'propertyNames': {}}}},
                           'order.json: /properties/a/propertyNames: this keyword is not known here'),
                          ('{"type":', 'order.json: line 1'),
                          ({'$ref': '#'}, 'order.json: the schema: this leads back to itself')):
        server = world.server({'namespaces': [{'name': 'orders', 'schema': write_schema(world, schema)}]})
        path = server.folder / 'gannet.yaml'
        path.write_text(to_yaml(server.config))
        done = subprocess.run([BINARY, 'check', '--offline', str(path)], capture_output=True, text=True,
                              check=False)
        check(done.returncode == 1 and words in done.stderr, f'{done.stdout}{done.stderr}, not {words}')
    try:
        server.start()
    except AssertionError:
        check(words in server.log_text(), server.log_text())
    else:
        raise AssertionError('it started')
    server.process = None

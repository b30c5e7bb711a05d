# SPDX-License-Identifier: BSD-3-Clause
"""The OpenAPI document against the server: every operation is called, every answer validated."""
import json
import re

from harness import TOP, Client, check, check_equal, system_test, wait_for

# operationId -> requests that get each answer worth having: (path, body, headers, status)
VALUE = '/v1/ns/demo/values/'
MERGE = {'Content-Type': 'application/merge-patch+json'}
KEYS = '/v1/ns/demo/keys'
BULK = '/v1/ns/demo/bulk'
LIMITED = '/v1/ns/limited/values/k'
CALLS = {
    'getDocument': [('/v1/openapi.json', None, {}, 200)],
    'headDocument': [('/v1/openapi.json', None, {}, 200)],
    'listNamespaces': [('/v1/ns', None, {}, 200), ('/v1/ns', None, {'Host': 'no host'}, 400)],
    'headNamespaces': [('/v1/ns', None, {}, 200)],
    'getNamespace': [('/v1/ns/demo', None, {}, 200), ('/v1/ns/typed', None, {}, 200),
                     ('/v1/ns/closed', None, {}, 401), ('/v1/ns/nosuch', None, {}, 401)],
    'headNamespace': [('/v1/ns/demo', None, {}, 200)],
    'putValue': [(VALUE + 'new', b'{}', {'Content-Type': 'application/json', 'Meta-Owner': 'alice'}, 201),
                 (VALUE + 'new', b'again', {}, 204), (VALUE + 'new?ttl=60', b'', {}, 204),
                 (VALUE + 'new?ttl=0', b'', {}, 400), (VALUE + 'new', b'', {'If-None-Match': '*'}, 412),
                 (VALUE + 'new', b'', {'If-Match': 'x'}, 400), ('/v1/ns/nosuch/values/k', b'', {}, 401),
                 (VALUE + 'large', b'x' * 5000, {}, 413), ('/v1/ns/strict/values/k', b'', {}, 428),
                 ('/v1/ns/closed/values/k', b'', {}, 401), (VALUE + 'x' * 1100, b'', {}, 400),
                 (VALUE + 'k', b'', {'Expect': 'wonders'}, 417),
                 ('/v1/ns/typed/values/k', b'{"a":1}', {}, 201), ('/v1/ns/typed/values/k', b'{"a":"1"}', {}, 422),
                 ('/v1/ns/typed/values/k', b'{', {}, 422)],
    'getValue': [(VALUE + 'k', None, {}, 200), (VALUE + 'k', None, {}, 200),
                 (VALUE + 'k', None, {'If-None-Match': '*'}, 304),
                 (VALUE + 'k', None, {'If-Match': '"99"'}, 412),
                 (VALUE + 'missing', None, {}, 404), ('/v1/ns/closed/values/k', None, {}, 401),
                 (VALUE + 'k', None, {'Range': 'bytes=1-2'}, 206),
                 (VALUE + 'k', None, {'Range': 'bytes=99-'}, 416),
                 (VALUE + 'j?fields=a', None, {}, 200), (VALUE + 'k?fields=a', None, {}, 422),
                 (VALUE + 'j', None, {'If-None-Match': '"1", "2"', 'Prefer': 'wait=1'}, 304)],
    'headValue': [(LIMITED, None, {}, 404), (LIMITED, None, {}, 404), (LIMITED, None, {}, 429),
                  (VALUE + 'k', None, {}, 200), (VALUE + 'missing', None, {}, 404)],
    'countValue': [(VALUE + 'n?op=incr', None, {'Idempotency-Key': '"a"'}, 200),
                   (VALUE + 'n?op=incr', None, {'Idempotency-Key': '"a"'}, 200),
                   (VALUE + 'n?op=incr&by=2', None, {'Idempotency-Key': '"a"'}, 422),
                   (VALUE + 'n?op=incr', None, {'Idempotency-Key': 'a'}, 400),
                   (VALUE + 'n?op=incr&by=-5', None, {}, 200), (VALUE + 'n?op=wonder', None, {}, 400),
                   (VALUE + 'k?op=incr', None, {}, 422)],
    'patchValue': [(VALUE + 'j', b'{"a":2}', MERGE, 204), (VALUE + 'j', b'{"a":', MERGE, 422),
                   (VALUE + 'j', b'{}', {}, 415), (VALUE + 'missing', b'{}', MERGE, 404),
                   (VALUE + 'j', b'{}', {**MERGE, 'If-Match': '"99"'}, 412)],
    'deleteValue': [(VALUE + 'new', None, {'If-Match': '"99"'}, 412), (VALUE + 'new', None, {}, 204),
                    (VALUE + 'new', None, {}, 204), ('/v1/ns/strict/values/k', None, {}, 428)],
    'listKeys': [(KEYS, None, {}, 200), (KEYS + '?limit=1&fields=size,metadata', None, {}, 200),
                 (KEYS + '?cursor=x', None, {}, 400), (KEYS + '?limit=0', None, {}, 400),
                 ('/v1/ns/nosuch/keys', None, {}, 401), ('/v1/ns/closed/keys', None, {}, 401)],
    'headKeys': [(KEYS, None, {}, 200)],
    'bulkPut': [('/v1/ns/typed/bulk', b'[{"key":"b","value":"{}"},{"key":"c","value":"7"}]', {}, 200),
                ('/v1/ns/typed/bulk', b'[{"key":"b","value":"7"}]', {}, 422),
                (BULK, b'[{"key":"b","value":"1"}]', {}, 200), (BULK, b'[{"key":"b"}]', {}, 422),
                (BULK, b'[', {}, 400), ('/v1/ns/closed/bulk', b'[]', {}, 401),
                ('/v1/ns/strict/bulk', b'[]', {}, 428)],
    'bulkGet': [(BULK + '/get', b'{"keys":["b","none"]}', {}, 200), (BULK + '/get', b'{}', {}, 422),
                ('/v1/ns/closed/bulk/get', b'{"keys":["b"]}', {}, 401)],
    'bulkDelete': [(BULK + '/delete', b'{"keys":["b","none"]}', {}, 200),
                   ('/v1/ns/closed/bulk/delete', b'{"keys":["b"]}', {}, 401),
                   ('/v1/ns/strict/bulk/delete', b'{"keys":["b"]}', {}, 428)],
    'purge': [('/v1/ns/demo/purge', b'{"prefix":"","soft":true}', {}, 200),
              ('/v1/ns/demo/purge', b'{}', {}, 422), ('/v1/ns/closed/purge', b'{"keys":["b"]}', {}, 401)],
}
NO_JOB = '/v1/jobs/' + 32 * '0'
CALLS |= {operation: [(NO_JOB, None, {}, 404)] for operation in ('getJob', 'headJob', 'cancelJob')}
CALLS |= {operation: [(NO_JOB + '/result', None, {}, 404)] for operation in ('getJobResult', 'headJobResult')}
# Routes that are no resource of the interface.
WITHOUT_OPERATION = {'refused', 'echo', 'options'}


def resolve(document, node):
    while '$ref' in node:
        found = document
        for part in node['$ref'].removeprefix('#/').split('/'):
            found = found[part]
        node = found
    return node


def validate(document, schema, instance, where):
    """By jsonschema (2020-12, as OpenAPI 3.1) where it is installed, else only the fields that are required."""
    schema = resolve(document, schema)
    try:
        import jsonschema  # noqa: PLC0415 - Debian's python3-jsonschema
    except ImportError:
        for name in schema.get('required', []):
            check(name in instance, f'{where}: {name} is missing in {instance}')
        return
    whole = {**schema, 'components': document['components']}
    errors = [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(instance)]
    check_equal(errors, [], where)


def check_answer(document, operation, method, answer, where):
    declared = operation['responses'].get(str(answer.status))
    check(declared, f'{where}: {answer.status} is not in the document: {answer}')
    declared = resolve(document, declared)
    for name, header in declared.get('headers', {}).items():
        header, value = resolve(document, header), answer[name]
        check(value or not header.get('required'), f'{where}: {name} is missing in {answer}')
        pattern = header['schema'].get('pattern')
        check(not value or not pattern or re.search(pattern, value), f'{where}: {name}: {value!r}, not {pattern}')
    content = declared.get('content')
    if method == 'HEAD':
        check_equal(answer.body, b'', where)
        return
    if not content:
        check_equal(answer.body, b'', where)
        return
    kind = answer['content-type'].split(';')[0]
    check(kind in content or '*/*' in content, f'{where}: {kind} is not in the document')
    if kind in content and 'json' in kind:
        validate(document, content[kind]['schema'], json.loads(answer.body), where)


def operations_of(document):
    for path, item in document['paths'].items():
        for method, operation in item.items():
            if method != 'parameters':
                yield path, method.upper(), operation


def names_in(file, pattern):
    return set(re.findall(pattern, (TOP / file).read_text(), re.MULTILINE))


def check_job(client, document):
    """Its name is known only when it is there."""
    def call(method, target, path, body=None, status=200, headers=None):
        answer = client.request(method, target, body, headers)
        check_equal(answer.status, status, f'{method} {target}')
        check_answer(document, document['paths'][path][method.lower()], method, answer, f'{method} {target}')
        return answer

    job, result = '/v1/jobs/{job}', '/v1/jobs/{job}/result'
    place = call('PUT', BULK, '/v1/ns/{namespace}/bulk', b'[{"key":"b","value":"1"}]', 202,
                 {'Prefer': 'respond-async'})['location']
    wait_for(lambda: client.request('GET', place).status == 303, 10, 'the end of the job')
    check_equal(call('GET', place, job, status=303)['location'], place + '/result')
    check('"written"' in call('GET', place + '/result', result).body.decode(), 'the result')
    call('HEAD', place + '/result', result)
    call('DELETE', place, job, status=204)
    call('GET', place, job, status=404)


@system_test('every operation of /v1/openapi.json answers as it says', 60, is_short=True)
def contract(world):
    keys = world.folder / 'keys'
    keys.write_text('# nobody\n')
    schema = world.folder / 'typed.json'
    schema.write_text('{"type":"object","properties":{"a":{"type":"integer"}}}')
    world.start({'access': {'keys_file': str(keys)}, 'namespaces': [
        {'name': 'demo', 'anonymous': 'all', 'value_max': 4096}, {'name': 'closed'},
        {'name': 'strict', 'anonymous': 'all', 'require_precondition': True},
        {'name': 'typed', 'anonymous': 'all', 'schema': str(schema)},
        {'name': 'limited', 'anonymous': 'all', 'rate_limits': 'one two'}],
        'rate_limits': [{'name': 'one', 'quota': 2}, {'name': 'two', 'quota': 9, 'everywhere': False}]})
    client = Client()
    check_equal(client.put('k', b'hello').status, 201)
    check_equal(client.put('j', b'{"a":1}').status, 201)
    answer = client.request('GET', '/v1/openapi.json')
    check_equal((answer.status, answer['content-type']), (200, 'application/json'))
    document = json.loads(answer.body)
    check_equal(document, json.loads((TOP / 'dataplane/openapi.json').read_text()), 'the file and what is served')
    check_equal(document['openapi'][:3], '3.1')

    for path, method, operation in operations_of(document):
        calls = CALLS.get(operation['operationId'])
        check(calls, f'{method} {path}: no call of {operation["operationId"]} in this test')
        for target, body, headers, status in calls:
            where = f'{method} {target[:60]} {headers}'
            answer = client.request(method, target, body, headers)
            check_equal(answer.status, status, where)
            check_answer(document, operation, method, answer, where)
    check_job(client, document)
    check_equal(set(CALLS) - {operation['operationId'] for _, _, operation in operations_of(document)}, set(),
                'calls of operations that the document lacks')


@system_test('the document has every route, method and problem that the server has', 30, is_short=True)
def contract_is_complete(world):
    world.start()
    document = json.loads(Client().request('GET', '/v1/openapi.json').body)
    routes = names_in('include/request_routes.def', r'^REQUEST_ROUTE\((\w+)\)')
    check_equal({operation['x-gannet-route'] for _, _, operation in operations_of(document)},
                routes - WITHOUT_OPERATION, 'routes')
    methods = {}
    for path, method, _ in operations_of(document):
        methods.setdefault(path, set()).add(method)
    for path, expected in methods.items():
        target = path.replace('{namespace}', 'demo').replace('{key}', 'k').replace('{job}', '0')
        allow = Client().request('OPTIONS', target)['allow']
        check_equal(set(allow.split(', ')), expected | {'OPTIONS'}, f'methods of {path}')
    files = ('include/http_problems.def', 'dataplane/http_problems.def')
    file = next(name for name in files if (TOP / name).exists())
    names = names_in(file, r'HTTP_PROBLEM\(\w+, \d+, "([\w-]+)"')
    registered = {'quota-exceeded'}  # by IANA: draft-ietf-httpapi-ratelimit-headers
    problems = ({f'urn:gannet:problem:{name}' for name in names - registered}
                | {f'https://iana.org/assignments/http-problem-types#{name}' for name in names & registered})
    types = document['components']['schemas']['Problem']['properties']['type']['enum']
    check_equal(set(types), problems, 'problems')

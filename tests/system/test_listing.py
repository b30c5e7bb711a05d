# SPDX-License-Identifier: BSD-3-Clause
"""Listing keys across the life of a server."""
import json

from harness import check_equal, system_test


@system_test('a cursor goes on where it was after kill -9 and a restart, whatever was written meanwhile', 30,
             is_short=True)
def cursor_across_a_restart(world):
    server = world.start()
    client = world.client()

    def page(cursor=None):
        query = f'&cursor={cursor}' if cursor else ''
        answer = client.request('GET', f'/v1/ns/demo/keys?limit=10&fields=name{query}')
        check_equal(answer.status, 200, answer)
        listing = json.loads(answer.body)
        return [key['name'] for key in listing['keys']], listing.get('cursor')

    values = [{'key': f'k{number:03}', 'value': 'v'} for number in range(35)]
    check_equal(client.request('PUT', '/v1/ns/demo/bulk', json.dumps(values).encode()).status, 200)
    names, cursor = page()
    check_equal(names, [f'k{number:03}' for number in range(10)])
    check_equal((client.delete('k009').status, client.put('k0095', b'v').status, client.put('a', b'v').status),
                (204, 201, 201), 'the key of the cursor goes, others come before and behind it')
    server.kill9()
    server.start()
    client = world.client()
    while cursor:
        more, cursor = page(cursor)
        names += more
    check_equal(names, [f'k{number:03}' for number in range(10)] + ['k0095'] +
                [f'k{number:03}' for number in range(10, 35)])

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare.py PARSE_MESSAGES AMBIGUITY_TEST: our parser beside h11, an independent one, on a generated corpus.

Every disagreement must be one of those that README.md explains.
GANNET_COMPARE_MESSAGES (6000) and GANNET_COMPARE_SEED (1) say what is generated.
"""
import collections
import os
import pathlib
import random
import re
import struct
import subprocess
import sys

try:
    import h11
except ImportError:
    print('skipped: python3-h11 is not installed')
    sys.exit(77)

TESTS = pathlib.Path(__file__).resolve().parent
LINES = [b'GET / HTTP/1.1', b'GET /a?b=c HTTP/1.1', b'POST /a HTTP/1.1', b'PUT /v1/ns/x/values/k HTTP/1.1',
         b'DELETE /k HTTP/1.0', b'OPTIONS * HTTP/1.1', b'GET http://h/a HTTP/1.1', b'HEAD /%41 HTTP/1.1',
         b'GET /a HTTP/2.0', b'BREW /pot HTTP/1.1', b'GET  /a HTTP/1.1', b'GET /a', b'get /a HTTP/1.1',
         b'GET /a HTTP/1.2']
FIELDS = [b'Host: h', b'Host: h:80', b'Host: h', b'Host:', b'Host: a b', b'Content-Length: 5',
          b'Content-Length: 5', b'Content-Length: 0', b'Content-Length: +5', b'Content-Length: 5, 5',
          b'content-length:  5 ',
          b'Transfer-Encoding: chunked', b'Transfer-Encoding: Chunked', b'Transfer-Encoding: gzip, chunked',
          b'Transfer-Encoding: identity', b'Connection: close', b'Connection: keep-alive', b'Connection: x, CLOSE',
          b'Expect: 100-continue', b'Expect: x', b'X: y', b'X:', b'X: \xff', b'X : y', b' X: y', b'X', b'X: \x00',
          b'"X": y']
BODIES = [b'', b'hello', b'5\r\nhello\r\n0\r\n\r\n', b'5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n',
          b'5 \r\nhello\r\n0\r\n\r\n',
          b'0\r\n\r\n', b'fffffff\r\n', b'5\r\nhelloX']
NEXT = b'GET /next HTTP/1.1\r\nHost: h\r\n\r\n'

# Name, which way, and when it applies: see README.md. First match counts.
WE_REFUSE, THEY_REFUSE, WE_WAIT, THEY_WAIT, DIFFER = 'we refuse', 'they refuse', 'we wait', 'they wait', 'differ'
EXPLANATIONS = [
    ('bare line feed', WE_REFUSE, lambda d, o, t: re.search(rb'(?<!\r)\n', d)),
    ('target of CONNECT or of another form', WE_REFUSE,
     lambda d, o, t: re.search(rb'target|CONNECT', o)),
    ('empty or invalid Host', WE_REFUSE, lambda d, o, t: b'Host is not' in o),
    ('second Content-Length', WE_REFUSE,
     lambda d, o, t: re.search(rb'more than one Content-Length|Content-Length is not', o)),
    ('length with chunked', WE_REFUSE, lambda d, o, t: b'together with' in o),
    ('version', WE_REFUSE, lambda d, o, t: b' 505 ' in o),
    ('expectation', WE_REFUSE, lambda d, o, t: b' 417 ' in o),
    ('coding in HTTP/1.0', WE_REFUSE, lambda d, o, t: b'in HTTP/1.0' in o),
    ('chunk framing', WE_REFUSE, lambda d, o, t: b'chunked coding' in o),
    ('folded field', WE_REFUSE, lambda d, o, t: b'not a token' in o and re.search(rb'\r\n[ \t]', d)),
    ('keep-alive of HTTP/1.0', DIFFER, lambda d, o, t: o.replace(b' 0 keep ', b' 0 close ') == t),
    ('folded field', WE_REFUSE, lambda d, o, t: b'continued on the next line' in o),
    ('bytes of a value', WE_REFUSE, lambda d, o, t: b'control character' in o),
    ('empty lines before', THEY_REFUSE, lambda d, o, t: d.startswith(b'\r\n')),
    ('blanks before a chunk extension', THEY_REFUSE, lambda d, o, t: re.search(rb'\n[0-9a-fA-F]+[ \t]+;', d)),
]


def generate(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        fields = [b'Host: h'] * rng.choice([0, 1, 1, 1]) + rng.choices(FIELDS, k=rng.randrange(4))
        rng.shuffle(fields)
        message = bytearray(b'\r\n'.join([rng.choice(LINES), *fields, b'', b'']) + rng.choice(BODIES))
        for _ in range(rng.choice([0, 0, 1, 2])):
            at = rng.randrange(len(message))
            change = rng.randrange(3)
            if change == 0:
                message[at] = rng.choice(b'\0\t\n\r :;,-0AZaz~\x7f\x80\xff')
            elif change == 1:
                del message[at]
            else:
                message.insert(at, rng.choice(b'\0\t\n\r :;,-0AZaz~\x7f\x80\xff'))
        yield bytes(message) + NEXT


def ambiguous(program):
    listing = subprocess.run([program, '--print'], stdout=subprocess.PIPE, check=True).stdout
    return [bytes.fromhex(line.split(b'\t')[1].decode()) + NEXT for line in listing.splitlines()]


def our_verdicts(program, messages):
    stream = b''.join(struct.pack('<I', len(message)) + message for message in messages)
    lines = subprocess.run([program], input=stream, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    assert len(lines) == len(messages), 'one verdict each'
    return lines


def their_verdict(message):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16384)
    try:
        connection.receive_data(message)
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return b'PARTIAL'
        request, more = event, connection.next_event()
        while isinstance(more, h11.Data):
            more = connection.next_event()
    except h11.RemoteProtocolError as error:
        return b'BAD %d %s' % (error.error_status_hint, str(error).encode())
    if not isinstance(more, h11.EndOfMessage):
        return b'PARTIAL'
    used = len(message) - len(connection.trailing_data[0])
    kept = b'close' if connection.their_state is h11.MUST_CLOSE else b'keep'
    return b'DONE %s %s %s %s %d' % (request.method, request.target, request.http_version[2:], kept, used)


def difference(ours, theirs):
    """None when they agree: statuses of refusals are not compared."""
    ours, theirs = ours.split(b' ')[0], theirs.split(b' ')[0]
    if ours == b'BAD':
        return None if theirs == b'BAD' else WE_REFUSE
    if theirs == b'BAD':
        return THEY_REFUSE
    if ours == theirs:
        return None
    return WE_WAIT if ours == b'PARTIAL' else THEY_WAIT


def main():
    parser, ambiguity = sys.argv[1:3]
    count = int(os.environ.get('GANNET_COMPARE_MESSAGES', '6000'))
    seed = int(os.environ.get('GANNET_COMPARE_SEED', '1'))
    messages = ambiguous(ambiguity) + list(generate(count, seed))
    explained, unexplained, agreed = collections.Counter(), [], 0
    for message, ours in zip(messages, our_verdicts(parser, messages)):
        theirs = their_verdict(message)
        way = difference(ours, theirs)
        if way is None and (ours == theirs or ours[:3] == b'BAD' or ours == b'PARTIAL'):
            agreed += 1
            continue
        way = way or DIFFER
        name = next((name for name, side, applies in EXPLANATIONS
                     if side == way and applies(message, ours, theirs)), None)
        if name:
            explained[name, way] += 1
        else:
            unexplained.append((way, message, ours, theirs))
    print(f'{len(messages)} messages, {agreed} agreed')
    for (name, way), number in sorted(explained.items()):
        print(f'  {number:5} {way}: {name}')
    for way, message, ours, theirs in unexplained[:20]:
        print(f'unexplained, {way}: {message!r}\n  ours:   {ours!r}\n  theirs: {theirs!r}')
    documented = (TESTS / 'README.md').read_text()
    missing = [name for name, _, _ in EXPLANATIONS if f'| {name} |' not in documented]
    for name in missing:
        print(f'README.md does not explain: {name}')
    violations = len(unexplained) + len(missing)
    print(f'{len(messages)} checks, {violations} violations of {min(1, violations)} rules')
    return 1 if violations else 0


if __name__ == '__main__':
    sys.exit(main())

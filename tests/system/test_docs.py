# SPDX-License-Identifier: BSD-3-Clause
"""The examples of API.md and CLIENTS.md, run as they stand there."""
import re
import shutil
import subprocess
import sys

from harness import TOP, URL, Client, Skipped, check, check_equal, system_test
from stopped_threads import stopped

DOCUMENTED = 'http://127.0.0.1:8080'


def blocks(file, language):
    return re.findall(rf'(?ms)^```{language}\n(.*?)^```$', (TOP / file).read_text())


def examples(block):
    """(command, expected output) for each line with a prompt."""
    for part in re.split(r'(?m)^\$ ', block)[1:]:
        command, _, expected = part.partition('\n')
        yield command, expected


def fits(expected, output):
    """'...' is anything; a line that is nothing else is any number of lines."""
    pattern = re.escape(expected.rstrip('\n')).replace(r'\.\.\.', '.*')
    return re.fullmatch(pattern, output.replace('\r', '').rstrip('\n'), re.DOTALL)


def run_example(world, command, expected):
    done = subprocess.run(['bash', '-c', command.replace(DOCUMENTED, URL)], capture_output=True, text=True,
                          timeout=20, cwd=world.folder, check=False)
    check(fits(expected, done.stdout),
          f'$ {command}\nprinted:\n{done.stdout}{done.stderr}\nshown in API.md:\n{expected}')


@system_test('every console example of API.md prints what it shows', 60, is_short=True)
def docs_console(world):
    world.start()
    count = 0
    for block in blocks('API.md', 'console'):
        for command, expected in examples(block):
            run_example(world, command, expected)
            count += 1
    check(count >= 15, f'only {count} examples were found')


@system_test('the example of API.md for a store that does not answer: a stale value, with its age and why', 30)
def docs_stale(world):
    server = world.start({'store': {'request_timeout_ms': 500}})
    client = Client()
    client.put('fruit/pear', b'green')
    check_equal(client.get('fruit/pear').body, b'green', 'now it is cached')
    purge, read = examples(blocks('API.md', 'console-of-a-stopped-store')[0])
    run_example(world, *purge)
    with stopped([thread for thread, name in server.threads().items() if name.startswith('control')]):
        run_example(world, *read)


@system_test('the example of CLIENTS.md for Node.js runs', 60)
def docs_node(world):
    node = shutil.which('node')
    if not node:
        raise Skipped('node is not installed')
    version = subprocess.run([node, '--version'], capture_output=True, text=True, check=True).stdout
    if int(re.match(r'v(\d+)', version).group(1)) < 18:
        raise Skipped(f'node is {version.strip()}: fetch came with 18')
    world.start()
    program = '\n'.join(blocks('CLIENTS.md', 'javascript') + blocks('CLIENTS.md', 'mjs')).replace(DOCUMENTED, URL)
    done = subprocess.run([node, '--input-type=module', '--eval', program], capture_output=True, text=True,
                          timeout=40, check=False)
    check_equal((done.returncode, done.stderr), (0, ''), program)


@system_test('the Python examples of CLIENTS.md run', 60)
def docs_python(world):
    world.start()
    programs = blocks('CLIENTS.md', 'python')
    check_equal(len(programs), 2, 'programs')
    for program in programs:
        if 'import requests' in program:
            try:
                import requests  # noqa: F401, PLC0415 - Debian's python3-requests
            except ImportError:
                raise Skipped('python3-requests is not installed: only the first example ran') from None
        program = program.replace(DOCUMENTED, URL).replace("'127.0.0.1', 8080", "'10.99.0.2', 80")
        done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=20,
                              check=False)
        check_equal((done.returncode, done.stderr), (0, ''), program)

# SPDX-License-Identifier: BSD-3-Clause
"""What a newcomer types: ./dev up -d, the curl lines of the README, ./dev down."""
import os
import re
import socket
import subprocess
from pathlib import Path

from harness import BINARY, TOP, Skipped, check, check_equal, random_bytes, system_test, wait_for

FORWARD = 'http://127.0.0.1:8080'


def run_dev(world, *words, path=os.environ['PATH']):
    return subprocess.run([str(TOP / 'dev'), *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=os.environ | {
                              'GANNET_BINARY': BINARY, 'GANNET_STATE': str(world.folder / 'var'), 'PATH': path})


def dev(world, *words, **more):
    done = run_dev(world, *words, **more)
    check(done.returncode == 0, f'./dev {words}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def network_state():
    """What ./dev must leave as it was."""
    listed = subprocess.run('ip -o link; ip netns; nft list tables; cat /proc/sys/vm/nr_hugepages', shell=True,
                            capture_output=True, text=True, check=True).stdout
    return sorted(line for line in re.sub(r'\s+', ' ', listed.replace('\n', '\0')).split('\0'))


@system_test('./dev up -d, the curl lines of the README, ./dev up again, ./dev down: nothing stays', 90)
def dev_up_and_down(world):
    if Path('/sys/class/net/gannet0').exists():
        raise Skipped('./dev up is in use on this machine')
    before = network_state()
    try:
        check('curl' in dev(world, 'up', '-d'), 'it prints a curl line to try')
        check('already running' in dev(world, 'up', '-d'), 'twice is harmless')
        lines = curl_lines((TOP / 'README.md').read_text())
        check(len(lines) >= 2, f'the README has curl lines: {lines}')
        (world.folder / 'photo.jpg').write_bytes(random_bytes(100000, 1))
        for line in lines:
            run_curl_line(line, world.folder)

        pid = int((world.folder / 'var/run/server.pid').read_text().split()[0])
        os.kill(pid, 9)
        wait_for(lambda: not Path(f'/proc/{pid}').exists(), 5, 'the server is gone')
        check('forwarder' in dev(world, 'up', '-d', path=without_nftables(world)), 'it says what stands in')
        check_equal(run('curl', '-sf', f'{FORWARD}/v1/ns/demo/values/greeting').strip() != b'', True,
                    'after kill -9 and ./dev up the value is there')
        dev(world, 'down')
        port_is_taken(world)
    finally:
        dev(world, 'down')
    dev(world, 'down')
    check_equal(network_state(), before, 'links, namespaces and hugepages')


def without_nftables(world):
    """A PATH on which nft is somebody who refuses."""
    refuses = world.folder / 'bin' / 'nft'
    refuses.parent.mkdir()
    refuses.write_text('#!/bin/sh\nexit 1\n')
    refuses.chmod(0o755)
    return f'{refuses.parent}:{os.environ["PATH"]}'


def port_is_taken(world):
    """A table of nftables would take the port away from whoever listens there, and nobody would be told."""
    with socket.create_server(('127.0.0.1', 8080)):
        done = run_dev(world, 'up', '-d')
    check(done.returncode != 0 and 'port 8080 is in use' in done.stderr, f'{done.returncode}: {done.stderr}')


def curl_lines(readme):
    """Commands in the README's code blocks that speak to the running server."""
    blocks = re.findall(r'```[a-z]*\n(.*?)```', readme, re.S)
    lines = [line.strip().removeprefix('$ ').strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith('curl ') and ('127.0.0.1' in line)]


def run(*command):
    return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout


def run_curl_line(line, folder):
    command = re.sub(r'\s+#.*$', '', line)
    command = re.sub(r'^curl ', 'curl -sS --max-time 20 -w "\\n%{http_code}" ', command)
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, timeout=30)
    check_equal(done.returncode, 0, f'{line}: {done.stderr}')
    status = done.stdout.rsplit(b'\n', 1)[-1]
    check(status == b'' or status[:1] in b'234', f'{line}: status {status}')

# SPDX-License-Identifier: BSD-3-Clause
"""Below TCP, with Linux as neighbour and router: somebody else's address, small paths, a pulled cable."""
import contextlib
import hashlib
import os
import re
import socket
import struct
import subprocess
import time

from harness import (CLIENT_END, SERVER_IPV4, SERVER_IPV6, VALUES, check, check_equal, random_bytes,
                     system_test, wait_for)

LARGE_BYTES = 1000000


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options)


@system_test('an IPv4 address that another station has is not used, logged and counted; IPv6 goes on', 20)
def taken_address(world):
    server = world.server()
    run('ip', 'addr', 'add', f'{SERVER_IPV4}/32', 'dev', CLIENT_END)
    server.start()
    wait_for(lambda: 'another station has ports.ipv4' in server.log_text(), 5, 'the conflict is logged')
    check_equal(server.metrics().total('network_addresses_taken'), 1, 'counted')
    got = run('curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}',
              f'http://[{SERVER_IPV6}]{VALUES}nothing')
    check_equal(got.stdout, b'404', 'IPv6 is served')


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def advertise(prefix, valid_s, preferred_s):
    """A router's advertisement to all nodes, as a frame: no router lifetime, one prefix of 64 bits."""
    mac, source = bytes.fromhex('0200000000fe'), bytes.fromhex('fe80' + '00' * 13 + 'fe')
    group = bytes.fromhex('ff02' + '00' * 13 + '01')
    option = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, valid_s, preferred_s, 0)
    option += socket.inet_pton(socket.AF_INET6, prefix)
    message = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 0, 0, 0) + option
    pseudo = source + group + struct.pack('!II', len(message), 58)
    message = message[:2] + struct.pack('!H', checksum(pseudo + message)) + message[4:]
    header = struct.pack('!IHBB', 6 << 28, len(message), 58, 255) + source + group
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((CLIENT_END, 0))
        link.send(bytes.fromhex('333300000001') + mac + b'\x86\xdd' + header + message)


@system_test('an IPv6 address is formed of a router\'s prefix, logged, shown and answered, deprecated as well', 20)
def formed_address(world):
    server = world.server({'ports': [{
        'device': 'net_af_packet0,iface=gannet0', 'queues': 1, 'ipv4': f'{SERVER_IPV4}/24',
        'ipv6': 'auto'}]}).start()
    run('ip', '-6', 'addr', 'add', 'fd97::1/64', 'dev', CLIENT_END, 'nodad')
    for lifetimes, sentence in (((7200, 3600), r'IPv6 address (fd97:\S+)/64'),
                                ((7200, 0), r'routers deprecate IPv6 address (fd97:\S+):')):
        advertise('fd97::', *lifetimes)
        wait_for(lambda: re.search(sentence, server.log_text()), 8, sentence)  # pylint: disable=cell-var-from-loop
        address = re.search(sentence, server.log_text()).group(1)
        got = run('curl', '-6', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}',
                  f'http://[{address}]{VALUES}nothing')
        check_equal(got.stdout, b'404', f'IPv6 is served at {address}')
        state = 'in_use' if lifetimes[1] else 'deprecated'
        shown = f'gannet_ipv6_formed{{port="0",address="{address}",state="{state}"}} 1'
        check(shown in server.admin('/metrics')[1].decode().splitlines(), shown)


class NarrowRouter:
    """The test's own namespace forwards to a third one, whose link takes 1300 bytes that way."""

    def __init__(self):
        self.far = f'gannet-f-{os.getpid()}'

    def __enter__(self):
        run('ip', 'netns', 'add', self.far)
        for family in ('ipv4', 'ipv6'):
            run('sh', '-c', f'echo 1 >/proc/sys/net/{family}/conf/all/forwarding')
        run('ip', 'link', 'add', 'narrow0', 'type', 'veth', 'peer', 'name', 'narrow1', 'netns', self.far)
        run('ip', 'link', 'set', 'narrow0', 'mtu', '1300', 'up')  # the far end believes in 1500
        run('ip', 'addr', 'add', '10.98.0.1/24', 'dev', 'narrow0')
        run('ip', '-6', 'addr', 'add', 'fd98::1/64', 'dev', 'narrow0', 'nodad')
        for command in (['link', 'set', 'narrow1', 'up'], ['addr', 'add', '10.98.0.2/24', 'dev', 'narrow1'],
                        ['-6', 'addr', 'add', 'fd98::2/64', 'dev', 'narrow1', 'nodad'],
                        ['route', 'add', 'default', 'via', '10.98.0.1'],
                        ['-6', 'route', 'add', 'default', 'via', 'fd98::1']):
            run('ip', '-n', self.far, *command)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            run('ip', 'link', 'del', 'narrow0')
        run('ip', 'netns', 'del', self.far)

    def get(self, address, limit_s):
        """Fetches the large value; returns its digest and how long it took."""
        begin = time.monotonic()
        got = run('ip', 'netns', 'exec', self.far, 'curl', '-sS', '-m', str(limit_s),
                  f'http://{address}{VALUES}large')
        return hashlib.sha256(got.stdout).hexdigest(), time.monotonic() - begin


@system_test('a router whose next link is narrow is believed; one that says nothing is found out', 40)
def narrow_path(world):
    server = world.server({'ports': [{
        'device': 'net_af_packet0,iface=gannet0', 'queues': 1, 'ipv4': f'{SERVER_IPV4}/24',
        'gateway': '10.99.0.1', 'ipv6': f'{SERVER_IPV6}/64', 'gateway6': 'fd99::1'}]}).start()
    value = random_bytes(LARGE_BYTES, seed=4)
    check_equal(world.client().put('large', value).status, 201, 'PUT')
    wanted = hashlib.sha256(value).hexdigest()
    with NarrowRouter() as router:
        for address in (SERVER_IPV4, f'[{SERVER_IPV6}]'):
            digest, seconds = router.get(address, 10)
            check_equal(digest, wanted, f'the value through {address}')
            check(seconds < 3, f'{address}: {seconds:.1f} s although the router says what is too big')
        check_equal(server.metrics().total('tcp_path_mtu_lowered'), 2, 'believed once per connection')
        check_equal(server.metrics().total('tcp_path_black_holes'), 0, 'and nothing suspected')
        run('nft', '-f', '-', text=True, input=(
            'add table inet hole\n'
            'add chain inet hole output { type filter hook output priority 0; }\n'
            'add rule inet hole output icmp type destination-unreachable drop\n'
            'add rule inet hole output icmpv6 type packet-too-big drop\n'))
        for address in (SERVER_IPV4, f'[{SERVER_IPV6}]'):
            digest, seconds = router.get(address, 15)
            check_equal(digest, wanted, f'the value through {address} without a word from the router')
        check_equal(server.metrics().total('tcp_path_black_holes'), 2, 'found out once per connection')


@system_test('a cable that is pulled and put back: the open connection goes on', 20)
def pulled_cable(world):
    world.start()
    client = world.client()
    check_equal(client.put('before', b'x').status, 201, 'before')
    run('ip', 'link', 'set', CLIENT_END, 'down')
    time.sleep(1)
    run('ip', 'link', 'set', CLIENT_END, 'up')
    answer = client.request('GET', VALUES + 'before')
    check_equal((answer.status, answer.body), (200, b'x'), 'on the same connection')

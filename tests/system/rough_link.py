# SPDX-License-Identifier: BSD-3-Clause
"""A cable with a third namespace in the middle, where frames are lost, late or out of order.

Losses must happen there: what the client's own kernel drops on its way out, its TCP notices and sends at once
again, and what comes in at the server's end its raw socket has seen before any filter.
"""
import os
import re
import subprocess
from pathlib import Path

from harness import BINARY, CLIENT_END, SERVER_IPV4, Link, check, inside

SHIM = Path(BINARY).parent / 'tests/system/link_shim'
SERVER_END, TO_CLIENT, TO_SERVER = 'gannet0', 'to-client', 'to-server'


class RoughLink(Link):
    """Like Link; be_rough() says how bad it is. Offloads are off on every end."""

    def __init__(self, number):
        self.middle = f'gannet-m-{os.getpid()}-{number}'
        self.shim = None
        super().__init__(number)

    def _veth(self, verb):
        self.remove_spaces()
        if verb == 'up':
            self.make()

    def spaces(self):
        return (self.client, self.server, self.middle)

    def remove_spaces(self):
        for space in self.spaces():
            if Path(f'/run/netns/{space}').exists():
                subprocess.run(['ip', 'netns', 'del', space], check=True)

    def make(self):
        for space in self.spaces():
            run('ip', 'netns', 'add', space)
            run('ip', '-n', space, 'link', 'set', 'lo', 'up')
        for space, end, here in ((self.client, CLIENT_END, TO_CLIENT), (self.server, SERVER_END, TO_SERVER)):
            run('ip', '-n', self.middle, 'link', 'add', here, 'type', 'veth', 'peer', 'name', end,
                'netns', space)
            for where, device in ((self.middle, here), (space, end)):
                run('ip', 'netns', 'exec', where, 'ethtool', '-K', device, 'tx', 'off', 'tso', 'off',
                    'gso', 'off', 'gro', 'off')
                if device != CLIENT_END:
                    run('ip', 'netns', 'exec', where, 'sysctl', '-qw', f'net.ipv6.conf.{device}.disable_ipv6=1')
                run('ip', '-n', where, 'link', 'set', device, 'up')
        run('ip', '-n', self.server, 'link', 'set', SERVER_END, 'arp', 'off')
        run('ip', '-n', self.client, 'addr', 'add', '10.99.0.1/24', 'dev', CLIENT_END)
        run('ip', '-n', self.client, '-6', 'addr', 'add', 'fd99::1/64', 'dev', CLIENT_END, 'nodad')
        self.lose(0)

    def serve_by_kernel(self):
        """The kernel's own TCP at the server's end, in place of ours."""
        run('ip', '-n', self.server, 'link', 'set', SERVER_END, 'arp', 'on')
        run('ip', '-n', self.server, 'addr', 'add', f'{SERVER_IPV4}/24', 'dev', SERVER_END)

    def set_kernel(self, name, value):
        """A sysctl of both ends."""
        for space in (self.client, self.server):
            run('ip', 'netns', 'exec', space, 'sysctl', '-qw', f'{name}={value}')

    def set_mtu(self, mtu):
        for space, device in ((self.client, CLIENT_END), (self.server, SERVER_END),
                              (self.middle, TO_CLIENT), (self.middle, TO_SERVER)):
            run('ip', '-n', space, 'link', 'set', device, 'mtu', str(mtu))

    def lose(self, percent):
        """Carries frames both ways but for this share of them, at the kernel's speed."""
        commands = 'table netdev rough {}\ndelete table netdev rough\nadd table netdev rough\n'
        for came, goes in ((TO_CLIENT, TO_SERVER), (TO_SERVER, TO_CLIENT)):
            chain = f'netdev rough from-{came}'
            commands += f'add chain {chain} {{ type filter hook ingress device "{came}" priority 0; }}\n'
            if percent:
                commands += f'add rule {chain} numgen random mod 1000 < {int(percent * 10)} counter drop\n'
            commands += f'add rule {chain} counter fwd to "{goes}"\n'
        self.in_middle(['nft', '-f', '-'], input=commands, text=True)

    def frames(self):
        """(lost, carried) in both directions together, since lose()."""
        listing = self.in_middle(['nft', 'list', 'table', 'netdev', 'rough'], text=True).stdout
        lost = sum(int(count) for count in re.findall(r'counter packets (\d+) bytes \d+ drop', listing))
        carried = sum(int(count) for count in re.findall(r'counter packets (\d+) bytes \d+ fwd', listing))
        return lost, carried

    def shim_start(self, **options):
        """Carries frames through link_shim: delay_us, jitter_us, loss, reorder, reorder_us and so on."""
        self.in_middle(['nft', 'flush', 'ruleset'])
        words = [f'{name}={value}' for name, value in options.items()]
        with inside(self.middle):
            self.shim = subprocess.Popen([SHIM, TO_CLIENT, TO_SERVER, *words], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, text=True)
        check(self.shim.stdout.readline() == 'ready\n', 'link_shim runs')

    def shim_stop(self):
        self.shim.terminate()
        said = self.shim.communicate(timeout=10)[0]
        self.shim = None
        return said.strip()

    def in_middle(self, command, **options):
        with inside(self.middle):
            return subprocess.run(command, check=True, capture_output=True, **options)

    def remove(self):
        if self.shim:
            self.shim.kill()
            self.shim.wait()
        self.remove_spaces()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f'{command}: {done.stderr}')

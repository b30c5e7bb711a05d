# SPDX-License-Identifier: BSD-3-Clause
"""Programs that are started, pinned, watched and ended by their number; nothing outlives the suite."""
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional, Sequence

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program or the machine did not do what the suite needs; says what."""


def die_with_parent() -> None:
    """In the child: even a killed suite leaves nothing behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def command(words: Sequence[object], cores: Optional[Sequence[int]] = None, namespace: str = '') -> list[str]:
    pin = ['taskset', '-c', ','.join(map(str, cores))] if cores else []
    inside = ['ip', 'netns', 'exec', namespace] if namespace else []
    return [*inside, *pin, *map(str, words)]


class Program:
    """One that runs in the background, in a process group of its own, until end()."""

    def __init__(self, words: Sequence[object], log: Path, cores: Optional[Sequence[int]] = None,
                 namespace: str = '', output: Optional[Path] = None):
        self.words = list(map(str, words))
        self.log = log
        with open(log, 'ab') as errors, open(output or log, 'ab') as standard:
            self.process = subprocess.Popen(
                command(words, cores, namespace), stdin=subprocess.DEVNULL, stdout=standard, stderr=errors,
                start_new_session=True, preexec_fn=die_with_parent)
        self.pid = self.process.pid

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        return '\n'.join(self.log.read_text(errors='replace').splitlines()[-15:])

    def wait(self, limit_s: float) -> int:
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failed(f'{self.words[0]} took more than {limit_s} s\n{self.tail()}') from None

    def signal(self, number: int) -> None:
        """To its whole group; SIGSTOP keeps a polling server off its core while another one is measured."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def end(self, limit_s: float = 15) -> None:
        if self.is_alive():
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(limit_s)
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)  # and whatever it started
        self.process.wait()

    def __enter__(self) -> 'Program':
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def run(words: Sequence[object], limit_s: float, cores: Optional[Sequence[int]] = None, namespace: str = '',
        given: Optional[bytes] = None, may_fail: bool = False) -> str:
    """Runs it to its end and returns its standard output."""
    process = subprocess.Popen(command(words, cores, namespace), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, preexec_fn=die_with_parent)
    try:
        output, errors = process.communicate(given, limit_s)
    except subprocess.TimeoutExpired:
        raise Failed(f'{" ".join(map(str, words))}: took more than {limit_s} s') from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0 and not may_fail:
        text = (errors + output).decode(errors='replace').strip()[-1500:]
        raise Failed(f'{" ".join(map(str, words))}: exit {process.returncode}\n{text}')
    return output.decode(errors='replace')


def wait_until(condition: Callable[[], bool], limit_s: float, what: str, step_s: float = 0.02) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f'not within {limit_s} s: {what}')
        time.sleep(step_s)


def resident_bytes(pid: int) -> int:
    """Resident memory of it and its children, hugepages included."""
    total = 0
    for process in family(pid):
        for text in Path(f'/proc/{process}/status').read_text().splitlines():
            if text.startswith(('VmRSS:', 'HugetlbPages:')):
                total += int(text.split()[1]) * 1024
    return total


def family(pid: int) -> list[int]:
    """It and what it started, in turn."""
    found = [pid]
    for parent in found:
        children = Path(f'/proc/{parent}/task/{parent}/children')
        if children.exists():
            found += map(int, children.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    ticks = 0
    for process in family(pid):
        fields = Path(f'/proc/{process}/stat').read_text().rsplit(') ', 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')

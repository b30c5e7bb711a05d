#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the system tests: run.py [--list] [--short] [--keep-going SECONDS] [NAME...]

Each test runs in a process and a session of its own. It has its limit of seconds; a test that does not even
clean up after that is killed with everything it started. Last line: "N passed, N failed".
"""
import argparse
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness  # noqa: E402

CLEAN_UP_S = 30
EXIT_SKIPPED = 77


def load_tests():
    for path in sorted(Path(__file__).resolve().parent.glob('test_*.py')):
        importlib.import_module(path.stem)
    return harness.TESTS


def run_in_this_process(test):
    def give_up(_number, _frame):
        raise TimeoutError(f'took longer than {test.limit_s} s')

    signal.signal(signal.SIGALRM, give_up)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    world = harness.World(test.name)
    try:
        signal.alarm(test.limit_s)
        test.function(world)
        signal.alarm(0)
        for server in world.servers:
            server.check_after_test()
        return 0
    except harness.Skipped as reason:
        print(f'skipped: {reason}')
        return EXIT_SKIPPED
    except BaseException:  # noqa: BLE001 - reported, then cleaned up
        signal.alarm(0)
        traceback.print_exc()
        print(world.logs(), file=sys.stderr)
        return 1
    finally:
        world.remove()


def remove_leftovers(pid):
    """After a kill: the namespaces carry the number of the process that made them."""
    for path in glob.glob(f'/run/netns/gannet-[cms]-{pid}-*'):
        subprocess.run(['ip', 'netns', 'del', os.path.basename(path)], check=False)


def run_in_child(test):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        status = 1
        try:
            status = run_in_this_process(test)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    try:
        end = time.monotonic() + test.limit_s + CLEAN_UP_S
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        print('killed: it did not end after its limit')
        return 1
    finally:
        stop_session(pid)
        remove_leftovers(pid)


def stop_session(pid):
    """Whatever a test left running belongs to its process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--list', action='store_true', help='only print the names')
    parser.add_argument('--short', action='store_true', help='only the tests marked as short')
    parser.add_argument('names', nargs='*', help='only tests whose name contains one of these')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [test for test in load_tests()
              if (not options.names or any(name in test.name for name in options.names)) and
              (not options.short or test.is_short)]
    if options.list:
        for test in chosen:
            print(f'{test.name:32} {test.sentence}')
        return 0
    passed = failed = 0
    for test in chosen:
        started = time.monotonic()
        code = run_in_child(test)
        word = {0: 'ok', EXIT_SKIPPED: 'skipped'}.get(code, 'FAILED')
        passed += word == 'ok'
        failed += word == 'FAILED'
        print(f'{word:8} {test.name:32} {time.monotonic() - started:5.1f} s  {test.sentence}', flush=True)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_targets.py FOLDER TEST...: what ninja must build for these tests of a configured build folder."""
import json
import os
import subprocess
import sys


def introspect(what, folder):
    done = subprocess.run(['meson', 'introspect', what, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    folder, wanted = os.path.abspath(sys.argv[1]), set(sys.argv[2:])
    needed = {identity for test in introspect('--tests', folder) if test['name'] in wanted
              for identity in test['depends']}
    files = {os.path.relpath(name, folder) for target in introspect('--targets', folder) if target['id'] in needed
             for name in target['filename']}
    print('\n'.join(sorted(files)))


if __name__ == '__main__':
    main()

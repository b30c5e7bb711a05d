#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_targets.py FOLDER TEST...: what ninja must build for these tests of a configured build folder."""
import json
import os
import subprocess
import sys


def main():
    folder, wanted = os.path.abspath(sys.argv[1]), set(sys.argv[2:])
    listed = subprocess.run(['meson', 'introspect', '--tests', folder], capture_output=True, text=True, check=True)
    targets = {os.path.relpath(word, folder) for test in json.loads(listed.stdout) if test['name'] in wanted
               for word in test['cmd'] if word.startswith(folder + os.sep)}
    print('\n'.join(sorted(targets)))


if __name__ == '__main__':
    main()

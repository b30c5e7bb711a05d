# SPDX-License-Identifier: BSD-3-Clause
"""gannet doctor and gannet tune on this very machine; nothing of it is changed."""
import json
import subprocess

from harness import BINARY, check, check_equal, program, system_test, to_yaml, default_config


def doctor(*words):
    return subprocess.run([BINARY, 'doctor', *words], capture_output=True, text=True, check=False, timeout=20)


@system_test('gannet doctor reads this machine, text and JSON alike; gannet tune prints a configuration', 20,
             is_short=True)
def doctor_and_tune(world):
    path = world.folder / 'doctor.yaml'
    config = default_config()
    config['store']['directory'] = str(world.folder / 'data')
    config['ports'][0]['device'] = 'net_af_packet0,iface=nowhere0'
    path.write_text(to_yaml(config))
    text, report = doctor(str(path)), doctor('--json', str(path))
    check_equal((text.returncode, report.returncode), (2, 2), 'a port that is not there is an error')
    checks = json.loads(report.stdout)['checks']
    for line in checks:
        check(f"{line['state']:8} {line['check']:22}" in text.stdout, f"{line['check']} is not in the text")
        check(line['state'] == 'ok' or line['command'], f"{line['check']}: nothing mends it")
    port = next(line for line in checks if line['check'] == 'port 0')
    check('no network interface nowhere0' in port['found'], port)
    check(not (world.folder / 'data').exists(), 'it made the directory')
    check_equal(doctor('--nonsense').returncode, 3, 'wrong usage')
    fit = program(BINARY, 'tune')
    path.write_text(fit[fit.index('# SPDX'):])
    program(BINARY, 'check', '--offline', path)

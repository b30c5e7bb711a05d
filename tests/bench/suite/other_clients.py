# SPDX-License-Identifier: BSD-3-Clause
"""Load generators of other people: wrk, redis-benchmark, fio."""
import csv
import json
import re
from pathlib import Path
from typing import Any

from tests.bench.suite.process import Failed, run

UNITS_US = {'us': 1.0, 'ms': 1e3, 's': 1e6}
SIZES = {'B': 1, 'KB': 1 << 10, 'MB': 1 << 20, 'GB': 1 << 30}


def parse_wrk(text: str) -> tuple[float, dict[str, float], float]:
    """Requests per second, latencies, bytes per response. Refuses errors."""
    if 'Socket errors' in text or 'Non-2xx' in text:
        raise Failed(f'wrk saw errors:\n{text}')
    requests = int(re.search(r'(\d+) requests in', text).group(1))
    rate = float(re.search(r'Requests/sec:\s+([\d.]+)', text).group(1))
    amount, unit = re.search(r'requests in [^,]+, ([\d.]+)([KMG]?B) read', text).groups()
    latencies = {f'p{percent}_us': float(value) * UNITS_US[unit_name] for percent, value, unit_name in
                 re.findall(r'^\s+(50|90|99)(?:\.\d+)?%\s+([\d.]+)(us|ms|s)', text, re.M)}
    return rate, latencies, float(amount) * SIZES[unit] / max(1, requests)


def wrk(namespace: str, url: str, connections: int, seconds: float, core: int, script: Path,
        keys: int) -> tuple[float, dict[str, float], float]:
    """One thread on one core; wrk counts whole seconds."""
    whole_s = max(1, round(seconds))
    return parse_wrk(run(['wrk', '-t1', f'-c{connections}', f'-d{whole_s}s', '--latency', '--timeout', '10s', '-s',
                          script, url, '--', keys], whole_s + 40, [core], namespace))


def redis_benchmark(namespace: str, operation: str, clients: int, pipeline: int, keys: int, size: int,
                    requests: int, core: int) -> tuple[float, dict[str, float]]:
    text = run(['redis-benchmark', '-t', operation, '-c', clients, '-P', pipeline, '-r', keys, '-d', size, '-n',
                requests, '--csv'], 120, [core], namespace)
    record = list(csv.DictReader(text.strip().splitlines()))[-1]
    return float(record['rps']), {'p50_us': float(record['p50_latency_ms']) * 1000,
                                  'p99_us': float(record['p99_latency_ms']) * 1000}


def parse_fio(text: str) -> tuple[float, dict[str, float]]:
    read: dict[str, Any] = json.loads(text[text.index('{'):])['jobs'][0]['read']
    percentiles = read['clat_ns']['percentile']
    return read['iops'], {'p50_us': percentiles['50.000000'] / 1000, 'p99_us': percentiles['99.000000'] / 1000}


def fio_randread(path: Path, size_mib: int, depth: int, seconds: float,
                 core: int) -> tuple[float, dict[str, float]]:
    """4 KiB reads past the page cache, as the store reads."""
    return parse_fio(run(['fio', '--name=randread', f'--filename={path}', f'--size={size_mib}m', '--rw=randread',
                          '--bs=4k', '--direct=1', '--ioengine=io_uring', f'--iodepth={depth}', '--numjobs=1',
                          '--time_based', f'--runtime={max(1, round(seconds))}', f'--cpus_allowed={core}',
                          '--allow_file_create=1', '--output-format=json'], seconds + 120))

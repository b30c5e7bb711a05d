#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Breaks rules of http_rules.md one by one: a test fails for each. Run by hand; the tree stays as it is."""
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
PARSER = ['dataplane/http_parser.c', 'dataplane/http_chunked.c', 'dataplane/http_scan.c',
          'dataplane/http_repeat.c', 'include/http_text.c']
CONDITION = ['dataplane/api_condition.c', 'dataplane/etag.c', *PARSER]
RANGE = ['dataplane/http_range.c', *PARSER]

# rule, test, sources, file, what stands there, what stands there instead
MUTATIONS = [
    ('Content-Length with Transfer-Encoding is refused', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     'if (seen & SEEN_LENGTH)\n            return refuse', 'if (false)\n            return refuse'),
    ('a second Content-Length is refused', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     'if (parser->seen & SEEN_LENGTH)', 'if (false)'),
    ('no white space before a colon', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     "if (UNLIKELY(*name_end != ':' || name_end == parser->at))", "if (UNLIKELY(*name_end == '\\r'))"),
    ('HTTP/1.1 needs a Host', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     'if (UNLIKELY(request->version_minor == 1 && !(seen & SEEN_HOST)))', 'if (UNLIKELY(false))'),
    ('Transfer-Encoding in HTTP/1.0 is refused', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     'if (request->version_minor == 0)\n        return refuse', 'if (false)\n        return refuse'),
    ('chunked is the last coding', 'http_parser_test', PARSER, 'dataplane/http_parser.c',
     'if (parser->seen & SEEN_CHUNKED)\n', 'if (false)\n'),
    ('a bare LF does not end chunk data', 'http_chunked_test', PARSER, 'dataplane/http_chunked.c',
     "return byte == '\\r' ? CHUNK_DATA_LF : CHUNK_BAD;",
     "return byte == '\\n' ? CHUNK_SIZE_FIRST : byte == '\\r' ? CHUNK_DATA_LF : CHUNK_BAD;"),
    ('no blank behind a chunk size', 'http_chunked_test', PARSER, 'dataplane/http_chunked.c',
     "return byte == '\\r' ? CHUNK_BAD : behind_element(byte, state);\n    case CHUNK_NAME_FIRST:",
     'return behind_element(byte, state);\n    case CHUNK_NAME_FIRST:'),
    ('If-Match outranks If-Unmodified-Since', 'api_condition_test', CONDITION,
     'dataplane/api_condition.c',
     'if (request->if_match.is_present)\n        return etag_list_matches',
     'if (request->if_match.is_any)\n        return etag_list_matches'),
    ('If-None-Match outranks If-Modified-Since', 'api_condition_test', CONDITION,
     'dataplane/api_condition.c',
     'if (request->if_none_match.is_present)\n        return',
     'if (request->if_none_match.is_any)\n        return'),
    ('If-Match compares strongly', 'etag_test', CONDITION, 'dataplane/etag.c',
     '(!is_weak || comparison == ETAG_WEAK)', 'true'),
    ('a range ends with the value', 'http_range_test', RANGE, 'dataplane/http_range.c',
     'range->last < size ? range->last : size - 1', 'range->last'),
]


def flags():
    dpdk = subprocess.run(['pkg-config', '--cflags', 'libdpdk'], stdout=subprocess.PIPE, check=True,
                          text=True).stdout
    return ['-std=gnu17', '-O1', '-D_GNU_SOURCE', '-DGANNET_HOT_ASSERTS', '-march=x86-64-v2', *dpdk.split(),
            '-I' + str(TOP)]


def passes(test, sources, folder):
    program = folder / test
    files = [str(TOP / f'tests/unit/{test}.c'), *(str(source) for source in sources)]
    subprocess.run(['gcc', *flags(), '-o', program, *files, '-lcmocka'], check=True, cwd=TOP)
    try:
        return subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                              check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main():
    for test, sources in {test: sources for _, test, sources, *_ in MUTATIONS}.items():
        with tempfile.TemporaryDirectory() as name:
            assert passes(test, [TOP / source for source in sources], pathlib.Path(name)), f'{test} fails as it is'
    survivors = 0
    for rule, test, sources, path, old, new in MUTATIONS:
        text = (TOP / path).read_text()
        assert text.count(old) == 1, f'{rule}: {text.count(old)} places in {path}'
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            mutant = folder / pathlib.Path(path).name
            mutant.write_text(text.replace(old, new))
            survived = passes(test, [mutant if source == path else TOP / source for source in sources], folder)
        survivors += survived
        print(f'{"SURVIVED" if survived else "caught":9} {test:20} {rule}', flush=True)
    print(f'{len(MUTATIONS)} mutations, {survivors} survived')
    return 1 if survivors else 0


if __name__ == '__main__':
    sys.exit(main())

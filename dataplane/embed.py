#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py IN OUT: a JSON file, without its white space, as bytes of C."""
import json
import sys
from pathlib import Path


def main():
    document = json.dumps(json.loads(Path(sys.argv[1]).read_text()), separators=(',', ':')).encode() + b'\n'
    rows = [', '.join(str(byte) for byte in document[at:at + 24]) for at in range(0, len(document), 24)]
    Path(sys.argv[2]).write_text(
        '#include "dataplane/openapi_document.h"\n\n'
        'const uint8_t openapi_document[] = {\n    ' + ',\n    '.join(rows) + ',\n};\n'
        f'const uint32_t openapi_document_bytes = {len(document)};\n'
        '_Static_assert(sizeof(openapi_document) <= OPENAPI_DOCUMENT_BYTES_MAX,\n'
        '               "dataplane/openapi.json is larger than an answer has room for");\n')


if __name__ == '__main__':
    main()

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * openapi_document.h - dataplane/openapi.json as it is served at /v1/openapi.json.
 *
 * Purpose:   the description of the interface, in the binary that implements it.
 * Ownership: constant.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none; the build fails when the file is not JSON, or larger than an answer takes.
 * Source:    OpenAPI 3.1; tests/system/test_contract.py holds it against the server.
 */
#ifndef GANNET_OPENAPI_DOCUMENT_H
#define GANNET_OPENAPI_DOCUMENT_H

#include <stdint.h>

#define OPENAPI_DOCUMENT_BYTES_MAX 98304u /* checked when it is made (embed.py) */

extern const uint8_t openapi_document[];
extern const uint32_t openapi_document_bytes;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* storage/base64.h: RFC 4648 section 4 base64, with padding, canonical forms
 * only. Layer: storage. */
#ifndef STELE_STORAGE_BASE64_H
#define STELE_STORAGE_BASE64_H

#include "storage/bytes.h"

/* Appends the encoding. */
STELE_MUST_USE stele_status stele_base64_encode(stele_view bytes, stele_buf *out, stele_err *err);
/* Appends the decoding. Refuses other alphabets, white space, wrong padding and non-zero spare
 * bits. */
STELE_MUST_USE stele_status stele_base64_decode(stele_view text, stele_buf *out, stele_err *err);

#endif

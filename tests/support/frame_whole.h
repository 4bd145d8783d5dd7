/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/frame_whole.h: frames of codec 1, which are read and not written any more. Link
 * stele-storage.
 */
#ifndef STELE_TESTS_SUPPORT_FRAME_WHOLE_H
#define STELE_TESTS_SUPPORT_FRAME_WHOLE_H

#include "storage/frame.h"

/* Appends the sealed bytes of these payloads. */
void frame_whole_seal(const struct stele_frame_content *content, stele_buf *out,
                      uint32_t *ret_raw_bytes);

#endif

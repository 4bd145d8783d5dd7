/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/text.h: which bytes a string of an event may hold. Layer: proto. Pure, no allocation.
 *
 * Nearly all strings are short and ASCII: those are decided eight bytes at a time; only the rest is
 * decoded as UTF-8.
 */
#ifndef STELE_PROTO_TEXT_H
#define STELE_PROTO_TEXT_H

#include "proto/schema.h"

/* NULL if `text` keeps to `charset`, else a static phrase that says what it holds: "is not UTF-8".
 */
const char *stele_text_problem(stele_view text, stele_charset charset);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/question_format.h: what event_filter.c, question.c and verify.c share. Layer: proto,
 * private to them and their tests.
 */
#ifndef STELE_PROTO_QUESTION_FORMAT_H
#define STELE_PROTO_QUESTION_FORMAT_H

#include "proto/event_filter.h"

/* Of a region and of a log, as storage/engine.h bounds them; the verifier does without that header.
 */
#define STELE_QUESTION_NAME_BYTES_MAX 32

/* Adds a condition by the bytes of its key. Errors: INVALID (no key of the field has them), LIMIT.
 */
STELE_MUST_USE stele_status stele_event_filter__add_raw(struct stele_event_filter *filter,
                                                        stele_key_field field, stele_view value,
                                                        stele_err *err);

#endif

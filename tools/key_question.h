/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/key_question.h: the question that asks for one index key of an event. Layer: tools. Pure.
 */
#ifndef STELE_TOOLS_KEY_QUESTION_H
#define STELE_TOOLS_KEY_QUESTION_H

#include "proto/query_wire.h"
#include "storage/tag.h"

/*
 * Sets the members of `ret` that ask for the key, and no others: none for the tenant's own key. The
 * texts borrow the key or `scratch`, which is cleared. ret_askable: false if no member of a
 * question asks for keys of this field, or for this value. Errors: NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_key_question(const struct stele_event_key *key,
                                               struct stele_filter_message *ret, stele_buf *scratch,
                                               bool *ret_askable, stele_err *err);

#endif

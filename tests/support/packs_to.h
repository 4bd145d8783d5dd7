/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/packs_to.h: what our writers made is byte for byte what protobuf-c packs. */
#ifndef STELE_TESTS_SUPPORT_PACKS_TO_H
#define STELE_TESTS_SUPPORT_PACKS_TO_H

#include <protobuf-c/protobuf-c.h>

#include "storage/bytes.h"
#include "tests/support/cmocka.h"

static inline void assert_packs_to(const ProtobufCMessage *message, const stele_buf *ours) {
    stele_buf theirs = STELE_BUF_EMPTY;
    assert_ok(stele_buf_reserve(&theirs, protobuf_c_message_get_packed_size(message), NULL));
    theirs.size = protobuf_c_message_pack(message, theirs.data);
    assert_true(stele_view_equal(stele_view_buf(&theirs), stele_view_buf(ours)));
    stele_buf_done(&theirs);
}

#endif

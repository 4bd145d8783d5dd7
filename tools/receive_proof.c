/* SPDX-License-Identifier: Apache-2.0 */
/* tools/receive_proof.c: the answer's chunks out of the messages of a Search. */
#include "tools/receive_proof.h"

static stele_status take_message(stele_view rest, stele_proof_bytes_fn take, void *ctx,
                                 stele_err *err) {
    struct stele_search_part part;
    stele_status st = STELE_OK;
    while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
        if (part.kind == STELE_SEARCH_PART_ANSWER) {
            STELE_TRY(take(ctx, part.as.answer, err));
        } else if (part.kind == STELE_SEARCH_PART_END && part.as.end.not_complete.size > 0) {
            STELE_TRY(STELE_FAIL(err, DENIED, "the answer is not proven complete: %.*s",
                                 (int)part.as.end.not_complete.size,
                                 (const char *)part.as.end.not_complete.data));
        }
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    return st;
}

stele_status stele_receive_proof(struct stele_rpc_client *client,
                                 const struct stele_search_request *request, uint32_t timeout_ms,
                                 stele_proof_bytes_fn take, void *ctx, stele_err *err) {
    struct stele_rpc_stream *stream = NULL;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_client_search(client, request, timeout_ms, &stream, err));
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(take_message(stele_view_buf(&message), take, ctx, err));
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* proto/replay_client.c: see replay_client.h. */
#include "proto/replay_client.h"

#include "proto/wire_out.h"

struct stele_replay_stream {
    struct stele_rpc_stream *rpc;
    stele_buf message;
    uint64_t next;
    struct stele_audit_entry *entry;
    size_t capacity;
};

static stele_status open_stream(struct stele_rpc_client *client, const char *log, uint64_t first,
                                uint64_t count, bool index, struct stele_replay_stream **ret,
                                stele_err *err) {
    struct stele_replay_stream *stream = stele_alloc(1, sizeof *stream);
    stele_status st = STELE_OK;
    if (stream == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to replay log %s", log);
    }
    stream->next = first;
    struct stele_wire_out w = stele_wire_out_to(&stream->message);
    stele_wire_out_bytes(&w, 1, stele_view_str(log));
    stele_wire_out_uint(&w, 2, first);
    stele_wire_out_uint(&w, 3, count);
    stele_wire_out_uint(&w, 4, index);
    STELE_TRY(stele_wire_out_done(&w, 0, err));
    STELE_TRY(stele_rpc_stream_open(client, "/stele.v1.Log/Replay", 0, &stream->rpc, err));
    /* A refused send shows again, with its reason, at the first receive. */
    stele_status sent = stele_rpc_stream_send(stream->rpc, stele_view_buf(&stream->message), NULL);
    sent = sent == STELE_OK ? stele_rpc_stream_half_close(stream->rpc, NULL) : sent;
    (void)sent;
    *ret = stream;
    stream = NULL;
cleanup:
    stele_replay_stream_close(stream);
    return st;
}

stele_status stele_replay_stream_open(struct stele_rpc_client *client, const char *log,
                                      uint64_t first, uint64_t count,
                                      struct stele_replay_stream **ret, stele_err *err) {
    return open_stream(client, log, first, count, false, ret, err);
}

void stele_replay_stream_close(struct stele_replay_stream *stream) {
    if (stream != NULL) {
        stele_rpc_stream_close(stream->rpc);
        stele_buf_done(&stream->message);
        stele_free(stream->entry);
        stele_free(stream);
    }
}

struct stele_rpc_stream *stele_replay_stream_rpc(const struct stele_replay_stream *stream) {
    return stream->rpc;
}

/* Entries of a message are bounded by its bytes. */
static stele_status make_room(struct stele_replay_stream *stream, size_t n, stele_err *err) {
    if (n < stream->capacity) {
        return STELE_OK;
    }
    size_t grown = stream->capacity == 0 ? 1024 : 2 * stream->capacity;
    struct stele_audit_entry *entry = stele_realloc(stream->entry, grown, sizeof *entry);
    if (entry == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu entries of a replay", grown);
    }
    stream->entry = entry;
    stream->capacity = grown;
    return STELE_OK;
}

/* The next message. ret_first: the number of its first entry. */
static stele_status receive(struct stele_replay_stream *stream, uint64_t *ret_first, size_t *ret_n,
                            stele_err *err) {
    struct stele_replay_response response;
    size_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_rpc_stream_receive(stream->rpc, &stream->message, NULL, err));
    STELE_TRY(stele_replay_response_read(stele_view_buf(&stream->message), &response, err));
    do {
        STELE_TRY(make_room(stream, n, err));
        st = stele_replay_response_next(&response, &stream->entry[n], err);
        n += st == STELE_OK;
    } while (st == STELE_OK);
    STELE_TRY(st == STELE_END ? STELE_OK : st);
    *ret_first = response.first;
    *ret_n = n;
    return STELE_OK;
cleanup:
    return st;
}

stele_status stele_replay_stream_next(struct stele_replay_stream *stream,
                                      const struct stele_audit_entry **ret, size_t *ret_n,
                                      stele_err *err) {
    uint64_t first = 0;
    size_t n = 0;
    stele_status st = receive(stream, &first, &n, err);
    if (st != STELE_OK) {
        return st;
    }
    if (n == 0 || first != stream->next) {
        return STELE_FAIL(err, INVALID, "the server's replay goes on where nobody asked it to");
    }
    stream->next += n;
    *ret = stream->entry;
    *ret_n = n;
    return STELE_OK;
}

stele_status stele_client_newest_index(struct stele_rpc_client *client, const char *log,
                                       uint64_t *ret_seq, stele_buf *descriptors, stele_err *err) {
    struct stele_replay_stream *stream = NULL;
    size_t n = 0;
    stele_status st = STELE_OK;
    /* An older server takes it for a question for entry 0. */
    STELE_TRY(open_stream(client, log, 0, 1, true, &stream, err));
    STELE_TRY(receive(stream, ret_seq, &n, err));
    if (n != 1 || stream->entry[0].descriptors.size == 0) {
        STELE_TRY(STELE_FAIL(err, UNSUPPORTED,
                             "the server does not show what its index commits to: it is of an "
                             "earlier version, which can be audited without --sample"));
    }
    STELE_TRY(stele_buf_append(descriptors, stream->entry[0].descriptors, err));
cleanup:
    stele_replay_stream_close(stream);
    return st;
}

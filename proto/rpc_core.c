/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_core.c: lifetime and log of gRPC core, and messages as bytes. What a peer sends is
 * expanded only as far as the message limit allows.
 */
#include "proto/rpc_core.h"

#include "proto/rpc_locks.h"
#include "proto/rpc_server.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZLIB_CONST
#include <zlib.h>

/* The first lines name the cause; a few of them are enough and fit into a message. */
#define LOG_BYTES 512

/* A client that tries again and again must not fill the operator's disk. */
#define REPORTS_PER_S 5u

static struct {
    pthread_mutex_t lock;
    stele_rpc_report_fn report;
    void *ctx;
    time_t second;
    uint32_t n, n_left_out; /* in this second */
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool log_kept;
static _Thread_local char log_text[LOG_BYTES];
static pthread_once_t core_once = PTHREAD_ONCE_INIT;

/* Locked. */
static void report_error(const char *text) {
    stele_err err;
    struct timespec now;
    char left_out[64] = "";
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != reports.second) {
        if (reports.n_left_out > 0) {
            (void)snprintf(left_out, sizeof left_out, " (%u like it before were left out)",
                           reports.n_left_out);
        }
        reports.second = now.tv_sec;
        reports.n = reports.n_left_out = 0;
    }
    if (reports.n >= REPORTS_PER_S) {
        reports.n_left_out++;
        return;
    }
    reports.n++;
    if (strstr(text, "Handshake failed") != NULL) {
        const char *why = strstr(text, "routines::"); /* in front of it stand OpenSSL's numbers */
        (void)STELE_FAIL(&err, DENIED,
                         "a connection was refused: TLS: %.80s; check the client's certificate, "
                         "its dates, and that tls.client_ca signed it%s",
                         why != NULL ? why + strlen("routines::") : text, left_out);
    } else {
        (void)STELE_FAIL(&err, IO, "transport: %.180s%s", text, left_out);
    }
    reports.report(reports.ctx, "connections", &err);
}

void stele_rpc_log_report(stele_rpc_report_fn report, void *ctx) {
    (void)pthread_mutex_lock(&reports.lock);
    reports.report = report;
    reports.ctx = ctx;
    (void)pthread_mutex_unlock(&reports.lock);
}

void stele_rpc_report(const char *text) {
    (void)pthread_mutex_lock(&reports.lock);
    if (reports.report != NULL) {
        report_error(text);
    }
    (void)pthread_mutex_unlock(&reports.lock);
}

static void log_keep(gpr_log_func_args *args) {
    if (!log_kept && args->severity == GPR_LOG_SEVERITY_ERROR) {
        stele_rpc_report(args->message);
    } else if (log_kept && args->severity == GPR_LOG_SEVERITY_ERROR) {
        size_t used = strlen(log_text);
        (void)snprintf(log_text + used, sizeof log_text - used, "%s%s", used > 0 ? "; " : "",
                       args->message);
    }
}

static void before_core(void) {
    stele_rpc_locks_untraced();
    if (getenv("GRPC_VERBOSITY") == NULL) {
        gpr_set_log_function(log_keep);
    }
}

void stele_rpc_core_start(void) {
    (void)pthread_once(&core_once, before_core);
    grpc_init();
}

void stele_rpc_core_stop(void) {
    /* The plain grpc_shutdown leaves a detached thread that races with the end of the process. */
    grpc_shutdown_blocking();
}

void stele_rpc_log_begin(void) {
    log_text[0] = '\0';
    log_kept = true;
}

const char *stele_rpc_log_end(void) {
    log_kept = false;
    return log_text;
}

static stele_status append_plain(grpc_byte_buffer_reader *reader, uint32_t bytes_max,
                                 stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    grpc_slice *slice = NULL;
    size_t taken_bytes = 0;
    while (st == STELE_OK && grpc_byte_buffer_reader_peek(reader, &slice) != 0) {
        stele_view bytes = stele_view_of(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
        taken_bytes += bytes.size;
        st =
            taken_bytes > bytes_max
                ? STELE_FAIL(err, LIMIT,
                             "a message is larger than max, %u bytes: send smaller ones", bytes_max)
                : stele_buf_append(out, bytes, err);
    }
    return st;
}

/* Feeds one slice to zlib. `ret_end`: the compressed stream is complete. */
static stele_status inflate_slice(z_stream *z, stele_view in, size_t size_max, stele_buf *out,
                                  bool *ret_end, stele_err *err) {
    enum { STEP_BYTES = 64 * 1024 };
    z->next_in = in.data;
    z->avail_in = (uint32_t)in.size;
    do {
        /* One byte more than allowed, so that "full" and "too large" differ. */
        size_t room = size_max + 1 - out->size;
        room = room > STEP_BYTES ? STEP_BYTES : room;
        stele_status st = stele_buf_reserve(out, room, err);
        if (st != STELE_OK) {
            return st;
        }
        z->next_out = out->data + out->size;
        z->avail_out = (uint32_t)room;
        int code = inflate(z, Z_NO_FLUSH);
        out->size += room - z->avail_out;
        if (out->size > size_max) {
            return STELE_FAIL(err, LIMIT,
                              "a message is larger than max after decompression: "
                              "send smaller ones");
        }
        if (code == Z_STREAM_END) {
            *ret_end = true;
            return z->avail_in == 0
                       ? STELE_OK
                       : STELE_FAIL(err, INVALID, "%u bytes follow a compressed message",
                                    z->avail_in);
        }
        if (code != Z_OK && code != Z_BUF_ERROR) {
            return STELE_FAIL(err, INVALID, "a compressed message does not decompress: %s",
                              z->msg != NULL ? z->msg : zError(code));
        }
    } while (z->avail_in > 0 || z->avail_out == 0);
    return STELE_OK;
}

static stele_status append_compressed(grpc_byte_buffer_reader *reader, bool gzip,
                                      uint32_t bytes_max, stele_buf *out, stele_err *err) {
    z_stream z = {0};
    /* 15: the largest window of the format; +16: with a gzip header instead of zlib's. */
    if (inflateInit2(&z, gzip ? 15 + 16 : 15) != Z_OK) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to decompress a message");
    }
    stele_status st = STELE_OK;
    bool end = false;
    grpc_slice *slice = NULL;
    size_t size_max = out->size + bytes_max;
    while (st == STELE_OK && grpc_byte_buffer_reader_peek(reader, &slice) != 0) {
        stele_view in = stele_view_of(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
        if (end && in.size > 0) {
            st = STELE_FAIL(err, INVALID, "%zu bytes follow a compressed message", in.size);
        } else if (in.size > 0) {
            st = inflate_slice(&z, in, size_max, out, &end, err);
        }
    }
    if (st == STELE_OK && !end) {
        st = STELE_FAIL(err, INVALID, "a compressed message ends too early");
    }
    (void)inflateEnd(&z);
    return st;
}

stele_status stele_rpc_buffer_append(grpc_byte_buffer *buffer, uint32_t bytes_max, stele_buf *out,
                                     stele_err *err) {
    grpc_byte_buffer_reader reader;
    if (buffer->type != GRPC_BB_RAW || grpc_byte_buffer_reader_init(&reader, buffer) == 0) {
        return STELE_FAIL(err, BUG, "gRPC core gave a byte buffer that cannot be read");
    }
    stele_status st = STELE_OK;
    size_t size_before = out->size;
    grpc_compression_algorithm form = buffer->data.raw.compression;
    if (form == GRPC_COMPRESS_NONE) {
        st = append_plain(&reader, bytes_max, out, err);
    } else if (form == GRPC_COMPRESS_GZIP || form == GRPC_COMPRESS_DEFLATE) {
        st = append_compressed(&reader, form == GRPC_COMPRESS_GZIP, bytes_max, out, err);
    } else {
        st = STELE_FAIL(err, UNSUPPORTED, "message compression %d is not known: use gzip or none",
                        (int)form);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    if (st != STELE_OK) {
        out->size = size_before;
    }
    return st;
}

stele_status stele_rpc_buffer_copy(stele_view bytes, grpc_byte_buffer **ret, stele_err *err) {
    void *copy = stele_alloc(1, bytes.size);
    if (copy == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a message of %zu bytes", bytes.size);
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    grpc_slice slice = grpc_slice_new(copy, bytes.size, stele_free);
    *ret = grpc_raw_byte_buffer_create(&slice, 1); /* takes a reference of its own */
    grpc_slice_unref(slice);
    return STELE_OK;
}

gpr_timespec stele_rpc_core_in_us(uint64_t us) {
    const uint64_t us_max = UINT64_C(1000000) * 86400 * 365; /* far, and no overflow */
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_micros((int64_t)(us < us_max ? us : us_max), GPR_TIMESPAN));
}

void stele_rpc_core_batch(grpc_call *call, const grpc_op *ops, size_t n, void *tag) {
    grpc_call_error code = grpc_call_start_batch(call, ops, n, tag, NULL);
    assert(code == GRPC_CALL_OK);
    (void)code;
}

void stele_rpc_buffer_drop(grpc_byte_buffer **buffer) {
    if (*buffer != NULL) {
        grpc_byte_buffer_destroy(*buffer);
        *buffer = NULL;
    }
}

struct stele_rpc_message {
    grpc_byte_buffer *buffer; /* NULL if the bytes were copied */
    stele_buf copy;
    stele_view view;
};

stele_status stele_rpc_message_of(grpc_byte_buffer *buffer, uint32_t bytes_max,
                                  struct stele_rpc_message **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_rpc_message *message = stele_alloc(1, sizeof *message);
    if (message == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a received message");
        goto cleanup;
    }
    /* Core enforced its limit on the bytes it received, so a lone plain slice needs no check. */
    if (buffer->type == GRPC_BB_RAW && buffer->data.raw.compression == GRPC_COMPRESS_NONE &&
        buffer->data.raw.slice_buffer.count == 1) {
        grpc_slice *slice = &buffer->data.raw.slice_buffer.slices[0];
        message->view = stele_view_of(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
        message->buffer = buffer;
        buffer = NULL;
    } else {
        STELE_TRY(stele_rpc_buffer_append(buffer, bytes_max, &message->copy, err));
        message->view = stele_view_buf(&message->copy);
    }
    *ret = message;
    message = NULL;
cleanup:
    stele_rpc_message_release(message);
    stele_rpc_buffer_drop(&buffer);
    return st;
}

stele_view stele_rpc_message_view(const struct stele_rpc_message *message) {
    return message->view;
}

void stele_rpc_message_release(struct stele_rpc_message *message) {
    if (message == NULL) {
        return;
    }
    stele_rpc_buffer_drop(&message->buffer);
    stele_buf_done(&message->copy);
    stele_free(message);
}

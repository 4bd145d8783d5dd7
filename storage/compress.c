/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/compress.c: one zstd frame per call, a fast level, with dictionary 1.
 *
 * Invariant: no byte of the output is allocated before the size the caller expects has been held
 * against his cap and against the frame's own header. The frame is an ordinary one that any zstd
 * opens with the dictionary, which its header names. Dictionary 1 is part of the format: why its
 * bytes are checked in and not made by the build is told in storage/dictionary/train.c. A second
 * one would be opened beside it here.
 */
#include "storage/compress.h"

#include <inttypes.h>
#include <pthread.h>
#include <zstd.h>

#include "storage/dictionary/events-1.dict.h"

/* Level -1 takes 0.7 of the time for 3 to 10 % more bytes, depending on the events; level 3 takes
 * 1.5 to 2 times the time for 1 to 3 % less. What is kept for years decides. */
#define LEVEL 1
#define DICTIONARY_ID 1

struct stele_compressor {
    ZSTD_CCtx *packing;
    ZSTD_DCtx *opening;
};

/* Both digested forms of the dictionary: made once, read by all threads, kept to the end of the
 * process. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static ZSTD_CDict *shared_cdict;
static ZSTD_DDict *shared_ddict;
static pthread_key_t thread_key;
static bool thread_key_made;

static void free_mine(void *compressor) {
    stele_compressor_free(compressor);
}

static void share(void) {
    shared_cdict =
        ZSTD_createCDict(stele_dictionary_events_1, sizeof stele_dictionary_events_1, LEVEL);
    shared_ddict = ZSTD_createDDict(stele_dictionary_events_1, sizeof stele_dictionary_events_1);
    thread_key_made = pthread_key_create(&thread_key, free_mine) == 0;
}

stele_status stele_compressor_new(struct stele_compressor **ret, stele_err *err) {
    (void)pthread_once(&once, share);
    struct stele_compressor *c = stele_alloc(1, sizeof *c);
    if (c != NULL) {
        c->packing = ZSTD_createCCtx();
        c->opening = ZSTD_createDCtx();
    }
    if (c == NULL || c->packing == NULL || c->opening == NULL || shared_cdict == NULL ||
        shared_ddict == NULL) {
        stele_compressor_free(c);
        return STELE_FAIL(err, NO_MEMORY, "no memory for a compressor (about 1 MiB)");
    }
    *ret = c;
    return STELE_OK;
}

void stele_compressor_free(struct stele_compressor *c) {
    if (c != NULL) {
        (void)ZSTD_freeCCtx(c->packing);
        (void)ZSTD_freeDCtx(c->opening);
        stele_free(c);
    }
}

stele_status stele_compressor_mine(struct stele_compressor **ret, stele_err *err) {
    static _Thread_local struct stele_compressor *mine; /* the key below is only there to free it */
    if (mine == NULL) {
        struct stele_compressor *made = NULL;
        stele_status st = stele_compressor_new(&made, err);
        if (st != STELE_OK) {
            return st;
        }
        if (!thread_key_made || pthread_setspecific(thread_key, made) != 0) {
            stele_compressor_free(made);
            return STELE_FAIL(err, NO_MEMORY, "no thread-specific slot for a compressor");
        }
        mine = made;
    }
    *ret = mine;
    return STELE_OK;
}

stele_status stele_compress(struct stele_compressor *c, stele_view raw, stele_buf *out,
                            stele_err *err) {
    size_t bound = ZSTD_compressBound(raw.size);
    if (ZSTD_isError(bound)) {
        return STELE_FAIL(err, LIMIT, "%zu bytes are too many for one frame", raw.size);
    }
    stele_status st = stele_buf_reserve(out, bound, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t size = ZSTD_compress_usingCDict(c->packing, out->data + out->size, bound, raw.data,
                                           raw.size, shared_cdict);
    if (ZSTD_isError(size)) {
        return STELE_FAIL(err, NO_MEMORY, "zstd cannot compress %zu bytes: %s", raw.size,
                          ZSTD_getErrorName(size));
    }
    out->size += size;
    return STELE_OK;
}

/* Everything the frame's header says must fit before its content is opened. */
static stele_status check_frame(stele_view sealed, size_t raw_bytes, size_t raw_bytes_max,
                                size_t *ret_size, stele_err *err) {
    if (raw_bytes > raw_bytes_max) {
        return STELE_FAIL(err, CORRUPT,
                          "a frame of %zu bytes claims to open to %zu; %zu is the most here",
                          sealed.size, raw_bytes, raw_bytes_max);
    }
    unsigned long long content = ZSTD_getFrameContentSize(sealed.data, sealed.size);
    if (content != raw_bytes) {
        return STELE_FAIL(err, CORRUPT, "%zu bytes are no frame that opens to %zu", sealed.size,
                          raw_bytes);
    }
    unsigned id = ZSTD_getDictID_fromFrame(sealed.data, sealed.size);
    if (id != DICTIONARY_ID) {
        return STELE_FAIL(
            err, CORRUPT,
            "a frame names dictionary %u; this stele has %d: damaged, or a newer store", id,
            DICTIONARY_ID);
    }
    *ret_size = ZSTD_findFrameCompressedSize(sealed.data, sealed.size);
    if (ZSTD_isError(*ret_size)) {
        return STELE_FAIL(err, CORRUPT, "%zu bytes are no whole frame", sealed.size);
    }
    return STELE_OK;
}

stele_status stele_decompress(struct stele_compressor *c, stele_view sealed, size_t raw_bytes,
                              size_t raw_bytes_max, stele_buf *out, size_t *ret_size,
                              stele_err *err) {
    size_t whole = 0;
    stele_status st = check_frame(sealed, raw_bytes, raw_bytes_max, &whole, err);
    if (st == STELE_OK && ret_size == NULL && whole != sealed.size) {
        st = STELE_FAIL(err, CORRUPT, "%zu bytes are not exactly one whole frame", sealed.size);
    }
    if (st == STELE_OK) {
        st = stele_buf_reserve(out, raw_bytes, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    uint8_t nothing[1];
    uint8_t *to = raw_bytes == 0 ? nothing : out->data + out->size;
    size_t size =
        ZSTD_decompress_usingDDict(c->opening, to, raw_bytes, sealed.data, whole, shared_ddict);
    if (ZSTD_isError(size) || size != raw_bytes) {
        return STELE_FAIL(err, CORRUPT, "a frame of %zu bytes does not open to %zu: %s", whole,
                          raw_bytes, ZSTD_isError(size) ? ZSTD_getErrorName(size) : "another size");
    }
    out->size += size;
    if (ret_size != NULL) {
        *ret_size = whole;
    }
    return STELE_OK;
}

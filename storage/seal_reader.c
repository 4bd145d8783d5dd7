/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_reader.c: opening a seal, and its table and chunks.
 *
 * Invariant: an open seal never changes, so any number of threads read it. Nothing of a chunk is
 * used before its checksum holds; counts and offsets are bounded all the same, as a forger computes
 * checksums.
 */
#include "storage/seal_format.h"

#include <inttypes.h>

#include "storage/cursor.h"

static stele_status seal_bad(const struct stele_seal *seal, const char *what, uint64_t number,
                             stele_err *err) {
    return STELE_FAIL(err, CORRUPT,
                      "seal of entries %" PRIu64 " to %" PRIu64 ": %s %" PRIu64
                      " does not hold; remove the seal, and it is made again",
                      seal->footer.descriptor.info.lo, seal->footer.descriptor.info.hi - 1, what,
                      number);
}

static uint64_t n_keys_of(const struct stele_seal *seal) {
    return seal->footer.descriptor.info.n_keys;
}

static const uint8_t *row_of(const struct stele_seal *seal, uint64_t chunk) {
    return seal->table.data + chunk * STELE_SEAL__ROW_BYTES;
}

static uint64_t chunk_at(const struct stele_seal *seal, uint64_t chunk) {
    return chunk == stele_seal__n_chunks(n_keys_of(seal)) ? seal->footer.table_at
                                                          : stele_get_u64(row_of(seal, chunk));
}

static size_t keys_of_chunk(const struct stele_seal *seal, uint64_t chunk) {
    uint64_t left = n_keys_of(seal) - (chunk << STELE_SEAL__CHUNK_SHIFT);
    return left < STELE_SEAL__CHUNK_KEYS ? (size_t)left : STELE_SEAL__CHUNK_KEYS;
}

uint64_t stele_seal__rank_of(const struct stele_seal *seal, uint64_t block) {
    if (block == seal->footer.n_blocks) {
        return n_keys_of(seal);
    }
    return stele_get_u64(seal->table.data +
                         stele_seal__n_chunks(n_keys_of(seal)) * STELE_SEAL__ROW_BYTES + block * 8);
}

/* One pass, so that nothing later has to ask: sizes of chunks, rising ranks. */
static stele_status check_table(const struct stele_seal *seal, stele_err *err) {
    uint64_t n_chunks = stele_seal__n_chunks(n_keys_of(seal));
    uint64_t at = STELE_SEAL__HEADER_BYTES;
    for (uint64_t chunk = 0; chunk < n_chunks; chunk++) {
        uint64_t end = chunk_at(seal, chunk + 1);
        size_t n = keys_of_chunk(seal, chunk);
        size_t fixed = STELE_SEAL__BITMAP_BYTES + (n >> STELE_SEAL__GROUP_SHIFT) * STELE_HASH_BYTES;
        if (chunk_at(seal, chunk) != at || end < at || end - at < fixed ||
            end - at - fixed > n * STELE_HASH_BYTES || (end - at - fixed) % STELE_HASH_BYTES != 0) {
            return seal_bad(seal, "the place of chunk", chunk, err);
        }
        at = end;
    }
    uint64_t before = 0;
    for (uint64_t block = 0; block <= seal->footer.n_blocks; block++) {
        uint64_t rank = stele_seal__rank_of(seal, block);
        if (rank < before || (block == 0 && rank != 0)) {
            return seal_bad(seal, "the rank of block", block, err);
        }
        before = rank;
    }
    return at == seal->footer.table_at ? STELE_OK
                                       : seal_bad(seal, "the end of chunk", n_chunks, err);
}

static stele_status read_part(const struct stele_seal *seal, uint64_t at, size_t size,
                              stele_buf *buf, stele_err *err) {
    stele_buf_clear(buf);
    stele_status st = size == 0 ? STELE_OK : seal->read(seal->ctx, at, size, buf, err);
    if (st == STELE_OK && buf->size != size) {
        st = STELE_FAIL(err, CORRUPT,
                        "seal: %zu of %zu bytes at %" PRIu64
                        "; it is cut off: remove it, and it is made again",
                        buf->size, size, at);
    }
    return st;
}

/* The seal is of this segment, in every number that both have. */
static stele_status check_segment(const struct stele_seal *seal, stele_err *err) {
    const struct stele_segment *segment = seal->segment;
    struct stele_descriptor other = {.info = segment->footer.info};
    uint8_t foot[STELE_SEGMENT__FOOTER_BYTES];
    uint8_t ours[STELE_DESCRIPTOR_BYTES];
    uint8_t theirs[STELE_DESCRIPTOR_BYTES];
    memcpy(other.key_root, seal->footer.descriptor.key_root, STELE_HASH_BYTES);
    stele_descriptor_encode(&seal->footer.descriptor, ours);
    stele_descriptor_encode(&other, theirs);
    stele_segment__put_footer(&segment->footer, foot);
    if (memcmp(ours, theirs, sizeof ours) != 0 ||
        seal->footer.n_blocks != segment->footer.n_blocks ||
        memcmp(foot + sizeof foot - STELE_HASH_BYTES, seal->footer.segment_sum, STELE_HASH_BYTES) !=
            0) {
        return STELE_FAIL(err, CORRUPT,
                          "the seal of entries %" PRIu64 " to %" PRIu64
                          " is of another segment than that of "
                          "%" PRIu64 " to %" PRIu64 "; remove the seal, and it is made again",
                          seal->footer.descriptor.info.lo, seal->footer.descriptor.info.hi - 1,
                          segment->footer.info.lo, segment->footer.info.hi - 1);
    }
    return STELE_OK;
}

static stele_status read_header(const struct stele_seal *seal, stele_buf *buf, stele_err *err) {
    uint8_t header[STELE_SEAL__HEADER_BYTES];
    stele_seal__put_header(header);
    stele_status st = read_part(seal, 0, sizeof header, buf, err);
    if (st == STELE_OK && memcmp(buf->data, header, sizeof header) != 0) {
        st = seal_bad(seal, "the header, byte", 0, err);
    }
    return st;
}

stele_status stele_seal_open(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                             struct stele_segment *segment, struct stele_seal **ret,
                             stele_err *err) {
    stele_buf buf = STELE_BUF_EMPTY;
    uint8_t sum[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (size_bytes < STELE_SEAL__HEADER_BYTES + STELE_SEAL__FOOTER_BYTES) {
        return STELE_FAIL(err, CORRUPT,
                          "%" PRIu64 " bytes are no whole seal; remove it, and it is made again",
                          size_bytes);
    }
    struct stele_seal *seal = stele_alloc(1, sizeof *seal);
    if (seal == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to open a seal");
    }
    seal->read = read;
    seal->ctx = ctx;
    seal->segment = segment;
    STELE_TRY(read_part(seal, size_bytes - STELE_SEAL__FOOTER_BYTES, STELE_SEAL__FOOTER_BYTES, &buf,
                        err));
    STELE_TRY(stele_seal__get_footer(buf.data, size_bytes, &seal->footer, err));
    STELE_TRY(check_segment(seal, err));
    STELE_TRY(read_header(seal, &buf, err));
    size_t table_bytes = (size_t)(size_bytes - STELE_SEAL__FOOTER_BYTES - seal->footer.table_at);
    STELE_TRY(read_part(seal, seal->footer.table_at, table_bytes, &seal->table, err));
    stele_seal__sum(STELE_SEAL__SUM_TABLE, 0, stele_view_buf(&seal->table), sum);
    if (memcmp(sum, seal->footer.table_sum, sizeof sum) != 0) {
        st = seal_bad(seal, "the checksum of the table at", seal->footer.table_at, err);
        goto cleanup;
    }
    STELE_TRY(check_table(seal, err));
    *ret = seal;
    seal = NULL;
cleanup:
    stele_buf_done(&buf);
    stele_seal_close(seal);
    return st;
}

void stele_seal_close(struct stele_seal *seal) {
    if (seal != NULL) {
        stele_buf_done(&seal->table);
        stele_free(seal);
    }
}

const struct stele_descriptor *stele_seal_descriptor(const struct stele_seal *seal) {
    return &seal->footer.descriptor;
}

bool stele_seal__has_root(const struct stele_seal__chunk *chunk, size_t key) {
    return (chunk->bitmap[key / 8] >> (key % 8) & 1) != 0;
}

stele_status stele_seal__read_chunk(const struct stele_seal *seal, uint64_t chunk, stele_buf *buf,
                                    struct stele_seal__chunk *ret, stele_err *err) {
    uint8_t sum[STELE_HASH_BYTES];
    if (chunk >= stele_seal__n_chunks(n_keys_of(seal))) {
        return seal_bad(seal, "the number of chunk", chunk, err);
    }
    uint64_t at = chunk_at(seal, chunk);
    size_t size = (size_t)(chunk_at(seal, chunk + 1) - at);
    stele_status st = read_part(seal, at, size, buf, err);
    if (st != STELE_OK) {
        return st;
    }
    stele_seal__sum(STELE_SEAL__SUM_CHUNK, chunk, stele_view_buf(buf), sum);
    if (memcmp(sum, row_of(seal, chunk) + 8, STELE_SEAL__SUM_BYTES) != 0) {
        return seal_bad(seal, "the checksum of chunk", chunk, err);
    }
    size_t n = keys_of_chunk(seal, chunk);
    struct stele_seal__chunk c = {
        .bitmap = buf->data, .roots = buf->data + STELE_SEAL__BITMAP_BYTES, .n_keys = n};
    size_t marked = 0;
    for (size_t i = 0; i < STELE_SEAL__BITMAP_BYTES; i++) {
        marked += (size_t)__builtin_popcount(c.bitmap[i]);
    }
    for (size_t i = 0; i < n; i++) {
        c.n_roots += stele_seal__has_root(&c, i);
    }
    c.nodes = c.roots + c.n_roots * STELE_HASH_BYTES;
    if (marked != c.n_roots ||
        size != STELE_SEAL__BITMAP_BYTES +
                    (c.n_roots + (n >> STELE_SEAL__GROUP_SHIFT)) * STELE_HASH_BYTES) {
        return seal_bad(seal, "the roots of chunk", chunk, err);
    }
    *ret = c;
    return STELE_OK;
}

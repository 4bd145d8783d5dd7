/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_progress.c: see audit_progress.h. */
#include "storage/audit_progress.h"

#include <string.h>

#include "storage/cursor.h"

static const char magic[] = "stele/audit-work@v1\n";

/* u64 length and bytes: ranges of a long log are many. */
static void write_part(struct stele_writer *w, stele_view part) {
    stele_write_u64(w, part.size);
    stele_write_view(w, part);
}

stele_status stele_audit_progress_write(const struct stele_audit_progress *progress, stele_buf *out,
                                        stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    size_t before = out->size;
    uint8_t digest[STELE_HASH_BYTES];
    stele_write_view(&w, stele_view_str(magic));
    stele_write_u8(&w, progress->block_shift);
    stele_write_lp(&w, progress->origin);
    stele_write_u64(&w, progress->size_leaves);
    stele_write_view(&w, stele_view_of(progress->root, STELE_HASH_BYTES));
    write_part(&w, progress->head);
    write_part(&w, progress->ranges);
    write_part(&w, progress->report);
    stele_status st = stele_writer_end(&w, err);
    if (st == STELE_OK) {
        stele_sha256_of(stele_view_of(out->data + before, out->size - before), digest);
        st = stele_buf_append(out, stele_view_of(digest, sizeof digest), err);
    }
    return st;
}

static stele_status read_part(struct stele_reader *r, stele_view *ret, stele_err *err) {
    uint64_t size = 0;
    stele_status st = stele_read_u64(r, &size, err);
    if (st == STELE_OK && size > stele_reader_left(r)) {
        return STELE_FAIL(err, INVALID, "an audit's progress is cut short: remove its work folder");
    }
    return st == STELE_OK ? stele_read_view(r, (size_t)size, ret, err) : st;
}

static stele_status check_head(const struct stele_audit_progress *progress, stele_err *err) {
    struct stele_head head;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = stele_head_decode(progress->head, &head, err);
    if (st != STELE_OK) {
        return st == STELE_CORRUPT
                   ? STELE_FAIL(err, INVALID,
                                "an audit's progress holds no head of a log: remove "
                                "its work folder")
                   : st;
    }
    stele_frontier_root(&head.frontier, root);
    bool fits = head.frontier.size_leaves == progress->size_leaves &&
                memcmp(root, progress->root, sizeof root) == 0;
    stele_head_done(&head);
    return fits ? STELE_OK
                : STELE_FAIL(err, INVALID,
                             "an audit's progress and its root are not of each other: remove its "
                             "work folder");
}

stele_status stele_audit_progress_read(stele_view bytes, struct stele_audit_progress *ret,
                                       stele_err *err) {
    struct stele_audit_progress progress = {.block_shift = 0};
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (bytes.size < STELE_HASH_BYTES) {
        return STELE_FAIL(err, INVALID, "an audit's progress of %zu bytes: remove its work folder",
                          bytes.size);
    }
    stele_view body = stele_view_slice(bytes, 0, bytes.size - STELE_HASH_BYTES);
    stele_sha256_of(body, digest);
    if (memcmp(digest, body.data + body.size, sizeof digest) != 0) {
        return STELE_FAIL(err, INVALID, "an audit's progress is damaged: remove its work folder");
    }
    struct stele_reader r = stele_reader_of(body, "an audit's progress");
    STELE_TRY(stele_read_expect(&r, stele_view_str(magic), err));
    STELE_TRY(stele_read_u8(&r, &progress.block_shift, err));
    STELE_TRY(stele_read_lp(&r, &progress.origin, err));
    STELE_TRY(stele_read_u64(&r, &progress.size_leaves, err));
    STELE_TRY(stele_read_bytes(&r, progress.root, sizeof progress.root, err));
    STELE_TRY(read_part(&r, &progress.head, err));
    STELE_TRY(read_part(&r, &progress.ranges, err));
    STELE_TRY(read_part(&r, &progress.report, err));
    STELE_TRY(stele_reader_end(&r, err));
    if (progress.size_leaves == 0) {
        return STELE_FAIL(err, INVALID,
                          "an audit's progress of no entries: remove its work folder");
    }
    STELE_TRY(check_head(&progress, err));
    *ret = progress;
cleanup:
    return st;
}

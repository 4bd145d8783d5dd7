/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/rebuild.c: makes an index segment again from its pack: the index holds nothing that the
 * events do not say. Every event is read as a query reads it, so that its tags are those its leaf
 * hash commits to.
 */
#include <inttypes.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/pack.h"

/* Postings of one unit; the second half is room for sorting. */
struct collected {
    struct stele_posting *posting;
    size_t n, capacity;
};

static stele_status collect(struct collected *all, const struct stele_tag_set *tags,
                            uint32_t offset, stele_err *err) {
    if (all->capacity - all->n < tags->n) {
        size_t grown = all->capacity * 2 + STELE_POSTING_CHUNK;
        struct stele_posting *posting = stele_realloc(all->posting, grown, 2 * sizeof *posting);
        if (posting == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory to sort %zu index postings", grown);
        }
        all->posting = posting;
        all->capacity = grown;
    }
    for (uint16_t i = 0; i < tags->n; i++) {
        memcpy(all->posting[all->n].tag, tags->tag[i], STELE_TAG_BYTES);
        all->posting[all->n++].offset = offset;
    }
    return STELE_OK;
}

static stele_status collect_unit(struct stele_log_view *view, const struct stele_unit *unit,
                                 struct collected *all, stele_err *err) {
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    stele_status st = STELE_OK;
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_relaxed);
    STELE_TRY(stele_log_reader_new(view, &reader, err));
    for (uint64_t seq = unit->lo; seq < hi; seq++) {
        STELE_TRY(stele_log_read(reader, seq, &stored, err));
        if (stored.entry.type == STELE_ENTRY_EVENT) {
            STELE_TRY(stele_log_read_tags(reader, &tags, err));
            STELE_TRY(collect(all, tags, (uint32_t)(seq - unit->lo), err));
        }
    }
cleanup:
    stele_log_reader_free(reader);
    return st;
}

stele_status stele_log__rebuild_segment(struct stele_log *log, const struct stele_unit *unit,
                                        stele_err *err) {
    struct stele_log_view *view = NULL;
    struct collected all = {NULL, 0, 0};
    struct stele_epoch epoch;
    stele_err told;
    stele_status st = STELE_OK;
    uint64_t hi = atomic_load_explicit(&unit->hi, memory_order_relaxed);
    STELE_TRY(stele_control_epoch_of(&log->head.state, unit->era, &epoch, err));
    STELE_TRY(stele_log_view_open(log, &view, err));
    STELE_TRY(collect_unit(view, unit, &all, err));
    STELE_TRY(
        stele_pack_put_segment(log->engine, log->name, unit, &epoch, all.posting, all.n, err));
    (void)STELE_FAIL(&told, NOT_FOUND,
                     "log %s: the index of entries %" PRIu64 " to %" PRIu64
                     " was missing and has been made again from them; find out who removed it",
                     log->full_name, unit->lo, hi - 1);
    stele_store__report(log->store, log->full_name, &told);
cleanup:
    stele_log_view_close(view);
    stele_free(all.posting);
    return st;
}

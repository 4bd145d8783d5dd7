/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/chain_forge.c: see the header. */
#include "tests/fault/chain_forge.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/engine_memory.h"

static stele_status take_record(void *ctx, uint64_t pos, stele_view bytes, stele_err *err) {
    struct forge_chain *chain = ctx;
    assert_true(pos == chain->n && chain->n < FORGE_RECORDS_MAX);
    struct forge_record *record = &chain->record[chain->n++];
    *record = (struct forge_record){.keeps_link = false};
    stele_status st = stele_record_decode(bytes, &record->head, err);
    return st == STELE_OK ? stele_buf_append(&record->body, record->head.body, err) : st;
}

void forge_take(struct fixture *f, struct forge_chain chain[3]) {
    static const char *const log[] = {"system", "1y", "3y"};
    struct stele_engine *e = NULL;
    uint64_t first = 1;
    assert_ok(stele_engine_rocks_open(f->dir, "eu-test", false, &e, NULL));
    for (size_t i = 0; i < 3; i++) {
        chain[i].n = 0;
        (void)snprintf(chain[i].log, sizeof chain[i].log, "%s", log[i]);
        assert_ok(e->ops->read(e, log[i], 0, take_record, &chain[i], &first, NULL));
        assert_true(first == 0);
    }
    e->ops->close(e);
}

static void note_status(void *arg, stele_status st, const stele_err *err) {
    (void)err;
    *(stele_status *)arg = st;
}

static void put_chain(struct stele_engine *e, const struct forge_chain *chain) {
    uint64_t pos = 0;
    uint64_t epoch = 0;
    uint8_t link[STELE_HASH_BYTES] = {0};
    assert_ok(e->ops->claim(e, chain->log, &pos, &epoch, NULL));
    for (size_t i = 0; i < chain->n; i++) {
        struct stele_record head = chain->record[i].head;
        stele_buf bytes = STELE_BUF_EMPTY;
        stele_status st = STELE_BUG;
        head.pos = chain->record[i].keeps_pos ? head.pos : i;
        if (!chain->record[i].keeps_link) {
            memcpy(head.prev, link, sizeof link);
        }
        assert_ok(stele_record_begin(&bytes, NULL));
        assert_ok(stele_buf_append(&bytes, stele_view_buf(&chain->record[i].body), NULL));
        assert_ok(stele_record_end(&bytes, &head, NULL));
        memcpy(link, head.hash, sizeof link);
        e->ops->append(e, chain->log, epoch, i, stele_view_buf(&bytes), note_status, &st);
        assert_int_equal(st, STELE_OK);
        stele_buf_done(&bytes);
    }
}

void forge_put(struct fixture *f, const struct forge_chain chain[3]) {
    uint8_t pack_entries[4];
    stele_put_u32(pack_entries, f->pack_entries);
    assert_ok(engine_memory_new(&f->engine, NULL));
    assert_ok(f->engine->ops->meta_put(f->engine, "pack_entries",
                                       stele_view_of(pack_entries, sizeof pack_entries), NULL));
    for (size_t i = 0; i < 3; i++) {
        put_chain(f->engine, &chain[i]);
    }
}

void forge_drop_record(struct forge_chain *chain, size_t i) {
    stele_buf_done(&chain->record[i].body);
    memmove(&chain->record[i], &chain->record[i + 1], (chain->n - i - 1) * sizeof chain->record[0]);
    chain->n--;
}

void forge_done(struct forge_chain chain[3]) {
    for (size_t i = 0; i < 3; i++) {
        while (chain[i].n > 0) {
            stele_buf_done(&chain[i].record[--chain[i].n].body);
        }
    }
}

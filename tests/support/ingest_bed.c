/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/ingest_bed.c: see the header. */
#include "tests/support/ingest_bed.h"

#include <string.h>

#include "proto/event_map.h"
#include "tests/support/cmocka.h"
#include "tests/support/temp_folder.h"

struct ingest_bed bed;

static uint64_t fixed_clock(void *ctx) {
    (void)ctx;
    return RIG_NOW_US;
}

struct stele_store *ingest_bed_open_store(const char *dir, const char *region,
                                          struct stele_engine *engine) {
    static const struct stele_log_config logs[] = {
        {.name = "1y", .retention_years = 1},
        {.name = "3y", .retention_years = 3},
        {.name = STELE_SYSTEM_LOG, .retention_years = 7},
    };
    const struct stele_store_config config = {.dir = dir,
                                              .region = region,
                                              .operator_domain = "example.org",
                                              .logs = logs,
                                              .n_logs = 3,
                                              .map = stele_event_map_current(),
                                              .clock = fixed_clock,
                                              .index_interval_ms = STELE_INDEX_NO_TIMER,
                                              .create = true,
                                              .engine = engine};
    struct stele_store *opened = NULL;
    stele_err err = {0};
    if (stele_store_open(&config, &opened, &err) != STELE_OK) {
        fail_msg("%s", err.text);
    }
    return opened;
}

static void start(void) {
    bed.store[0] = ingest_bed_open_store(bed.folder[0], "eu", NULL);
    bed.store[1] = ingest_bed_open_store(bed.folder[1], "us", NULL);
    ingest_rig_start(&bed.rig, bed.store, 2, true);
    bed.client = ingest_rig_client(&bed.rig, "client");
}

static void stop(void) {
    stele_rpc_client_close(bed.client);
    ingest_rig_stop(&bed.rig);
    stele_store_close(bed.store[0]);
    stele_store_close(bed.store[1]);
}

void ingest_bed_restart(void) {
    stop();
    start();
}

int ingest_bed_setup(void **state) {
    (void)state;
    temp_folder_make(bed.folder[0]);
    temp_folder_make(bed.folder[1]);
    start();
    return 0;
}

int ingest_bed_teardown(void **state) {
    (void)state;
    stop();
    temp_folder_remove(bed.folder[0]);
    temp_folder_remove(bed.folder[1]);
    return 0;
}

/* ------------------------------------------------------------------ reading back */

struct bed_log *bed_log_read(size_t region, const char *name) {
    struct bed_log *stored = stele_alloc(1, sizeof *stored);
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry entry;
    assert_non_null(stored);
    assert_ok(stele_log_view_open(stele_store_log(bed.store[region], name), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < stele_log_view_size(view); seq++) {
        assert_ok(stele_log_read(reader, seq, &entry, NULL));
        if (entry.entry.type == STELE_ENTRY_EVENT) {
            assert_true(stored->n < BED_EVENTS_MAX);
            assert_ok(stele_buf_append(&stored->payload[stored->n], entry.payload, NULL));
            stored->seq[stored->n++] = seq;
        }
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return stored;
}

void bed_log_free(struct bed_log *stored) {
    for (size_t i = 0; i < stored->n; i++) {
        stele_buf_done(&stored->payload[i]);
    }
    stele_free(stored);
}

size_t bed_log_count(size_t region, const char *name) {
    struct bed_log *stored = bed_log_read(region, name);
    size_t n = stored->n;
    bed_log_free(stored);
    return n;
}

void expect_word(stele_view text, const char *word) {
    if (memmem(text.data, text.size, word, strlen(word)) == NULL) {
        fail_msg("'%s' is not in: %.*s", word, (int)text.size, (const char *)text.data);
    }
}

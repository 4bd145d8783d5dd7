/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malicious_store REGION_DIR REGION DOMAIN omit|omit-actor|add|index|disorder|twice: fills the log
 * 3y of a region that `stele init` made, and lies in its index as a dishonest operator could: with
 * the region's own keys. A tool of the tests.
 */
#include <stdio.h>
#include <string.h>

#include "proto/event_map.h"
#include "storage/manifest.h"
#include "tests/support/event_gen.h"
#include "tests/support/malicious_store.h"
#include "tests/support/store_fixture.h"

#define EVENTS 400
#define FILLS_MAX 500 /* an entry tail as large as a default pack is full after 165 */
#define WAIT_MS 60000

static void open_store(struct fixture *f, const char *dir, const char *region, const char *domain) {
    static struct stele_log_config logs[8];
    static char name[7][3];
    for (uint8_t i = 0; i < 7; i++) {
        (void)snprintf(name[i], sizeof name[i], "%uy", i + 1u);
        logs[i] = (struct stele_log_config){.name = name[i], .retention_years = (uint8_t)(i + 1)};
    }
    logs[7] = (struct stele_log_config){.name = STELE_SYSTEM_LOG, .retention_years = 7};
    struct stele_store_config config = {.dir = dir,
                                        .region = region,
                                        .operator_domain = domain,
                                        .logs = logs,
                                        .n_logs = 8,
                                        .map = stele_event_map_current(),
                                        .pack_entries = 256,
                                        .index_interval_ms = STELE_INDEX_NO_TIMER,
                                        .index_spacing_ms = 1};
    stele_err err = {.text = ""};
    if (stele_store_open(&config, &f->store, &err) != STELE_OK) {
        fail_msg("%s: %s", dir, err.text);
    }
}

static void fill(struct fixture *f, const char *region) {
    struct rng rng = {3};
    struct stele_gen_options options = {
        .region = region, .n_actors = 20, .time_unix_nano = stele_clock_wall(NULL) * 1000};
    stele_buf payload[EVENTS];
    stele_view views[EVENTS] = {{NULL, 0}};
    struct stele_batch_place place;
    for (size_t i = 0; i < EVENTS; i++) {
        payload[i] = STELE_BUF_EMPTY;
        stele_gen_event(&rng, &options, &payload[i]);
        views[i] = stele_view_buf(&payload[i]);
    }
    assert_ok(fixture_append(f, "3y", views, EVENTS, &place, NULL));
    for (size_t i = 0; i < EVENTS; i++) {
        stele_buf_done(&payload[i]);
    }
    fixture_wait_packed(f, "3y");
}

static void seal(struct stele_log *log) {
    struct stele_manifest *manifest = NULL;
    assert_ok(stele_log_seal(log, 0, WAIT_MS, &manifest, NULL));
    stele_manifest_unref(manifest);
}

/* The tag of the event's first actor. */
static void tag_of_actor(struct stele_log *log, const struct stele_stored_entry *stored,
                         uint8_t ret[STELE_TAG_BYTES]) {
    static struct stele_event_facts facts;
    struct stele_tag_key key;
    uint8_t disclosed[32];
    assert_ok(stele_event_map_v1(NULL, stored->payload, &facts, NULL));
    assert_ok(stele_log_disclose_tag_key(log, stored->entry.era, disclosed, NULL));
    stele_tag_key_init(&key, disclosed);
    for (size_t i = 0; i < facts.n_keys; i++) {
        if (facts.key[i].field == STELE_KEY_ACTOR) {
            stele_tag_of(&key, facts.tenant, STELE_KEY_ACTOR, facts.key[i].value,
                         stored->entry.as.event.late, ret);
            return;
        }
    }
    fail_msg("entry 100 has no actor");
}

/* Of the event that is entry 100: of its actor, or of whatever key comes first. */
static struct malicious_posting a_posting(struct stele_log *log, bool of_actor) {
    struct malicious_posting posting = {.seq = 100};
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    assert_ok(stele_log_view_open(log, &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    assert_ok(stele_log_read(reader, posting.seq, &stored, NULL));
    assert_ok(stele_log_read_tags(reader, &tags, NULL));
    memcpy(posting.tag, tags->tag[0], sizeof posting.tag);
    if (of_actor) {
        tag_of_actor(log, &stored, posting.tag);
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return posting;
}

int main(int argc, char **argv) {
    struct fixture f = {.store = NULL};
    if (argc != 5) {
        (void)fputs("usage: malicious_store REGION_DIR REGION DOMAIN "
                    "omit|omit-actor|add|index|disorder|twice\n",
                    stderr);
        return 2;
    }
    open_store(&f, argv[1], argv[2], argv[3]);
    struct stele_log *log = stele_store_log(f.store, "3y");
    for (size_t i = 0; i < FILLS_MAX && (i == 0 || !malicious_has_segment(log)); i++) {
        fill(&f, argv[2]);
    }
    if (!malicious_has_segment(log)) {
        (void)fputs("malicious_store: the log's entries are not packed\n", stderr);
        return 1;
    }
    if (strcmp(argv[4], "index") == 0) {
        seal(log);
        (void)malicious_false_index(log);
    } else if (strcmp(argv[4], "disorder") == 0 || strcmp(argv[4], "twice") == 0) {
        struct disorder_plan how = {.how = DISORDER_TWICE, .across = true};
        how.how = argv[4][0] == 'd' ? DISORDER_EXCHANGED : DISORDER_TWICE;
        malicious_disorder(log, &how);
    } else {
        struct malicious_posting posting = a_posting(log, strcmp(argv[4], "omit-actor") == 0);
        if (strcmp(argv[4], "add") == 0) {
            memset(posting.tag, 0x5a, sizeof posting.tag - 1); /* a tag that no event has */
        }
        malicious_flip_posting(log, &posting);
    }
    fill(&f, argv[2]);
    seal(log);
    stele_store_close(f.store);
    return 0;
}

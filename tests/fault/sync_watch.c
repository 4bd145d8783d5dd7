/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/sync_watch.c: what was synced between two moments. */
#include "tests/fault/sync_watch.h"

#include <string.h>

#include "tests/fault/sync_count.h"
#include "tests/support/cmocka.h"

uint64_t sync_watch_now(void) {
    return atomic_load(&sync_count_log()->n);
}

static bool matches(const struct sync_event *event, int op, const char *part, const char *end) {
    size_t chars = strlen(event->path);
    size_t end_chars = strlen(end);
    return event->os_errno == 0 && (op == 0 ? event->op != SYNC_RENAME : event->op == op) &&
           strstr(event->path, part) != NULL && chars >= end_chars &&
           strcmp(event->path + chars - end_chars, end) == 0;
}

uint64_t sync_watch_find(uint64_t from, uint64_t to, int op, const char *part, const char *end) {
    assert_true(to - from < SYNC_EVENTS);
    for (uint64_t i = from; i < to; i++) {
        if (matches(&sync_count_log()->event[i % SYNC_EVENTS], op, part, end)) {
            return i;
        }
    }
    return UINT64_MAX;
}

unsigned sync_watch_count(uint64_t from, uint64_t to, const char *part, const char *end) {
    unsigned n = 0;
    for (uint64_t i = sync_watch_find(from, to, 0, part, end); i != UINT64_MAX;
         i = sync_watch_find(i + 1, to, 0, part, end)) {
        n++;
    }
    return n;
}

struct moment {
    uint64_t at;
    stele_status st;
};

static void note_moment(void *arg, stele_status st, const stele_err *err) {
    struct moment *moment = arg;
    (void)err;
    moment->at = sync_watch_now();
    moment->st = st;
}

bool sync_watch_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos) {
    struct moment moment = {0, STELE_BUG};
    uint64_t from = sync_watch_now();
    e->ops->append(e, log, epoch, pos, stele_view_str("record"), note_moment, &moment);
    assert_ok(moment.st);
    return sync_watch_count(from, moment.at, "/db/", ".log") >= 1;
}

bool sync_watch_put(struct stele_engine *e, const char *key, const char *text,
                    const struct stele_lock *lock) {
    char folder[STELE_BLOB_KEY_MAX + 16] = "/blobs/";
    uint64_t from = sync_watch_now();
    assert_ok(stele_engine_put(e, key, stele_view_str(text), lock, NULL));
    uint64_t to = sync_watch_now();
    uint64_t named = sync_watch_find(from, to, SYNC_RENAME, key, key);
    assert_true(named != UINT64_MAX);
    strncat(folder, key, STELE_BLOB_KEY_MAX);
    *strrchr(folder, '/') = '\0';
    bool synced = sync_watch_find(from, named, 0, "/blobs/", "") != UINT64_MAX &&
                  strstr(sync_count_log()
                             ->event[sync_watch_find(from, named, 0, "/blobs/", "") % SYNC_EVENTS]
                             .path,
                         ".tmp") != NULL &&
                  (lock == NULL || sync_watch_count(from, named, "/db/", ".log") >= 1);
    while (synced && strlen(folder) >= strlen("/blobs")) {
        synced = sync_watch_count(named, to, "", folder) >= 1;
        *strrchr(folder, '/') = '\0';
    }
    return synced;
}

bool sync_watch_fact(struct stele_engine *e, const char *name) {
    uint64_t from = sync_watch_now();
    assert_ok(e->ops->meta_put(e, name, stele_view_str("value"), NULL));
    return sync_watch_count(from, sync_watch_now(), "/db/", ".log") >= 1;
}

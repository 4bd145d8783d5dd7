/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/journal.c: a collecting list a region, a rate, and the events written by hand.
 *
 * The rate counts in seconds that begin with their first rejection. What is not written one by one,
 * for whatever reason (the rate, a full queue, a failed commit, no memory), ends in `n_left_out`; a
 * piece of work that is due a second after the first of them turns the count into one event, and is
 * planned again if even that cannot be submitted.
 */
#include "ingest/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "proto/rpc_status.h"
#include "proto/wire_out.h"
#include "storage/hash.h"
#include "storage/monotonic.h"

#define SECOND_US UINT64_C(1000000)
#define EVENT_ID_BYTES 48
#define REASON_BYTES 512 /* what Status.reason may hold */

/* Numbers of event.proto that these events use. */
enum {
    EVENT_EVENT_ID = 1,
    EVENT_TIME = 2,
    EVENT_TENANT = 3,
    EVENT_REGION = 4,
    EVENT_TYPE = 5,
    EVENT_ACTOR = 6,
    EVENT_ACTION = 7,
    EVENT_OUTCOME = 8,
    EVENT_SOURCE = 10,
    EVENT_RETENTION_CLASS = 12,
    EVENT_CORRELATION_ID = 15,
    EVENT_STATUS = 16,
    EVENT_ATTRIBUTES = 21,
    EVENT_AUDIT_CONTROL = 50,
    ACTOR_ID = 1,
    ACTOR_TYPE = 2,
    SOURCE_SERVICE = 1,
    SOURCE_ADAPTER = 4,
    STATUS_GRPC_CODE = 2,
    STATUS_CODE = 3,
    STATUS_REASON = 4,
    ATTRIBUTE_KEY = 1,
    ATTRIBUTE_S = 2,
    ATTRIBUTE_I = 3,
    CONTROL_KIND = 1,
    CONTROL_SUBJECT = 2,
    CONTROL_EVENTS = 8,
    AUDIT_CONTROL = 11,
    REJECT = 12,
    FAILURE = 2,
    DENIED = 3,
    SERVICE_ACCOUNT = 3,
    SYSTEM = 5,
    CLASS_7Y = 7,
    INGEST_REJECTED = 11,
};

/* Events on their way to the log: the payloads stay until the log has decided. */
struct page {
    struct region *region;
    uint64_t n_rejected; /* inputs its events stand for: a summary is one event for many */
    size_t n;
    stele_buf payload[STELE_JOURNAL_OPEN_EVENTS_MAX];
};

struct region {
    struct stele_work summary; /* first, so that the work is the region */
    struct stele_journal *journal;
    struct stele_store *store;
    struct stele_log *log;
    pthread_mutex_t lock;
    pthread_cond_t decided;
    /* all below under the lock */
    struct page *open; /* NULL: nothing collected */
    size_t n_held;     /* events of submitted pages */
    size_t n_pages;    /* submitted and not decided */
    uint64_t second_us;
    uint32_t n_in_second;
    uint64_t n_left_out;
    uint64_t counter;
    bool planned; /* the summary's work is posted */
    bool ending;
};

struct stele_journal {
    struct stele_work_pool *pool;
    uint64_t process; /* random, so that ids of two runs never meet */
    size_t n_regions;
    struct region region[STELE_INGEST_REGIONS_MAX];
};

/* ------------------------------------------------------------------ writing the events */

static void put_text(struct stele_wire_out *w, uint32_t number, const char *text) {
    stele_wire_out_bytes(w, number, stele_view_str(text));
}

/* Attributes are written in the ascending order of their keys. */
static void put_attribute(struct stele_wire_out *w, const char *key, stele_view text) {
    size_t mark = stele_wire_out_begin(w, EVENT_ATTRIBUTES);
    put_text(w, ATTRIBUTE_KEY, key);
    stele_wire_out_element(w, ATTRIBUTE_S, text);
    stele_wire_out_end(w, mark);
}

static void put_number(struct stele_wire_out *w, const char *key, uint64_t value) {
    size_t mark = stele_wire_out_begin(w, EVENT_ATTRIBUTES);
    put_text(w, ATTRIBUTE_KEY, key);
    stele_wire_out_sint_member(w, ATTRIBUTE_I, value > INT64_MAX ? INT64_MAX : (int64_t)value);
    stele_wire_out_end(w, mark);
}

struct act {
    const char *actor;
    uint32_t actor_type;
    uint32_t outcome;
    stele_view correlation;
};

/* The fields every such event has, up to number 16. */
static void put_envelope(struct stele_wire_out *w, struct region *region, const char *event_id,
                         const struct act *act) {
    put_text(w, EVENT_EVENT_ID, event_id);
    stele_wire_out_fixed64(w, EVENT_TIME, stele_store_now_us(region->store) * 1000);
    put_text(w, EVENT_TENANT, STELE_SYSTEM_TENANT);
    put_text(w, EVENT_REGION, stele_store_region(region->store));
    stele_wire_out_uint(w, EVENT_TYPE, AUDIT_CONTROL);
    size_t mark = stele_wire_out_begin(w, EVENT_ACTOR);
    put_text(w, ACTOR_ID, act->actor);
    stele_wire_out_uint(w, ACTOR_TYPE, act->actor_type);
    stele_wire_out_end(w, mark);
    stele_wire_out_uint(w, EVENT_ACTION, REJECT);
    stele_wire_out_uint(w, EVENT_OUTCOME, act->outcome);
    mark = stele_wire_out_begin(w, EVENT_SOURCE);
    put_text(w, SOURCE_SERVICE, "steled");
    put_text(w, SOURCE_ADAPTER, "native");
    stele_wire_out_end(w, mark);
    stele_wire_out_uint(w, EVENT_RETENTION_CLASS, CLASS_7Y);
    stele_wire_out_bytes(w, EVENT_CORRELATION_ID, act->correlation);
}

static void put_control(struct stele_wire_out *w, uint64_t n_events) {
    size_t mark = stele_wire_out_begin(w, EVENT_AUDIT_CONTROL);
    stele_wire_out_uint(w, CONTROL_KIND, INGEST_REJECTED);
    put_text(w, CONTROL_SUBJECT, "ingest");
    stele_wire_out_uint(w, CONTROL_EVENTS, n_events);
    stele_wire_out_end(w, mark);
}

/* A reason may quote bytes of the input; what the schema does not take in a string becomes '?'. */
static void clean_reason(const char *reason, char out[STELE_AT_LEAST(REASON_BYTES)]) {
    size_t n = 0;
    for (; reason[n] != '\0' && n + 1 < REASON_BYTES; n++) {
        out[n] = reason[n] >= 0x20 && reason[n] < 0x7f ? reason[n] : '?';
    }
    out[n] = '\0';
}

static stele_status write_rejection(struct region *region, const struct stele_rejection *rejection,
                                    const char *event_id, stele_buf *out) {
    uint8_t digest[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    char actor[STELE_PEER_NAME_BYTES];
    char reason[REASON_BYTES];
    bool ours = rejection->region != STELE_INGEST_NO_REGION;
    stele_sha256_of(rejection->bytes, digest);
    stele_hex_encode(stele_view_of(digest, sizeof digest), hex);
    stele_access_peer_name(rejection->peer, actor, sizeof actor);
    clean_reason(rejection->reason, reason);
    struct act act = {actor,
                      SERVICE_ACCOUNT,
                      rejection->code == stele_rpc_code_of(STELE_DENIED) ? DENIED : FAILURE,
                      {NULL, 0}};
    if (ours) {
        act.correlation = rejection->claimed.event_id;
    }
    struct stele_wire_out w = stele_wire_out_to(out);
    put_envelope(&w, region, event_id, &act);
    size_t mark = stele_wire_out_begin(&w, EVENT_STATUS);
    stele_wire_out_uint(&w, STATUS_GRPC_CODE, rejection->code);
    put_text(&w, STATUS_CODE, stele_rpc_code_name(rejection->code));
    put_text(&w, STATUS_REASON, reason);
    stele_wire_out_end(&w, mark);
    put_number(&w, "stele.rejected.bytes", rejection->bytes.size);
    if (ours && rejection->claimed.event_id.size > 0) {
        put_attribute(&w, "stele.rejected.event_id", rejection->claimed.event_id);
    }
    put_attribute(&w, "stele.rejected.reason", stele_view_str(reason));
    put_attribute(&w, "stele.rejected.sha256", stele_view_str(hex));
    if (ours && rejection->claimed.tenant.size > 0) {
        put_attribute(&w, "stele.rejected.tenant", rejection->claimed.tenant);
    }
    put_control(&w, 1);
    return stele_wire_out_done(&w, 0, NULL);
}

static stele_status write_summary(struct region *region, uint64_t n, const char *event_id,
                                  stele_buf *out) {
    struct act act = {"steled", SYSTEM, FAILURE, {NULL, 0}};
    struct stele_wire_out w = stele_wire_out_to(out);
    put_envelope(&w, region, event_id, &act);
    put_number(&w, "stele.rejected.left_out", n);
    put_control(&w, n);
    return stele_wire_out_done(&w, 0, NULL);
}

/* ------------------------------------------------------------------ towards the log */

static void page_free(struct page *page) {
    if (page == NULL) {
        return;
    }
    for (size_t i = 0; i < page->n; i++) {
        stele_buf_done(&page->payload[i]);
    }
    stele_free(page);
}

/* Under the lock. */
static void leave_out(struct region *region, uint64_t n) {
    region->n_left_out += n;
    if (!region->planned && !region->ending) {
        region->planned = true;
        stele_work_post_later(region->journal->pool, &region->summary, SECOND_US);
    }
}

/* In the committer's thread. */
static void page_decided(void *arg, stele_status st, const stele_err *err,
                         const struct stele_batch_place *place) {
    struct page *page = arg;
    struct region *region = page->region;
    (void)err; /* the store reports its own trouble */
    (void)place;
    (void)pthread_mutex_lock(&region->lock);
    region->n_held -= page->n;
    region->n_pages--;
    if (st != STELE_OK) {
        leave_out(region, page->n_rejected);
    }
    (void)pthread_cond_broadcast(
        &region->decided); /* under the lock: free waits for it and then frees */
    (void)pthread_mutex_unlock(&region->lock);
    page_free(page);
}

/* Submits a page that is counted as held; whether it was taken. */
static bool page_submit(struct region *region, struct page *page) {
    struct stele_batch *batch = NULL;
    stele_status st = stele_batch_new(region->log, &batch, NULL);
    for (size_t i = 0; st == STELE_OK && i < page->n; i++) {
        st = stele_batch_add(batch, stele_view_buf(&page->payload[i]), NULL);
    }
    if (st == STELE_OK) {
        st = stele_batch_submit(batch, page_decided, page, NULL);
    }
    if (st != STELE_OK) {
        stele_batch_free(batch);
    }
    return st == STELE_OK;
}

static void region_flush(struct region *region) {
    (void)pthread_mutex_lock(&region->lock);
    struct page *page = region->open;
    region->open = NULL;
    if (page != NULL) {
        region->n_pages++;
    }
    (void)pthread_mutex_unlock(&region->lock);
    if (page != NULL && !page_submit(region, page)) {
        page_decided(page, STELE_BUSY, NULL, NULL);
    }
}

void stele_journal_flush(struct stele_journal *journal) {
    for (size_t i = 0; i < journal->n_regions; i++) {
        region_flush(&journal->region[i]);
    }
}

/* Under the lock: puts a finished event on the open page. */
static bool collect(struct region *region, stele_buf *payload, uint64_t n_rejected) {
    if (region->n_held >= STELE_JOURNAL_HELD_EVENTS_MAX) {
        return false;
    }
    if (region->open == NULL) {
        region->open = stele_alloc(1, sizeof *region->open);
        if (region->open == NULL) {
            return false;
        }
        region->open->region = region;
    }
    if (region->open->n == STELE_JOURNAL_OPEN_EVENTS_MAX) {
        return false;
    }
    region->open->payload[region->open->n++] = *payload;
    region->open->n_rejected += n_rejected;
    region->n_held++;
    *payload = STELE_BUF_EMPTY;
    return true;
}

/* Under the lock: whether the second still has room, and a number for the event. */
static bool within_rate(struct region *region, char event_id[STELE_AT_LEAST(EVENT_ID_BYTES)]) {
    uint64_t now_us = stele_monotonic_us();
    if (now_us - region->second_us >= SECOND_US) {
        region->second_us = now_us;
        region->n_in_second = 0;
    }
    if (region->n_in_second >= STELE_JOURNAL_EVENTS_PER_S) {
        return false;
    }
    region->n_in_second++;
    (void)snprintf(event_id, EVENT_ID_BYTES, "rejected-%016" PRIx64 "-%" PRIu64,
                   region->journal->process, region->counter++);
    return true;
}

void stele_journal_note(struct stele_journal *journal, const struct stele_rejection *rejection) {
    size_t i = rejection->region == STELE_INGEST_NO_REGION ? 0 : rejection->region;
    struct region *region = &journal->region[i];
    char event_id[EVENT_ID_BYTES];
    stele_buf payload = STELE_BUF_EMPTY;
    (void)pthread_mutex_lock(&region->lock);
    bool written = within_rate(region, event_id);
    if (written) { /* hashing up to 4 MiB is not for under the lock */
        (void)pthread_mutex_unlock(&region->lock);
        written = write_rejection(region, rejection, event_id, &payload) == STELE_OK;
        (void)pthread_mutex_lock(&region->lock);
    }
    if (!written || !collect(region, &payload, 1)) {
        leave_out(region, 1);
    }
    (void)pthread_mutex_unlock(&region->lock);
    stele_buf_done(&payload);
}

/* One event for all that was left out; what it could not say stays counted. */
static void summarize(struct region *region) {
    char event_id[EVENT_ID_BYTES];
    stele_buf payload = STELE_BUF_EMPTY;
    (void)pthread_mutex_lock(&region->lock);
    region->planned = false;
    uint64_t n = region->n_left_out;
    region->n_left_out = 0;
    if (n > 0) {
        (void)snprintf(event_id, sizeof event_id, "rejected-%016" PRIx64 "-%" PRIu64,
                       region->journal->process, region->counter++);
        if (write_summary(region, n, event_id, &payload) != STELE_OK ||
            !collect(region, &payload, n)) {
            leave_out(region, n);
        }
    }
    (void)pthread_mutex_unlock(&region->lock);
    stele_buf_done(&payload);
    region_flush(region);
}

static void summary_run(struct stele_work *work) {
    summarize((struct region *)(void *)work);
}

/* ------------------------------------------------------------------ life */

stele_status stele_journal_new(struct stele_store *const *stores, size_t n_stores,
                               struct stele_work_pool *pool, struct stele_journal **ret,
                               stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_journal *journal = stele_alloc(1, sizeof *journal);
    if (journal == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the journal of rejected input");
    }
    journal->pool = pool;
    ssize_t n = getrandom(&journal->process, sizeof journal->process, 0);
    if (n != (ssize_t)sizeof journal->process) {
        st = STELE_FAIL_ERRNO(err, n < 0 ? errno : EIO,
                              "no random bytes for the ids of the journal");
        goto cleanup;
    }
    for (size_t i = 0; i < n_stores && i < STELE_INGEST_REGIONS_MAX; i++) {
        struct region *region = &journal->region[i];
        region->journal = journal;
        region->store = stores[i];
        region->summary.run = summary_run;
        region->log = stele_store_log(stores[i], STELE_SYSTEM_LOG);
        if (region->log == NULL) {
            st = STELE_FAIL(err, NOT_FOUND,
                            "region '%s' has no log '%s' for rejected input; configure it",
                            stele_store_region(stores[i]), STELE_SYSTEM_LOG);
            goto cleanup;
        }
        (void)pthread_mutex_init(&region->lock, NULL);
        (void)pthread_cond_init(&region->decided, NULL);
        journal->n_regions++;
    }
    *ret = journal;
    journal = NULL;
cleanup:
    stele_journal_free(journal);
    return st;
}

void stele_journal_end(struct stele_journal *journal) {
    for (size_t i = 0; i < journal->n_regions; i++) {
        struct region *region = &journal->region[i];
        (void)pthread_mutex_lock(&region->lock);
        region->ending = true;
        (void)pthread_mutex_unlock(&region->lock);
    }
}

static void region_free(struct region *region) {
    summarize(region);
    (void)pthread_mutex_lock(&region->lock);
    while (region->n_pages > 0) {
        (void)pthread_cond_wait(&region->decided, &region->lock);
    }
    (void)pthread_mutex_unlock(&region->lock);
    (void)pthread_cond_destroy(&region->decided);
    (void)pthread_mutex_destroy(&region->lock);
}

void stele_journal_free(struct stele_journal *journal) {
    if (journal == NULL) {
        return;
    }
    for (size_t i = 0; i < journal->n_regions; i++) {
        region_free(&journal->region[i]);
    }
    stele_free(journal);
}

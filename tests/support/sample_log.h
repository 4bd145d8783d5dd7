/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/sample_log.h: a small log in memory with a key of its own, made by a fixed recipe:
 * the same calls give the same bytes on every machine, which the golden files rest on. Running out
 * of memory ends the program.
 */
#ifndef STELE_TESTS_SUPPORT_SAMPLE_LOG_H
#define STELE_TESTS_SUPPORT_SAMPLE_LOG_H

#include "storage/checkpoint.h"
#include "storage/entry.h"
#include "storage/receipt.h"

#define SAMPLE_TIME_US UINT64_C(1794000000000000) /* 2026-11-06T21:20:00Z */

/* What a test chooses of an event; 0 and NULL take the default on the right. */
struct sample_event {
    uint64_t time_unix_nano;      /* SAMPLE_TIME_US * 1000 + 789 */
    const char *tenant;           /* "acme" */
    const char *region;           /* "eu-1" */
    const char *actor;            /* "u-1" */
    const char *session;          /* none */
    const char *resource;         /* none */
    const char *resource_version; /* none */
    uint32_t action;              /* 2, read */
    uint32_t outcome;             /* 1, success */
    uint32_t retention_class;     /* unspecified */
};
/* Appends the event's bytes; it passes stele_event_check. */
void sample_event_encode(const struct sample_event *event, stele_buf *payload);

struct sample_entry {
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    size_t size;
    uint8_t salt[STELE_SALT_BYTES];
    uint8_t ksalt[STELE_SALT_BYTES];
    stele_buf tags;
    stele_buf payload;
};

struct sample_log {
    char origin[STELE_ORIGIN_MAX + 1];
    struct stele_signer *signer;
    struct stele_vkey key;
    uint8_t retention_years; /* of events to come; 3 */
    size_t n;
    struct sample_entry *entry; /* n */
    stele_buf leaves;           /* n hashes */
};
void sample_log_init(struct sample_log *log, const char *origin, uint8_t seed);
void sample_log_done(struct sample_log *log);

/* Each appends one entry and gives its seq. Times are the log's clock. */
uint64_t sample_log_control(struct sample_log *log, uint64_t time_us);
uint64_t sample_log_index(struct sample_log *log, uint64_t time_us); /* not as the first entry */
uint64_t sample_log_event(struct sample_log *log, uint64_t time_us,
                          const struct sample_event *event);
/* An event entry whose fields the test may spoil first; event_us is what the entry says. */
uint64_t sample_log_event_as(struct sample_log *log, uint64_t time_us, uint64_t event_us,
                             const struct sample_event *event);

stele_view sample_log_entry(const struct sample_log *log, uint64_t seq);
/* Appends the signed checkpoint of the first `size` entries. */
void sample_log_sign(const struct sample_log *log, uint64_t size, stele_buf *note);
/* A stele_tree_node_fn; ctx is the log. */
stele_status sample_log_node(void *ctx, unsigned level, uint64_t index,
                             uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
/* A receipt that borrows the log, `note` and `path`, with tags and payload. */
struct stele_receipt sample_log_receipt(const struct sample_log *log, uint64_t seq, stele_view note,
                                        uint64_t size, stele_buf *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_forge.h: an honest plan over the bed's logs, and finding one's way in it.
 * Forgers change the plan; paths, gaps and the digest are made anew afterwards.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_FORGE_H
#define STELE_TESTS_SUPPORT_COMPLETE_FORGE_H

#include "tests/support/complete_bed.h"

#define FORGE_LOG 1 /* the log that is forged: 3y */

typedef enum forge_question {
    FORGE_ALL,      /* actor u-1, all times, all logs */
    FORGE_LOGGED,   /* between two days of log time */
    FORGE_HAPPENED, /* between two days of event time */
    FORGE_ABSENT,   /* an actor that no event has */
} forge_question;

struct forge {
    struct complete_bed *bed;
    struct stele_question question;
    struct plan_options options;
    struct plan plan;
    stele_buf file;
};
/* Makes question and plan. forge_done frees them. */
void forge_begin(struct complete_bed *bed, forge_question which, struct forge *ret);
void forge_end(struct forge *f);
/* One forgery and the words of its refusal. */
struct forgery {
    const char *name;
    forge_question question;
    void (*apply)(struct forge *f);
    const char *reason; /* NULL: accepted */
};
/* Tries each over a plan of its own; prints all that do not end as they say, and fails then. */
void forge_check_rows(struct complete_bed *bed, const struct forgery *rows, size_t n);
/* Encodes the plan and verifies the file. */
stele_status forge_judge(struct forge *f, stele_err *err);
/* The same for the bytes of f->file as they are. */
stele_status forge_judge_file(struct forge *f, stele_err *err);

/* The opened leaf of FORGE_LOG, on-time or late, with at least n postings inside its window (the
 * first such opening from number `from` on). */
struct stele_opened_leaf *forge_leaf(struct forge *f, bool late, size_t n, size_t from,
                                     struct plan_opening **ret_opening);
/* Its k-th item of the stream, neighbours too; as an index into the plan's items. */
size_t forge_item(const struct forge *f, const struct plan_opening *opening, bool late, size_t k);
size_t forge_n_items(const struct forge *f, const struct plan_opening *opening, bool late);
/* The descriptor of an opening. */
const struct stele_descriptor *forge_descriptor(const struct forge *f,
                                                const struct plan_opening *opening);
/* Removes all items of a segment, and the opening number i of FORGE_LOG. */
void forge_drop_items(struct forge *f, const struct plan_opening *opening);
void forge_drop_opening(struct forge *f, size_t i);
/* A chunk of the file: where its body begins; type and i count as in the file. Makes the digest new
 * after a change. */
size_t forge_chunk(const struct forge *f, uint8_t type, size_t i, size_t *ret_size);
void forge_digest(struct forge *f);

#endif

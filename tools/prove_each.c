/* SPDX-License-Identifier: Apache-2.0 */
/* tools/prove_each.c: one file a key, read again and compared. */
#include "tools/prove_each.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/utc.h"
#include "proto/verify.h"
#include "query/filter.h"
#include "storage/cursor.h"
#include "storage/hash.h"
#include "tools/answer_file.h"
#include "tools/receive_proof.h"
#include "tools/save.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 660000u /* a server's budget for one call is ten minutes */
#define BLOCK_BYTES 65536u

stele_status stele_prove_each_conditions(const struct stele_search_request *asked,
                                         size_t ret[STELE_AT_LEAST(24)], size_t *ret_n,
                                         stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_query_question *question = stele_alloc(1, sizeof *question);
    if (question == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a question");
    }
    stele_query_question_init(question);
    STELE_TRY(stele_query_question_of(asked, question, err));
    const struct stele_event_filter *filter = &question->asked.filter;
    *ret_n = 0;
    for (size_t i = 0; i < filter->n_conditions; i++) {
        if (stele_event_condition_is_indexed(&filter->condition[i])) {
            ret[(*ret_n)++] = i + 1;
        }
    }
cleanup:
    stele_query_question_done(question);
    stele_free(question);
    return st;
}

/* One of the files. */
struct file {
    stele_buf path; /* with a NUL */
    size_t condition;
    uint64_t until_us;     /* complete of what was logged before */
    uint64_t limit_us;     /* while it is read: events logged before count */
    uint64_t n;            /* of these */
    struct stele_sha256 h; /* over their places */
};
struct each {
    const struct stele_cli *cli;
    const struct stele_search_request *asked;
    struct stele_vkey *keys;
    size_t n_keys;
    size_t n;
    struct file file[STELE_FILTER_CONDITIONS_MAX];
    struct stele_verify_report report;
};

static const char *path_of(const struct file *file) {
    return (const char *)file->path.data;
}

static stele_status on_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct file *file = ctx;
    uint8_t place[1 + 8];
    (void)err;
    if (event->entry.time_us >= file->limit_us) {
        return STELE_OK;
    }
    place[0] = event->log;
    stele_put_u64(place + 1, event->entry.seq);
    stele_sha256_update(&file->h, stele_view_of(place, sizeof place));
    file->n++;
    return STELE_OK;
}

/* That the file is the answer by this condition. */
static stele_status check_report(const struct each *each, struct file *file, stele_err *err) {
    const struct stele_verify_report *report = &each->report;
    struct stele_search_request asked = *each->asked;
    if (report->kind != STELE_PROOF_COMPLETE || report->complete.proof.counted) {
        return STELE_FAIL(err, UNVERIFIED, "'%.200s' does not prove a complete answer's events",
                          path_of(file));
    }
    for (size_t i = 0; i < report->n_logs; i++) {
        if (report->complete.proof.log[i].condition + 1u != file->condition) {
            return STELE_FAIL(err, UNVERIFIED,
                              "'%.200s' is proven by another condition than number %zu",
                              path_of(file), file->condition);
        }
    }
    file->until_us = report->complete.proof.complete_until_us;
    return stele_cli_judged(stele_answer_is_to(&asked, &report->question, err));
}

/* Reads a saved file through the verifier. */
static stele_status read_again(struct each *each, struct file *file, uint64_t limit_us,
                               stele_err *err) {
    struct stele_verifier *verifier = NULL;
    stele_status st = STELE_OK;
    FILE *from = fopen(path_of(file), "rb");
    uint8_t *block = stele_alloc(BLOCK_BYTES, 1);
    file->limit_us = limit_us;
    file->n = 0;
    stele_sha256_init(&file->h);
    if (from == NULL || block == NULL) {
        STELE_TRY(STELE_FAIL(err, IO, "'%.200s' cannot be read again", path_of(file)));
    }
    STELE_TRY(stele_verifier_new(each->keys, each->n_keys, on_event, file, &verifier, err));
    for (size_t size = 0; (size = fread(block, 1, BLOCK_BYTES, from)) > 0;) {
        STELE_TRY(stele_cli_judged(stele_verifier_feed(verifier, stele_view_of(block, size), err)));
    }
    STELE_TRY(stele_cli_judged(stele_verifier_end(verifier, &each->report, err)));
    st = check_report(each, file, err);
    stele_verify_report_done(&each->report);
cleanup:
    stele_verifier_free(verifier);
    stele_free(block);
    if (from != NULL) {
        (void)fclose(from);
    }
    return st;
}

static stele_status write_bytes(void *ctx, stele_view bytes, stele_err *err) {
    return stele_save_write(ctx, bytes, err);
}

static stele_status save_file(const struct each *each, struct file *file, stele_err *err) {
    struct stele_search_request request = *each->asked;
    struct stele_save save = {0};
    stele_status st = STELE_OK;
    request.open_condition = file->condition;
    STELE_TRY(stele_save_open(path_of(file), &save, err));
    STELE_TRY(
        stele_receive_proof(each->cli->client, &request, TIMEOUT_MS, write_bytes, &save, err));
    STELE_TRY(stele_save_commit(&save, err));
cleanup:
    stele_save_close(&save);
    return st;
}

/* The same events, of what was logged before every file's end. */
static stele_status compare(struct each *each, stele_err *err) {
    uint64_t until_us = UINT64_MAX;
    uint8_t first[STELE_HASH_BYTES] = {0};
    uint8_t other[STELE_HASH_BYTES] = {0};
    char time[STELE_UTC_TEXT_BYTES];
    stele_status st = STELE_OK;
    for (size_t i = 0; i < each->n; i++) {
        STELE_TRY(read_again(each, &each->file[i], 0, err));
        until_us = each->file[i].until_us < until_us ? each->file[i].until_us : until_us;
    }
    for (size_t i = 0; i < each->n; i++) {
        STELE_TRY(read_again(each, &each->file[i], until_us, err));
        stele_sha256_final(&each->file[i].h, i == 0 ? first : other);
        if (i > 0 &&
            (each->file[i].n != each->file[0].n || memcmp(first, other, sizeof first) != 0)) {
            STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                                 "'%.100s' has %" PRIu64 " events and '%.100s' %" PRIu64
                                 ", or others: the index leaves some out under one of the keys; "
                                 "keep both files, and have the logs audited",
                                 path_of(&each->file[0]), each->file[0].n, path_of(&each->file[i]),
                                 each->file[i].n));
        }
    }
    stele_utc_of_us(until_us, time);
    (void)fprintf(stderr, "%zu proofs by one key each: the same %" PRIu64 " events before %s\n",
                  each->n, each->file[0].n, time);
cleanup:
    return st;
}

stele_status stele_prove_each(const struct stele_cli *cli, const struct stele_search_request *asked,
                              const char *path, stele_err *err) {
    size_t condition[STELE_FILTER_CONDITIONS_MAX] = {0};
    stele_status st = STELE_OK;
    struct each *each = stele_alloc(1, sizeof *each);
    if (each == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to compare proofs");
    }
    each->cli = cli;
    each->asked = asked;
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &each->keys, &each->n_keys, err));
    STELE_TRY(stele_prove_each_conditions(asked, condition, &each->n, err));
    for (size_t i = 0; i < each->n; i++) {
        struct file *file = &each->file[i];
        file->condition = condition[i];
        STELE_TRY(i == 0 ? stele_buf_printf(&file->path, err, "%s", path)
                         : stele_buf_printf(&file->path, err, "%s.%zu", path, i + 1));
        STELE_TRY(stele_buf_append(&file->path, stele_view_of("", 1), err));
        STELE_TRY(i == 0 ? STELE_OK : save_file(each, file, err));
    }
    STELE_TRY(compare(each, err));
cleanup:
    for (size_t i = 0; i < STELE_FILTER_CONDITIONS_MAX; i++) {
        stele_buf_done(&each->file[i].path);
    }
    stele_free(each->keys);
    stele_free(each);
    return st;
}

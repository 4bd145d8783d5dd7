/* SPDX-License-Identifier: Apache-2.0 */
/* tools/answer_file.c: a proof file under a temporary name until it is known to hold. */
#include "tools/answer_file.h"

#include <inttypes.h>
#include <string.h>

#include "proto/utc.h"
#include "proto/verify.h"
#include "query/filter.h"
#include "tools/cli.h"
#include "tools/save.h"
#include "tools/vkeys.h"

struct stele_answer_file {
    struct stele_vkey *keys;
    size_t n_keys;
    struct stele_verifier *verifier;
    struct stele_verify_state *state; /* a copy of what is known: it changes once all holds */
    struct stele_hit_printer *printer;
    struct stele_save save;
    uint64_t n_events; /* once it is finished */
};

/* "<domain>/<region>/<log>" -> "<region>/<log>". */
static stele_view log_of_origin(const char *origin) {
    const char *at = strrchr(origin, '/');
    while (at != NULL && at > origin && at[-1] != '/') {
        at--;
    }
    return stele_view_str(at == NULL ? origin : at);
}

static stele_status print_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct stele_answer_file *file = ctx;
    struct stele_hit hit = {.log = log_of_origin(event->checkpoint->origin),
                            .seq = event->entry.seq,
                            .log_time_unix_nano = event->entry.time_us * 1000u,
                            .event = event->payload};
    return stele_hit_print(file->printer, &hit, err);
}

stele_status stele_answer_file_open(const char *vkeys_path, const char *path,
                                    struct stele_hit_printer *printer,
                                    const struct stele_verify_state *known,
                                    struct stele_answer_file **ret, stele_err *err) {
    stele_status st = STELE_OK;
    if (vkeys_path == NULL) {
        return STELE_FAIL(err, INVALID,
                          "--prove checks what it saves: name the logs' public keys in client.conf "
                          "(vkeys: FILE)");
    }
    struct stele_answer_file *file = stele_alloc(1, sizeof *file);
    if (file == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to save an answer");
    }
    file->printer = printer;
    STELE_TRY(stele_vkeys_read(vkeys_path, &file->keys, &file->n_keys, err));
    STELE_TRY(
        stele_verifier_new(file->keys, file->n_keys, print_event, file, &file->verifier, err));
    if (known != NULL) {
        STELE_TRY(stele_verify_state_new(&file->state, err));
        STELE_TRY(stele_verify_state_merge(file->state, known, err));
        stele_verifier_remember(file->verifier, file->state);
    }
    STELE_TRY(stele_save_open(path, &file->save, err));
    *ret = file;
    return STELE_OK;
cleanup:
    stele_answer_file_close(file);
    return st;
}

stele_status stele_answer_file_take(struct stele_answer_file *file, stele_view bytes,
                                    stele_err *err) {
    stele_status st = stele_save_write(&file->save, bytes, err);
    return st == STELE_OK ? stele_cli_judged(stele_verifier_feed(file->verifier, bytes, err)) : st;
}

/* Both in the one form that a question has. */
stele_status stele_answer_is_to(const struct stele_search_request *asked,
                                const struct stele_question *answered, stele_err *err) {
    struct stele_query_question *question = stele_alloc(1, sizeof *question);
    stele_buf want = STELE_BUF_EMPTY;
    stele_buf have = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (question == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to compare questions");
    }
    stele_query_question_init(question);
    STELE_TRY(stele_query_question_of(asked, question, err));
    STELE_TRY(stele_question_encode(&question->asked, &want, err));
    STELE_TRY(stele_question_encode(answered, &have, err));
    if (!stele_view_equal(stele_view_buf(&want), stele_view_buf(&have))) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "the server answered another question than the one that was asked"));
    }
cleanup:
    stele_query_question_done(question);
    stele_free(question);
    stele_buf_done(&want);
    stele_buf_done(&have);
    return st;
}

static void say_what_is_proven(const char *path, const struct stele_verify_report *report) {
    (void)fprintf(stderr, "%s: %" PRIu64 " events of %zu logs, checked", path, report->n_events,
                  report->n_logs);
    if (report->kind == STELE_PROOF_COMPLETE) {
        char time[STELE_UTC_TEXT_BYTES];
        stele_utc_of_us(report->complete.proof.complete_until_us, time);
        (void)fprintf(stderr, "; complete%s of what was logged before %s",
                      report->complete.proof.n_gaps > 0 ? ", except for the gaps it names," : "",
                      time);
    }
    (void)fprintf(stderr, ". `stele verify %s --key VKEYS` checks it again anywhere.\n", path);
}

stele_status stele_answer_file_finish(struct stele_answer_file *file,
                                      const struct stele_search_request *asked, stele_err *err) {
    struct stele_verify_report *report = stele_alloc(1, sizeof *report);
    stele_status st = STELE_OK;
    if (report == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to check an answer");
    }
    STELE_TRY(stele_cli_judged(stele_verifier_end(file->verifier, report, err)));
    if (report->kind == STELE_PROOF_RECEIPT) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "the server sent a receipt in place of an answer"));
    }
    if (asked->count_only != report->complete.proof.counted) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "the server sent %s",
                             asked->count_only ? "events in place of their number"
                                               : "the number of events in place of them"));
    }
    file->n_events = report->n_events;
    if (report->complete.n_unconnected > 0) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "%zu logs are larger than your state file knows, and the server did "
                             "not prove that they grew out of that",
                             report->complete.n_unconnected));
    }
    STELE_TRY(stele_cli_judged(stele_answer_is_to(asked, &report->question, err)));
    STELE_TRY(stele_save_commit(&file->save, err));
    say_what_is_proven(file->save.path, report);
cleanup:
    stele_verify_report_done(report);
    stele_free(report);
    return st;
}

uint64_t stele_answer_file_events(const struct stele_answer_file *file) {
    return file->n_events;
}

void stele_answer_file_close(struct stele_answer_file *file) {
    if (file != NULL) {
        stele_save_close(&file->save);
        stele_verifier_free(file->verifier);
        stele_verify_state_free(file->state);
        stele_free(file->keys);
        stele_free(file);
    }
}

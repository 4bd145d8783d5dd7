/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sample_answer.h"

#include <stdio.h>
#include <stdlib.h>

static void must(stele_status st, const stele_err *err) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "sample answer: %s: %s\n", stele_status_name(st), err->text);
        abort();
    }
}

static uint64_t size_of(const struct sample_answer *answer, size_t log) {
    return answer->sizes == NULL ? answer->logs[log]->n : answer->sizes[log];
}

static struct stele_entry entry_of(const struct sample_answer *answer, size_t log, uint64_t seq) {
    struct stele_entry entry;
    stele_err err;
    must(stele_entry_decode(sample_log_entry(answer->logs[log], seq), &entry, &err), &err);
    return entry;
}

static bool comes_before(const struct sample_answer *answer, uint8_t log_a, uint64_t seq_a,
                         uint8_t log_b, uint64_t seq_b) {
    uint64_t a = entry_of(answer, log_a, seq_a).time_us;
    uint64_t b = entry_of(answer, log_b, seq_b).time_us;
    return a != b ? a < b : (log_a != log_b ? log_a < log_b : seq_a < seq_b);
}

size_t sample_answer_order(const struct sample_answer *answer, uint8_t logs[], uint64_t seqs[]) {
    size_t n = 0;
    for (size_t log = 0; log < answer->n_logs; log++) {
        for (uint64_t seq = 0; seq < size_of(answer, log); seq++) {
            if (entry_of(answer, log, seq).type != STELE_ENTRY_EVENT ||
                (answer->wants != NULL && !answer->wants(answer->ctx, log, seq))) {
                continue;
            }
            size_t at = n++;
            for (; at > 0 && comes_before(answer, (uint8_t)log, seq, logs[at - 1], seqs[at - 1]);
                 at--) {
                logs[at] = logs[at - 1];
                seqs[at] = seqs[at - 1];
            }
            logs[at] = (uint8_t)log;
            seqs[at] = seq;
        }
    }
    return n;
}

void sample_answer_write(const struct sample_answer *answer, stele_view question, stele_buf *file) {
    struct stele_answer_writer *w = NULL;
    stele_err err;
    size_t total = 0;
    must(stele_answer_writer_new(&w, &err), &err);
    must(stele_answer_write_question(w, question, file, &err), &err);
    for (size_t i = 0; i < answer->n_logs; i++) {
        stele_buf note = STELE_BUF_EMPTY;
        uint8_t number = 0;
        sample_log_sign(answer->logs[i], size_of(answer, i), &note);
        must(stele_answer_write_log(w, stele_view_buf(&note), size_of(answer, i), sample_log_node,
                                    answer->logs[i], &number, file, &err),
             &err);
        stele_buf_done(&note);
        total += answer->logs[i]->n;
    }
    uint8_t *logs = stele_alloc(total, sizeof *logs);
    uint64_t *seqs = stele_alloc(total, sizeof *seqs);
    size_t n = sample_answer_order(answer, logs, seqs);
    for (size_t i = 0; i < n; i++) {
        const struct sample_entry *entry = &answer->logs[logs[i]]->entry[seqs[i]];
        must(stele_answer_write_event(w, logs[i], sample_log_entry(answer->logs[logs[i]], seqs[i]),
                                      entry->salt, stele_view_buf(&entry->payload), file, &err),
             &err);
    }
    must(stele_answer_write_end(w, answer->cut, file, &err), &err);
    stele_free(logs);
    stele_free(seqs);
    stele_answer_writer_free(w);
}

stele_status sample_answer_read(stele_view file, const struct stele_vkey *keys, size_t n_keys,
                                const struct stele_answer_sink *sink,
                                struct stele_answer_report *ret, stele_err *err) {
    static const struct stele_answer_sink nowhere = {NULL, NULL, NULL, NULL};
    struct stele_answer_reader *r = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_answer_reader_new(keys, n_keys, sink == NULL ? &nowhere : sink, &r, err));
    STELE_TRY(stele_answer_reader_feed(r, file, err));
    STELE_TRY(stele_answer_reader_end(r, ret, err));
cleanup:
    stele_answer_reader_free(r);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/answer_pair.h"

static bool is_wanted(void *ctx, size_t log, uint64_t seq) {
    (void)ctx;
    return log == 0 ? seq == 2 || seq == 4 || seq == 5 : seq == 0 || seq == 5 || seq == 8;
}

void pair_fill(struct sample_log *log, const char *origin, uint8_t seed) {
    sample_log_init(log, origin, seed);
    for (uint64_t i = 0; i < 9; i++) {
        struct sample_event event = {.session = i % 2 == 0 ? "s-1" : "s-2"};
        if (i == 3) {
            (void)sample_log_control(log, SAMPLE_TIME_US + i);
        } else {
            (void)sample_log_event(log, SAMPLE_TIME_US + i, &event);
        }
    }
}

int pair_setup(void **state) {
    struct pair *x = stele_alloc(1, sizeof *x);
    pair_fill(&x->a, "stele.example/eu-1/a", 1);
    pair_fill(&x->b, "stele.example/eu-1/b", 2);
    pair_fill(&x->stranger, "stele.example/eu-1/c", 3);
    x->logs[0] = &x->a;
    x->logs[1] = &x->b;
    x->keys[0] = x->a.key;
    x->keys[1] = x->b.key;
    struct sample_answer answer = {.logs = x->logs, .n_logs = 2, .wants = is_wanted};
    sample_answer_write(&answer, stele_view_str("the question"), &x->file);
    *state = x;
    return 0;
}

int pair_teardown(void **state) {
    struct pair *x = *state;
    sample_log_done(&x->a);
    sample_log_done(&x->b);
    sample_log_done(&x->stranger);
    stele_buf_done(&x->file);
    stele_buf_done(&x->out);
    forge_done(&x->f);
    stele_free(x);
    return 0;
}

stele_status pair_judge(const struct pair *x, stele_view file, stele_err *err) {
    struct stele_answer_report report;
    return sample_answer_read(file, x->keys, 2, NULL, &report, err);
}

stele_buf *pair_body(struct pair *x, uint8_t type, size_t i) {
    return &x->f.chunk[forge_find(&x->f, type, i)].body;
}

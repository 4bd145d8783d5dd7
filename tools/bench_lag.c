/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_lag.c: the greatest of what the status of the logs said. */
#include "tools/bench_lag.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "proto/log_client.h"
#include "storage/bytes.h"
#include "storage/monotonic.h"
#include "tools/cli.h"

#define ASK_MS 200 /* a status is a millisecond's work, and INDEX entries are seconds apart */
#define TIMEOUT_MS 30000
#define COVER_S 60.0
#define STALLED_S                                                                                  \
    5.0 /* INDEX entries are two seconds apart: without one for so long none comes                 \
         */

struct stele_bench_lag {
    struct stele_cli cli;
    const char *region;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over; /* locked */
    double over_s;
    struct stele_bench_lag_figures figures; /* the thread's */
    stele_status st;
    stele_err err;
};

struct answer {
    uint64_t entries, us;
};

static stele_status take(void *ctx, const struct stele_log_status *status, stele_err *err) {
    struct answer *answer = ctx;
    (void)err;
    answer->entries = status->lag_entries > answer->entries ? status->lag_entries : answer->entries;
    answer->us = status->lag_us > answer->us ? status->lag_us : answer->us;
    return STELE_OK;
}

/* Waits for the next turn. ret_over_s: when the load ended, 0 while it goes on. */
static void wait_turn(struct stele_bench_lag *lag, double *ret_over_s) {
    const struct timespec until = stele_monotonic_in_ms(ASK_MS);
    (void)pthread_mutex_lock(&lag->lock);
    bool was_over = lag->over;
    int error = 0;
    while (error == 0 && lag->over == was_over) {
        error = pthread_cond_clockwait(&lag->changed, &lag->lock, CLOCK_MONOTONIC, &until);
    }
    *ret_over_s = lag->over ? lag->over_s : 0;
    (void)pthread_mutex_unlock(&lag->lock);
}

static void *watch(void *arg) {
    struct stele_bench_lag *lag = arg;
    double over_s = 0;
    double moved_s = 0;
    uint64_t entries = 0;
    for (;;) {
        struct answer answer = {0};
        lag->st =
            stele_client_status(lag->cli.client, lag->region, TIMEOUT_MS, take, &answer, &lag->err);
        double now = (double)stele_monotonic_us() / 1e6;
        if (lag->st != STELE_OK) {
            return NULL;
        }
        if (over_s == 0) {
            double behind_s = (double)answer.us / 1e6;
            lag->figures.behind_s =
                behind_s > lag->figures.behind_s ? behind_s : lag->figures.behind_s;
            lag->figures.behind_entries = answer.entries > lag->figures.behind_entries
                                              ? answer.entries
                                              : lag->figures.behind_entries;
        } else if (answer.entries == 0) {
            lag->figures.seal_s = now - over_s;
            return NULL;
        } else if (now - moved_s > STALLED_S || now - over_s > COVER_S) {
            lag->figures.seal_s = -1;
            return NULL;
        }
        moved_s = answer.entries != entries || over_s == 0 ? now : moved_s;
        entries = answer.entries;
        wait_turn(lag, &over_s);
    }
}

static void release(struct stele_bench_lag *lag) {
    stele_cli_close(&lag->cli);
    (void)pthread_cond_destroy(&lag->changed);
    (void)pthread_mutex_destroy(&lag->lock);
    stele_free(lag);
}

stele_status stele_bench_lag_start(const char *config, const char *region,
                                   struct stele_bench_lag **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_bench_lag *lag = stele_alloc(1, sizeof *lag);
    if (lag == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to watch the index");
    }
    (void)pthread_mutex_init(&lag->lock, NULL);
    (void)pthread_cond_init(&lag->changed, NULL);
    lag->region = region;
    STELE_TRY(stele_cli_open("bench", config, &lag->cli, err));
    int error = pthread_create(&lag->thread, NULL, watch, lag);
    STELE_TRY(error != 0 ? STELE_FAIL_ERRNO(err, error, "cannot start a thread") : STELE_OK);
    *ret = lag;
    lag = NULL;
cleanup:
    if (lag != NULL) {
        release(lag);
    }
    return st;
}

stele_status stele_bench_lag_end(struct stele_bench_lag *lag, struct stele_bench_lag_figures *ret,
                                 stele_err *err) {
    (void)pthread_mutex_lock(&lag->lock);
    lag->over = true;
    lag->over_s = (double)stele_monotonic_us() / 1e6;
    (void)pthread_cond_signal(&lag->changed);
    (void)pthread_mutex_unlock(&lag->lock);
    (void)pthread_join(lag->thread, NULL);
    stele_status st = lag->st;
    if (st != STELE_OK && err != NULL) {
        *err = lag->err;
    }
    *ret = lag->figures;
    release(lag);
    return st;
}

void stele_bench_lag_print(const struct stele_bench_lag_figures *figures) {
    (void)printf("index             behind by %.1f s and %" PRIu64 " events at most, ",
                 figures->behind_s, figures->behind_entries);
    if (figures->seal_s >= 0) {
        (void)printf("caught up %.1f s after the last\n", figures->seal_s);
    } else {
        (void)printf("and did not catch up\n");
    }
}

void stele_bench_lag_json(const struct stele_bench_lag_figures *figures, json_t *out) {
    (void)json_object_set_new(out, "index_behind_max_s", json_real(figures->behind_s));
    (void)json_object_set_new(out, "index_behind_max_entries",
                              json_integer((json_int_t)figures->behind_entries));
    (void)json_object_set_new(out, "index_caught_up_s",
                              figures->seal_s < 0 ? json_null() : json_real(figures->seal_s));
}

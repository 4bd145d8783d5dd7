/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_unary.c: numbers of calls that are free, under way, or wait to be sent again. The
 * thread that takes answers owns those under way and those that wait; a free one goes to whoever
 * sends.
 */
#include "tools/bench_unary.h"

#include <pthread.h>
#include <semaphore.h>

#include "proto/append_wire.h"
#include "proto/rpc_calls.h"
#include "storage/monotonic.h"

#define TIMEOUT_MS 60000u
#define REPEAT_MS_MAX 1000u
#define BUSY_CODE 8u /* RESOURCE_EXHAUSTED */
/* How often the thread that takes answers looks whether anything is left to send. */
#define LOOK_US 20000u

struct one {
    uint64_t due_us;
    uint64_t again_us; /* when it is sent again; 0: it does not wait */
    stele_buf request;
};

struct load {
    const struct stele_bench_unary *unary;
    struct stele_rpc_calls *calls;
    struct one *one;
    uint32_t *free; /* numbers, n_free of them */
    uint32_t n_free;
    uint32_t n_waiting; /* to be sent again; the answering thread's */
    pthread_mutex_t lock;
    sem_t n_free_posts; /* one for each free number; open loop only */
    atomic_bool all_sent;
    atomic_uint n_out; /* sent and not stored */
    stele_buf payload; /* the sender's */
    stele_status sender_st;
    stele_err sender_err;
};

/* ------------------------------------------------------------------ numbers */
static uint32_t take_free(struct load *load) {
    (void)pthread_mutex_lock(&load->lock);
    uint32_t number = load->free[--load->n_free];
    (void)pthread_mutex_unlock(&load->lock);
    return number;
}

static void give_free(struct load *load, uint32_t number) {
    (void)pthread_mutex_lock(&load->lock);
    load->free[load->n_free++] = number;
    (void)pthread_mutex_unlock(&load->lock);
    (void)sem_post(&load->n_free_posts);
}

/* ------------------------------------------------------------------ sending */
static stele_status send_new(struct load *load, uint32_t number, uint64_t due_us, stele_err *err) {
    const struct stele_bench_unary *unary = load->unary;
    struct one *one = &load->one[number];
    stele_status st = STELE_OK;
    one->due_us = due_us;
    stele_buf_clear(&load->payload);
    stele_buf_clear(&one->request);
    STELE_TRY(stele_bench_event(unary->events, &load->payload, err));
    STELE_TRY(stele_append_request_put_event(&one->request, stele_view_buf(&load->payload), err));
    (void)atomic_fetch_add(&load->n_out, 1);
    st = stele_rpc_calls_start(load->calls, number, stele_view_buf(&one->request), TIMEOUT_MS, err);
    if (st != STELE_OK) {
        (void)atomic_fetch_sub(&load->n_out, 1);
    }
cleanup:
    return st;
}

/* Each call at its time, or as soon after as a number is free. */
static void *send_on_time(void *arg) {
    struct load *load = arg;
    const struct stele_bench_unary *unary = load->unary;
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < unary->n_calls && !atomic_load(unary->stop); i++) {
        uint64_t due_us = unary->tally->start_us + (uint64_t)((double)i * 1e6 / unary->calls_per_s);
        stele_monotonic_sleep_until(due_us);
        while (sem_wait(&load->n_free_posts) != 0) { /* a signal's handler ran */
        }
        if (!atomic_load(unary->stop)) {
            STELE_TRY(send_new(load, take_free(load), due_us, &load->sender_err));
        }
    }
cleanup:
    load->sender_st = st;
    if (st != STELE_OK) {
        atomic_store(unary->stop, true);
    }
    atomic_store(&load->all_sent, true);
    return NULL;
}

/* Closed loop: nothing is due any more once it is over. */
static bool is_over(const struct load *load) {
    return stele_monotonic_us() >= load->unary->end_us || atomic_load(load->unary->stop);
}

static stele_status fill_up(struct load *load, stele_err *err) {
    stele_status st = STELE_OK;
    while (load->n_free > 0) {
        STELE_TRY(send_new(load, take_free(load), stele_monotonic_us(), err));
    }
    atomic_store(&load->all_sent, true); /* the rest is sent by answers */
cleanup:
    return st;
}

/* ------------------------------------------------------------------ answers */
static stele_status read_result(struct stele_bench_tally *tally, stele_view reply,
                                uint32_t *ret_code, stele_err *err) {
    struct stele_wire wire = stele_wire_of(reply);
    struct stele_append_result result;
    stele_status st = stele_append_response_next(&wire, &result, err);
    if (st == STELE_OK && result.code != 0 && result.code != BUSY_CODE) {
        st = STELE_FAIL(
            err, INVALID,
            "an event was refused: %.*s; does the region of client.conf take tenant 'acme'?",
            result.error.size < 120 ? (int)result.error.size : 120,
            (const char *)result.error.data);
    }
    if (st == STELE_OK) {
        *ret_code = result.code;
        tally->stored += result.code == 0 ? 1 : 0;
    }
    return st;
}

static stele_status take_answer(struct load *load, const struct stele_rpc_answer *answer,
                                stele_err *err) {
    const struct stele_bench_unary *unary = load->unary;
    struct one *one = &load->one[answer->number];
    uint32_t code = BUSY_CODE;
    stele_status st = STELE_OK;
    if (answer->st != STELE_BUSY) {
        STELE_TRY(answer->st);
        STELE_TRY(read_result(unary->tally, answer->reply, &code, err));
    }
    uint64_t now_us = stele_monotonic_us();
    if (code == BUSY_CODE) {
        uint64_t pause_ms = answer->result.retry_after_ms == 0 ? 1 : answer->result.retry_after_ms;
        one->again_us = now_us + (pause_ms < REPEAT_MS_MAX ? pause_ms : REPEAT_MS_MAX) * 1000u;
        load->n_waiting++;
        unary->tally->repeated++;
        return STELE_OK;
    }
    stele_bench_tally_count(unary->tally, one->due_us, now_us);
    (void)atomic_fetch_sub(&load->n_out, 1);
    if (unary->calls_per_s > 0) {
        give_free(load, answer->number);
    } else if (!is_over(load)) {
        STELE_TRY(send_new(load, answer->number, now_us, err));
    }
cleanup:
    return st;
}

/* Sends again what waited long enough; when the next one has, or UINT64_MAX. */
static stele_status send_again(struct load *load, uint64_t *ret_next_us, stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t now_us = load->n_waiting == 0 ? 0 : stele_monotonic_us();
    *ret_next_us = UINT64_MAX;
    for (uint32_t i = 0; load->n_waiting > 0 && i < load->unary->n_calls_max; i++) {
        struct one *one = &load->one[i];
        if (one->again_us != 0 && one->again_us <= now_us) {
            one->again_us = 0;
            load->n_waiting--;
            STELE_TRY(stele_rpc_calls_start(load->calls, i, stele_view_buf(&one->request),
                                            TIMEOUT_MS, err));
        } else if (one->again_us != 0 && one->again_us < *ret_next_us) {
            *ret_next_us = one->again_us;
        }
    }
cleanup:
    return st;
}

static stele_status take_answers(struct load *load, stele_err *err) {
    struct stele_rpc_answer answer;
    stele_status st = STELE_OK;
    while (!atomic_load(load->unary->stop) &&
           (!atomic_load(&load->all_sent) || atomic_load(&load->n_out) > 0)) {
        uint64_t until_us = 0;
        STELE_TRY(send_again(load, &until_us, err));
        uint64_t look_us = stele_monotonic_us() + LOOK_US;
        if (stele_rpc_calls_next(load->calls, until_us < look_us ? until_us : look_us, &answer,
                                 err)) {
            STELE_TRY(take_answer(load, &answer, err));
        }
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ all of it */
static stele_status make(struct load *load, stele_err *err) {
    const struct stele_bench_unary *unary = load->unary;
    uint32_t n = unary->n_calls_max;
    load->one = stele_alloc(n, sizeof *load->one);
    load->free = stele_alloc(n, sizeof *load->free);
    if (load->one == NULL || load->free == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %u calls", n);
    }
    while (load->n_free < n) {
        load->free[load->n_free] = n - 1 - load->n_free;
        load->n_free++;
    }
    (void)pthread_mutex_init(&load->lock, NULL);
    (void)sem_init(&load->n_free_posts, 0, n);
    return stele_rpc_calls_new(unary->clients, unary->n_clients, STELE_APPEND_PATH, n, &load->calls,
                               err);
}

static void drop(struct load *load) {
    stele_rpc_calls_free(load->calls);
    for (uint32_t i = 0; load->one != NULL && i < load->unary->n_calls_max; i++) {
        stele_buf_done(&load->one[i].request);
    }
    stele_free(load->one);
    stele_free(load->free);
    stele_buf_done(&load->payload);
    (void)pthread_mutex_destroy(&load->lock);
    (void)sem_destroy(&load->n_free_posts);
}

stele_status stele_bench_unary_run(const struct stele_bench_unary *unary, stele_err *err) {
    struct load load = {.unary = unary};
    stele_status st = STELE_OK;
    pthread_t sender;
    bool sends = false;
    STELE_TRY(make(&load, err));
    if (unary->calls_per_s > 0) {
        int failed = pthread_create(&sender, NULL, send_on_time, &load);
        STELE_TRY(failed == 0 ? STELE_OK : STELE_FAIL_ERRNO(err, failed, "cannot start a thread"));
        sends = true;
    } else {
        STELE_TRY(fill_up(&load, err));
    }
    STELE_TRY(take_answers(&load, err));
cleanup:
    if (st != STELE_OK) {
        atomic_store(unary->stop, true);
    }
    if (sends) {
        (void)sem_post(&load.n_free_posts); /* it may wait for a number after something failed */
        (void)pthread_join(sender, NULL);
        if (st == STELE_OK && load.sender_st != STELE_OK) {
            *err = load.sender_err;
            st = load.sender_st;
        }
    }
    drop(&load);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/crash_rig.c: starting and killing writers. The checks are in crash_check.c. */
#include "tests/fault/crash_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOAD_US_MAX 400000
#define CLOSE_US_MAX 30000
/* A writer that neither reports nor ends for this long hangs. */
#define HANG_US 120000000
#define MESSAGE_BYTES_MAX (1u << 16)
/* A long run says how far it is. */
#define PROGRESS_ROUNDS 50

static uint64_t monotonic_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

size_t crash_rounds(size_t usual, size_t soak) {
    const char *text = getenv("STELE_SOAK");
    return text != NULL && strcmp(text, "1") == 0 ? soak : usual;
}

void crash_rig_init(struct crash_rig *rig, const char *test, const char *writer) {
    *rig =
        (struct crash_rig){.test = test, .writer = writer, .open_us = 200000, .events_max = 6000};
    rig->rng = rng_start(test);
    temp_folder_make(rig->folder);
    (void)snprintf(rig->live, sizeof rig->live, "%.50s/live", rig->folder);
    (void)snprintf(rig->copy, sizeof rig->copy, "%.50s/copy", rig->folder);
    crash_rig_restart(rig);
}

void crash_rig_restart(struct crash_rig *rig) {
    temp_folder_remove(rig->live);
    for (size_t l = 0; l < CRASH_LOGS; l++) {
        rig->log[l].n_acks = 0;
        rig->log[l].n_notes = 0;
    }
    rig->now_us = FIXTURE_START_US;
}

void crash_rig_done(struct crash_rig *rig) {
    for (size_t l = 0; l < CRASH_LOGS; l++) {
        free(rig->log[l].ack);
        free(rig->log[l].note);
    }
    temp_folder_remove(rig->folder);
}

static void add_acks(struct crash_rig *rig, const struct crash_record *record,
                     const uint8_t *digest) {
    struct crash_log *log = &rig->log[record->log];
    for (uint64_t i = 0; i < record->n_bytes / STELE_HASH_BYTES; i++) {
        if (log->n_acks == log->ack_capacity) {
            log->ack_capacity = log->ack_capacity == 0 ? 1024 : 2 * log->ack_capacity;
            log->ack = realloc(log->ack, log->ack_capacity * sizeof *log->ack);
            assert_non_null(log->ack);
        }
        struct crash_ack *ack = &log->ack[log->n_acks++];
        ack->seq = record->at + i;
        memcpy(ack->digest, digest + i * STELE_HASH_BYTES, STELE_HASH_BYTES);
        rig->n_events++;
    }
    rig->now_us = record->time_us > rig->now_us ? record->time_us : rig->now_us;
}

static void add_note(struct crash_rig *rig, const struct crash_record *record,
                     const uint8_t *root) {
    struct crash_log *log = &rig->log[record->log];
    if (log->n_notes == log->note_capacity) {
        log->note_capacity = log->note_capacity == 0 ? 256 : 2 * log->note_capacity;
        log->note = realloc(log->note, log->note_capacity * sizeof *log->note);
        assert_non_null(log->note);
    }
    log->note[log->n_notes].size = record->at;
    memcpy(log->note[log->n_notes++].root, root, STELE_HASH_BYTES);
}

/* One writer that runs. */
struct run {
    struct crash_rig *rig;
    pid_t pid;
    int pipe;
    uint64_t started_us, kill_at_us;
    bool kills_at_load, kills_at_close;
    size_t n_held; /* of a message that has not come whole */
    uint8_t held[MESSAGE_BYTES_MAX];
    char complaint[320];
};

static void take_record(struct run *run, const struct crash_record *record, const uint8_t *bytes) {
    uint64_t now = monotonic_us();
    switch ((crash_kind)record->kind) {
    case CRASH_READY:
        run->rig->open_us = (run->rig->open_us * 3 + (now - run->started_us)) / 4;
        if (run->rig->ends_at_ready) {
            run->kill_at_us = now;
        }
        if (run->kills_at_load) {
            run->kill_at_us = now + rng_below(&run->rig->rng, LOAD_US_MAX);
        }
        break;
    case CRASH_ACK:
        add_acks(run->rig, record, bytes);
        break;
    case CRASH_NOTE:
        add_note(run->rig, record, bytes);
        break;
    case CRASH_CLOSING:
        if (run->kills_at_close) {
            run->kill_at_us = now + rng_below(&run->rig->rng, CLOSE_US_MAX);
        }
        break;
    case CRASH_CLOSED:
        run->rig->n_closed++;
        break;
    case CRASH_STEP: {
        char step[ENGINE_STEP_BYTES];
        (void)snprintf(step, sizeof step, "%.*s", (int)record->n_bytes, (const char *)bytes);
        run->rig->met[engine_step_find(step)] = true;
        run->rig->ended_at_step = record->at != 0;
        break;
    }
    case CRASH_FAILED:
        (void)snprintf(run->complaint, sizeof run->complaint, "the writer: %.*s",
                       (int)record->n_bytes, (const char *)bytes);
        break;
    }
}

/* False at the end of the pipe. */
static bool read_reports(struct run *run) {
    ssize_t n = read(run->pipe, run->held + run->n_held, sizeof run->held - run->n_held);
    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    run->n_held += (size_t)n;
    size_t at = 0;
    struct crash_record record;
    while (run->n_held - at >= sizeof record) {
        memcpy(&record, run->held + at, sizeof record);
        assert_true(record.n_bytes <= MESSAGE_BYTES_MAX - sizeof record && record.log < CRASH_LOGS);
        if (run->n_held - at - sizeof record < record.n_bytes) {
            break;
        }
        take_record(run, &record, run->held + at + sizeof record);
        at += sizeof record + record.n_bytes;
    }
    memmove(run->held, run->held + at, run->n_held - at);
    run->n_held -= at;
    return true;
}

static void start(struct run *run) {
    struct crash_rig *rig = run->rig;
    char seed[32];
    char now[32];
    char events[32];
    int ends[2];
    posix_spawn_file_actions_t actions;
    char *const argv[] = {(char *)(uintptr_t)rig->writer, rig->live, seed, now, events, NULL};
    extern char **environ;
    (void)snprintf(seed, sizeof seed, "%" PRIu64, rng_next(&rig->rng));
    (void)snprintf(now, sizeof now, "%" PRIu64, rig->now_us);
    /* What is acknowledged after a start that is all there is to see would be missed by its checks:
     * they begin anew from the store as it was before. */
    uint64_t n_events = rig->ends_at_ready ? 0 : 200 + rng_below(&rig->rng, rig->events_max);
    (void)snprintf(events, sizeof events, "%" PRIu64, n_events);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], CRASH_FD);
    assert_int_equal(posix_spawn(&run->pid, rig->writer, &actions, NULL, argv,
                                 rig->environment != NULL ? rig->environment : environ),
                     0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    run->pipe = ends[0];
    run->started_us = monotonic_us();
}

static void choose_moment(struct run *run) {
    struct crash_rig *rig = run->rig;
    run->kill_at_us = UINT64_MAX;
    rig->ended_at_step = false;
    if (rig->lets_live || rig->ends_at_ready) {
        return;
    }
    switch (rng_below(&rig->rng, 8)) {
    case 0:
    case 1:
        run->kill_at_us = run->started_us + rng_below(&rig->rng, rig->open_us + rig->open_us / 5);
        rig->n_early++;
        break;
    case 2:
        run->kills_at_close = true;
        break;
    default:
        run->kills_at_load = true;
        break;
    }
}

const char *crash_rig_run(struct crash_rig *rig) {
    static struct run run;
    bool open = true;
    int status = 0;
    run = (struct run){.rig = rig};
    if (++rig->n_rounds % PROGRESS_ROUNDS == 0) {
        (void)printf("%s: %zu lives, %zu events acknowledged so far\n", rig->test, rig->n_rounds,
                     rig->n_events);
        (void)fflush(stdout);
    }
    start(&run);
    choose_moment(&run);
    while (open) {
        uint64_t now = monotonic_us();
        bool hangs = now - run.started_us > HANG_US;
        if (now >= run.kill_at_us || hangs) {
            (void)kill(run.pid, SIGKILL);
            run.kill_at_us = UINT64_MAX;
        }
        if (hangs) {
            (void)snprintf(run.complaint, sizeof run.complaint, "the writer hangs");
        }
        struct pollfd wait = {.fd = run.pipe, .events = POLLIN};
        uint64_t left_us = run.kill_at_us == UINT64_MAX ? HANG_US : run.kill_at_us - now;
        const struct timespec timeout = {(time_t)(left_us / 1000000),
                                         (long)(left_us % 1000000) * 1000};
        if (ppoll(&wait, 1, &timeout, NULL) > 0) {
            open = read_reports(&run);
        }
    }
    (void)close(run.pipe);
    assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
    bool as_planned = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
    if (!as_planned && run.complaint[0] == '\0') {
        (void)snprintf(run.complaint, sizeof run.complaint, "the writer ended with status %#x",
                       (unsigned)status);
    }
    rig->now_us += rng_below(&rig->rng, UINT64_C(86400000000));
    return run.complaint[0] == '\0' ? NULL : run.complaint;
}

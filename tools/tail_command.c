/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/tail_command.c: `stele tail`: prints events as they are logged, each once, none left out.
 *
 * Within a log, seq and log time only grow and are visible in order, so the place behind the newest
 * event printed is all there is to remember of a log; logs of a region are asked for themselves,
 * because one may be seconds behind another. Places are the server's: the clock of this machine
 * does not matter. A server that goes away is waited for: nothing is lost, it is only late.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/flags.h"
#include "storage/monotonic.h"
#include "tools/interrupt.h"
#include "tools/print_hits.h"
#include "tools/question.h"

static const char usage[] =
    "usage: stele --config client.conf tail [QUESTION] [--timeout 1min] [-o jsonl|table|csv]\n"
    "\n"
    "Prints new events until Ctrl-C, starting with those logged from now on, or from\n"
    "--logged-since. When the server goes away, tail waits for it and goes on where it was.\n"
    "\n" STELE_ASK_USAGE "\n"
    "  --timeout 1min  how long to wait for a server that went away (exit 3)\n"
    "\n"
    "Exit codes: 0 ended by Ctrl-C, 2 usage, 3 unreachable.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf tail --region eu-central-1 --outcome denied -o table\n"
    "\n";

#define PAUSE_MS 300
#define RETRY_MS 700 /* a signal is heard so late at most */
#define CALL_MS 10000
#define LOGS_MAX 64

/* Where the reading of one log stands. */
struct place {
    char log[64];  /* without its region */
    bool begun;    /* next and since_ns say where; else reading begins behind the newest event */
    uint64_t size; /* of the log, by the newest plan */
    uint64_t asked_size; /* by the plan before the last question */
    uint64_t next;       /* every event before was asked for */
    uint64_t since_ns;   /* no event from `next` on has an earlier log time */
};
struct tail {
    struct stele_asked asked;
    struct stele_hit_printer printer;
    uint32_t timeout_ms;
    bool from_now, started;
    bool away; /* the server was there and is not */
    uint64_t
        seen_ms; /* when the server last answered all of it, or anything at first; 0: not yet */
    struct place place[LOGS_MAX];
    size_t n_places;
};

/* ------------------------------------------------------------------ the logs */

static stele_status take_plan(void *ctx, const struct stele_log_plan *plan, stele_err *err) {
    struct tail *tail = ctx;
    const uint8_t *slash = plan->log.size == 0 ? NULL : memchr(plan->log.data, '/', plan->log.size);
    size_t before = slash == NULL ? 0 : (size_t)(slash - plan->log.data) + 1;
    stele_view name = stele_view_slice(plan->log, before, plan->log.size - before);
    struct place *place = NULL;
    for (size_t i = 0; i < tail->n_places && place == NULL; i++) {
        place = stele_view_is(name, tail->place[i].log) ? &tail->place[i] : NULL;
    }
    if (place == NULL) {
        if (tail->n_places == LOGS_MAX || name.size >= sizeof place->log) {
            return STELE_FAIL(err, IO, "the server names more logs than a region has");
        }
        place = &tail->place[tail->n_places++];
        /* A log that was not there at first is new as a whole. */
        *place = (struct place){.begun = !tail->from_now || tail->started,
                                .since_ns = tail->asked.request.filter.logged_since_unix_nano};
        memcpy(place->log, name.data, name.size);
    }
    place->size = plan->size;
    return STELE_OK;
}

/* ------------------------------------------------------------------ one question */

struct answer {
    struct stele_hit_printer *printer; /* NULL: only the place of the event is wanted */
    struct place *place;
    stele_buf cursor;
    bool ended;
};

static stele_status take_hit(struct answer *answer, const struct stele_hit *hit, stele_err *err) {
    struct place *place = answer->place;
    if (hit->seq < place->next) {
        return STELE_OK;
    }
    place->next = hit->seq + 1;
    place->since_ns = hit->log_time_unix_nano;
    return answer->printer == NULL ? STELE_OK : stele_hit_print(answer->printer, hit, err);
}

static stele_status take_message(struct answer *answer, stele_view rest, stele_err *err) {
    struct stele_search_part part;
    stele_status st = STELE_OK;
    while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
        if (part.kind == STELE_SEARCH_PART_HIT) {
            STELE_TRY(take_hit(answer, &part.as.hit, err));
        } else if (part.kind == STELE_SEARCH_PART_END) {
            answer->ended = true;
            STELE_TRY(stele_buf_append(&answer->cursor, part.as.end.cursor, err));
        }
    }
    STELE_TRY(st == STELE_END ? STELE_OK : STELE_IO);
    if (fflush(stdout) != 0) {
        STELE_TRY(STELE_FAIL_ERRNO(err, errno, "cannot write the output: %s", strerror(errno)));
    }
cleanup:
    return st;
}

static stele_status read_stream(struct answer *answer, struct stele_rpc_stream *stream,
                                stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(take_message(answer, stele_view_buf(&message), err));
    }
    if (st == STELE_END) {
        st = answer->ended ? STELE_OK : STELE_FAIL(err, CLOSED, "the server broke off its answer");
    }
cleanup:
    stele_buf_done(&message);
    return st;
}

/* Asks one log, until the answer is whole: a server's budget may cut it. */
static stele_status ask(const struct stele_cli *cli, const struct stele_search_request *request,
                        struct answer *answer, stele_err *err) {
    struct stele_search_request one = *request;
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    one.log.n = 1;
    one.log.item[0] = stele_view_str(answer->place->log);
    do {
        struct stele_rpc_stream *stream = NULL;
        stele_buf_clear(&answer->cursor);
        answer->ended = false;
        STELE_TRY(stele_client_search(cli->client, &one, 0, &stream, err));
        stele_interrupt_watch(stream);
        st = read_stream(answer, stream, err);
        stele_interrupt_watch(NULL);
        stele_rpc_stream_close(stream);
        STELE_TRY(st);
        stele_buf_clear(&cursor);
        STELE_TRY(stele_buf_append(&cursor, stele_view_buf(&answer->cursor), err));
        one.cursor = stele_view_buf(&cursor);
    } while (one.cursor.size > 0 && one.limit == 0);
cleanup:
    stele_buf_done(&cursor);
    stele_buf_done(&answer->cursor);
    return st;
}

/* ------------------------------------------------------------------ one round */

/*
 * Prints what is new in one log. The newest event of the log, whatever it is, is found first: what
 * the question says of everything up to it is known when the question is answered, and the next one
 * begins behind it. So an event that rarely comes costs no more than one that often comes.
 */
static stele_status look_at(struct tail *tail, const struct stele_cli *cli, struct place *place,
                            stele_err *err) {
    const struct stele_search_request *asked = &tail->asked.request;
    struct place newest = *place;
    struct stele_search_request any = {.region = asked->region,
                                       .filter.tenant = asked->filter.tenant,
                                       .order = STELE_ORDER_DESCENDING,
                                       .limit = 1};
    uint64_t size = place->size;
    stele_status st = STELE_OK;
    STELE_TRY(ask(cli, &any, &(struct answer){.place = &newest}, err));
    if (place->begun) {
        struct stele_search_request request = *asked;
        request.filter.logged_since_unix_nano = place->since_ns;
        STELE_TRY(
            ask(cli, &request, &(struct answer){.place = place, .printer = &tail->printer}, err));
    }
    if (newest.next > place->next) {
        place->next = newest.next;
        place->since_ns = newest.since_ns;
    }
    place->begun = true;
    place->asked_size = size;
cleanup:
    return st;
}

/* What is new in every log. */
static stele_status look(struct tail *tail, const struct stele_cli *cli, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(
        stele_client_explain(cli->client, &tail->asked.request, CALL_MS, take_plan, tail, err));
    tail->started = true;
    tail->seen_ms = tail->seen_ms == 0 ? stele_monotonic_us() / 1000 : tail->seen_ms;
    if (tail->away) {
        (void)fprintf(stderr, "stele tail: the server is back\n");
        tail->away = false;
    }
    for (size_t i = 0; i < tail->n_places && !stele_interrupted(); i++) {
        if (tail->place[i].size != tail->place[i].asked_size) {
            STELE_TRY(look_at(tail, cli, &tail->place[i], err));
        }
    }
cleanup:
    return st;
}

/* True if whoever read stdout has gone away. */
static bool is_unread(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* Until Ctrl-C. A server that was there and is not is waited for. */
static stele_status follow(struct tail *tail, const struct stele_cli *cli, stele_err *err) {
    for (;;) {
        stele_status st = look(tail, cli, err);
        if (stele_interrupted()) {
            return STELE_OK;
        }
        if (st == STELE_OK) {
            tail->seen_ms = stele_monotonic_us() / 1000;
        } else if ((st != STELE_CLOSED && st != STELE_BUSY) || tail->seen_ms == 0 ||
                   stele_monotonic_us() / 1000 - tail->seen_ms > tail->timeout_ms) {
            return stele_cli_named(st);
        } else if (!tail->away) {
            (void)fprintf(stderr, "stele tail: %s\nstele tail: waiting for it\n", err->text);
            tail->away = true;
        }
        if (st != STELE_OK) {
            (void)stele_rpc_client_wait(cli->client, RETRY_MS);
        }
        if (stele_interrupt_pause(PAUSE_MS)) {
            return STELE_OK;
        }
        if (is_unread()) {
            return STELE_FAIL_ERRNO(err, EPIPE, "nobody reads the output any more");
        }
    }
}

/* ------------------------------------------------------------------ the command */

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct tail *tail) {
    static const struct option names[] = {STELE_ASK_OPTIONS,
                                          {"timeout", required_argument, NULL, 'w'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    tail->printer.output = STELE_OUTPUT_JSONL;
    tail->timeout_ms = 60000;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        stele_status st = STELE_OK;
        if (c == 'h' || c == '?' || c == ':') {
            int code = stele_flag_other("tail", usage, c, argv);
            if (c == 'h') {
                stele_asked_print_words();
            }
            return code;
        }
        if (c == 'o') {
            st = stele_output_parse(optarg, &tail->printer.output, &err);
        } else if (c == 'w') {
            st = stele_cli_duration(optarg, &tail->timeout_ms, &err);
        } else {
            st = stele_asked_take(&tail->asked, c, optarg, &err);
        }
        if (st != STELE_OK) {
            return stele_usage_error("tail", "%s", err.text);
        }
    }
    if (optind != argc) {
        return stele_usage_error("tail", "'%s' belongs to no flag", argv[optind]);
    }
    if (tail->printer.output == STELE_OUTPUT_JSON) {
        return stele_usage_error("tail", "-o json is an array, which never ends here; use jsonl");
    }
    tail->from_now = tail->asked.logged_since == NULL;
    return STELE_GO_ON;
}

int stele_tail_command(const char *config, int argc, char **argv) {
    struct tail *tail = stele_alloc(1, sizeof *tail);
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = tail == NULL ? STELE_EXIT_INCOMPLETE : parse(argc, argv, tail);
    if (code != STELE_GO_ON) {
        goto cleanup;
    }
    code = STELE_EXIT_FOUND;
    STELE_TRY(stele_interrupt_begin(&err));
    STELE_TRY(stele_cli_open("tail", config, &cli, &err));
    STELE_TRY(stele_asked_finish(&tail->asked, &cli, &err));
    tail->asked.request.order = STELE_ORDER_ASCENDING;
    STELE_TRY(follow(tail, &cli, &err));
cleanup:
    if (st != STELE_OK) {
        code = stele_cli_failed("tail", st, &err);
    }
    if (tail != NULL) {
        stele_hit_printer_done(&tail->printer);
    }
    stele_free(tail);
    stele_cli_close(&cli);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/tail_command.c: `stele tail`: prints events as they are logged. It asks again and again for what
 * was logged since shortly before the newest event it saw, and passes over what it has printed.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/print_hits.h"
#include "tools/question.h"

static const char usage[] =
    "usage: stele --config client.conf tail [--region R] [QUESTION] [-o jsonl|table|csv]\n"
    "\n" STELE_ASK_USAGE
    "\nPrints new events until Ctrl-C, starting with those logged from now on (or from --logged-since).\n"
    "example:\n"
    "  stele --config client.conf tail --region eu-central-1 --outcome denied -o table\n";

/* Logs of a region commit side by side: an event may become visible a moment after a later one. */
#define OVERLAP_NS UINT64_C(2000000000)
#define PAUSE_NS 500000000L

struct seen {
    char log[80];
    uint64_t next; /* the first seq not printed */
};
struct tail {
    struct stele_hit_printer printer;
    struct seen seen[64];
    size_t n_seen;
    uint64_t newest_ns;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static struct seen *seen_of(struct tail *tail, stele_view log) {
    for (size_t i = 0; i < tail->n_seen; i++) {
        if (stele_view_is(log, tail->seen[i].log)) {
            return &tail->seen[i];
        }
    }
    if (tail->n_seen == 64 || log.size >= sizeof tail->seen[0].log) {
        return NULL; /* more logs than a region has */
    }
    struct seen *seen = &tail->seen[tail->n_seen++];
    memcpy(seen->log, log.data, log.size);
    seen->log[log.size] = '\0';
    return seen;
}

static stele_status take_hit(struct tail *tail, const struct stele_hit *hit, stele_err *err) {
    struct seen *seen = seen_of(tail, hit->log);
    if (seen == NULL) {
        return STELE_FAIL(err, INVALID, "the server names more logs than a region has");
    }
    if (hit->seq < seen->next) {
        return STELE_OK;
    }
    seen->next = hit->seq + 1;
    tail->newest_ns = hit->log_time_unix_nano > tail->newest_ns ? hit->log_time_unix_nano : tail->newest_ns;
    return stele_hit_print(&tail->printer, hit, err);
}

static stele_status ask(const struct stele_cli *cli, const struct stele_search_request *request, struct tail *tail,
                        stele_err *err) {
    struct stele_rpc_stream *stream = NULL;
    struct stele_search_part part;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_client_search(cli->client, request, 0, &stream, err));
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        stele_view rest = stele_view_buf(&message);
        while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
            if (part.kind == STELE_SEARCH_PART_HIT) {
                STELE_TRY(take_hit(tail, &part.as.hit, err));
            }
        }
        if (st != STELE_END) {
            goto cleanup;
        }
        (void)fflush(stdout);
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&message);
    return st;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct stele_asked *asked, struct tail *tail) {
    static const struct option names[] = {STELE_ASK_OPTIONS, {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    stele_err err;
    tail->printer.output = STELE_OUTPUT_JSONL;
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "o:h", names, NULL)) != -1;) {
        if (c == 'h' || c == '?') {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
        }
        stele_status st = c == 'o' ? stele_output_parse(optarg, &tail->printer.output, &err) : stele_asked_take(asked, c, optarg, &err);
        if (st != STELE_OK) {
            return stele_cli_failed("tail", STELE_INVALID, &err);
        }
    }
    if (optind != argc || tail->printer.output == STELE_OUTPUT_JSON) {
        (void)fputs(usage, stderr);
        return STELE_EXIT_USAGE;
    }
    return STELE_GO_ON;
}

int stele_tail_command(const char *config, int argc, char **argv) {
    struct stele_asked *asked = stele_alloc(1, sizeof *asked);
    struct tail *tail = stele_alloc(1, sizeof *tail);
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = asked == NULL || tail == NULL ? STELE_EXIT_INCOMPLETE : parse(argc, argv, asked, tail);
    if (code != STELE_GO_ON) {
        goto cleanup;
    }
    (void)signal(SIGINT, on_interrupt);
    (void)signal(SIGTERM, on_interrupt);
    asked->logged_since = asked->logged_since == NULL ? "now" : asked->logged_since;
    STELE_TRY(stele_cli_open("tail", config, &cli, &err));
    STELE_TRY(stele_asked_finish(asked, &cli, &err));
    uint64_t start = asked->request.filter.logged_since_unix_nano;
    while (!interrupted) {
        struct timespec pause = {0, PAUSE_NS};
        STELE_TRY(ask(&cli, &asked->request, tail, &err));
        if (tail->newest_ns > start + OVERLAP_NS) {
            asked->request.filter.logged_since_unix_nano = tail->newest_ns - OVERLAP_NS;
        }
        (void)nanosleep(&pause, NULL);
    }
cleanup:
    if (st != STELE_OK) {
        code = stele_cli_failed("tail", st, &err);
    } else if (code == STELE_GO_ON) {
        code = STELE_EXIT_FOUND;
    }
    if (tail != NULL) {
        stele_hit_printer_done(&tail->printer);
    }
    stele_free(tail);
    stele_free(asked);
    stele_cli_close(&cli);
    return code;
}

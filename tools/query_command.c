/* SPDX-License-Identifier: Apache-2.0 */
/* tools/query_command.c: `stele query`: one question to one region, answered as a stream. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/answer_file.h"
#include "tools/cli.h"
#include "tools/print_hits.h"
#include "tools/question.h"

static const char usage[] =
    "usage: stele --config client.conf query [QUESTION] [--limit N] [--cursor C] [--order asc|desc]\n"
    "             [-o table|json|jsonl|csv] [--count] [--explain] [--prove FILE]\n"
    "\n" STELE_ASK_USAGE
    "  --limit N --cursor C  a page of the answer; the cursor for the next one is printed on stderr\n"
    "  --order asc|desc      by log time, log, seq; table: desc, all others: asc\n"
    "  --count               only how many there are\n"
    "  --explain             how the server would find them\n"
    "  --prove FILE          also save the answer as a file that `stele verify` checks without a server\n"
    "\n"
    "Types: inference deployment access policy_change lineage evaluation incident detection\n"
    "data_subject_request authentication audit_control generic. Outcomes: success failure denied pending unknown.\n"
    "Exit codes: 0 found, 1 none, 2 usage, 3 unreachable, 4 the proof does not hold, 5 incomplete.\n"
    "\n"
    "examples:\n"
    "  stele --config client.conf query --actor alice --since 18mo\n"
    "  stele --config client.conf query --resource model:fraud --type deployment -o jsonl\n"
    "  stele --config client.conf query --actor alice --since 18mo --prove alice.stele-proof\n";

struct options {
    struct stele_asked asked;
    stele_output output;
    bool count, explain;
    const char *order, *prove;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static stele_status take_flag(struct options *options, int flag, const char *value, stele_err *err) {
    switch (flag) {
    case 'o':
        return stele_output_parse(value, &options->output, err);
    case 'l':
        return stele_cli_number(value, &options->asked.request.limit, err);
    case 'c':
        options->asked.request.cursor = stele_view_str(value);
        return STELE_OK;
    case 'd':
        options->order = value;
        return strcmp(value, "asc") == 0 || strcmp(value, "desc") == 0 ? STELE_OK : STELE_FAIL(err, INVALID, "--order %s: there are asc and desc", value);
    case 'n':
        options->count = true;
        return STELE_OK;
    case 'e':
        options->explain = true;
        return STELE_OK;
    case 'p':
        options->prove = value;
        return STELE_OK;
    default:
        return stele_asked_take(&options->asked, flag, value, err);
    }
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {STELE_ASK_OPTIONS,
                                          {"limit", required_argument, NULL, 'l'},
                                          {"cursor", required_argument, NULL, 'c'},
                                          {"order", required_argument, NULL, 'd'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"count", no_argument, NULL, 'n'},
                                          {"explain", no_argument, NULL, 'e'},
                                          {"prove", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "o:h", names, NULL)) != -1;) {
        if (c == 'h' || c == '?') {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
        }
        stele_status st = take_flag(ret, c, optarg, &err);
        if (st != STELE_OK) {
            return stele_cli_failed("query", STELE_INVALID, &err);
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "stele query: '%s' belongs to no flag\n", argv[optind]);
        return STELE_EXIT_USAGE;
    }
    if (ret->prove != NULL && ((ret->order != NULL && strcmp(ret->order, "desc") == 0) || ret->count || ret->explain)) {
        (void)fprintf(stderr, "stele query: --prove writes the events in ascending order; leave out --order desc, --count and --explain\n");
        return STELE_EXIT_USAGE;
    }
    bool table_order = ret->output == STELE_OUTPUT_TABLE && ret->prove == NULL;
    bool descending = ret->order == NULL ? table_order : strcmp(ret->order, "desc") == 0;
    ret->asked.request.order = descending ? STELE_ORDER_DESCENDING : STELE_ORDER_ASCENDING;
    ret->asked.request.prove = ret->prove != NULL;
    return STELE_GO_ON;
}

static stele_status print_plan(void *ctx, const struct stele_log_plan *plan, stele_err *err) {
    (void)ctx;
    (void)err;
    (void)printf("%.*s: %" PRIu64 " entries; reads %.*s (%" PRIu64 " postings) in %u index parts, %u skipped\n",
                 (int)plan->log.size, (const char *)plan->log.data, plan->size, (int)plan->key.size,
                 (const char *)plan->key.data, plan->postings, plan->segments, plan->segments_skipped);
    for (size_t i = 0; i < plan->n_considered; i++) {
        (void)printf("    %.*s: %" PRIu64 " postings\n", (int)plan->considered[i].key.size,
                     (const char *)plan->considered[i].key.data, plan->considered[i].postings);
    }
    return STELE_OK;
}

struct answer {
    struct stele_hit_printer printer;
    struct stele_answer_file *file; /* --prove */
    stele_buf cursor;               /* where the server's budget ended this call; empty: it is done */
    bool ended, budget_spent;
};

/* One message of the answer. */
static stele_status take_message(struct answer *answer, stele_view rest, stele_err *err) {
    struct stele_search_part part;
    stele_status st = STELE_OK;
    while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
        switch (part.kind) {
        case STELE_SEARCH_PART_HIT:
            STELE_TRY(stele_hit_print(&answer->printer, &part.as.hit, err));
            break;
        case STELE_SEARCH_PART_ANSWER:
            STELE_TRY(answer->file == NULL ? STELE_FAIL(err, INVALID, "the server sent a proof nobody asked for")
                                           : stele_answer_file_take(answer->file, part.as.answer, err));
            break;
        case STELE_SEARCH_PART_END:
            answer->ended = true;
            answer->budget_spent = part.as.end.budget_spent;
            STELE_TRY(stele_buf_append(&answer->cursor, part.as.end.cursor, err));
            break;
        }
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    return st;
}

static stele_status take_stream(struct answer *answer, struct stele_rpc_stream *stream, stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(take_message(answer, stele_view_buf(&message), err));
        if (interrupted) {
            stele_rpc_stream_cancel(stream);
            STELE_TRY(STELE_FAIL(err, IO, "interrupted: the answer above is not whole"));
        }
    }
    if (st == STELE_END) {
        st = answer->ended ? STELE_OK : STELE_FAIL(err, CLOSED, "the server ended the answer without saying that it is whole");
    }
cleanup:
    stele_buf_done(&message);
    return st;
}

/* Asks until the answer is whole or the limit is reached: the server's budget per call is no reason to
 * bother a person. */
static stele_status search(const struct stele_cli *cli, struct options *options, struct answer *answer, stele_err *err) {
    struct stele_search_request request = options->asked.request;
    struct stele_rpc_stream *stream = NULL;
    stele_buf cursor = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    for (;;) {
        uint64_t before = answer->printer.n;
        stele_buf_clear(&answer->cursor);
        answer->ended = false;
        STELE_TRY(stele_client_search(cli->client, &request, 0, &stream, err));
        STELE_TRY(take_stream(answer, stream, err));
        stele_rpc_stream_close(stream);
        stream = NULL;
        if (!answer->budget_spent || options->prove != NULL) {
            break;
        }
        stele_buf_clear(&cursor);
        STELE_TRY(stele_buf_append(&cursor, stele_view_buf(&answer->cursor), err));
        request.cursor = stele_view_buf(&cursor);
        request.limit -= request.limit == 0 ? 0 : answer->printer.n - before;
    }
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&cursor);
    return st;
}

/* What is left to say, and the exit code. */
static int conclude(const struct options *options, struct answer *answer, stele_status st, stele_err *err) {
    stele_status ended = stele_hit_printer_end(&answer->printer, st == STELE_OK ? err : NULL);
    st = st == STELE_OK ? ended : st;
    if (st != STELE_OK) {
        int code = stele_cli_failed("query", st, err);
        return interrupted ? STELE_EXIT_INCOMPLETE : code;
    }
    if (answer->cursor.size > 0 && options->prove == NULL) {
        (void)fprintf(stderr, "There may be more. The next page: --cursor %.*s\n", (int)answer->cursor.size,
                      (const char *)answer->cursor.data);
    }
    if (answer->budget_spent) {
        (void)fprintf(stderr, "The server's budget ended the answer; narrow the time range and ask again.\n");
        return STELE_EXIT_INCOMPLETE;
    }
    if (answer->printer.n == 0) {
        (void)fprintf(stderr, "No event matches.\n");
    }
    return answer->printer.n > 0 ? STELE_EXIT_FOUND : STELE_EXIT_NONE;
}

static int answer_question(struct stele_cli *cli, struct options *options) {
    struct answer answer = {.printer.output = options->output};
    stele_err err;
    stele_status st = STELE_OK;
    if (options->prove != NULL) {
        STELE_TRY(stele_answer_file_open(cli->config->vkeys, options->prove, &answer.printer, &answer.file, &err));
    }
    STELE_TRY(search(cli, options, &answer, &err));
    if (answer.file != NULL) {
        STELE_TRY(stele_answer_file_finish(answer.file, &err));
    }
cleanup:;
    int code = conclude(options, &answer, st, &err);
    stele_answer_file_close(answer.file);
    stele_hit_printer_done(&answer.printer);
    stele_buf_done(&answer.cursor);
    return code;
}

int stele_query_command(const char *config, int argc, char **argv) {
    struct options *options = stele_alloc(1, sizeof *options);
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    uint64_t count = 0;
    int code = options == NULL ? STELE_EXIT_INCOMPLETE : parse(argc, argv, options);
    if (code != STELE_GO_ON) {
        goto cleanup;
    }
    (void)signal(SIGINT, on_interrupt);
    code = STELE_EXIT_FOUND;
    STELE_TRY(stele_cli_open("query", config, &cli, &err));
    STELE_TRY(stele_asked_finish(&options->asked, &cli, &err));
    if (options->explain) {
        STELE_TRY(stele_client_explain(cli.client, &options->asked.request, 60000, print_plan, NULL, &err));
    } else if (options->count) {
        STELE_TRY(stele_client_count(cli.client, &options->asked.request, 600000, &count, &err));
        (void)printf("%" PRIu64 "\n", count);
        code = count > 0 ? STELE_EXIT_FOUND : STELE_EXIT_NONE;
    } else {
        code = answer_question(&cli, options);
    }
cleanup:
    if (st != STELE_OK) {
        code = stele_cli_failed("query", st, &err);
    }
    stele_cli_close(&cli);
    stele_free(options);
    return code;
}

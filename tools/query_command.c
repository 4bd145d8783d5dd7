/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/query_command.c: `stele query`: one question to one region, answered as a stream. The exit
 * code says whether what was printed is the whole answer.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/answer_file.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/interrupt.h"
#include "tools/print_hits.h"
#include "tools/progress.h"
#include "tools/prove_each.h"
#include "tools/question.h"
#include "tools/state_file.h"

static const char usage[] =
    "usage: stele --config client.conf query [QUESTION] [--limit N] [--cursor C]\n"
    "             [--order asc|desc] [-o table|json|jsonl|csv]\n"
    "             [--count | --explain] [--prove FILE [--prove-each] [--strict] [--state FILE]]\n"
    "\n"
    "Finds events. What was acknowledged before the question was asked is in its answer.\n"
    "\n" STELE_ASK_USAGE "\n"
    "  --limit N --cursor C  a page of the answer; the next page's cursor is printed on stderr\n"
    "  --order asc|desc      by log time, log, seq; table: desc, all others: asc\n"
    "  -o table|json|jsonl|csv   a terminal's table is the default; events are whole in json\n"
    "                        and jsonl; csv puts ' before what a spreadsheet would compute\n"
    "  --count               only how many there are; with --prove FILE, the number is proven and\n"
    "                        no event is shown: with --tenant and one condition at most\n"
    "  --explain             how the server would find them\n"
    "  --prove FILE          also save the answer as a file that `stele verify` checks without\n"
    "                        a server; it is checked here first. With --tenant it also proves "
    "that\n"
    "                        no event was left out, or that there is none\n"
    "  --prove-each          proves it by the key of each condition: FILE by the first, FILE.2,\n"
    "                        FILE.3, ... by the others; all must give the same events\n"
    "  --strict              proves of every event that it is in the log, also beyond 1000 a log\n"
    "  --state FILE          what `stele verify --state` remembers: the file then also proves "
    "that\n"
    "                        each log only grew since; needs --tenant; FILE is not changed here\n"
    "\n"
    "Exit codes: 0 found, 1 none, 2 usage, 3 unreachable, 4 the proof does not hold,\n"
    "5 incomplete: what was printed is not the whole answer.\n"
    "\n"
    "examples:\n"
    "  stele --config client.conf query --actor alice --since 18mo\n"
    "  stele --config client.conf query --resource model:fraud --type deployment -o jsonl\n"
    "  stele --config client.conf query --tenant acme --actor alice --prove alice.stele-proof\n"
    "\n";

#define COUNT_TIMEOUT_MS 660000 /* a server's budget for one call is ten minutes */
#define EXPLAIN_TIMEOUT_MS 60000

struct options {
    struct stele_asked asked;
    stele_output output;
    bool count, explain, prove_each;
    const char *order, *prove, *state;
};

static stele_status take_flag(struct options *options, int flag, const char *value,
                              stele_err *err) {
    struct stele_search_request *request = &options->asked.request;
    stele_status st = STELE_OK;
    stele_err why;
    switch (flag) {
    case 'o':
        return stele_output_parse(value, &options->output, err);
    case 'l':
        st = stele_cli_number(value, &request->limit, &why);
        return st == STELE_OK && request->limit > 0
                   ? STELE_OK
                   : STELE_FAIL(err, INVALID, "--limit %.40s: write a number from 1 on", value);
    case 'c':
        request->cursor = stele_view_str(value);
        return value[0] != '\0' ? STELE_OK : STELE_FAIL(err, INVALID, "--cursor is empty");
    case 'd':
        options->order = value;
        return strcmp(value, "asc") == 0 || strcmp(value, "desc") == 0
                   ? STELE_OK
                   : STELE_FAIL(err, INVALID, "--order %.40s: there are asc and desc", value);
    case 'n':
        options->count = true;
        return STELE_OK;
    case 'e':
        options->explain = true;
        return STELE_OK;
    case 'p':
        options->prove = value;
        return STELE_OK;
    case 's':
        options->state = value;
        return STELE_OK;
    case 'a':
        options->prove_each = true;
        return STELE_OK;
    case 't':
        request->strict = true;
        return STELE_OK;
    default:
        return stele_asked_take(&options->asked, flag, value, err);
    }
}

/* What flags cannot be together. Returns an exit code, or STELE_GO_ON. */
static int check(const struct options *options) {
    const struct stele_search_request *request = &options->asked.request;
    bool page = request->limit > 0 || request->cursor.size > 0;
    if (options->explain && (options->count || options->prove != NULL)) {
        return stele_usage_error("query", "choose one of --count, --explain and --prove");
    }
    if (options->count && (options->prove_each || request->strict)) {
        return stele_usage_error("query", "--prove-each and --strict are about events; a number "
                                          "has none");
    }
    if (options->prove != NULL && options->order != NULL && strcmp(options->order, "desc") == 0) {
        return stele_usage_error("query", "--prove gives the events in ascending order; leave out "
                                          "--order desc");
    }
    if (options->prove != NULL && strcmp(options->prove, "-") == 0) {
        return stele_usage_error("query", "--prove needs a file: stdout has the events");
    }
    bool complete = options->state != NULL || options->prove_each || request->strict ||
                    (options->count && options->prove != NULL);
    if (complete && (options->prove == NULL || request->filter.tenant.size == 0 || page)) {
        return stele_usage_error("query",
                                 "--state, --prove-each, --strict and a proven --count are about "
                                 "a complete answer: "
                                 "add --prove FILE and --tenant, leave out --limit and --cursor");
    }
    if (options->count && page) {
        return stele_usage_error("query", "--count counts the whole answer; leave out --limit and "
                                          "--cursor");
    }
    return STELE_GO_ON;
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
                                          {"prove-each", no_argument, NULL, 'a'},
                                          {"strict", no_argument, NULL, 't'},
                                          {"state", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'h' || c == '?' || c == ':') {
            int code = stele_flag_other("query", usage, c, argv);
            if (c == 'h') {
                stele_asked_print_words();
            }
            return code;
        }
        if (take_flag(ret, c, optarg, &err) != STELE_OK) {
            return stele_usage_error("query", "%s", err.text);
        }
    }
    if (optind != argc) {
        return stele_usage_error("query", "'%s' belongs to no flag", argv[optind]);
    }
    bool table_order = ret->output == STELE_OUTPUT_TABLE && ret->prove == NULL;
    bool descending = ret->order == NULL ? table_order : strcmp(ret->order, "desc") == 0;
    ret->asked.request.order = descending ? STELE_ORDER_DESCENDING : STELE_ORDER_ASCENDING;
    ret->asked.request.prove = ret->prove != NULL;
    ret->asked.request.count_only = ret->count && ret->prove != NULL;
    return check(ret);
}

/* ------------------------------------------------------------------ explain */

static stele_status print_plan(void *ctx, const struct stele_log_plan *plan, stele_err *err) {
    (void)ctx;
    (void)err;
    (void)printf("%.*s: ", (int)plan->log.size, (const char *)plan->log.data);
    if (stele_view_is(plan->key, "scan")) {
        (void)printf("reads %" PRIu64 " of %" PRIu64 " entries: no index is of use\n",
                     plan->postings, plan->size);
    } else {
        bool narrowed = plan->narrowed_by.size > 0;
        (void)printf("reads %sthe %" PRIu64 " events with %.*s%s%.*s, of %" PRIu64
                     " entries, from %u index parts; %u are skipped\n",
                     narrowed ? "of " : "", plan->postings, (int)plan->key.size,
                     (const char *)plan->key.data, narrowed ? " those with " : "",
                     (int)plan->narrowed_by.size, (const char *)plan->narrowed_by.data, plan->size,
                     plan->segments, plan->segments_skipped);
    }
    for (size_t i = 0; i < plan->n_considered; i++) {
        (void)printf("    %" PRIu64 " events have %.*s\n", plan->considered[i].postings,
                     (int)plan->considered[i].key.size, (const char *)plan->considered[i].key.data);
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ the answer */

struct answer {
    struct stele_hit_printer printer;
    struct stele_progress progress;
    struct stele_answer_file *file; /* --prove */
    stele_buf cursor;               /* where the server's budget or the limit ended this call */
    stele_buf not_complete;         /* --prove: why the file proves less than it could */
    bool ended, budget_spent;
};

/* One message of the answer. */
static stele_status take_message(struct answer *answer, stele_view rest, stele_err *err) {
    struct stele_search_part part;
    stele_status st = STELE_OK;
    while ((st = stele_search_response_next(&rest, &part, err)) == STELE_OK) {
        switch (part.kind) {
        case STELE_SEARCH_PART_HIT:
            STELE_TRY(answer->file != NULL
                          ? STELE_FAIL(err, UNVERIFIED, "the server sent events without proofs")
                          : stele_hit_print(&answer->printer, &part.as.hit, err));
            break;
        case STELE_SEARCH_PART_ANSWER:
            STELE_TRY(answer->file == NULL
                          ? STELE_FAIL(err, IO, "the server sent a proof nobody asked for")
                          : stele_answer_file_take(answer->file, part.as.answer, err));
            break;
        case STELE_SEARCH_PART_END:
            answer->ended = true;
            answer->budget_spent = part.as.end.budget_spent;
            STELE_TRY(stele_buf_append(&answer->cursor, part.as.end.cursor, err));
            STELE_TRY(stele_buf_append(&answer->not_complete, part.as.end.not_complete, err));
            break;
        }
    }
    /* A message that is none is no fault of the question. */
    st = st == STELE_END ? STELE_OK : (st == STELE_INVALID ? STELE_IO : st);
cleanup:
    return st;
}

static stele_status take_stream(struct answer *answer, struct stele_rpc_stream *stream,
                                stele_err *err) {
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_interrupt_watch(stream);
    while ((st = stele_rpc_stream_receive(stream, &message, NULL, err)) == STELE_OK) {
        STELE_TRY(take_message(answer, stele_view_buf(&message), err));
        stele_progress_at(&answer->progress, answer->printer.n, 0);
        if (stele_interrupted()) {
            break;
        }
    }
    if (stele_interrupted()) {
        st = STELE_FAIL(err, IO, "interrupted: this is not the whole answer");
    } else if (st == STELE_END && !answer->ended) {
        st = STELE_FAIL(err, CLOSED, "the server ended the answer without saying that it is whole");
    } else if (st == STELE_END) {
        st = STELE_OK;
    } else {
        st = stele_cli_named(st);
    }
cleanup:
    stele_interrupt_watch(NULL);
    stele_buf_done(&message);
    return st;
}

/* Asks until the answer is whole or the limit is reached: the server's budget per call is no reason
 * to bother a person. */
static stele_status search(const struct stele_cli *cli, struct options *options,
                           struct answer *answer, stele_err *err) {
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
        uint64_t hits = answer->printer.n - before;
        if (!answer->budget_spent || options->prove != NULL ||
            (request.limit > 0 && hits >= request.limit)) {
            break;
        }
        stele_buf_clear(&cursor);
        STELE_TRY(stele_buf_append(&cursor, stele_view_buf(&answer->cursor), err));
        request.cursor = stele_view_buf(&cursor);
        request.limit -= request.limit == 0 ? 0 : hits;
    }
cleanup:
    stele_rpc_stream_close(stream);
    stele_buf_done(&cursor);
    return st;
}

/* What is left to say, and the exit code. */
static int conclude(const struct options *options, struct answer *answer, stele_status st,
                    stele_err *err) {
    st = st == STELE_OK && !options->count ? stele_hit_printer_end(&answer->printer, err) : st;
    stele_progress_end(&answer->progress);
    if (st != STELE_OK) {
        int code = stele_cli_failed("query", st, err);
        (void)fflush(stdout);
        if (answer->printer.n > 0 && err->os_errno == 0) {
            (void)fprintf(stderr,
                          "stele query: do not take the %" PRIu64
                          " events above for the answer; ask again\n",
                          answer->printer.n);
        }
        return code;
    }
    if (answer->cursor.size > 0 && (options->prove == NULL || answer->budget_spent)) {
        (void)fprintf(stderr, "There may be more. The next page: --cursor %.*s\n",
                      (int)answer->cursor.size, (const char *)answer->cursor.data);
    }
    if (answer->not_complete.size > 0) {
        (void)fprintf(stderr, "The file does not prove that nothing was left out: %.*s.\n",
                      (int)answer->not_complete.size, (const char *)answer->not_complete.data);
    }
    if (answer->budget_spent) {
        (void)fprintf(stderr,
                      "The server's budget ended the answer; ask for its next page, or narrow "
                      "the time range and ask again.\n");
        return STELE_EXIT_INCOMPLETE;
    }
    if (options->count) {
        uint64_t n = stele_answer_file_events(answer->file);
        (void)printf("%" PRIu64 "\n", n);
        return n > 0 ? STELE_EXIT_FOUND : STELE_EXIT_NONE;
    }
    if (answer->printer.n == 0) {
        (void)fprintf(stderr, "No event matches.\n");
    }
    return answer->printer.n > 0 ? STELE_EXIT_FOUND : STELE_EXIT_NONE;
}

/* Reads what is remembered, and puts the logs of the asked region into the request, as far as one
 * question can name them. */
static stele_status take_known(struct options *options, struct stele_verify_state **ret,
                               stele_err *err) {
    struct stele_search_request *request = &options->asked.request;
    struct stele_wire_sizes *known = &request->known;
    stele_err why;
    if (options->state == NULL) {
        return STELE_OK;
    }
    stele_status st = stele_state_file_load(options->state, ret, &why);
    if (st != STELE_OK) {
        return STELE_FAIL(err, INVALID, "--state %.200s: %.200s", options->state, why.text);
    }
    for (size_t i = 0; i < stele_verify_state_n_heads(*ret); i++) {
        const struct stele_checkpoint *head = stele_verify_state_head_at(*ret, i);
        const char *last = strrchr(head->origin, '/');
        size_t size = last == NULL ? 0 : (size_t)(last - head->origin);
        size_t region = request->region.size;
        if (size > region && head->origin[size - region - 1] == '/' &&
            stele_view_equal(stele_view_of(last - region, region), request->region) &&
            known->n < STELE_WIRE_LIST_MAX) {
            known->item[known->n++] =
                (struct stele_wire_size){stele_view_str(head->origin), head->size_leaves};
        }
    }
    return STELE_OK;
}

static int answer_question(struct stele_cli *cli, struct options *options) {
    struct answer answer = {.printer.output = options->output};
    struct stele_verify_state *known = NULL;
    stele_err err = {.status = STELE_OK};
    stele_status st = STELE_OK;
    stele_progress_begin(&answer.progress, "stele query", "events", true);
    STELE_TRY(take_known(options, &known, &err));
    if (options->prove != NULL) {
        STELE_TRY(stele_answer_file_open(cli->config->vkeys, options->prove, &answer.printer, known,
                                         &answer.file, &err));
    }
    STELE_TRY(search(cli, options, &answer, &err));
    if (answer.file != NULL) {
        stele_progress_end(&answer.progress);
        STELE_TRY(stele_answer_file_finish(answer.file, &options->asked.request, &err));
    }
cleanup:;
    int code = conclude(options, &answer, st, &err);
    stele_answer_file_close(answer.file);
    stele_verify_state_free(known);
    stele_hit_printer_done(&answer.printer);
    stele_buf_done(&answer.cursor);
    stele_buf_done(&answer.not_complete);
    return code;
}

/* By each of the conditions that have a key. */
static stele_status choose_first(struct options *options, stele_err *err) {
    size_t condition[STELE_FILTER_CONDITIONS_MAX];
    size_t n = 0;
    stele_status st = stele_prove_each_conditions(&options->asked.request, condition, &n, err);
    if (st == STELE_OK && n < 2) {
        st = STELE_FAIL(err, INVALID,
                        "--prove-each is for several conditions that have an index key; here are "
                        "%zu",
                        n);
    }
    if (st == STELE_OK) {
        options->asked.request.open_condition = condition[0];
    }
    return st;
}

static int ask_by_each(struct stele_cli *cli, struct options *options) {
    stele_err err;
    stele_status st = choose_first(options, &err);
    int code = st == STELE_OK ? answer_question(cli, options) : STELE_EXIT_USAGE;
    if (st == STELE_OK && (code == STELE_EXIT_FOUND || code == STELE_EXIT_NONE)) {
        st = stele_prove_each(cli, &options->asked.request, options->prove, &err);
    }
    return st == STELE_OK ? code : stele_cli_failed("query", stele_cli_named(st), &err);
}

static int ask(struct stele_cli *cli, struct options *options) {
    const struct stele_search_request *request = &options->asked.request;
    uint64_t count = 0;
    stele_err err;
    stele_status st = STELE_OK;
    int code = STELE_EXIT_FOUND;
    if (!options->explain && (!options->count || options->prove != NULL)) {
        return options->prove_each ? ask_by_each(cli, options) : answer_question(cli, options);
    }
    if (options->explain) {
        STELE_TRY(
            stele_client_explain(cli->client, request, EXPLAIN_TIMEOUT_MS, print_plan, NULL, &err));
    } else {
        STELE_TRY(stele_client_count(cli->client, request, COUNT_TIMEOUT_MS, &count, &err));
        (void)printf("%" PRIu64 "\n", count);
        code = count > 0 ? STELE_EXIT_FOUND : STELE_EXIT_NONE;
    }
cleanup:
    return st == STELE_OK ? code : stele_cli_failed("query", stele_cli_named(st), &err);
}

int stele_query_command(const char *config, int argc, char **argv) {
    struct options *options = stele_alloc(1, sizeof *options);
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = options == NULL ? STELE_EXIT_INCOMPLETE : parse(argc, argv, options);
    if (code != STELE_GO_ON) {
        goto cleanup;
    }
    STELE_TRY(stele_interrupt_begin(&err));
    STELE_TRY(stele_cli_open("query", config, &cli, &err));
    STELE_TRY(stele_asked_finish(&options->asked, &cli, &err));
    code = ask(&cli, options);
cleanup:
    if (st != STELE_OK) {
        code = stele_cli_failed("query", st, &err);
    }
    stele_cli_close(&cli);
    stele_free(options);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tools/receipt_command.c: `stele receipt`: one event with its proof, and whether the index lists
 * it. */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/query_client.h"
#include "proto/verify.h"
#include "tools/check_index.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/save.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 30000

static const char usage[] =
    "usage: stele --config client.conf receipt --log REGION/LOG --seq N [--out FILE]\n"
    "             [--check-index [-o text|json]]\n"
    "\n"
    "Saves the receipt of one event: the event, and the proof that it is in the log, checkable\n"
    "offline for years with `stele verify FILE --key VKEYS`. It is checked here first, with the\n"
    "vkeys of client.conf. FILE may be - for stdout.\n"
    "\n"
    "  --check-index  asks for proof that the log's index lists the event under each of its keys,\n"
    "                 so that who asks for one of them is shown it; a line a key. The log is\n"
    "                 sealed first. Proofs are given to who may read all tenants of the log\n"
    "  -o text|json   of those lines\n"
    "\n"
    "Exit codes: 0 saved, and listed, 1 no such entry, 2 usage or not allowed, 3 unreachable,\n"
    "4 the receipt or a proof does not hold, or a key does not list the event, 5 the index does\n"
    "not cover the event yet.\n"
    "\n"
    "examples:\n"
    "  stele --config client.conf receipt --log eu-central-1/3y --seq 12 --out "
    "event12.tlog-proof\n"
    "  stele --config client.conf receipt --log eu-central-1/3y --seq 12 --check-index\n";

struct options {
    const char *log, *out;
    uint64_t seq;
    bool has_seq, check_index, has_output, json;
};

static stele_status take_flag(struct options *options, int flag, const char *value,
                              stele_err *err) {
    stele_err why;
    switch (flag) {
    case 'l':
        options->log = value;
        return STELE_OK;
    case 'w':
        options->out = value;
        return STELE_OK;
    case 'i':
        options->check_index = true;
        return STELE_OK;
    case 's':
        options->has_seq = true;
        return stele_cli_number(value, &options->seq, &why) == STELE_OK
                   ? STELE_OK
                   : STELE_FAIL(err, INVALID, "--seq: %.200s", why.text);
    default:
        options->has_output = true;
        options->json = strcmp(value, "json") == 0;
        return options->json || strcmp(value, "text") == 0
                   ? STELE_OK
                   : STELE_FAIL(err, INVALID, "-o %.40s: there are text and json", value);
    }
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"log", required_argument, NULL, 'l'},
                                          {"seq", required_argument, NULL, 's'},
                                          {"out", required_argument, NULL, 'w'},
                                          {"check-index", no_argument, NULL, 'i'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":o:h", names, NULL)) != -1;) {
        if (c == 'h' || c == '?' || c == ':') {
            return stele_flag_other("receipt", usage, c, argv);
        }
        if (take_flag(ret, c, optarg, &err) != STELE_OK) {
            return stele_usage_error("receipt", "%s", err.text);
        }
    }
    if (optind != argc) {
        return stele_usage_error("receipt", "'%s' belongs to no flag", argv[optind]);
    }
    if (ret->log == NULL || strchr(ret->log, '/') == NULL) {
        return stele_usage_error("receipt", "name the log with --log REGION/LOG");
    }
    if (!ret->has_seq) {
        return stele_usage_error("receipt", "name the entry with --seq N");
    }
    if (ret->out == NULL && !ret->check_index) {
        return stele_usage_error("receipt", "name the file to write with --out FILE");
    }
    if (ret->has_output && !ret->check_index) {
        return stele_usage_error("receipt", "-o is about the lines of --check-index");
    }
    if (ret->check_index && ret->out != NULL && strcmp(ret->out, "-") == 0) {
        return stele_usage_error("receipt", "--check-index prints on stdout: give --out a file");
    }
    return STELE_GO_ON;
}

/* The event of a receipt that holds. */
struct own {
    struct stele_entry entry;
    stele_buf payload;
};

static stele_status keep_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct own *own = ctx;
    stele_buf_clear(&own->payload);
    return stele_buf_append(&own->payload, event->payload, err);
}

/* That the receipt holds, and that it is of the entry that was asked for. */
static stele_status check_receipt(const char *vkeys, const struct options *options,
                                  stele_view receipt, struct own *ret, stele_err *err) {
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct stele_verifier *verifier = NULL;
    struct stele_verify_report *report = stele_alloc(1, sizeof *report);
    stele_status st = STELE_OK;
    if (report == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to check a receipt");
    }
    STELE_TRY(stele_vkeys_read(vkeys, &keys, &n_keys, err));
    STELE_TRY(stele_verifier_new(keys, n_keys, keep_event, ret, &verifier, err));
    st = stele_verifier_feed(verifier, receipt, err);
    st = st == STELE_OK ? stele_verifier_end(verifier, report, err) : st;
    STELE_TRY(stele_cli_judged(st));
    if (report->kind != STELE_PROOF_RECEIPT || report->receipt.entry.seq != options->seq ||
        !stele_cli_is_of_log(report->receipt.checkpoint.origin, options->log)) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "the server sent the proof of another entry than %s %" PRIu64,
                             options->log, options->seq));
    }
    ret->entry = report->receipt.entry;
cleanup:
    stele_verifier_free(verifier);
    stele_verify_report_done(report);
    stele_free(report);
    stele_free(keys);
    return st;
}

/* Sets the exit code. */
static stele_status check_index(const struct stele_cli *cli, const struct options *options,
                                const struct own *own, int *ret_code, stele_err *err) {
    assert(options->log != NULL); /* parse() asks for it */
    const char *slash = strchr(options->log, '/');
    struct stele_index_check found;
    const struct stele_own_event event = {
        .region = stele_view_of(options->log, (size_t)(slash - options->log)),
        .log = stele_view_str(slash + 1),
        .seq = options->seq,
        .time_us = own->entry.time_us,
        .payload = stele_view_buf(&own->payload)};
    if (own->entry.type != STELE_ENTRY_EVENT || event.payload.size == 0) {
        return STELE_FAIL(err, NOT_FOUND,
                          "entry %" PRIu64 " of %s is no event that is still there: no index lists "
                          "it",
                          options->seq, options->log);
    }
    stele_status st = stele_check_index(cli, &event, options->json, &found, err);
    if (st == STELE_BUSY) { /* the server is there: it has not sealed the log in time */
        (void)fprintf(stderr, "stele receipt: %s\n", err->text);
        *ret_code = STELE_EXIT_INCOMPLETE;
        return STELE_OK;
    }
    if (st != STELE_OK) {
        return st;
    }
    if (found.n_missing > 0) {
        (void)fprintf(stderr,
                      "stele receipt: the index of %s leaves the event out under %" PRIu64
                      " of its keys: keep the receipt, and have the log audited (`stele audit`)\n",
                      options->log, found.n_missing);
        *ret_code = STELE_EXIT_UNVERIFIED;
    } else if (found.n_unknown > 0) {
        *ret_code = STELE_EXIT_INCOMPLETE;
    }
    return STELE_OK;
}

int stele_receipt_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_got got;
    struct own own = {.payload = STELE_BUF_EMPTY};
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    code = STELE_EXIT_FOUND;
    STELE_TRY(stele_cli_open("receipt", config, &cli, &err));
    if (options.check_index && cli.config->vkeys == NULL) {
        STELE_TRY(STELE_FAIL(&err, INVALID,
                             "--check-index checks proofs: name the logs' public keys in "
                             "client.conf (vkeys: FILE)"));
    }
    struct stele_get_request request = {
        .log = stele_view_str(options.log), .seq = options.seq, .want_receipt = true};
    STELE_TRY(stele_client_get(cli.client, &request, TIMEOUT_MS, &reply, &got, &err));
    if (cli.config->vkeys != NULL) {
        STELE_TRY(check_receipt(cli.config->vkeys, &options, got.receipt, &own, &err));
    }
    if (options.out != NULL) {
        STELE_TRY(stele_save_file(options.out, got.receipt, &err));
    }
    if (options.check_index) {
        STELE_TRY(check_index(&cli, &options, &own, &code, &err));
    }
cleanup:
    stele_buf_done(&own.payload);
    stele_buf_done(&reply);
    stele_cli_close(&cli);
    return st == STELE_OK ? code : stele_cli_failed("receipt", st, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tools/log_commands.c: `stele get`, `receipt`, `checkpoint`, `consistency`: one entry or one tree head. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/log_client.h"
#include "proto/query_client.h"
#include "storage/checkpoint.h"
#include "storage/file.h"
#include "storage/tree.h"
#include "tools/cli.h"
#include "tools/print_hits.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 30000
#define NOTE_BYTES_MAX (1u << 20)

struct options {
    const char *log, *out, *old;
    uint64_t seq;
    bool has_seq;
    stele_output output;
};

/* Flags of all four; `usage` and what is needed differ. Returns an exit code, or STELE_GO_ON. */
static int parse(const char *command, const char *usage, int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"log", required_argument, NULL, 'l'}, {"seq", required_argument, NULL, 's'},
                                          {"out", required_argument, NULL, 'w'}, {"old", required_argument, NULL, 'p'},
                                          {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_err err;
    ret->output = STELE_OUTPUT_JSONL;
    optind = 1;
    for (int c = 0; (c = getopt_long(argc, argv, "o:h", names, NULL)) != -1;) {
        stele_status st = STELE_OK;
        if (c == 'l') {
            ret->log = optarg;
        } else if (c == 's') {
            st = stele_cli_number(optarg, &ret->seq, &err);
            ret->has_seq = true;
        } else if (c == 'w') {
            ret->out = optarg;
        } else if (c == 'p') {
            ret->old = optarg;
        } else if (c == 'o') {
            st = stele_output_parse(optarg, &ret->output, &err);
        } else {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? STELE_EXIT_FOUND : STELE_EXIT_USAGE;
        }
        if (st != STELE_OK) {
            return stele_cli_failed(command, STELE_INVALID, &err);
        }
    }
    if (optind != argc || ret->log == NULL || strchr(ret->log, '/') == NULL) {
        (void)fputs(usage, stderr);
        return STELE_EXIT_USAGE;
    }
    return STELE_GO_ON;
}

/* Writes a new file, or stdout for "-" and NULL. */
static stele_status write_out(const char *path, stele_view bytes, stele_err *err) {
    if (path != NULL && strcmp(path, "-") != 0) {
        return stele_file_create(path, bytes, err);
    }
    (void)fwrite(bytes.data, 1, bytes.size, stdout);
    return STELE_OK;
}

static const char get_usage[] =
    "usage: stele --config client.conf get --log REGION/LOG --seq N [-o jsonl|json|table|csv]\n"
    "\n"
    "Prints the event at one place of a log.\n"
    "example:\n"
    "  stele --config client.conf get --log eu-central-1/3y --seq 12\n";

int stele_get_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_got got;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_hit_printer printer = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("get", get_usage, argc, argv, &options);
    if (code != STELE_GO_ON || !options.has_seq) {
        (void)fputs(code != STELE_GO_ON ? "" : get_usage, stderr);
        return code != STELE_GO_ON ? code : STELE_EXIT_USAGE;
    }
    STELE_TRY(stele_cli_open("get", config, &cli, &err));
    struct stele_get_request request = {.log = stele_view_str(options.log), .seq = options.seq};
    STELE_TRY(stele_client_get(cli.client, &request, TIMEOUT_MS, &reply, &got, &err));
    if (got.hit.event.size == 0) {
        STELE_TRY(STELE_FAIL(&err, NOT_FOUND, "entry %" PRIu64 " of %s is the log's own (a control or index entry), no event",
                             options.seq, options.log));
    }
    printer.output = options.output;
    STELE_TRY(stele_hit_print(&printer, &got.hit, &err));
    STELE_TRY(stele_hit_printer_end(&printer, &err));
cleanup:
    stele_hit_printer_done(&printer);
    stele_buf_done(&reply);
    stele_cli_close(&cli);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("get", st, &err);
}

static const char receipt_usage[] =
    "usage: stele --config client.conf receipt --log REGION/LOG --seq N --out FILE\n"
    "\n"
    "Saves the receipt of one event: the event, and the proof that it is in the log, checkable offline for\n"
    "years with `stele verify FILE --key VKEYS`.\n"
    "example:\n"
    "  stele --config client.conf receipt --log eu-central-1/3y --seq 12 --out event12.tlog-proof\n";

int stele_receipt_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    struct stele_got got;
    stele_buf reply = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("receipt", receipt_usage, argc, argv, &options);
    if (code != STELE_GO_ON || !options.has_seq || options.out == NULL) {
        (void)fputs(code != STELE_GO_ON ? "" : receipt_usage, stderr);
        return code != STELE_GO_ON ? code : STELE_EXIT_USAGE;
    }
    STELE_TRY(stele_cli_open("receipt", config, &cli, &err));
    struct stele_get_request request = {.log = stele_view_str(options.log), .seq = options.seq, .want_receipt = true};
    STELE_TRY(stele_client_get(cli.client, &request, TIMEOUT_MS, &reply, &got, &err));
    STELE_TRY(write_out(options.out, got.receipt, &err));
cleanup:
    stele_buf_done(&reply);
    stele_cli_close(&cli);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("receipt", st, &err);
}

static const char checkpoint_usage[] =
    "usage: stele --config client.conf checkpoint --log REGION/LOG [--out FILE]\n"
    "\n"
    "Prints the log's newest signed checkpoint. Keep it: `consistency` shows later that nothing it covers\n"
    "was changed.\n"
    "example:\n"
    "  stele --config client.conf checkpoint --log eu-central-1/3y --out today.checkpoint\n";

int stele_checkpoint_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("checkpoint", checkpoint_usage, argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    STELE_TRY(stele_cli_open("checkpoint", config, &cli, &err));
    STELE_TRY(stele_client_checkpoint(cli.client, options.log, 0, TIMEOUT_MS, &note, &err));
    STELE_TRY(write_out(options.out, stele_view_buf(&note), &err));
cleanup:
    stele_buf_done(&note);
    stele_cli_close(&cli);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("checkpoint", st, &err);
}

static const char consistency_usage[] =
    "usage: stele --config client.conf consistency --log REGION/LOG --old FILE [--out FILE]\n"
    "\n"
    "Proves that the log as it is now extends the checkpoint in FILE: nothing it covered was changed or\n"
    "removed. Both signatures are checked with the vkeys of client.conf. --out saves the newest checkpoint.\n"
    "Exit codes: 0 consistent, 4 not: keep both checkpoints, they are evidence.\n"
    "example:\n"
    "  stele --config client.conf consistency --log eu-central-1/3y --old today.checkpoint\n";

static stele_status check_consistency(struct stele_cli *cli, const struct options *options, stele_err *err) {
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct stele_checkpoint old;
    struct stele_checkpoint new;
    stele_buf old_note = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf path = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (cli->config->vkeys == NULL) {
        return STELE_FAIL(err, INVALID, "consistency checks signatures: name the logs' public keys in client.conf (vkeys: FILE)");
    }
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &keys, &n_keys, err));
    STELE_TRY(stele_file_read(options->old, NOTE_BYTES_MAX, &old_note, err));
    STELE_TRY(stele_checkpoint_open(stele_view_buf(&old_note), keys, n_keys, &old, err));
    STELE_TRY(stele_client_consistency(cli->client, options->log, old.size_leaves, TIMEOUT_MS, &path, &note, err));
    STELE_TRY(stele_checkpoint_open(stele_view_buf(&note), keys, n_keys, &new, err));
    if (strcmp(old.origin, new.origin) != 0) {
        STELE_TRY(STELE_FAIL(err, INVALID, "'%s' is a checkpoint of %s, the server's is of %s", options->old, old.origin, new.origin));
    }
    if (old.size_leaves > new.size_leaves) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED, "the old checkpoint has %" PRIu64 " entries, the server's newest %" PRIu64 ": the log was cut back",
                             old.size_leaves, new.size_leaves));
    }
    STELE_TRY(stele_tree_check_consistency(old.size_leaves, new.size_leaves, path.data, path.size / STELE_HASH_BYTES,
                                           old.root, new.root, err));
    if (options->out != NULL) {
        STELE_TRY(write_out(options->out, stele_view_buf(&note), err));
    }
    (void)printf("%s: consistent: %" PRIu64 " entries then, %" PRIu64 " now; none of the first %" PRIu64 " was changed\n",
                 new.origin, old.size_leaves, new.size_leaves, old.size_leaves);
cleanup:
    stele_free(keys);
    stele_buf_done(&old_note);
    stele_buf_done(&note);
    stele_buf_done(&path);
    return st;
}

int stele_consistency_command(const char *config, int argc, char **argv) {
    struct options options = {0};
    struct stele_cli cli = {0};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse("consistency", consistency_usage, argc, argv, &options);
    if (code != STELE_GO_ON || options.old == NULL) {
        (void)fputs(code != STELE_GO_ON ? "" : consistency_usage, stderr);
        return code != STELE_GO_ON ? code : STELE_EXIT_USAGE;
    }
    STELE_TRY(stele_cli_open("consistency", config, &cli, &err));
    STELE_TRY(check_consistency(&cli, &options, &err));
cleanup:
    stele_cli_close(&cli);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("consistency", st, &err);
}

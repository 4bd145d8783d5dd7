/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/cli.h: what the subcommands of `stele` share: the connection client.conf describes, exit codes,
 * times as people write them. Layer: tools.
 */
#ifndef STELE_TOOLS_CLI_H
#define STELE_TOOLS_CLI_H

#include "proto/rpc_client.h"
#include "tools/config.h"
#include "tools/exit.h"

/* Prints "stele <command>: <text>" and says the exit code the failure has. */
int stele_cli_failed(const char *command, stele_status st, const stele_err *err);

struct stele_cli {
    const char *command; /* for messages */
    struct stele_client_config *config;
    struct stele_rpc_client *client;
};
/* Reads client.conf and opens the connection. Errors: those of the file, CLOSED. */
STELE_MUST_USE stele_status stele_cli_open(const char *command, const char *config_path, struct stele_cli *ret,
                                           stele_err *err);
void stele_cli_close(struct stele_cli *cli);
/* The region asked for, or the only one of client.conf. Errors: INVALID, naming the regions there are. */
STELE_MUST_USE stele_status stele_cli_region(const struct stele_cli *cli, const char *asked, const char **ret,
                                             stele_err *err);

/*
 * "2026-05-01", "2026-05-01T12:00:00Z", "2026-05-01T12:00:00.5+02:00", "90s", "15min", "36h", "7d", "2w",
 * "18mo", "2y" (that long ago; months and years by the calendar), "now", "today", "yesterday" (UTC).
 * Errors: INVALID with these forms.
 */
STELE_MUST_USE stele_status stele_cli_time(const char *text, uint64_t now_unix_nano, uint64_t *ret_unix_nano,
                                           stele_err *err);
/* "10s", "500ms", "2min" as milliseconds. */
STELE_MUST_USE stele_status stele_cli_duration(const char *text, uint32_t *ret_ms, stele_err *err);
/* A decimal number without sign. */
STELE_MUST_USE stele_status stele_cli_number(const char *text, uint64_t *ret, stele_err *err);

/* The subcommands. argv[0] is the command's name; the result is the exit code. `config` is --config's
 * value, or NULL. Those without it work offline. */
int stele_append_command(const char *config, int argc, char **argv);
int stele_import_command(const char *config, int argc, char **argv);
int stele_query_command(const char *config, int argc, char **argv);
int stele_tail_command(const char *config, int argc, char **argv);
int stele_get_command(const char *config, int argc, char **argv);
int stele_receipt_command(const char *config, int argc, char **argv);
int stele_checkpoint_command(const char *config, int argc, char **argv);
int stele_consistency_command(const char *config, int argc, char **argv);
int stele_tiles_command(const char *config, int argc, char **argv);
int stele_bench_command(const char *config, int argc, char **argv);

#endif

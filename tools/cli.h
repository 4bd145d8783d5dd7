/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/cli.h: what the subcommands of `stele` share: the connection client.conf describes, and
 * what a failure prints and ends with. Layer: tools.
 */
#ifndef STELE_TOOLS_CLI_H
#define STELE_TOOLS_CLI_H

#include "proto/rpc_client.h"
#include "tools/cli_time.h"
#include "tools/config.h"
#include "tools/exit.h"

/*
 * Prints "stele <command>: <text>" on stderr and gives the exit code of the failure: what the
 * caller must change (a flag, a file, a right) is USAGE, nothing there is NONE, a server that does
 * not answer or has no room UNREACHABLE, evidence that does not hold UNVERIFIED, all else
 * INCOMPLETE. A reader of stdout that went away is no failure to talk of: nothing is printed.
 */
int stele_cli_failed(const char *command, stele_status st, const stele_err *err);
/* The same for the end of a command: FOUND if `st` is OK. */
int stele_cli_ended(const char *command, stele_status st, const stele_err *err);
/* A region, a log or a file that is not there, where a question or a flag named it: a mistake in
 * the question, never an answer that holds nothing. NOT_FOUND becomes INVALID. */
STELE_MUST_USE stele_status stele_cli_named(stele_status st);

/* Whatever a check finds wrong with evidence is the same to a caller: it does not hold. UNVERIFIED,
 * but for OK and for what was wrong on our side: no memory, no room, a disk. */
STELE_MUST_USE stele_status stele_cli_judged(stele_status st);

/* True if an origin, "<domain>/<region>/<log>", is that of `log`, "<region>/<log>". */
bool stele_cli_is_of_log(const char *origin, const char *log);

struct stele_cli {
    const char *command; /* for messages */
    struct stele_client_config *config;
    struct stele_rpc_client *client;
};
/* Reads client.conf and what it names, and opens the connection. Errors: INVALID for all that is
 * wrong with the files. */
STELE_MUST_USE stele_status stele_cli_open(const char *command, const char *config_path,
                                           struct stele_cli *ret, stele_err *err);
void stele_cli_close(struct stele_cli *cli);
/* The region asked for, or the only one of client.conf. Errors: INVALID, naming the regions there
 * are. */
STELE_MUST_USE stele_status stele_cli_region(const struct stele_cli *cli, const char *asked,
                                             const char **ret, stele_err *err);

/* The subcommands. argv[0] is the command's name; the result is the exit code. `config` is
 * --config's value, or NULL. Those without it work offline. */
int stele_append_command(const char *config, int argc, char **argv);
int stele_import_command(const char *config, int argc, char **argv);
int stele_query_command(const char *config, int argc, char **argv);
int stele_tail_command(const char *config, int argc, char **argv);
int stele_get_command(const char *config, int argc, char **argv);
int stele_receipt_command(const char *config, int argc, char **argv);
int stele_checkpoint_command(const char *config, int argc, char **argv);
int stele_consistency_command(const char *config, int argc, char **argv);
int stele_status_command(const char *config, int argc, char **argv);
int stele_seal_command(const char *config, int argc, char **argv);
int stele_era_command(const char *config, int argc, char **argv);
/* --data needs no config. */
int stele_audit_command(const char *config, int argc, char **argv);
int stele_tiles_command(const char *config, int argc, char **argv);
int stele_bench_command(const char *config, int argc, char **argv);

#endif

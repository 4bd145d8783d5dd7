/* SPDX-License-Identifier: Apache-2.0 */
/* tools/cli.c: connection and exit codes. */
#include "tools/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/bytes.h"
#include "storage/file.h"

#define PEM_BYTES_MAX (1u << 20)
#define MESSAGE_BYTES_MAX (16u << 20)

static int exit_of(stele_status st) {
    switch (st) {
    case STELE_INVALID:
    case STELE_LIMIT:
    case STELE_DENIED:
    case STELE_EXISTS:
    case STELE_UNSUPPORTED:
        return STELE_EXIT_USAGE;
    case STELE_NOT_FOUND:
        return STELE_EXIT_NONE;
    case STELE_UNVERIFIED:
    case STELE_CORRUPT:
        return STELE_EXIT_UNVERIFIED;
    case STELE_CLOSED:
    case STELE_BUSY:
        return STELE_EXIT_UNREACHABLE;
    case STELE_OK:
    case STELE_END:
    case STELE_IO:
    case STELE_NO_SPACE:
    case STELE_NO_MEMORY:
    case STELE_BUG:
        break;
    }
    return STELE_EXIT_INCOMPLETE;
}

int stele_cli_failed(const char *command, stele_status st, const stele_err *err) {
    if (err->os_errno != EPIPE) {
        (void)fprintf(stderr, "stele %s: %s\n", command, err->text);
    }
    return exit_of(st);
}

int stele_cli_ended(const char *command, stele_status st, const stele_err *err) {
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed(command, st, err);
}

stele_status stele_cli_named(stele_status st) {
    return st == STELE_NOT_FOUND ? STELE_INVALID : st;
}

stele_status stele_cli_judged(stele_status st) {
    bool ours = st == STELE_OK || st == STELE_IO || st == STELE_NO_SPACE || st == STELE_NO_MEMORY;
    return ours ? st : STELE_UNVERIFIED;
}

bool stele_cli_is_of_log(const char *origin, const char *log) {
    size_t n_origin = strlen(origin);
    size_t n_log = strlen(log);
    return n_origin > n_log && origin[n_origin - n_log - 1] == '/' &&
           strcmp(origin + n_origin - n_log, log) == 0;
}

/* With a NUL. `what` is the key of client.conf that names the file. */
static stele_status read_pem(const char *config_path, const char *what, const char *path,
                             stele_buf *ret, stele_err *err) {
    stele_err why;
    if (stele_file_read(path, PEM_BYTES_MAX, ret, &why) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%.80s: %s: %.130s", config_path, what, why.text);
    }
    return stele_buf_append(ret, stele_view_of("", 1), err);
}

static stele_status connect(const char *config_path, const struct stele_client_config *config,
                            struct stele_rpc_client **ret, stele_err *err) {
    stele_buf ca = STELE_BUF_EMPTY;
    stele_buf certificate = STELE_BUF_EMPTY;
    stele_buf key = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(read_pem(config_path, "server_ca", config->server_ca, &ca, err));
    STELE_TRY(read_pem(config_path, "certificate", config->certificate, &certificate, err));
    STELE_TRY(read_pem(config_path, "private_key", config->private_key, &key, err));
    struct stele_rpc_client_options options = {.target = config->server,
                                               .server_ca_pem = (const char *)ca.data,
                                               .certificate_pem = (const char *)certificate.data,
                                               .private_key_pem = (const char *)key.data,
                                               .message_bytes_max = MESSAGE_BYTES_MAX,
                                               .own_connection = true};
    STELE_TRY(stele_rpc_client_open(&options, ret, err));
cleanup:
    if (key.data != NULL) {
        explicit_bzero(key.data, key.capacity);
    }
    stele_buf_done(&ca);
    stele_buf_done(&certificate);
    stele_buf_done(&key);
    return st;
}

stele_status stele_cli_open(const char *command, const char *config_path, struct stele_cli *ret,
                            stele_err *err) {
    struct stele_cli cli = {.command = command};
    stele_status st = STELE_OK;
    if (config_path == NULL) {
        return STELE_FAIL(err, INVALID,
                          "no server: give `stele --config client.conf %s ...`; `stele init` "
                          "writes a client.conf",
                          command);
    }
    STELE_TRY(stele_client_config_load(config_path, &cli.config, err));
    STELE_TRY(connect(config_path, cli.config, &cli.client, err));
    *ret = cli;
    return STELE_OK;
cleanup:
    stele_client_config_free(cli.config);
    /* No call was made yet: whatever is wrong stands in the files. */
    return st == STELE_NO_MEMORY ? st : STELE_INVALID;
}

void stele_cli_close(struct stele_cli *cli) {
    stele_rpc_client_close(cli->client);
    stele_client_config_free(cli->config);
    *cli = (struct stele_cli){0};
}

stele_status stele_cli_region(const struct stele_cli *cli, const char *asked, const char **ret,
                              stele_err *err) {
    const struct stele_client_config *config = cli->config;
    stele_buf names = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (asked != NULL) {
        *ret = asked;
        return STELE_OK;
    }
    if (config->regions_count == 1) {
        *ret = config->regions[0];
        return STELE_OK;
    }
    for (unsigned i = 0; i < config->regions_count; i++) {
        STELE_TRY(stele_buf_printf(&names, err, "%s%s", i == 0 ? "" : ", ", config->regions[i]));
    }
    STELE_TRY(STELE_FAIL(err, INVALID,
                         "client.conf has several regions; name one with --region: %.*s",
                         (int)names.size, (const char *)names.data));
cleanup:
    stele_buf_done(&names);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tools/config_check.c: checks of a configuration that was read. */
#include "tools/config_check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/engine_names.h"
#include "storage/file.h"
#include "storage/store.h"
#include "tools/cli_time.h"

#define PEM_BYTES_MAX (1u << 20)
#define DRAIN_MS_MAX 600000u /* ten minutes: as long as a call may last at all */
#define QUERY_MS_MAX 600000u /* below what a client waits for one call */

bool stele_config_is_address(const char *text) {
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    size_t host = colon == NULL ? 0 : (size_t)(colon - text);
    bool is_v6 = text[0] == '[';
    if (host == 0 || stele_cli_number(colon + 1, &port, NULL) != STELE_OK || port > UINT16_MAX) {
        return false;
    }
    return is_v6 ? host > 2 && text[host - 1] == ']' : memchr(text, ':', host) == NULL;
}

/* ------------------------------------------------------------------ from the text alone */

static stele_status check_years(const char *path, const char *region, const char *log,
                                unsigned years, stele_err *err) {
    return years >= 1 && years <= 7
               ? STELE_OK
               : STELE_FAIL(err, INVALID,
                            "%.80s: region '%s', log '%s': retention_years: %u; write 1 to 7", path,
                            region, log, years);
}

static stele_status check_log(const char *path, const struct stele_config_region *region,
                              unsigned at, stele_err *err) {
    const struct stele_config_log *log = &region->logs[at];
    stele_err why;
    if (stele_name_check(log->name, STELE_LOG_NAME_MAX, "log", &why) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%.80s: region '%s': %.120s", path, region->name, why.text);
    }
    for (unsigned before = 0; before < at; before++) {
        if (strcmp(region->logs[before].name, log->name) == 0) {
            return STELE_FAIL(err, INVALID, "%.80s: region '%s': log '%s' stands there twice", path,
                              region->name, log->name);
        }
    }
    if (log->tenants_count > 0 && strcmp(log->name, STELE_SYSTEM_LOG) == 0) {
        return STELE_FAIL(err, INVALID,
                          "%.80s: region '%s': the system log is the region's own; it has "
                          "no tenants",
                          path, region->name);
    }
    return check_years(path, region->name, log->name, log->retention_years, err);
}

static stele_status check_region(const char *path, const struct stele_server_config *config,
                                 unsigned at, stele_err *err) {
    const struct stele_config_region *region = &config->regions[at];
    bool system = false;
    stele_err why;
    stele_status st = STELE_OK;
    if (stele_name_check(region->name, STELE_REGION_NAME_MAX, "region", &why) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "%.80s: %.150s", path, why.text);
    }
    for (unsigned before = 0; before < at; before++) {
        if (strcmp(config->regions[before].name, region->name) == 0) {
            return STELE_FAIL(err, INVALID, "%.80s: region '%s' stands there twice", path,
                              region->name);
        }
    }
    for (unsigned i = 0; i < region->logs_count; i++) {
        STELE_TRY(check_log(path, region, i, err));
        system |= strcmp(region->logs[i].name, STELE_SYSTEM_LOG) == 0;
    }
    if (!system) {
        STELE_TRY(STELE_FAIL(err, INVALID,
                             "%.80s: region '%s' has no log named 'system'; add {name: system, "
                             "retention_years: 7}",
                             path, region->name));
    }
cleanup:
    return st;
}

static stele_status check_client(const char *path, const struct stele_config_client *client,
                                 stele_err *err) {
    if (strncmp(client->peer, "cn:", 3) != 0 && strncmp(client->peer, "san:", 4) != 0) {
        return STELE_FAIL(err, INVALID,
                          "%.80s: client '%.60s': a peer is \"cn:<common name>\" or \"san:<URI or "
                          "DNS name>\"",
                          path, client->peer);
    }
    for (unsigned i = 0; i < client->may_count; i++) {
        const char *verb = client->may[i];
        if (strcmp(verb, "append") != 0 && strcmp(verb, "query") != 0 &&
            strcmp(verb, "read_log") != 0) {
            return STELE_FAIL(err, INVALID,
                              "%.80s: client '%.60s': may '%.20s'; there are append, query and "
                              "read_log",
                              path, client->peer, verb);
        }
    }
    return STELE_OK;
}

stele_status stele_config_check(const char *path, const struct stele_server_config *config,
                                stele_err *err) {
    stele_status st = STELE_OK;
    if (!stele_config_is_address(config->listen)) {
        return STELE_FAIL(err, INVALID,
                          "%.80s: listen: '%.60s': write ADDR:PORT, such as 127.0.0.1:7443", path,
                          config->listen);
    }
    if (config->default_retention_years < 1 || config->default_retention_years > 7) {
        return STELE_FAIL(err, INVALID, "%.80s: default_retention_years: %u; write 1 to 7", path,
                          config->default_retention_years);
    }
    if (config->drain_ms > DRAIN_MS_MAX) {
        return STELE_FAIL(err, INVALID, "%.80s: drain_ms: %u; write at most %u", path,
                          config->drain_ms, DRAIN_MS_MAX);
    }
    if (config->query_ms > QUERY_MS_MAX) {
        return STELE_FAIL(err, INVALID, "%.80s: query_ms: %u; write at most %u", path,
                          config->query_ms, QUERY_MS_MAX);
    }
    for (unsigned i = 0; i < config->regions_count; i++) {
        STELE_TRY(check_region(path, config, i, err));
    }
    for (unsigned i = 0; i < config->clients_count; i++) {
        STELE_TRY(check_client(path, &config->clients[i], err));
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ what it names */

static stele_status check_pem(const char *key, const char *path, const char *mark, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_err why;
    stele_status st = stele_file_read(path, PEM_BYTES_MAX, &text, &why);
    if (st != STELE_OK) {
        st = STELE_FAIL(err, INVALID, "tls: %s: %.180s", key, why.text);
    } else if (text.size == 0 || memmem(text.data, text.size, mark, strlen(mark)) == NULL) {
        st =
            STELE_FAIL(err, INVALID, "tls: %s: '%.120s' is no PEM file with '%s'", key, path, mark);
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.capacity);
    }
    stele_buf_done(&text);
    return st;
}

/* Whoever can read the key can be this server. A group may be meant: secrets are often mounted so.
 */
static stele_status check_key_rights(const char *path, stele_err *err) {
    struct stat info;
    if (stat(path, &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
        return STELE_FAIL(err, INVALID,
                          "tls: private_key: everyone can read '%.120s'; chmod o= it, and replace "
                          "the key if others were on this machine",
                          path);
    }
    return STELE_OK;
}

static stele_status check_store(const char *data, const char *region, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    struct stat info;
    stele_status st = stele_file_path(data, region, path, err);
    if (st == STELE_OK && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))) {
        st = STELE_FAIL(err, INVALID,
                        "region '%s' has no store at '%.120s'; `stele init` makes stores", region,
                        path);
    }
    return st;
}

stele_status stele_config_check_tls(const struct stele_server_config *config, stele_err *err) {
    const struct stele_config_tls *tls = config->tls;
    stele_status st = STELE_OK;
    STELE_TRY(check_pem("certificate", tls->certificate, "-----BEGIN CERTIFICATE", err));
    STELE_TRY(check_pem("client_ca", tls->client_ca, "-----BEGIN CERTIFICATE", err));
    STELE_TRY(check_pem("private_key", tls->private_key, "PRIVATE KEY-----", err));
    STELE_TRY(check_key_rights(tls->private_key, err));
cleanup:
    return st;
}

stele_status stele_config_check_stores(const struct stele_server_config *config, stele_err *err) {
    stele_status st = STELE_OK;
    for (unsigned i = 0; i < config->regions_count; i++) {
        STELE_TRY(check_store(config->data, config->regions[i].name, err));
    }
cleanup:
    return st;
}

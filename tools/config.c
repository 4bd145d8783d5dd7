/* SPDX-License-Identifier: Apache-2.0 */
/* tools/config.c: the schemas of steled.conf and client.conf, and the checks that a schema cannot say. */
#include "tools/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/bytes.h"
#include "storage/store.h"

/* Longest texts: paths of the system, names of the format. Counts: STELE_LOGS_MAX logs a region, and more
 * regions and clients than one server is meant to have. */
#define PATH_TEXT_MAX 4096
#define NAME_TEXT_MAX 255
#define REGIONS_MAX 64
#define CLIENTS_MAX 4096
#define NAMES_MAX 4096

static const cyaml_schema_value_t name_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_TEXT_MAX)};

static const cyaml_schema_field_t log_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct stele_config_log, name, 1, STELE_LOG_NAME_MAX),
    CYAML_FIELD_UINT("retention_years", CYAML_FLAG_DEFAULT, struct stele_config_log, retention_years),
    CYAML_FIELD_SEQUENCE("tenants", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct stele_config_log, tenants,
                         &name_value, 1, NAMES_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t log_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_log, log_fields)};

static const cyaml_schema_field_t region_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct stele_config_region, name, 1, STELE_REGION_NAME_MAX),
    CYAML_FIELD_SEQUENCE("logs", CYAML_FLAG_POINTER, struct stele_config_region, logs, &log_value, 1, STELE_LOGS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t region_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_region, region_fields)};

static const cyaml_schema_field_t client_fields[] = {
    CYAML_FIELD_STRING_PTR("peer", CYAML_FLAG_POINTER, struct stele_config_client, peer, 4, NAME_TEXT_MAX),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_config_client, regions, &name_value, 1, NAMES_MAX),
    CYAML_FIELD_SEQUENCE("tenants", CYAML_FLAG_POINTER, struct stele_config_client, tenants, &name_value, 1, NAMES_MAX),
    CYAML_FIELD_SEQUENCE("may", CYAML_FLAG_POINTER, struct stele_config_client, may, &name_value, 1, 3),
    CYAML_FIELD_END};
static const cyaml_schema_value_t client_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_client, client_fields)};

static const cyaml_schema_field_t tls_fields[] = {
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct stele_config_tls, certificate, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("private_key", CYAML_FLAG_POINTER, struct stele_config_tls, private_key, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("client_ca", CYAML_FLAG_POINTER, struct stele_config_tls, client_ca, 1, PATH_TEXT_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t server_fields[] = {
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct stele_server_config, listen, 1, NAME_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("operator_domain", CYAML_FLAG_POINTER, struct stele_server_config, operator_domain, 1, 128),
    CYAML_FIELD_STRING_PTR("data", CYAML_FLAG_POINTER, struct stele_server_config, data, 1, PATH_TEXT_MAX),
    CYAML_FIELD_MAPPING_PTR("tls", CYAML_FLAG_POINTER, struct stele_server_config, tls, tls_fields),
    CYAML_FIELD_UINT("default_retention_years", CYAML_FLAG_DEFAULT, struct stele_server_config, default_retention_years),
    CYAML_FIELD_UINT("checkpoint_interval_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config, checkpoint_interval_ms),
    CYAML_FIELD_UINT("duplicate_window_events", CYAML_FLAG_OPTIONAL, struct stele_server_config, duplicate_window_events),
    CYAML_FIELD_UINT("drain_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config, drain_ms),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_server_config, regions, &region_value, 1, REGIONS_MAX),
    CYAML_FIELD_SEQUENCE("clients", CYAML_FLAG_POINTER, struct stele_server_config, clients, &client_value, 0, CLIENTS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t server_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct stele_server_config, server_fields)};

static const cyaml_schema_field_t client_file_fields[] = {
    CYAML_FIELD_STRING_PTR("server", CYAML_FLAG_POINTER, struct stele_client_config, server, 1, NAME_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("server_ca", CYAML_FLAG_POINTER, struct stele_client_config, server_ca, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct stele_client_config, certificate, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("private_key", CYAML_FLAG_POINTER, struct stele_client_config, private_key, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("vkeys", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct stele_client_config, vkeys, 1, PATH_TEXT_MAX),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_client_config, regions, &name_value, 1, REGIONS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t client_file_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct stele_client_config, client_file_fields)};

/* libcyaml explains a refusal over several log lines; they are gathered into one text. */
static void gather(cyaml_log_t level, void *ctx, const char *format, va_list args)
    STELE_PRINTF(3, 0);

static void gather(cyaml_log_t level, void *ctx, const char *format, va_list args) {
    stele_buf *text = ctx;
    char line[256];
    (void)level;
    int n = vsnprintf(line, sizeof line, format, args);
    for (int i = 0; i < n && i < (int)sizeof line - 1; i++) {
        line[i] = line[i] == '\n' ? ';' : line[i];
    }
    if (text->size < 400) {
        stele_status ignored = stele_buf_printf(text, NULL, "%s ", line + (strncmp(line, "Load: ", 6) == 0 ? 6 : 0));
        (void)ignored;
    }
}

static stele_status load(const char *path, const cyaml_schema_value_t *schema, void **ret, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (access(path, R_OK) != 0) {
        return errno == ENOENT ? STELE_FAIL(err, NOT_FOUND, "no configuration at '%s'; `stele init` makes one", path)
                               : STELE_FAIL_ERRNO(err, errno, "configuration '%s' cannot be read", path);
    }
    cyaml_config_t config = {.log_fn = gather,
                             .log_ctx = &text,
                             .mem_fn = cyaml_mem,
                             .log_level = CYAML_LOG_ERROR,
                             .flags = CYAML_CFG_DEFAULT};
    cyaml_data_t *data = NULL;
    cyaml_err_t failed = cyaml_load_file(path, &config, schema, &data, NULL);
    if (failed != CYAML_OK || data == NULL) {
        st = STELE_FAIL(err, INVALID, "%s: %s: %.*s", path, cyaml_strerror(failed), (int)text.size,
                        text.data == NULL ? "" : (const char *)text.data);
    } else {
        *ret = data;
    }
    stele_buf_done(&text);
    return st;
}

static void unload(void *data, const cyaml_schema_value_t *schema) {
    cyaml_config_t config = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_DEFAULT};
    if (data != NULL) {
        (void)cyaml_free(&config, schema, data, 0);
    }
}

/* Replaces a relative path by one that starts at the configuration's folder. */
static stele_status resolve(const char *config_path, char **path, stele_err *err) {
    const char *slash = strrchr(config_path, '/');
    stele_buf joined = STELE_BUF_EMPTY;
    if (*path == NULL || (*path)[0] == '/') {
        return STELE_OK;
    }
    stele_status st = slash == NULL ? stele_buf_printf(&joined, err, "%s", *path)
                                    : stele_buf_printf(&joined, err, "%.*s/%s", (int)(slash - config_path), config_path, *path);
    if (st == STELE_OK) {
        /* libcyaml frees what it allocated with realloc, and so what is put in its place. */
        stele_free(*path);
        *path = (char *)joined.data;
    }
    return st;
}

static stele_status check_server(const char *path, const struct stele_server_config *config, stele_err *err) {
    if (config->default_retention_years < 1 || config->default_retention_years > 7) {
        return STELE_FAIL(err, INVALID, "%s: default_retention_years: %u; write 1 to 7", path, config->default_retention_years);
    }
    for (unsigned r = 0; r < config->regions_count; r++) {
        const struct stele_config_region *region = &config->regions[r];
        bool system = false;
        for (unsigned q = 0; q < r; q++) {
            if (strcmp(config->regions[q].name, region->name) == 0) {
                return STELE_FAIL(err, INVALID, "%s: region '%s' stands there twice", path, region->name);
            }
        }
        for (unsigned l = 0; l < region->logs_count; l++) {
            system |= strcmp(region->logs[l].name, STELE_SYSTEM_LOG) == 0;
            if (region->logs[l].retention_years < 1 || region->logs[l].retention_years > 7) {
                return STELE_FAIL(err, INVALID, "%s: region '%s', log '%s': retention_years: %u; write 1 to 7", path,
                                  region->name, region->logs[l].name, region->logs[l].retention_years);
            }
        }
        if (!system) {
            return STELE_FAIL(err, INVALID, "%s: region '%s' has no log named 'system'; add {name: system, retention_years: 7}",
                              path, region->name);
        }
    }
    for (unsigned c = 0; c < config->clients_count; c++) {
        const char *peer = config->clients[c].peer;
        if (strncmp(peer, "cn:", 3) != 0 && strncmp(peer, "san:", 4) != 0) {
            return STELE_FAIL(err, INVALID, "%s: client '%s': a peer is \"cn:<common name>\" or \"san:<URI or DNS name>\"", path, peer);
        }
        for (unsigned m = 0; m < config->clients[c].may_count; m++) {
            const char *verb = config->clients[c].may[m];
            if (strcmp(verb, "append") != 0 && strcmp(verb, "query") != 0 && strcmp(verb, "read_log") != 0) {
                return STELE_FAIL(err, INVALID, "%s: client '%s': may '%s'; there are append, query and read_log", path, peer, verb);
            }
        }
    }
    return STELE_OK;
}

stele_status stele_server_config_load(const char *path, struct stele_server_config **ret, stele_err *err) {
    void *data = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(load(path, &server_value, &data, err));
    struct stele_server_config *config = data;
    STELE_TRY(check_server(path, config, err));
    STELE_TRY(resolve(path, &config->data, err));
    STELE_TRY(resolve(path, &config->tls->certificate, err));
    STELE_TRY(resolve(path, &config->tls->private_key, err));
    STELE_TRY(resolve(path, &config->tls->client_ca, err));
    *ret = config;
    data = NULL;
cleanup:
    unload(data, &server_value);
    return st;
}

void stele_server_config_free(struct stele_server_config *config) {
    unload(config, &server_value);
}

stele_status stele_client_config_load(const char *path, struct stele_client_config **ret, stele_err *err) {
    void *data = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(load(path, &client_file_value, &data, err));
    struct stele_client_config *config = data;
    STELE_TRY(resolve(path, &config->server_ca, err));
    STELE_TRY(resolve(path, &config->certificate, err));
    STELE_TRY(resolve(path, &config->private_key, err));
    STELE_TRY(resolve(path, &config->vkeys, err));
    *ret = config;
    data = NULL;
cleanup:
    unload(data, &client_file_value);
    return st;
}

void stele_client_config_free(struct stele_client_config *config) {
    unload(config, &client_file_value);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tools/config.c: the schemas of steled.conf and client.conf, read with libcyaml. */
#include "tools/config.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "storage/bytes.h"
#include "storage/file.h"
#include "storage/store.h"
#include "tools/config_check.h"
#include "tools/not_before.h"

/* Longest texts: paths of the system, names of the format. Counts: STELE_LOGS_MAX logs a region,
 * and more regions and clients than one server is meant to have. */
#define PATH_TEXT_MAX 4096
#define NAME_TEXT_MAX 255
#define REGIONS_MAX 64
#define CLIENTS_MAX 4096
#define NAMES_MAX 4096
#define FILE_BYTES_MAX (16u << 20) /* 4,096 clients with some hundred tenants each */

static const cyaml_schema_value_t name_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_TEXT_MAX)};

static const cyaml_schema_value_t path_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATH_TEXT_MAX)};

static const cyaml_schema_field_t log_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct stele_config_log, name, 1,
                           STELE_LOG_NAME_MAX),
    CYAML_FIELD_UINT("retention_years", CYAML_FLAG_DEFAULT, struct stele_config_log,
                     retention_years),
    CYAML_FIELD_SEQUENCE("tenants", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct stele_config_log, tenants, &name_value, 1, NAMES_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t log_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_log, log_fields)};

static const cyaml_schema_field_t region_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct stele_config_region, name, 1,
                           STELE_REGION_NAME_MAX),
    CYAML_FIELD_SEQUENCE("logs", CYAML_FLAG_POINTER, struct stele_config_region, logs, &log_value,
                         1, STELE_LOGS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t region_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_region, region_fields)};

static const cyaml_schema_field_t client_fields[] = {
    CYAML_FIELD_STRING_PTR("peer", CYAML_FLAG_POINTER, struct stele_config_client, peer, 4,
                           NAME_TEXT_MAX),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_config_client, regions,
                         &name_value, 1, NAMES_MAX),
    CYAML_FIELD_SEQUENCE("tenants", CYAML_FLAG_POINTER, struct stele_config_client, tenants,
                         &name_value, 1, NAMES_MAX),
    CYAML_FIELD_SEQUENCE("may", CYAML_FLAG_POINTER, struct stele_config_client, may, &name_value, 1,
                         3),
    CYAML_FIELD_END};
static const cyaml_schema_value_t client_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct stele_config_client, client_fields)};

static const cyaml_schema_field_t tls_fields[] = {
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct stele_config_tls, certificate,
                           1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("private_key", CYAML_FLAG_POINTER, struct stele_config_tls, private_key,
                           1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("client_ca", CYAML_FLAG_POINTER, struct stele_config_tls, client_ca, 1,
                           PATH_TEXT_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t server_fields[] = {
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct stele_server_config, listen, 1,
                           NAME_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("operator_domain", CYAML_FLAG_POINTER, struct stele_server_config,
                           operator_domain, 1, 128),
    CYAML_FIELD_STRING_PTR("data", CYAML_FLAG_POINTER, struct stele_server_config, data, 1,
                           PATH_TEXT_MAX),
    CYAML_FIELD_MAPPING_PTR("tls", CYAML_FLAG_POINTER, struct stele_server_config, tls, tls_fields),
    CYAML_FIELD_UINT("default_retention_years", CYAML_FLAG_DEFAULT, struct stele_server_config,
                     default_retention_years),
    CYAML_FIELD_UINT("checkpoint_interval_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config,
                     checkpoint_interval_ms),
    CYAML_FIELD_UINT("index_interval_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config,
                     index_interval_ms),
    CYAML_FIELD_UINT("duplicate_window_events", CYAML_FLAG_OPTIONAL, struct stele_server_config,
                     duplicate_window_events),
    CYAML_FIELD_UINT("drain_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config, drain_ms),
    CYAML_FIELD_UINT("query_rows", CYAML_FLAG_OPTIONAL, struct stele_server_config, query_rows),
    CYAML_FIELD_UINT("query_ms", CYAML_FLAG_OPTIONAL, struct stele_server_config, query_ms),
    CYAML_FIELD_SEQUENCE("not_before", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct stele_server_config, not_before, &path_value, 0,
                         STELE_NOT_BEFORE_FILES_MAX),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_server_config, regions,
                         &region_value, 1, REGIONS_MAX),
    CYAML_FIELD_SEQUENCE("clients", CYAML_FLAG_POINTER, struct stele_server_config, clients,
                         &client_value, 0, CLIENTS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t server_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct stele_server_config, server_fields)};

static const cyaml_schema_field_t client_file_fields[] = {
    CYAML_FIELD_STRING_PTR("server", CYAML_FLAG_POINTER, struct stele_client_config, server, 1,
                           NAME_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("server_ca", CYAML_FLAG_POINTER, struct stele_client_config, server_ca,
                           1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct stele_client_config,
                           certificate, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("private_key", CYAML_FLAG_POINTER, struct stele_client_config,
                           private_key, 1, PATH_TEXT_MAX),
    CYAML_FIELD_STRING_PTR("vkeys", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct stele_client_config, vkeys, 1, PATH_TEXT_MAX),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, struct stele_client_config, regions,
                         &name_value, 1, REGIONS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t client_file_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct stele_client_config, client_file_fields)};

/* libcyaml explains a refusal over several log lines: what is wrong first, then where, from the
 * inside out. The first two say it all. */
struct complaint {
    char what[160];
    char place[80]; /* "in mapping field 'listen'" */
    unsigned line;  /* 0: not known */
};

static void take_place(struct complaint *complaint, const char *text) {
    static const char mark[] = " (line: ";
    const char *at = strstr(text, mark);
    if (at == NULL) {
        return;
    }
    while (*text == ' ') {
        text++;
    }
    (void)snprintf(complaint->place, sizeof complaint->place, "%.*s", (int)(at - text), text);
    for (at += sizeof mark - 1; *at >= '0' && *at <= '9' && complaint->line < 1000000; at++) {
        complaint->line = complaint->line * 10 + (unsigned)(*at - '0');
    }
}

static void gather(cyaml_log_t level, void *ctx, const char *format, va_list args)
    STELE_PRINTF(3, 0);

static void gather(cyaml_log_t level, void *ctx, const char *format, va_list args) {
    struct complaint *complaint = ctx;
    static const char prefix[] = "Load: ";
    char text[256];
    (void)level;
    if (vsnprintf(text, sizeof text, format, args) < 0) {
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    const char *said =
        strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
    if (complaint->what[0] == '\0') {
        (void)snprintf(complaint->what, sizeof complaint->what, "%.150s", said);
    } else if (complaint->line == 0) {
        take_place(complaint, said);
    }
}

static stele_status refuse(const char *path, const struct complaint *complaint, cyaml_err_t failed,
                           stele_err *err) {
    /* Of a member that is missing, the place is only where the parser stood when it noticed. */
    if (complaint->line == 0 || failed == CYAML_ERR_MAPPING_FIELD_MISSING) {
        return STELE_FAIL(err, INVALID, "%.80s: %.150s", path,
                          complaint->what[0] != '\0' ? complaint->what : cyaml_strerror(failed));
    }
    return STELE_FAIL(err, INVALID, "%.80s line %u: %.80s (%.50s)", path, complaint->line,
                      complaint->what, complaint->place);
}

static stele_status load(const char *path, const cyaml_schema_value_t *schema, void **ret,
                         stele_err *err) {
    struct complaint complaint = {.line = 0};
    cyaml_config_t config = {.log_fn = gather,
                             .log_ctx = &complaint,
                             .mem_fn = cyaml_mem,
                             .log_level = CYAML_LOG_ERROR,
                             .flags = CYAML_CFG_NO_ALIAS};
    cyaml_data_t *data = NULL;
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = stele_file_read(path, FILE_BYTES_MAX, &text, err);
    if (st == STELE_NOT_FOUND) {
        st = STELE_FAIL(err, NOT_FOUND, "no configuration at '%.120s'; `stele init` makes one",
                        path);
    }
    if (st == STELE_OK && text.size == 0) {
        st = STELE_FAIL(err, INVALID, "%.120s: it is empty; `stele init` makes one", path);
    }
    if (st == STELE_OK) {
        cyaml_err_t failed = cyaml_load_data(text.data, text.size, &config, schema, &data, NULL);
        if (failed != CYAML_OK) {
            st = refuse(path, &complaint, failed, err);
        } else if (data == NULL) {
            st = STELE_FAIL(err, INVALID, "%.120s: it holds nothing; `stele init` makes one", path);
        } else {
            *ret = data;
        }
    }
    stele_buf_done(&text);
    return st;
}

static void unload(void *data, const cyaml_schema_value_t *schema) {
    cyaml_config_t config = {
        .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS};
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
    stele_status st = slash == NULL
                          ? stele_buf_printf(&joined, err, "%s", *path)
                          : stele_buf_printf(&joined, err, "%.*s/%s", (int)(slash - config_path),
                                             config_path, *path);
    if (st == STELE_OK) {
        /* libcyaml frees what it allocated with realloc, and so what is put in its place. */
        stele_free(*path);
        *path = (char *)joined.data;
    }
    return st;
}

stele_status stele_server_config_load(const char *path, struct stele_server_config **ret,
                                      stele_err *err) {
    void *data = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(load(path, &server_value, &data, err));
    struct stele_server_config *config = data;
    STELE_TRY(stele_config_check(path, config, err));
    STELE_TRY(resolve(path, &config->data, err));
    STELE_TRY(resolve(path, &config->tls->certificate, err));
    STELE_TRY(resolve(path, &config->tls->private_key, err));
    STELE_TRY(resolve(path, &config->tls->client_ca, err));
    for (unsigned i = 0; i < config->not_before_count; i++) {
        STELE_TRY(resolve(path, &config->not_before[i], err));
    }
    *ret = config;
    data = NULL;
cleanup:
    unload(data, &server_value);
    return st;
}

void stele_server_config_free(struct stele_server_config *config) {
    unload(config, &server_value);
}

stele_status stele_client_config_load(const char *path, struct stele_client_config **ret,
                                      stele_err *err) {
    void *data = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(load(path, &client_file_value, &data, err));
    struct stele_client_config *config = data;
    if (!stele_config_is_address(config->server)) {
        STELE_TRY(STELE_FAIL(err, INVALID,
                             "%.80s: server: '%.60s': write HOST:PORT, such as 127.0.0.1:7443",
                             path, config->server));
    }
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

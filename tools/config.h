/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/config.h: the two configuration files, read with libcyaml and checked whole before anything
 * starts. Layer: tools. Paths in a file are relative to the file's own folder. Unknown keys are
 * refused.
 */
#ifndef STELE_TOOLS_CONFIG_H
#define STELE_TOOLS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/status.h"

/* ------------------------------------------------------------------ steled.conf */
struct stele_config_log {
    char *name;
    uint8_t retention_years;
    char **tenants; /* optional: a log of their own for these tenants */
    unsigned tenants_count;
};
struct stele_config_region {
    char *name;
    struct stele_config_log *logs;
    unsigned logs_count;
};
struct stele_config_client {
    char *peer; /* "cn:..." or "san:..." */
    char **regions;
    unsigned regions_count;
    char **tenants;
    unsigned tenants_count;
    char **may; /* append, query, read_log */
    unsigned may_count;
};
struct stele_config_tls {
    char *certificate;
    char *private_key;
    char *client_ca;
};
struct stele_server_config {
    char *listen;
    char *operator_domain;
    char *data; /* holds one folder a region */
    struct stele_config_tls *tls;
    uint8_t default_retention_years;  /* of events that name no class */
    uint32_t checkpoint_interval_ms;  /* 0: the default */
    uint32_t index_interval_ms;       /* 0: the default */
    uint32_t duplicate_window_events; /* 0: the default */
    uint32_t drain_ms;                /* 0: 5,000 */
    uint32_t query_rows;              /* one call examines, then a cursor; 0: the default */
    uint32_t query_ms;                /* the same of its work; 0: the default */
    char **not_before;                /* optional: files of checkpoints the logs must extend */
    unsigned not_before_count;
    struct stele_config_region *regions;
    unsigned regions_count;
    struct stele_config_client *clients;
    unsigned clients_count;
};
/* Errors: INVALID with the file, the key and what to write instead; NOT_FOUND; IO. */
STELE_MUST_USE stele_status stele_server_config_load(const char *path,
                                                     struct stele_server_config **ret,
                                                     stele_err *err);
void stele_server_config_free(struct stele_server_config *config);

/* ------------------------------------------------------------------ client.conf */
struct stele_client_config {
    char *server; /* host:port */
    char *server_ca;
    char *certificate;
    char *private_key;
    char *vkeys; /* optional */
    char **regions;
    unsigned regions_count;
};
STELE_MUST_USE stele_status stele_client_config_load(const char *path,
                                                     struct stele_client_config **ret,
                                                     stele_err *err);
void stele_client_config_free(struct stele_client_config *config);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_config.c: both configuration files. The first byte says which. What is taken is
 * whole: the members that others rely on are there, and bounds are kept.
 */
#include "storage/store.h"
#include "tests/fuzz/file_input.h"
#include "tools/config.h"

static void server(const char *path) {
    struct stele_server_config *config = NULL;
    stele_err err;
    if (stele_server_config_load(path, &config, &err) != STELE_OK) {
        fuzz_require(config == NULL && err.text[0] != '\0');
        return;
    }
    fuzz_require(config->listen != NULL && config->operator_domain != NULL && config->data != NULL);
    fuzz_require(config->tls != NULL && config->tls->certificate != NULL &&
                 config->tls->client_ca != NULL);
    fuzz_require(config->default_retention_years >= 1 && config->default_retention_years <= 7);
    fuzz_require(config->regions_count >= 1);
    for (unsigned i = 0; i < config->regions_count; i++) {
        bool has_system = false;
        fuzz_require(config->regions[i].logs_count <= STELE_LOGS_MAX);
        for (unsigned j = 0; j < config->regions[i].logs_count; j++) {
            const struct stele_config_log *log = &config->regions[i].logs[j];
            fuzz_require(log->name != NULL && log->retention_years >= 1 &&
                         log->retention_years <= 7);
            has_system = has_system || strcmp(log->name, STELE_SYSTEM_LOG) == 0;
        }
        fuzz_require(has_system);
    }
    stele_server_config_free(config);
}

static void client(const char *path) {
    struct stele_client_config *config = NULL;
    stele_err err;
    if (stele_client_config_load(path, &config, &err) != STELE_OK) {
        fuzz_require(config == NULL && err.text[0] != '\0');
        return;
    }
    fuzz_require(config->server != NULL && strchr(config->server, ':') != NULL);
    fuzz_require(config->server_ca != NULL && config->certificate != NULL &&
                 config->private_key != NULL);
    stele_client_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const char *path = fuzz_file(data + 1, size - 1);
    if (data[0] == 'c') {
        client(path);
    } else {
        server(path);
    }
    return 0;
}

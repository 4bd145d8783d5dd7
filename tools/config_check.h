/* SPDX-License-Identifier: Apache-2.0 */
/* tools/config_check.h: what a schema cannot say about steled.conf. Layer: tools. */
#ifndef STELE_TOOLS_CONFIG_CHECK_H
#define STELE_TOOLS_CONFIG_CHECK_H

#include "tools/config.h"

/* "host:port" with a port from 0 to 65535; "[v6]:port". */
bool stele_config_is_address(const char *text);
/* Names, classes, grants, doubles: everything that can be told from the text alone. Errors: INVALID
 * with the file, the key and what to write instead. */
STELE_MUST_USE stele_status stele_config_check(const char *path,
                                               const struct stele_server_config *config,
                                               stele_err *err);
/* Certificates and keys that are there and are some, and a private key that only its owner and
 * group can read. Errors: INVALID. */
STELE_MUST_USE stele_status stele_config_check_tls(const struct stele_server_config *config,
                                                   stele_err *err);
/* That each region has a folder; nothing in it is opened, so that a running server is not
 * disturbed. Errors: INVALID. */
STELE_MUST_USE stele_status stele_config_check_stores(const struct stele_server_config *config,
                                                      stele_err *err);

#endif

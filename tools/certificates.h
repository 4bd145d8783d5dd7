/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/certificates.h: development certificates for `stele init`: a CA of its own, one server and
 * one client certificate. Layer: tools. They say in their names that they are for development;
 * production brings its own PKI and only the paths in steled.conf change.
 */
#ifndef STELE_TOOLS_CERTIFICATES_H
#define STELE_TOOLS_CERTIFICATES_H

#include "storage/status.h"

#define STELE_DEV_CLIENT_NAME "stele-dev-client"

/*
 * Writes ca.pem, server.pem, server.key, client.pem, client.key into `dir`, which exists. Keys are
 * ECDSA P-256, 0600; certificates hold for two years. The server's names are localhost, 127.0.0.1,
 * ::1 and `host` (nullable). The CA's key is not kept: nobody can make more certificates with it.
 */
STELE_MUST_USE stele_status stele_certificates_make(const char *dir, const char *host,
                                                    stele_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/audit_server.h: a log of a server as the source of an audit. Layer: tools. What is signed
 * is replayed, and no more; a server that goes away is waited for, and the replay goes on where it
 * was.
 */
#ifndef STELE_TOOLS_AUDIT_SERVER_H
#define STELE_TOOLS_AUDIT_SERVER_H

#include "storage/audit_run.h"
#include "tools/cli.h"

/* One that can be closed is zeroed, or was given to _open. */
struct stele_audit_server {
    struct stele_cli *cli; /* borrowed */
    const char *log;       /* "eu-central-1/3y"; borrowed */
    struct stele_vkey *keys;
    size_t n_keys;
    stele_buf note;
    struct stele_replay_stream *stream;
    const struct stele_audit_entry *entry; /* of its newest message */
    uint64_t first;                        /* the number of entry[0] */
    size_t n;
    struct stele_audit_source source; /* borrows this */
};
/* Gets the newest checkpoint, and checks it with the vkeys of client.conf. Errors: INVALID (there
 * are none), UNVERIFIED, the server's. */
STELE_MUST_USE stele_status stele_audit_server_open(struct stele_cli *cli, const char *log,
                                                    struct stele_audit_server *ret, stele_err *err);
void stele_audit_server_close(struct stele_audit_server *server);

#endif

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
#include "tools/tile_nodes.h"

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
    uint64_t end; /* entries from here on are not wanted yet */
    struct stele_tile_nodes nodes;
    uint64_t index_seq;               /* of the newest INDEX, for a sample */
    stele_buf descriptors;            /* empty: there is none */
    struct stele_audit_source source; /* borrows this */
};
/* Gets the newest checkpoint, and checks it with the vkeys of client.conf; for a sample, first the
 * newest INDEX, and a checkpoint that has it. Errors: INVALID (there are no vkeys), UNVERIFIED, the
 * server's. */
STELE_MUST_USE stele_status stele_audit_server_open(struct stele_cli *cli, const char *log,
                                                    bool sample, struct stele_audit_server *ret,
                                                    stele_err *err);
void stele_audit_server_close(struct stele_audit_server *server);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/access.h: what a client certificate may do: which regions and tenants it may append to and
 * query. Layer: proto. Default deny: a peer that no grant names may do nothing. Immutable after
 * building, so threads need no lock. Attribute-based policies replace the inside of
 * stele_access_check later; its callers stay.
 */
#ifndef STELE_PROTO_ACCESS_H
#define STELE_PROTO_ACCESS_H

#include "proto/rpc_server.h"
#include "storage/bytes.h"

typedef enum stele_verb {
    STELE_MAY_APPEND = 1,
    STELE_MAY_QUERY = 2,
    STELE_MAY_READ_LOG = 4, /* checkpoints, proofs, tiles, entries: no personal data */
} stele_verb;

/* The one caller without a certificate: only a server that was started insecure has it. */
#define STELE_PEER_ANONYMOUS "anonymous"
#define STELE_PEER_NAME_BYTES 96 /* of a peer in messages: longer names are cut */

struct stele_grant {
    const char *peer; /* "cn:name", "san:spiffe://...", "san:host" or "anonymous"; exact match */
    const char *const *regions; /* "*" is every region */
    size_t n_regions;
    const char *const *tenants; /* "*" is every tenant */
    size_t n_tenants;
    unsigned verbs; /* stele_verb bits */
};

struct stele_access;
/* Copies the grants. Errors: INVALID (a malformed peer, an unknown verb), NO_MEMORY. */
STELE_MUST_USE stele_status stele_access_new(const struct stele_grant *grants, size_t n_grants,
                                             struct stele_access **ret, stele_err *err);
void stele_access_free(struct stele_access *access);
/* tenant may be empty: "any tenant" must be granted then. Errors: DENIED, naming peer, verb and
 * what is missing, without telling which other tenants exist. */
STELE_MUST_USE stele_status stele_access_check(const struct stele_access *access,
                                               const struct stele_rpc_peer *peer, stele_verb verb,
                                               const char *region, stele_view tenant,
                                               stele_err *err);
/* Who it is, as a grant would name it and in printable ASCII: "cn:collector", else "san:...". Cut
 * to fit; `out` has out_bytes > 0. */
void stele_access_peer_name(const struct stele_rpc_peer *peer, char *out, size_t out_bytes);

#endif

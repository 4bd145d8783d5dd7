/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_share.h: of something the server has a bounded amount of, how much each client holds,
 * so that one client alone cannot take what is meant for all. Layer: proto.
 *
 * A client is the names in its certificate: connections more or fewer make no difference. Callers
 * without a certificate, which only tests have, are one client together. Threads: any.
 */
#ifndef STELE_PROTO_RPC_SHARE_H
#define STELE_PROTO_RPC_SHARE_H

#include "proto/rpc_server.h"

struct stele_rpc_shares; /* of all clients */
struct stele_rpc_share;  /* one client's; there while it holds something */

/* each_max: what one client may hold; over 0. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_rpc_shares_new(uint64_t each_max, struct stele_rpc_shares **ret,
                                                 stele_err *err);
void stele_rpc_shares_free(struct stele_rpc_shares *shares); /* all given back; NULL is fine */

/* Takes `amount` for the client; 0 counts as 1, in both calls. NULL, and nothing taken: it would
 * hold more than it may, or there is no memory to count it. */
struct stele_rpc_share *stele_rpc_share_take(struct stele_rpc_shares *shares,
                                             const struct stele_rpc_peer *peer, uint64_t amount);
/* Gives back what a take took; the share may be gone afterwards. NULL is fine. */
void stele_rpc_share_give(struct stele_rpc_shares *shares, struct stele_rpc_share *share,
                          uint64_t amount);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/query_client.h: the query service over a bed, without a network, and calls that run
 * to their end. Peers: "auditor" may everything, "acme" may query and read logs of tenant acme
 * only, "nobody" has no grant.
 */
#ifndef STELE_TESTS_SUPPORT_QUERY_CLIENT_H
#define STELE_TESTS_SUPPORT_QUERY_CLIENT_H

#include "proto/query_wire.h"
#include "query/query.h"
#include "tests/support/query_bed.h"
#include "tests/support/rpc_fake.h"

extern const struct stele_rpc_peer peer_auditor, peer_acme, peer_mirror, peer_nobody;

struct query_client {
    struct bed *bed;
    struct stele_access *access;
    struct stele_query *query;
    const struct stele_rpc_method *method;
    size_t n_methods;
};
/* config's stores and access are filled in. */
void client_open(struct query_client *client, struct bed *bed,
                 const struct stele_query_config *config);
void client_close(struct query_client *client);

/* method: its last part, "Search". */
struct stele_rpc_call *client_start(struct query_client *client, const char *method,
                                    const struct stele_rpc_peer *peer, stele_view request);
/* A unary call to its end: the code, and the reply or the text of the refusal in `reply`. */
uint32_t client_unary(struct query_client *client, const char *method,
                      const struct stele_rpc_peer *peer, stele_view request, stele_buf *reply);

/* What a whole search gave. */
struct client_answer {
    struct fake_end end;
    size_t n_hits;
    stele_buf hits; /* of all messages: for each its Hit as the member of a response */
    stele_buf file; /* prove */
    bool has_end;
    struct stele_search_end search_end; /* its cursor is in `cursor` */
    stele_buf cursor;
    size_t message_bytes_max;
    size_t n_messages;
};
void client_answer_done(struct client_answer *answer);
/* Takes all messages of a call and ends it. ret is initialised or a former one. */
void client_finish(struct stele_rpc_call *call, struct client_answer *ret);
void client_search(struct query_client *client, const struct stele_rpc_peer *peer,
                   const struct stele_search_request *request, struct client_answer *ret);

/* The request that asks a bed's question; borrows it. *ret_exact: it asks just that, and may be
 * asked (the filter message has a member for every condition, and no range is empty). */
struct stele_search_request client_request_of(const struct stele_query_question *question,
                                              bool *ret_exact);
void client_encode(const struct stele_search_request *request, stele_buf *out);

#endif

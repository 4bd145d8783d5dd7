/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_peer.c: the properties of core's auth context as a struct stele_rpc_peer. */
#include "proto/rpc_peer.h"

#include <grpc/grpc_security_constants.h>
#include <grpc/support/alloc.h>
#include <string.h>

static bool is_text(const grpc_auth_property *property) {
    return property->value != NULL && strlen(property->value) == property->value_length;
}

/* Names beyond the bound are left out: fewer names never grant more. */
static void add_sans(struct stele_rpc_peer *peer, const grpc_auth_context *context,
                     const char *property_name) {
    grpc_auth_property_iterator it =
        grpc_auth_context_find_properties_by_name(context, property_name);
    const grpc_auth_property *property = NULL;
    while (peer->n_sans < STELE_RPC_SANS_MAX &&
           (property = grpc_auth_property_iterator_next(&it)) != NULL) {
        if (is_text(property)) {
            peer->san[peer->n_sans++] = property->value;
        }
    }
}

void stele_rpc_identity_of(grpc_call *call, struct stele_rpc_identity *ret) {
    struct stele_rpc_peer *peer = &ret->peer;
    *ret = (struct stele_rpc_identity){.peer = {.common_name = "", .address = ""}};
    ret->address = grpc_call_get_peer(call);
    if (ret->address != NULL) {
        peer->address = ret->address;
    }
    ret->context = grpc_call_auth_context(call);
    if (ret->context == NULL || grpc_auth_context_peer_is_authenticated(ret->context) == 0) {
        return;
    }
    peer->authenticated = true;
    grpc_auth_property_iterator it =
        grpc_auth_context_find_properties_by_name(ret->context, GRPC_X509_CN_PROPERTY_NAME);
    const grpc_auth_property *name = grpc_auth_property_iterator_next(&it);
    if (name != NULL && is_text(name)) {
        peer->common_name = name->value;
    }
    add_sans(peer, ret->context, GRPC_PEER_URI_PROPERTY_NAME);
    add_sans(peer, ret->context, GRPC_PEER_DNS_PROPERTY_NAME);
}

void stele_rpc_identity_done(struct stele_rpc_identity *identity) {
    if (identity->context != NULL) {
        grpc_auth_context_release(identity->context);
    }
    if (identity->address != NULL) {
        gpr_free(identity->address);
    }
    *identity = (struct stele_rpc_identity){.peer = {.common_name = "", .address = ""}};
}

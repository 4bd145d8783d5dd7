/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/rpc_fake.h: proto/rpc_server.h without a network: a test is the transport and the
 * client of every call. It decides when a message is taken and when a call ends, so that slow and
 * vanishing readers are exact. Link it before stele-rpc. One thread is the transport of a call; a
 * service may use any others.
 */
#ifndef STELE_TESTS_SUPPORT_RPC_FAKE_H
#define STELE_TESTS_SUPPORT_RPC_FAKE_H

#include "proto/rpc_server.h"

struct fake_end {
    bool finished;
    uint32_t code; /* gRPC's; 0: OK */
    char text[STELE_ERR_TEXT_BYTES];
    uint32_t retry_after_ms;
};

/* Starts a call: on_message runs here. peer is borrowed until fake_call_end. */
struct stele_rpc_call *fake_call_start(const struct stele_rpc_method *method,
                                       const struct stele_rpc_peer *peer, stele_view request);
/* Waits for the next message, takes it (on_sent runs here) and says true; false when the call has
 * finished. Replaces `message`. Unary replies are taken the same way. */
bool fake_call_take(struct stele_rpc_call *call, stele_buf *message);
/* Waits until a message is on its way, or the call has finished; takes nothing. Its size, or 0. */
size_t fake_call_wait(struct stele_rpc_call *call);
void fake_call_end_of(struct stele_rpc_call *call, struct fake_end *ret);
/* Ends the call, finished or not: on_done runs here. Waits until the service has let go, and frees.
 * Fails the test if that takes over ten seconds. */
void fake_call_end(struct stele_rpc_call *call);

#endif

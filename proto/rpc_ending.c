/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_ending.c: from core's code, text and trailers to a status that says what to do. */
#include "proto/rpc_ending.h"

#include "proto/rpc_details.h"

#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

/* What core says on either side, whichever was first. */
#define CORES_DEADLINE "Deadline Exceeded"

void stele_rpc_ending_init(struct stele_rpc_ending *ending) {
    *ending = (struct stele_rpc_ending){.code = GRPC_STATUS_UNKNOWN};
    grpc_metadata_array_init(&ending->trailers);
    ending->text = grpc_empty_slice();
}

void stele_rpc_ending_done(struct stele_rpc_ending *ending) {
    grpc_metadata_array_destroy(&ending->trailers);
    grpc_slice_unref(ending->text);
    if (ending->debug != NULL) {
        void *debug = NULL;
        memcpy(&debug, &ending->debug, sizeof debug); /* ours to free, though core says const */
        gpr_free(debug);
    }
}

grpc_op stele_rpc_ending_op(struct stele_rpc_ending *ending) {
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &ending->trailers;
    op.data.recv_status_on_client.status = &ending->code;
    op.data.recv_status_on_client.status_details = &ending->text;
    op.data.recv_status_on_client.error_string = &ending->debug;
    return op;
}

static uint32_t retry_of(const struct stele_rpc_ending *ending) {
    for (size_t i = 0; i < ending->trailers.count; i++) {
        const grpc_metadata *trailer = &ending->trailers.metadata[i];
        if (grpc_slice_str_cmp(trailer->key, STELE_RPC_DETAILS_TRAILER) == 0) {
            return stele_rpc_details_retry_ms(stele_view_of(GRPC_SLICE_START_PTR(trailer->value),
                                                            GRPC_SLICE_LENGTH(trailer->value)));
        }
    }
    return 0;
}

/* Core's "...; last error: UNKNOWN: ipv4:1.2.3.4:5: Connection refused" without its beginning. */
static const char *reason_of(const char *text) {
    static const char mark[] = "last error: ";
    const char *last = strstr(text, mark);
    if (last == NULL) {
        return text;
    }
    const char *code_end = strstr(last + strlen(mark), ": ");
    const char *address_end = code_end == NULL ? NULL : strstr(code_end + 2, ": ");
    return address_end == NULL ? last + strlen(mark) : address_end + 2;
}

/* No call got through: what core saw of it, and what to look at. */
static stele_status unreachable(const struct stele_rpc_client *client, const char *text,
                                stele_err *err) {
    static const struct {
        const char *seen, *advice;
    } advices[] = {
        {"refused", "is steled running there?"},
        {"timed out", "is the address right, and does a firewall let it through?"},
        {"certificate verify failed", "is the CA the one that signed the server's certificate?"},
        {"Peer name", "use the name in the server's certificate, or set the expected server name"},
        {"andshake", "do both sides use TLS, and the right certificates?"},
        {"empty address list",
         "the CA, certificate or key is no usable PEM, or certificate and key "
         "do not belong together"},
        {"DNS", "is the server's name right?"},
        {"Socket closed", "the server hung up: does it stop, or refuse this client's certificate?"},
        {"", "check that steled runs there, and the address, CA and certificate"},
    };
    const char *reason = reason_of(text);
    size_t i = 0;
    while (strstr(text, advices[i].seen) == NULL) { /* the last one is in every text */
        i++;
    }
    return stele_err__set(err, STELE_CLOSED, 0, STELE_WHERE, "no connection to %s: %.110s; %s",
                          client->target, reason, advices[i].advice);
}

/* The outcome of a call as a status. The server's own words are passed on as they are. */
stele_status stele_rpc_ending_outcome(const struct stele_rpc_client *client,
                                      const struct stele_rpc_ending *ending,
                                      struct stele_rpc_result *ret_result, stele_err *err) {
    char text[512]; /* core's longest: an address and two layers of reasons */
    uint32_t code = (uint32_t)ending->code;
    stele_status status = stele_rpc_status_of(code);
    if (ret_result != NULL) {
        ret_result->code = code;
        ret_result->retry_after_ms = retry_of(ending);
    }
    if (ending->code == GRPC_STATUS_OK) {
        return STELE_OK;
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)GRPC_SLICE_LENGTH(ending->text),
                   (const char *)GRPC_SLICE_START_PTR(ending->text));
    stele_rpc_text_clean(text);
    bool servers_word = ending->debug != NULL && strstr(ending->debug, "from peer") != NULL;
    if (ending->code == GRPC_STATUS_UNAVAILABLE && !servers_word) {
        return unreachable(client, text, err);
    }
    if (ending->code == GRPC_STATUS_DEADLINE_EXCEEDED &&
        (!servers_word || strcmp(text, CORES_DEADLINE) == 0)) {
        return stele_err__set(err, status, 0, STELE_WHERE,
                              "no answer from %s in time: give it longer, or check its load",
                              client->target);
    }
    if (ending->code == GRPC_STATUS_CANCELLED) { /* core's word for it says nothing */
        return stele_err__set(err, status, 0, STELE_WHERE,
                              "%s cut the call off: it is stopping, or was told to; try again",
                              client->target);
    }
    if (ending->code == GRPC_STATUS_RESOURCE_EXHAUSTED && strstr(text, "larger than max") != NULL) {
        status = STELE_LIMIT; /* sending it again would never help */
    }
    return stele_err__set(err, status, 0, STELE_WHERE, "%s",
                          text[0] != '\0' ? text : stele_rpc_code_name(code));
}

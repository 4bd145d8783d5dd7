/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_reflection.c: answering from the serialized descriptors themselves. They are walked for
 * every question (some 40 kB, microseconds), so there is no index to build, to hold or to get
 * wrong.
 *
 * Field numbers are those of google/protobuf/descriptor.proto and
 * grpc/reflection/v1/reflection.proto.
 */
#include "proto/rpc_reflection.h"

#include "proto/rpc_details.h"
#include "proto/rpc_wire.h"
#include "proto/wire_out.h"

#include <stdio.h>
#include <string.h>

/* One bit a file in `wanted`; this build has about ten. */
#define FILES_MAX 64
/* Messages nest two or three deep; the bound is for a set that is not ours. */
#define NESTING_MAX 16

struct stele_rpc_reflection {
    stele_view file[FILES_MAX]; /* FileDescriptorProto */
    size_t n_files;
    const stele_view *names;
    size_t n_names;
};

static stele_view first_bytes(stele_view message, uint32_t number) {
    struct stele_wire wire = stele_wire_of(message);
    stele_view found = {NULL, 0};
    return stele_wire_next_bytes(&wire, number, &found) ? found : (stele_view){NULL, 0};
}

enum { NAME = 1 }; /* in every descriptor message */
enum { FILE_PACKAGE = 2, FILE_DEPENDENCY = 3, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_ONEOF = 8 };
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };

stele_status stele_rpc_reflection_new(stele_view set, const stele_view *names, size_t n_names,
                                      struct stele_rpc_reflection **ret, stele_err *err) {
    struct stele_wire wire = stele_wire_of(set);
    stele_view file = {NULL, 0};
    struct stele_rpc_reflection *made = stele_alloc(1, sizeof *made);
    if (made == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for server reflection");
    }
    made->names = names;
    made->n_names = n_names;
    while (made->n_files < FILES_MAX && stele_wire_next_bytes(&wire, 1, &file)) {
        made->file[made->n_files++] = file;
    }
    if (!stele_wire_at_end(&wire)) {
        stele_free(made);
        return STELE_FAIL(err, INVALID, "the descriptors do not parse, or hold more than %d files",
                          FILES_MAX);
    }
    *ret = made;
    return STELE_OK;
}

void stele_rpc_reflection_free(struct stele_rpc_reflection *reflection) {
    stele_free(reflection);
}

/* ---- looking for a symbol ---- */

/* Whether `name` is `scope` itself ("" in *ret_rest) or lies in it (what follows the dot). */
static bool within(stele_view name, stele_view scope, stele_view *ret_rest) {
    if (name.size < scope.size || scope.size == 0 ||
        !stele_view_equal(stele_view_slice(name, 0, scope.size), scope)) {
        return false;
    }
    if (name.size == scope.size) {
        *ret_rest = (stele_view){NULL, 0};
        return true;
    }
    if (name.data[scope.size] != '.' || name.size == scope.size + 1) {
        return false;
    }
    *ret_rest = stele_view_slice(name, scope.size + 1, name.size - scope.size - 1);
    return true;
}

/* Whether one of the fields `number` of `parent` is named `name`. */
static bool child_named(stele_view parent, uint32_t number, stele_view name) {
    struct stele_wire wire = stele_wire_of(parent);
    stele_view child = {NULL, 0};
    while (stele_wire_next_bytes(&wire, number, &child)) {
        if (stele_view_equal(first_bytes(child, NAME), name)) {
            return true;
        }
    }
    return false;
}

/* Enums of `parent` and their values, which live beside their enum, not in it. */
static bool enum_named(stele_view parent, uint32_t number, stele_view name) {
    struct stele_wire wire = stele_wire_of(parent);
    stele_view child = {NULL, 0};
    while (stele_wire_next_bytes(&wire, number, &child)) {
        if (stele_view_equal(first_bytes(child, NAME), name) ||
            child_named(child, ENUM_VALUE, name)) {
            return true;
        }
    }
    return false;
}

static bool service_named(stele_view file, stele_view name) {
    struct stele_wire wire = stele_wire_of(file);
    stele_view service = {NULL, 0};
    stele_view rest = {NULL, 0};
    while (stele_wire_next_bytes(&wire, FILE_SERVICE, &service)) {
        if (within(name, first_bytes(service, NAME), &rest) &&
            (rest.size == 0 || child_named(service, SERVICE_METHOD, rest))) {
            return true;
        }
    }
    return false;
}

/* Messages of `parent`, what they contain, and what is nested in them. Walks down one path only: a
 * name belongs to at most one message of a scope. */
static bool message_named(stele_view parent, uint32_t number, stele_view name) {
    for (int depth = 0; depth < NESTING_MAX; depth++) {
        struct stele_wire wire = stele_wire_of(parent);
        stele_view message = {NULL, 0};
        stele_view rest = {NULL, 0};
        bool found = false;
        while (!found && stele_wire_next_bytes(&wire, number, &message)) {
            found = within(name, first_bytes(message, NAME), &rest);
        }
        if (!found || rest.size == 0) {
            return found;
        }
        if (child_named(message, MESSAGE_FIELD, rest) ||
            child_named(message, MESSAGE_ONEOF, rest) || enum_named(message, MESSAGE_ENUM, rest)) {
            return true;
        }
        parent = message;
        number = MESSAGE_NESTED;
        name = rest;
    }
    return false;
}

static bool file_has(stele_view file, stele_view symbol) {
    stele_view package = first_bytes(file, FILE_PACKAGE);
    stele_view name = symbol;
    if (package.size > 0 && (!within(symbol, package, &name) || name.size == 0)) {
        return false;
    }
    return message_named(file, FILE_MESSAGE, name) || enum_named(file, FILE_ENUM, name) ||
           service_named(file, name);
}

/* FILES_MAX if there is none. */
static size_t file_named(const struct stele_rpc_reflection *reflection, stele_view name) {
    for (size_t i = 0; i < reflection->n_files; i++) {
        if (stele_view_equal(first_bytes(reflection->file[i], NAME), name)) {
            return i;
        }
    }
    return FILES_MAX;
}

static size_t file_with(const struct stele_rpc_reflection *reflection, stele_view symbol) {
    for (size_t i = 0; i < reflection->n_files; i++) {
        if (file_has(reflection->file[i], symbol)) {
            return i;
        }
    }
    return FILES_MAX;
}

/* ---- answers ---- */

enum {
    REQUEST_HOST = 1,
    BY_FILENAME = 3,
    BY_SYMBOL = 4,
    BY_EXTENSION = 5,
    EXTENSIONS = 6,
    LIST = 7
};
enum { VALID_HOST = 1, ORIGINAL = 2, FILES = 4, SERVICES = 6, ERROR = 7 };

/* FileDescriptorResponse {1: repeated bytes}: the file, then everything it imports, each once. */
static void put_files(const struct stele_rpc_reflection *reflection, size_t index,
                      struct stele_wire_out *w) {
    uint64_t wanted = (uint64_t)1 << index;
    uint64_t written = 0;
    while (wanted != written) { /* each round writes a file: at most FILES_MAX rounds */
        while ((wanted & ~written & (uint64_t)1 << index) == 0) {
            index = (index + 1) % FILES_MAX;
        }
        written |= (uint64_t)1 << index;
        stele_wire_out_element(w, 1, reflection->file[index]);
        struct stele_wire wire = stele_wire_of(reflection->file[index]);
        stele_view dependency = {NULL, 0};
        while (stele_wire_next_bytes(&wire, FILE_DEPENDENCY, &dependency)) {
            size_t found = file_named(reflection, dependency);
            wanted |= found < FILES_MAX ? (uint64_t)1 << found : 0;
        }
    }
}

/* ListServiceResponse {1: repeated ServiceResponse {1: name}}. */
static void put_services(const struct stele_rpc_reflection *reflection, struct stele_wire_out *w) {
    size_t list = stele_wire_out_begin(w, SERVICES);
    for (size_t i = 0; i < reflection->n_names; i++) {
        size_t service = stele_wire_out_begin(w, 1);
        stele_wire_out_bytes(w, 1, reflection->names[i]);
        stele_wire_out_end(w, service);
    }
    stele_wire_out_end(w, list);
}

/* ErrorResponse {1: code, 2: text}. */
static void put_error(struct stele_wire_out *w, uint32_t code, const char *text) {
    size_t error = stele_wire_out_begin(w, ERROR);
    stele_wire_out_uint(w, 1, code);
    stele_wire_out_bytes(w, 2, stele_view_str(text));
    stele_wire_out_end(w, error);
}

static void put_found(const struct stele_rpc_reflection *reflection, size_t index, stele_view name,
                      struct stele_wire_out *w) {
    char text[STELE_ERR_TEXT_BYTES];
    if (index < FILES_MAX) {
        size_t files = stele_wire_out_begin(w, FILES);
        put_files(reflection, index, w);
        stele_wire_out_end(w, files);
        return;
    }
    size_t shown = name.size > 100 ? 100 : name.size; /* of a text the client chose */
    (void)snprintf(text, sizeof text, "no file or symbol '%.*s' here: list_services shows what is",
                   (int)shown, shown == 0 ? "" : (const char *)name.data);
    stele_rpc_text_clean(text);
    put_error(w, STELE_RPC_NOT_FOUND, text);
}

static void put_answer(const struct stele_rpc_reflection *reflection,
                       const struct stele_wire_record *question, struct stele_wire_out *w) {
    switch (question->number) {
    case LIST:
        put_services(reflection, w);
        break;
    case BY_FILENAME:
        put_found(reflection, file_named(reflection, question->bytes), question->bytes, w);
        break;
    case BY_SYMBOL:
        put_found(reflection, file_with(reflection, question->bytes), question->bytes, w);
        break;
    case BY_EXTENSION:
    case EXTENSIONS:
        put_error(w, STELE_RPC_NOT_FOUND, "proto3 messages have no extensions");
        break;
    default:
        put_error(w, STELE_RPC_INVALID_ARGUMENT, "the request asks for nothing this server knows");
        break;
    }
}

stele_status stele_rpc_reflection_answer(const struct stele_rpc_reflection *reflection,
                                         stele_view request, stele_buf *response, stele_err *err) {
    struct stele_wire wire = stele_wire_of(request);
    struct stele_wire_record record = {0};
    struct stele_wire_record question = {0};
    stele_view host = {NULL, 0};
    size_t size_before = response->size;
    while (!stele_wire_at_end(&wire)) {
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return STELE_FAIL(err, INVALID, "ServerReflectionRequest: %s", wire.problem);
        }
        if (record.type == STELE_WIRE_BYTES && record.number == REQUEST_HOST) {
            host = record.bytes;
        } else if (record.type == STELE_WIRE_BYTES && record.number >= BY_FILENAME) {
            question = record; /* a oneof: the last one counts */
        }
    }
    struct stele_wire_out w = stele_wire_out_to(response);
    stele_wire_out_bytes(&w, VALID_HOST, host);
    stele_wire_out_element(&w, ORIGINAL, request);
    put_answer(reflection, &question, &w);
    return stele_wire_out_done(&w, size_before, err);
}

/* ---- the stream: one question, its answer, the next question ---- */

static void on_question(void *service, struct stele_rpc_call *call,
                        struct stele_rpc_message *message) {
    stele_err err;
    stele_buf response = STELE_BUF_EMPTY;
    stele_status st =
        stele_rpc_reflection_answer(service, stele_rpc_message_view(message), &response, &err);
    if (st == STELE_OK) {
        st = stele_rpc_send(call, stele_view_buf(&response), &err);
    }
    if (st != STELE_OK) {
        stele_rpc_finish_error(call, &err, 0);
    }
    stele_buf_done(&response);
    stele_rpc_message_release(message);
}

static void on_answered(void *service, struct stele_rpc_call *call) {
    (void)service;
    stele_rpc_receive_next(call);
}

static void on_no_more(void *service, struct stele_rpc_call *call) {
    (void)service;
    stele_rpc_finish_ok(call, (stele_view){NULL, 0});
}

void stele_rpc_reflection_methods(
    struct stele_rpc_reflection *reflection,
    struct stele_rpc_method ret[STELE_AT_LEAST(STELE_RPC_REFLECTION_METHODS)]) {
    ret[0] = (struct stele_rpc_method){
        .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        .kind = STELE_RPC_BIDI,
        .service = reflection,
        .on_message = on_question,
        .on_half_close = on_no_more,
        .on_sent = on_answered};
    ret[1] = ret[0];
    ret[1].path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
}

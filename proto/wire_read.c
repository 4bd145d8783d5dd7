/* SPDX-License-Identifier: Apache-2.0 */
/* proto/wire_read.c: reads a request by its table, naming the member in every refusal. */
#include "proto/wire_read.h"

#include <assert.h>

#include "proto/text.h"
#include "proto/wire.h"

static uint32_t wire_type_of(stele_wire_kind kind) {
    switch (kind) {
    case STELE_WIRE_NUMBER:
    case STELE_WIRE_FLAG:
        return STELE_WIRE_VARINT;
    case STELE_WIRE_TIME:
        return STELE_WIRE_FIXED64;
    case STELE_WIRE_TEXT:
    case STELE_WIRE_TEXTS:
    case STELE_WIRE_MESSAGE:
    case STELE_WIRE_SIZES:
        break;
    }
    return STELE_WIRE_BYTES;
}

static const struct stele_wire_member *member_of(const struct stele_wire_form *form,
                                                 uint32_t number) {
    for (size_t i = 0; i < form->n_members; i++) {
        if (form->member[i].number == number) {
            return &form->member[i];
        }
    }
    return NULL;
}

static bool is_repeated(stele_wire_kind kind) {
    return kind == STELE_WIRE_TEXTS || kind == STELE_WIRE_SIZES;
}

static stele_status over_the_limit(const struct stele_wire_form *form,
                                   const struct stele_wire_member *m, stele_err *err) {
    return STELE_FAIL(err, LIMIT, "%s: %s stands more than %d times", form->name, m->name,
                      STELE_WIRE_LIST_MAX);
}

static stele_status store_size(const struct stele_wire_form *form,
                               const struct stele_wire_member *m, stele_view message, void *target,
                               stele_err *err) {
    struct stele_wire_sizes *sizes = target;
    if (sizes->n == STELE_WIRE_LIST_MAX) {
        return over_the_limit(form, m, err);
    }
    return stele_wire_read(m->sub, message, &sizes->item[sizes->n++], err);
}

static stele_status store_text(const struct stele_wire_form *form,
                               const struct stele_wire_member *m, stele_view text, void *target,
                               stele_err *err) {
    const char *problem = stele_text_problem(text, STELE_CHARSET_PLAIN);
    if (problem != NULL) {
        return STELE_FAIL(err, INVALID, "%s: %s %s", form->name, m->name, problem);
    }
    if (m->kind == STELE_WIRE_TEXT) {
        *(stele_view *)target = text;
        return STELE_OK;
    }
    struct stele_wire_list *list = target;
    if (list->n == STELE_WIRE_LIST_MAX) {
        return over_the_limit(form, m, err);
    }
    list->item[list->n++] = text;
    return STELE_OK;
}

/* One level of nesting is all that any request has; the recursion follows the tables, not the
 * input. */
static stele_status store(const struct stele_wire_form *form, const struct stele_wire_member *m,
                          const struct stele_wire_record *record, void *target, stele_err *err) {
    switch (m->kind) {
    case STELE_WIRE_TEXT:
    case STELE_WIRE_TEXTS:
        return store_text(form, m, record->bytes, target, err);
    case STELE_WIRE_NUMBER:
    case STELE_WIRE_TIME:
        *(uint64_t *)target = record->value;
        return STELE_OK;
    case STELE_WIRE_FLAG:
        *(bool *)target = record->value != 0;
        return STELE_OK;
    case STELE_WIRE_SIZES:
        return store_size(form, m, record->bytes, target, err);
    case STELE_WIRE_MESSAGE:
        break;
    }
    return stele_wire_read(m->sub, record->bytes, target, err);
}

stele_status stele_wire_read(const struct stele_wire_form *form, stele_view message, void *ret,
                             stele_err *err) {
    struct stele_wire wire = stele_wire_of(message);
    uint32_t seen = 0;
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record = {0};
        if (stele_wire_next(&wire, &record) != STELE_OK) {
            return STELE_FAIL(err, INVALID, "%s: %s", form->name, wire.problem);
        }
        const struct stele_wire_member *m = member_of(form, record.number);
        if (m == NULL) {
            return STELE_FAIL(err, UNSUPPORTED,
                              "%s: member %u is not known to this server, and leaving it out would "
                              "change what was asked",
                              form->name, record.number);
        }
        assert(m->number <= STELE_WIRE_MEMBER_MAX);
        if (record.type != wire_type_of(m->kind)) {
            return STELE_FAIL(err, INVALID, "%s: %s has wire type %u, not %u", form->name, m->name,
                              record.type, wire_type_of(m->kind));
        }
        if (!is_repeated(m->kind) && (seen >> m->number & 1u) != 0) {
            return STELE_FAIL(err, INVALID, "%s: %s stands twice", form->name, m->name);
        }
        seen |= UINT32_C(1) << m->number;
        stele_status st = store(form, m, &record, (uint8_t *)ret + m->offset, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    return STELE_OK;
}

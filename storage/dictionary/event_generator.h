/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/dictionary/event_generator.h: made-up events in the encoding of the event schema, to
 * train the dictionary on and to measure it with. Layer: none; linked into the trainer and into
 * tests, never into the store.
 *
 * It writes protobuf bytes by hand, because storage knows no protobuf: only the shape matters here,
 * that is, which field numbers, verbs, hosts, ARNs and lengths stand where. Everything comes from
 * the seed.
 */
#ifndef STELE_STORAGE_DICTIONARY_EVENT_GENERATOR_H
#define STELE_STORAGE_DICTIONARY_EVENT_GENERATOR_H

#include "storage/bytes.h"

/* One organisation's platform: its account, names and clock. Another seed is another organisation.
 */
struct event_generator {
    uint64_t random;    /* splitmix64 state */
    uint64_t world;     /* fixed: decides account, tenants and ids that stay the same */
    uint64_t time_ns;   /* rises from event to event */
    const char *tenant; /* of the event being written */
    const char *region;
};

void event_generator_init(struct event_generator *g, uint64_t seed);
/* Appends one event of any kind, in the mix of a platform: mostly inference. */
STELE_MUST_USE stele_status event_generate(struct event_generator *g, stele_buf *out,
                                           stele_err *err);
/* Appends one inference call through a gateway, 290 to 340 bytes. */
STELE_MUST_USE stele_status event_generate_inference(struct event_generator *g, stele_buf *out,
                                                     stele_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/engine_step.c: see the header. */
#include "tests/support/engine_step.h"

#include <stdio.h>
#include <string.h>

#include "storage/control.h"
#include "storage/pack.h"
#include "storage/record.h"

const char *const engine_step_names[ENGINE_STEPS] = {
    "start: settle the pack size",
    "start: claim the chain",
    "start: list the packs",
    "start: list the segments",
    "start: list the seals",
    "start: replay the chain",
    "start: append genesis",
    "start: list a log",
    "commit: append the entries",
    "seal: append what fills the unit",
    "seal: append the next month's first",
    "checkpoint: append the note",
    "pack: keys seeds, begin",
    "pack: keys seeds, write",
    "pack: keys seeds, commit",
    "pack: hashes, begin",
    "pack: hashes, write",
    "pack: hashes, commit",
    "pack: index segment, begin",
    "pack: index segment, write",
    "pack: index segment, commit",
    "pack: seal, begin",
    "pack: seal, write",
    "pack: seal, commit",
    "pack: items, begin",
    "pack: items, write",
    "pack: items, commit",
    "pack: trim the chain",
    "merge: index segment, begin",
    "merge: index segment, write",
    "merge: index segment, commit",
    "merge: seal, begin",
    "merge: seal, write",
    "merge: seal, commit",
    "merge: remove what was merged",
};

size_t engine_step_find(const char *name) {
    size_t i = 0;
    while (i < ENGINE_STEPS && strcmp(engine_step_names[i], name) != 0) {
        i++;
    }
    return i;
}

const char *engine_step_of_record(stele_view record) {
    struct stele_record head;
    struct stele_entry entry;
    if (stele_record_decode(record, &head, NULL) != STELE_OK) {
        return "no record";
    }
    if (head.kind == STELE_RECORD_CHECKPOINT) {
        return "checkpoint: append the note";
    }
    if (head.first_seq == 0) {
        return "start: append genesis";
    }
    struct stele_reader r = stele_reader_of(head.body, "record");
    for (uint32_t i = 0; i < head.n_items; i++) {
        struct stele_item item;
        stele_view kseed = {NULL, 0};
        if (stele_item_read(&r, &item, NULL) != STELE_OK) {
            return "no record";
        }
        if (item.kind == STELE_ITEM_FRAME) {
            (void)!stele_read_view(&r, STELE_SEED_BYTES, &kseed, NULL);
        } else if (stele_entry_decode(item.entry, &entry, NULL) == STELE_OK &&
                   entry.type == STELE_ENTRY_CONTROL) {
            if (entry.as.control.kind == STELE_CONTROL_EPOCH) {
                return "seal: append the next month's first";
            }
            if (entry.as.control.kind == STELE_CONTROL_LOGS) {
                return "start: list a log";
            }
        }
    }
    uint64_t end = head.first_seq + head.n_entries;
    return head.first_seq / ENGINE_STEP_PACK_ENTRIES == end / ENGINE_STEP_PACK_ENTRIES
               ? "commit: append the entries"
               : "seal: append what fills the unit";
}

static const char *part_of(char kind) {
    switch (kind) {
    case 'k':
        return "keys seeds";
    case 'h':
        return "hashes";
    case 'i':
        return "index segment";
    case 's':
        return "seal";
    case 'p':
        return "items";
    default:
        return "something else";
    }
}

const char *engine_step_of_blob(const char *key, const char *call, char out[ENGINE_STEP_BYTES]) {
    uint64_t lo = 0;
    uint64_t hi = 0;
    if (stele_pack_key_parse(key, &lo, &hi, NULL) != STELE_OK) {
        return "no blob of a log";
    }
    char kind = key[strlen(key) - strlen("p/") - 41];
    bool index = kind == 'i' || kind == 's';
    bool merged = index && lo / ENGINE_STEP_PACK_ENTRIES != (hi - 1) / ENGINE_STEP_PACK_ENTRIES;
    if (strcmp(call, "remove") == 0) {
        return index ? "merge: remove what was merged" : "a removal that nobody makes";
    }
    (void)snprintf(out, ENGINE_STEP_BYTES, "%s: %s, %s", merged ? "merge" : "pack", part_of(kind),
                   call);
    return out;
}

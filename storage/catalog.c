/* SPDX-License-Identifier: Apache-2.0 */
/* storage/catalog.c: immutable, counted lists of units and segments. */
#include "storage/catalog.h"

#include <assert.h>
#include <string.h>

stele_status stele_catalog_new(size_t n_units, size_t n_segments, struct stele_catalog **ret,
                               stele_err *err) {
    struct stele_catalog *catalog = stele_alloc(1, sizeof *catalog);
    if (catalog != NULL) {
        catalog->unit = stele_alloc(n_units, sizeof(struct stele_unit *));
        catalog->segment = stele_alloc(n_segments, sizeof(struct stele_segment_ref *));
    }
    if (catalog == NULL || catalog->unit == NULL || catalog->segment == NULL) {
        if (catalog != NULL) {
            stele_free(catalog->unit);
            stele_free(catalog->segment);
        }
        stele_free(catalog);
        return STELE_FAIL(err, NO_MEMORY, "no memory for a list of %zu units", n_units);
    }
    atomic_init(&catalog->refs, 1);
    catalog->n_units = n_units;
    catalog->n_segments = n_segments;
    *ret = catalog;
    return STELE_OK;
}

void stele_catalog_ref(struct stele_catalog *catalog) {
    atomic_fetch_add_explicit(&catalog->refs, 1, memory_order_relaxed);
}

void stele_catalog_unref(struct stele_catalog *catalog) {
    if (catalog == NULL ||
        atomic_fetch_sub_explicit(&catalog->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < catalog->n_units; i++) {
        stele_unit_unref(catalog->unit[i]);
    }
    for (size_t i = 0; i < catalog->n_segments; i++) {
        stele_segment_ref_unref(catalog->segment[i]);
    }
    stele_free(catalog->unit);
    stele_free(catalog->segment);
    stele_free(catalog);
}

/* Copies a pointer list with items [at, at + out) replaced by `in_list`. */
static void splice(void **to, void *const *from, size_t n_from, size_t at, size_t out,
                   void *const *in_list, size_t n_in) {
    assert(at <= n_from && out <= n_from - at);
    size_t w = 0;
    for (size_t i = 0; i < at; i++) {
        to[w++] = from[i];
    }
    for (size_t i = 0; i < n_in; i++) {
        to[w++] = in_list[i];
    }
    for (size_t i = at + out; i < n_from; i++) {
        to[w++] = from[i];
    }
}

stele_status stele_catalog_edited(const struct stele_catalog *from,
                                  const struct stele_catalog_edit *edit, struct stele_catalog **ret,
                                  stele_err *err) {
    struct stele_catalog *to = NULL;
    stele_status st =
        stele_catalog_new(from->n_units - edit->units_out + edit->units_in,
                          from->n_segments - edit->segments_out + edit->segments_in, &to, err);
    if (st != STELE_OK) {
        return st;
    }
    splice((void **)to->unit, (void *const *)from->unit, from->n_units, edit->unit_at,
           edit->units_out, (void *const *)edit->units, edit->units_in);
    size_t segment_at =
        edit->segment_at == STELE_SEGMENTS_END ? from->n_segments : edit->segment_at;
    splice((void **)to->segment, (void *const *)from->segment, from->n_segments, segment_at,
           edit->segments_out, (void *const *)edit->segments, edit->segments_in);
    for (size_t i = 0; i < to->n_units; i++) {
        stele_unit_ref(to->unit[i]);
    }
    for (size_t i = 0; i < to->n_segments; i++) {
        atomic_fetch_add_explicit(&to->segment[i]->refs, 1, memory_order_relaxed);
    }
    *ret = to;
    return STELE_OK;
}

struct stele_unit *stele_catalog_unit_of(const struct stele_catalog *catalog, uint64_t seq) {
    size_t low = 0;
    size_t high = catalog->n_units;
    while (high > low) {
        size_t middle = low + (high - low) / 2;
        if (catalog->unit[middle]->lo <= seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    struct stele_unit *unit = catalog->unit[low - 1];
    return seq < atomic_load_explicit(&unit->hi, memory_order_acquire) ? unit : NULL;
}

uint64_t stele_catalog_segments_end(const struct stele_catalog *catalog) {
    return catalog->n_segments == 0
               ? 0
               : stele_segment_info_of(catalog->segment[catalog->n_segments - 1]->segment)->hi;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/prove_each.h: an answer to several conditions proven by each of their keys. Layer: tools.
 *
 * One proof opens one key's histories, and an event that the index leaves out under that key is not
 * missed. Where every key gives the same events, the index would have to leave it out under all.
 */
#ifndef STELE_TOOLS_PROVE_EACH_H
#define STELE_TOOLS_PROVE_EACH_H

#include "tools/cli.h"
#include "proto/query_wire.h"

/* The numbers, from 1, of the question's conditions that have an index key; at most 24. Errors:
 * those of the question. */
STELE_MUST_USE stele_status stele_prove_each_conditions(const struct stele_search_request *asked,
                                                        size_t ret[STELE_AT_LEAST(24)],
                                                        size_t *ret_n, stele_err *err);
/*
 * `path` has the answer by the first of these conditions. Saves those by the others as path.2,
 * path.3, ..., and compares the events of all, as far as all are complete. Errors: UNVERIFIED: a
 * file does not hold, or they differ; those of the call and of files.
 */
STELE_MUST_USE stele_status stele_prove_each(const struct stele_cli *cli,
                                             const struct stele_search_request *asked,
                                             const char *path, stele_err *err);

#endif

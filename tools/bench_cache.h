/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_cache.h: takes files out of the page cache, for figures of a machine that has not
 * read them yet. Layer: tools. */
#ifndef STELE_TOOLS_BENCH_CACHE_H
#define STELE_TOOLS_BENCH_CACHE_H

#include "storage/status.h"

/*
 * Everything of the machine where that is allowed (as root), else the files below `folder`; nobody
 * may have them mapped. Says which: "page cache dropped" or "its files dropped from the page
 * cache". What lies under the operating system, as a host's cache, stays.
 */
STELE_MUST_USE stele_status stele_bench_cache_drop(const char *folder, const char **ret_how,
                                                   stele_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tools/vkeys.h: a file of public keys, a vkey a line. Layer: tools. */
#ifndef STELE_TOOLS_VKEYS_H
#define STELE_TOOLS_VKEYS_H

#include "storage/note.h"

/* Empty lines and lines that start with '#' are passed over; at most 4,096 keys. The caller frees
 * *ret with stele_free. Errors: INVALID: no such file, or the line that is no key; IO. */
STELE_MUST_USE stele_status stele_vkeys_read(const char *path, struct stele_vkey **ret,
                                             size_t *ret_n, stele_err *err);

#endif

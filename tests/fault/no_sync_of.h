/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/no_sync_of.h: included before every line of one source file of a store that must fail
 * the power-cut test: the syncs whose argument is written as STELE_NO_SYNC_OF do nothing there.
 */
#ifndef STELE_TESTS_FAULT_NO_SYNC_OF_H
#define STELE_TESTS_FAULT_NO_SYNC_OF_H

#include <string.h>
#include <unistd.h>

#define NO_SYNC_TEXT(x) #x
#define NO_SYNC_VALUE(x) NO_SYNC_TEXT(x)
#define fsync(fd) (strcmp(#fd, NO_SYNC_VALUE(STELE_NO_SYNC_OF)) == 0 ? 0 : fsync(fd))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/test_engine_syncs_off.c: the checks of test_engine_syncs.c over an engine whose syncs
 * are turned off (no_sync.h): each must notice.
 */
#include "tests/fault/sync_watch.h"
#include "tests/support/cmocka.h"
#include "tests/support/temp_folder.h"

static void test_engine_syncs_off__every_check_notices(void **state) {
    (void)state;
    char folder[TEMP_FOLDER_BYTES];
    struct stele_engine *e = NULL;
    uint64_t next = 0;
    uint64_t epoch = 0;
    const struct stele_lock lock = {1, 0};
    temp_folder_make(folder);
    assert_ok(stele_engine_rocks_open(folder, "eu", true, &e, NULL));
    assert_ok(e->ops->claim(e, "log", &next, &epoch, NULL));
    for (uint64_t pos = 0; pos < 20; pos++) {
        assert_false(sync_watch_append(e, "log", epoch, pos));
    }
    assert_false(sync_watch_put(e, "p/q/x", "bytes", NULL));
    assert_false(sync_watch_put(e, "p/q/y", "bytes", &lock));
    assert_false(sync_watch_fact(e, "fact"));
    e->ops->close(e);
    temp_folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_syncs_off__every_check_notices),
    };
    return cmocka_run_group_tests_name("engine_syncs_off", tests, NULL, NULL);
}

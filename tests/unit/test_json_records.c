/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_json_records.c: where records begin and end, in all the forms they come in. */
#include "ingest/json_records.h"
#include "tests/support/cmocka.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* "a|b" expects records a and b; a word in <> expects that failure. */
static void expect_from(struct stele_json_records *records, const char *expected) {
    uint64_t number = 0;
    for (;;) {
        char want[256];
        size_t n = strcspn(expected, "|");
        stele_view got = {NULL, 0};
        stele_err err = {0};
        stele_status st = stele_json_records_next(records, &got, &err);
        if (st == STELE_END) {
            assert_string_equal(expected, "");
            break;
        }
        number++;
        assert_int_equal(stele_json_records_number(records), number);
        (void)snprintf(want, sizeof want, "%.*s", (int)n, expected);
        if (st == STELE_OK) {
            if (!stele_view_is(got, want)) {
                fail_msg("'%.*s' instead of '%s'", (int)got.size, (const char *)got.data, want);
            }
        } else {
            char name[32];
            (void)snprintf(name, sizeof name, "<%s>", stele_status_name(st));
            assert_string_equal(name, want);
            assert_true(strlen(err.text) > 10);
            if (st == STELE_CORRUPT) { /* and ever after */
                assert_status(stele_json_records_next(records, &got, &err), CORRUPT);
                assert_string_equal(expected + n, "");
                break;
            }
        }
        expected += expected[n] == '|' ? n + 1 : n;
    }
    stele_json_records_close(records);
}

static void expect(const char *input, const char *expected) {
    struct stele_json_records *records = NULL;
    assert_ok(stele_json_records_open_bytes(stele_view_str(input), &records, NULL));
    expect_from(records, expected);
}

static void test_json_records__lines_and_neighbours(void **state) {
    (void)state;
    expect("", "");
    expect(" \n\t\r\n", "");
    expect("{}", "{}");
    expect("{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}|{\"a\":2}");
    expect("{\"a\":1}{\"a\":2}", "{\"a\":1}|{\"a\":2}");
    expect("\xef\xbb\xbf{}\n", "{}");
    expect("{\n  \"a\": {\n    \"b\": [1, {}]\n  }\n}\n{}",
           "{\n  \"a\": {\n    \"b\": [1, {}]\n  }\n}|{}");
}

static void test_json_records__texts_hide_braces(void **state) {
    (void)state;
    expect("{\"a\":\"}{\"}{}", "{\"a\":\"}{\"}|{}");
    expect("{\"a\":\"\\\"}\"}\n{}", "{\"a\":\"\\\"}\"}|{}");
    expect("{\"a\":\"\\\\\"}\n{}", "{\"a\":\"\\\\\"}|{}");
}

static void test_json_records__the_form_aws_delivers(void **state) {
    (void)state;
    expect("{\"Records\":[]}", "");
    expect("{\"Records\":[{\"a\":1},{\"a\":2}]}", "{\"a\":1}|{\"a\":2}");
    expect(" { \"Records\" :\n[ {\"a\":1} , \n{\"a\":[{\"b\":2}]}\n] }\n",
           "{\"a\":1}|{\"a\":[{\"b\":2}]}");
    expect("{\"Records\":[{\"a\":1}],\"more\":{\"x\":[1,\"]}\"]}}", "{\"a\":1}");
    expect("{\"Records\":[{\"a\":1}]}{\"Records\":[{\"a\":2}]}\n{\"b\":3}",
           "{\"a\":1}|{\"a\":2}|{\"b\":3}");
    /* What only looks like it is a record. */
    expect("{\"Records\":{}}", "{\"Records\":{}}");
    expect("{\"Records \":[]}", "{\"Records \":[]}");
    expect("{\"x\":{\"Records\":[{}]}}", "{\"x\":{\"Records\":[{}]}}");
    /* Inside, it is one too. */
    expect("{\"Records\":[{\"Records\":[{}]}]}", "{\"Records\":[{}]}");
}

static void test_json_records__broken_records_are_passed_over(void **state) {
    (void)state;
    expect("{\"a\":1\n{\"a\":2}\n", "<INVALID>|{\"a\":2}");
    expect("{\"a\":\"x\n{\"a\":2}\n", "<INVALID>|{\"a\":2}");
    expect("nonsense {}\n{\"a\":2}", "<INVALID>|{\"a\":2}");
    expect("[1,2]\n{}", "<INVALID>|{}");
    expect("{\"a\":{\"b\":", "<INVALID>");
    expect("{}\n{", "{}|<INVALID>");
}

static void test_json_records__a_broken_list_ends_the_reading(void **state) {
    (void)state;
    expect("{\"Records\":[{\"a\":1},", "{\"a\":1}|<CORRUPT>");
    expect("{\"Records\":[{\"a\":1}", "{\"a\":1}|<CORRUPT>");
    expect("{\"Records\":[{\"a\":1} x]}", "{\"a\":1}|<CORRUPT>");
    expect("{\"Records\":[{\"a\":", "<CORRUPT>");
    struct stele_json_records *records = NULL;
    stele_view got;
    assert_ok(stele_json_records_open_bytes(stele_view_str("{\"Records\":[{}]"), &records, NULL));
    assert_ok(stele_json_records_next(records, &got, NULL));
    assert_status(stele_json_records_next(records, &got, NULL), CORRUPT);
    stele_json_records_close(records);
}

static void test_json_records__the_limit_is_exact(void **state) {
    (void)state;
    const size_t sizes[] = {STELE_JSON_RECORD_BYTES_MAX, STELE_JSON_RECORD_BYTES_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        char *input = malloc(sizes[i] + 4);
        struct stele_json_records *records = NULL;
        stele_view got = {NULL, 0};
        assert_non_null(input);
        memset(input, ' ', sizes[i]);
        input[0] = '{';
        memcpy(input + sizes[i] - 1, "}\n{}", 5 - 1);
        assert_ok(
            stele_json_records_open_bytes(stele_view_of(input, sizes[i] + 3), &records, NULL));
        if (i == 0) {
            assert_ok(stele_json_records_next(records, &got, NULL));
            assert_int_equal(got.size, sizes[i]);
        } else {
            assert_status(stele_json_records_next(records, &got, NULL), LIMIT);
        }
        assert_ok(stele_json_records_next(records, &got, NULL));
        assert_true(stele_view_is(got, "{}"));
        assert_status(stele_json_records_next(records, &got, NULL), END);
        stele_json_records_close(records);
        free(input);
    }
}

static void write_gz(const char *path, const char *text, size_t size, const char *mode) {
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void test_json_records__gzip_is_found_by_its_magic(void **state) {
    (void)state;
    char dir[TEMP_FOLDER_BYTES];
    char path[128];
    struct stele_json_records *records = NULL;
    temp_folder_make(dir);
    (void)snprintf(path, sizeof path, "%s/records", dir);
    write_gz(path, "{\"a\":1}\n", 8, "wb");
    write_gz(path, "{\"a\":2}\n", 8, "ab"); /* a second member, as of concatenated files */
    assert_ok(stele_json_records_open(path, &records, NULL));
    expect_from(records, "{\"a\":1}|{\"a\":2}");
    write_gz(path, "{\"a\":3}\n", 8, "wbT"); /* as it is */
    assert_ok(stele_json_records_open(path, &records, NULL));
    expect_from(records, "{\"a\":3}");
    temp_folder_remove(dir);
}

static void test_json_records__broken_gzip_is_told(void **state) {
    (void)state;
    char dir[TEMP_FOLDER_BYTES];
    char path[128];
    static char text[300000];
    temp_folder_make(dir);
    (void)snprintf(path, sizeof path, "%s/records.gz", dir);
    for (size_t i = 0; i + 20 < sizeof text; i += 20) {
        (void)snprintf(text + i, 21, "{\"number\":%8zu}\n", i);
    }
    write_gz(path, text, strlen(text), "wb");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    for (int damage = 0; damage < 2; damage++) {
        if (damage == 0) {
            assert_int_equal(fseek(file, size / 2, SEEK_SET), 0);
            assert_int_equal(fwrite("\xff\xff\xff\xff\xff\xff\xff\xff", 1, 8, file), 8);
            assert_int_equal(fflush(file), 0);
        } else {
            write_gz(path, text, strlen(text), "wb");
            char command[256];
            (void)snprintf(command, sizeof command, "truncate -s %ld '%s'", size / 2, path);
            assert_int_equal(system(command), 0);
        }
        struct stele_json_records *records = NULL;
        stele_view got;
        stele_status st = STELE_OK;
        stele_err err = {0};
        size_t n = 0;
        assert_ok(stele_json_records_open(path, &records, NULL));
        while ((st = stele_json_records_next(records, &got, &err)) == STELE_OK ||
               st == STELE_INVALID) { /* damage may expand to nonsense before it is found out */
            n++;
        }
        assert_status(st, CORRUPT);
        assert_non_null(strstr(err.text, "records.gz"));
        assert_true(n < 15000);
        stele_json_records_close(records);
    }
    (void)fclose(file);
    temp_folder_remove(dir);
}

static void test_json_records__missing_files_are_told(void **state) {
    (void)state;
    struct stele_json_records *records = NULL;
    stele_err err = {0};
    assert_status(stele_json_records_open("/nonexistent/records", &records, &err), NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/records"));
    assert_null(records);
    stele_json_records_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_records__lines_and_neighbours),
        cmocka_unit_test(test_json_records__texts_hide_braces),
        cmocka_unit_test(test_json_records__the_form_aws_delivers),
        cmocka_unit_test(test_json_records__broken_records_are_passed_over),
        cmocka_unit_test(test_json_records__a_broken_list_ends_the_reading),
        cmocka_unit_test(test_json_records__the_limit_is_exact),
        cmocka_unit_test(test_json_records__gzip_is_found_by_its_magic),
        cmocka_unit_test(test_json_records__broken_gzip_is_told),
        cmocka_unit_test(test_json_records__missing_files_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lines.c: lines of a file or pipe, however their bytes arrive. */
#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/rng.h"
#include "tests/support/temp_folder.h"
#include "tools/lines.h"

static char folder[TEMP_FOLDER_BYTES];

static int make_folder(void **state) {
    (void)state;
    temp_folder_make(folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

/* A file with these bytes. */
static const char *file_of(const void *bytes, size_t size) {
    const char *path = temp_path(folder, "lines");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static struct stele_lines *open_text(const char *text) {
    struct stele_lines *lines = NULL;
    assert_ok(stele_lines_open(file_of(text, strlen(text)), &lines, NULL));
    return lines;
}

static void expect(struct stele_lines *lines, const char *text, uint64_t number) {
    stele_view line;
    uint64_t at = 0;
    assert_ok(stele_lines_next(lines, &line, &at, NULL));
    assert_true(stele_view_is(line, text));
    assert_int_equal(at, number);
}

static void expect_end(struct stele_lines *lines) {
    stele_view line;
    uint64_t at = 0;
    assert_status(stele_lines_next(lines, &line, &at, NULL), END);
    assert_status(stele_lines_next(lines, &line, &at, NULL), END);
    assert_false(stele_lines_would_wait(lines));
    stele_lines_close(lines);
}

static void test_lines__every_form_of_an_end(void **state) {
    (void)state;
    struct stele_lines *lines = open_text("a\n\nb\r\n  c");
    expect(lines, "a", 1);
    expect(lines, "", 2);
    expect(lines, "b\r", 3); /* whoever reads JSON takes it for a blank */
    expect(lines, "  c", 4);
    expect_end(lines);
    expect_end(open_text(""));
    lines = open_text("\n");
    expect(lines, "", 1);
    expect_end(lines);
}

static void test_lines__byte_order_mark_is_no_part_of_the_first_line(void **state) {
    (void)state;
    struct stele_lines *lines = open_text("\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n");
    expect(lines, "{}", 1);
    expect(lines, "\xef\xbb\xbf{}", 2);
    expect_end(lines);
    lines = open_text("\xef\xbb\xbf");
    expect_end(lines);
    lines = open_text("\xef\xbb\xbf\nx");
    expect(lines, "", 1);
    expect(lines, "x", 2);
    expect_end(lines);
    lines = open_text("\xef\xbb");
    expect(lines, "\xef\xbb", 1);
    expect_end(lines);
}

/* A line of `size` bytes among two short ones: taken or refused, and the rest goes on. */
static void check_long(size_t size, bool ends_with_newline) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_view line;
    uint64_t at = 0;
    struct stele_lines *lines = NULL;
    stele_err err = {.text = ""};
    assert_ok(stele_buf_append(&text, stele_view_str("a\n"), NULL));
    assert_ok(stele_buf_reserve(&text, size, NULL));
    memset(text.data + text.size, 'x', size);
    text.size += size;
    if (ends_with_newline) {
        assert_ok(stele_buf_append(&text, stele_view_str("\nb\n"), NULL));
    }
    assert_ok(stele_lines_open(file_of(text.data, text.size), &lines, NULL));
    expect(lines, "a", 1);
    stele_status st = stele_lines_next(lines, &line, &at, &err);
    assert_int_equal(at, 2);
    if (size <= STELE_LINE_BYTES_MAX) {
        assert_ok(st);
        assert_int_equal(line.size, size);
    } else {
        assert_status(st, LIMIT);
        assert_non_null(strstr(err.text, "1048576"));
    }
    if (ends_with_newline) {
        expect(lines, "b", 3);
    }
    expect_end(lines);
    stele_buf_done(&text);
}

static void test_lines__too_long_is_refused_and_passed_over(void **state) {
    (void)state;
    const size_t max = STELE_LINE_BYTES_MAX;
    const size_t sizes[] = {max - 1, max, max + 1, max + 65534, max + 65536, max + 65537, 5 * max};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_long(sizes[i], true);
        check_long(sizes[i], false);
    }
}

static void test_lines__several_too_long_in_a_row(void **state) {
    (void)state;
    const size_t size = STELE_LINE_BYTES_MAX + 100;
    uint8_t *text = stele_alloc(3, size + 1);
    struct stele_lines *lines = NULL;
    stele_view line;
    uint64_t at = 0;
    memset(text, 'y', 3 * (size + 1));
    for (size_t i = 1; i <= 3; i++) {
        text[i * (size + 1) - 1] = '\n';
    }
    assert_ok(stele_lines_open(file_of(text, 3 * (size + 1)), &lines, NULL));
    for (uint64_t i = 1; i <= 3; i++) {
        assert_status(stele_lines_next(lines, &line, &at, NULL), LIMIT);
        assert_int_equal(at, i);
    }
    expect_end(lines);
    stele_free(text);
}

/* ------------------------------------------------------------------ a pipe, in place of stdin */

static int kept_stdin = -1;

static int begin_pipe(void) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    kept_stdin = dup(STDIN_FILENO);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    (void)close(ends[0]);
    return ends[1];
}

static void end_pipe(void) {
    assert_true(dup2(kept_stdin, STDIN_FILENO) >= 0);
    (void)close(kept_stdin);
}

static void test_lines__knows_when_it_would_wait(void **state) {
    struct stele_lines *lines = NULL;
    (void)state;
    int in = begin_pipe();
    assert_ok(stele_lines_open("-", &lines, NULL));
    assert_true(stele_lines_would_wait(lines));
    assert_int_equal(write(in, "a\nb", 3), 3);
    assert_false(stele_lines_would_wait(lines));
    expect(lines, "a", 1);
    assert_true(stele_lines_would_wait(lines)); /* "b" is no line yet */
    assert_int_equal(write(in, "\nc\nd\n", 5), 5);
    assert_false(stele_lines_would_wait(lines));
    expect(lines, "b", 2);
    assert_false(stele_lines_would_wait(lines)); /* from the buffer */
    expect(lines, "c", 3);
    expect(lines, "d", 4);
    assert_true(stele_lines_would_wait(lines));
    (void)close(in);
    assert_false(stele_lines_would_wait(lines)); /* the end is no wait */
    expect_end(lines);
    end_pipe();
}

struct feed {
    int in;
    const uint8_t *bytes;
    size_t size;
    uint64_t seed;
};

static void *feed_pieces(void *arg) {
    struct feed *feed = arg;
    struct rng rng = {feed->seed};
    for (size_t at = 0; at < feed->size;) {
        size_t size = 1 + (size_t)rng_below(&rng, rng_below(&rng, 4) == 0 ? 70000 : 5);
        size = size < feed->size - at ? size : feed->size - at;
        ssize_t n = write(feed->in, feed->bytes + at, size);
        if (n <= 0) {
            abort(); /* not the thread that cmocka can fail in */
        }
        at += (size_t)n;
        if (rng_below(&rng, 8) == 0) {
            (void)nanosleep(&(struct timespec){0, 50000}, NULL);
        }
    }
    (void)close(feed->in);
    return NULL;
}

/* The same lines, whatever the pieces: against a split of the whole text. */
static void test_lines__pieces_do_not_matter(void **state) {
    (void)state;
    struct rng rng = rng_start("lines");
    for (int round = 0; round < 30; round++) {
        stele_buf text = STELE_BUF_EMPTY;
        struct stele_lines *lines = NULL;
        pthread_t thread;
        for (uint64_t n = rng_below(&rng, 200); n > 0; n--) {
            size_t size = (size_t)rng_below(&rng, rng_below(&rng, 10) == 0 ? 90000 : 30);
            assert_ok(stele_buf_reserve(&text, size + 1, NULL));
            memset(text.data + text.size, 'a' + (int)rng_below(&rng, 26), size);
            text.data[text.size + size] = '\n';
            text.size += size + (n > 1 || rng_below(&rng, 2) == 0 ? 1 : 0);
        }
        struct feed feed = {begin_pipe(), text.data, text.size, rng_next(&rng)};
        assert_ok(stele_lines_open(NULL, &lines, NULL));
        assert_int_equal(pthread_create(&thread, NULL, feed_pieces, &feed), 0);
        uint64_t number = 0;
        for (size_t at = 0; at < text.size;) {
            const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
            size_t size = end == NULL ? text.size - at : (size_t)(end - text.data) - at;
            stele_view line;
            uint64_t told = 0;
            assert_ok(stele_lines_next(lines, &line, &told, NULL));
            assert_int_equal(told, ++number);
            assert_true(stele_view_equal(line, stele_view_of(text.data + at, size)));
            at += size + 1;
        }
        expect_end(lines);
        assert_int_equal(pthread_join(thread, NULL), 0);
        end_pipe();
        stele_buf_done(&text);
    }
}

static void test_lines__what_cannot_be_opened(void **state) {
    struct stele_lines *lines = NULL;
    stele_err err = {.text = ""};
    (void)state;
    assert_status(stele_lines_open("/nowhere/events", &lines, &err), INVALID);
    assert_non_null(strstr(err.text, "'/nowhere/events'"));
    assert_status(stele_lines_open(folder, &lines, &err), INVALID);
    assert_non_null(strstr(err.text, "folder"));
    assert_null(lines);
    stele_lines_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines__every_form_of_an_end),
        cmocka_unit_test(test_lines__byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(test_lines__too_long_is_refused_and_passed_over),
        cmocka_unit_test(test_lines__several_too_long_in_a_row),
        cmocka_unit_test(test_lines__knows_when_it_would_wait),
        cmocka_unit_test(test_lines__pieces_do_not_matter),
        cmocka_unit_test(test_lines__what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

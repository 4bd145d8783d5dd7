/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_file.c: events to a file and out of one, mapped, so that reading costs the client
 * next to nothing. */
#include "tools/bench_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/event_json.h"
#include "proto/time.h"
#include "storage/cursor.h"
#include "tools/bench_events.h"
#include "tools/save.h"

#define PENDING_BYTES ((size_t)1 << 20)

static stele_status put_hex(stele_view payload, stele_buf *out, stele_err *err) {
    static const char digit[] = "0123456789abcdef";
    stele_status st = stele_buf_append(out, stele_view_str("\\\\x"), err);
    if (st == STELE_OK) {
        st = stele_buf_reserve(out, 2 * payload.size, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    uint8_t *at = out->data + out->size;
    for (size_t i = 0; i < payload.size; i++) {
        *at++ = (uint8_t)digit[payload.data[i] >> 4];
        *at++ = (uint8_t)digit[payload.data[i] & 15];
    }
    out->size += 2 * payload.size;
    return STELE_OK;
}

/* The JSON form has no tab and no newline; a backslash stands twice in a row of COPY. */
static stele_status put_json(stele_view payload, stele_buf *out, stele_err *err) {
    stele_buf json = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_event_json_encode(payload, &json, err));
    for (size_t i = 0; i < json.size; i++) {
        stele_view one = stele_view_slice(stele_view_buf(&json), i, 1);
        STELE_TRY(json.data[i] == '\\' ? stele_buf_append(out, one, err) : STELE_OK);
        STELE_TRY(stele_buf_append(out, one, err));
    }
cleanup:
    stele_buf_done(&json);
    return st;
}

static stele_status put_row(const struct stele_bench_made *made, stele_view payload, bool json,
                            stele_buf *out, stele_err *err) {
    char time[STELE_TIME_TEXT_BYTES];
    char actor[32];
    char dataset[32];
    stele_status st = STELE_OK;
    stele_time_print(made->time_unix_nano, time);
    stele_bench_actor(made->actor, actor);
    stele_bench_dataset(made->dataset, dataset);
    STELE_TRY(stele_buf_printf(out, err, "%s\t3\t%s\t%s\t", time, actor, dataset)); /* access */
    STELE_TRY(json ? put_json(payload, out, err) : put_hex(payload, out, err));
    STELE_TRY(stele_buf_append(out, stele_view_str("\n"), err));
cleanup:
    return st;
}

static stele_status put_event(stele_view payload, stele_buf *out, stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_varint(&w, payload.size);
    stele_write_view(&w, payload);
    return stele_writer_end(&w, err);
}

static stele_status flush(struct stele_save *save, stele_buf *pending, stele_err *err) {
    stele_status st = stele_save_write(save, stele_view_buf(pending), err);
    stele_buf_clear(pending);
    return st;
}

stele_status stele_bench_file_write(const struct stele_bench_write *write, stele_err *err) {
    /* The generator's state is the seed: every file of as many events has the same ones, but for
     * their times. */
    struct stele_bench_events events = {.state = 1,
                                        .region = write->region,
                                        .n_actors = stele_bench_actors(write->events),
                                        .clock = write->clock};
    struct stele_save save = {.out = NULL};
    struct stele_save rows = {.out = NULL};
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf pending = STELE_BUF_EMPTY;
    stele_buf row = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_save_open(write->path, &save, err));
    STELE_TRY(write->rows_path == NULL ? STELE_OK : stele_save_open(write->rows_path, &rows, err));
    for (uint64_t i = 0; i < write->events; i++) {
        stele_buf_clear(&payload);
        STELE_TRY(stele_bench_event(&events, &payload, err));
        STELE_TRY(put_event(stele_view_buf(&payload), &pending, err));
        STELE_TRY(pending.size >= PENDING_BYTES ? flush(&save, &pending, err) : STELE_OK);
        if (write->rows_path != NULL) {
            STELE_TRY(put_row(&events.made, stele_view_buf(&payload), write->json, &row, err));
            STELE_TRY(row.size >= PENDING_BYTES ? flush(&rows, &row, err) : STELE_OK);
        }
    }
    STELE_TRY(flush(&save, &pending, err));
    if (write->rows_path != NULL) {
        STELE_TRY(flush(&rows, &row, err));
        STELE_TRY(stele_save_commit(&rows, err));
    }
    STELE_TRY(stele_save_commit(&save, err));
cleanup:
    stele_save_close(&save);
    stele_save_close(&rows);
    stele_buf_done(&payload);
    stele_buf_done(&pending);
    stele_buf_done(&row);
    return st;
}

static stele_status count(const char *path, struct stele_bench_file *file, stele_err *err) {
    stele_view rest = file->bytes;
    stele_view payload;
    stele_err why;
    stele_status st = STELE_OK;
    while ((st = stele_bench_file_next(&rest, &payload, &why)) == STELE_OK) {
        file->events++;
    }
    return st == STELE_END ? STELE_OK
                           : STELE_FAIL(err, INVALID,
                                        "'%.200s' is no file of events: event %llu does not end in "
                                        "it. `stele bench events --out FILE` makes one",
                                        path, (unsigned long long)file->events);
}

stele_status stele_bench_file_open(const char *path, struct stele_bench_file *ret, stele_err *err) {
    struct stele_bench_file file = {.events = 0};
    struct stat info;
    void *mapped = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        int os_errno = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return STELE_FAIL(err, INVALID, "cannot read '%.200s': %s", path, strerror(os_errno));
    }
    if (S_ISREG(info.st_mode) && info.st_size > 0) {
        mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    }
    (void)close(fd);
    if (mapped == MAP_FAILED) {
        return STELE_FAIL(err, INVALID, "'%.200s' holds no events", path);
    }
    file.bytes = stele_view_of(mapped, (size_t)info.st_size);
    stele_status st = count(path, &file, err);
    if (st == STELE_OK) {
        *ret = file;
    } else {
        stele_bench_file_close(&file);
    }
    return st;
}

stele_status stele_bench_file_next(stele_view *rest, stele_view *ret_payload, stele_err *err) {
    struct stele_reader r = stele_reader_of(*rest, "file of events");
    uint64_t size = 0;
    stele_status st = STELE_OK;
    if (rest->size == 0) {
        return STELE_END;
    }
    STELE_TRY(stele_read_varint(&r, &size, err));
    STELE_TRY(stele_read_view(&r, size > rest->size ? SIZE_MAX : (size_t)size, ret_payload, err));
    *rest = stele_view_slice(*rest, stele_reader_offset(&r), stele_reader_left(&r));
cleanup:
    return st == STELE_OK ? st : STELE_INVALID;
}

void stele_bench_file_close(struct stele_bench_file *file) {
    if (file->bytes.size > 0) {
        (void)munmap((void *)(uintptr_t)file->bytes.data, file->bytes.size);
    }
    *file = (struct stele_bench_file){.events = 0};
}

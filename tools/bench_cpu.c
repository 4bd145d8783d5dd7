/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_cpu.c: /proc/PID/task, a name and two counts of ticks a thread. */
#include "tools/bench_cpu.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* utime + stime: the 12th and 13th words behind the name, which ends with the last ')'. */
static bool read_line(char *line, struct stele_bench_cpu_part *ret) {
    const char *name = strchr(line, '(');
    char *end = strrchr(line, ')');
    double ticks = 0;
    if (name == NULL || end == NULL) {
        return false;
    }
    *end = '\0';
    (void)snprintf(ret->name, sizeof ret->name, "%s", name + 1);
    const char *at = end + 1;
    for (int word = 1; at != NULL && word <= 13; word++) {
        at = strchr(at + (word > 1 ? 1 : 0), ' ');
        ticks += at != NULL && word >= 12 ? strtod(at + 1, NULL) : 0;
    }
    ret->cpu_s = ticks / (double)sysconf(_SC_CLK_TCK);
    return at != NULL;
}

stele_status stele_bench_cpu_of(const char *path, struct stele_bench_cpu_part *ret,
                                stele_err *err) {
    char line[1024];
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, sizeof line, file) != NULL && read_line(line, ret);
    if (file != NULL) {
        (void)fclose(file);
    }
    return read ? STELE_OK : STELE_FAIL(err, IO, "cannot read %s: the server is gone", path);
}

static void add(struct stele_bench_cpu *cpu, const struct stele_bench_cpu_part *part) {
    size_t i = 0;
    while (i < cpu->n && strcmp(cpu->part[i].name, part->name) != 0) {
        i++;
    }
    if (i < cpu->n) {
        cpu->part[i].cpu_s += part->cpu_s;
    } else if (i < STELE_BENCH_THREADS_MAX) {
        cpu->part[cpu->n++] = *part;
    }
}

stele_status stele_bench_cpu_read(pid_t pid, struct stele_bench_cpu *ret, stele_err *err) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return STELE_FAIL_ERRNO(err, errno, "cannot read %s: the server is gone", path);
    }
    ret->n = 0;
    for (const struct dirent *found = readdir(dir); found != NULL; found = readdir(dir)) {
        struct stele_bench_cpu_part part;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", (int)pid, found->d_name);
        if (found->d_name[0] != '.' && stele_bench_cpu_of(path, &part, NULL) == STELE_OK) {
            add(ret, &part); /* else a thread that has ended */
        }
    }
    (void)closedir(dir);
    return STELE_OK;
}

static int most_first(const void *a, const void *b) {
    const struct stele_bench_cpu_part *left = a;
    const struct stele_bench_cpu_part *right = b;
    return (left->cpu_s < right->cpu_s) - (left->cpu_s > right->cpu_s);
}

void stele_bench_cpu_since(const struct stele_bench_cpu *before, double total_s,
                           struct stele_bench_cpu *cpu) {
    struct stele_bench_cpu_part others = {"others", total_s};
    for (size_t i = 0; i < before->n; i++) {
        struct stele_bench_cpu_part earlier = before->part[i];
        earlier.cpu_s = -earlier.cpu_s;
        add(cpu, &earlier);
    }
    for (size_t i = 0; i < cpu->n; i++) {
        cpu->part[i].cpu_s = cpu->part[i].cpu_s > 0 ? cpu->part[i].cpu_s : 0;
        others.cpu_s -= cpu->part[i].cpu_s;
    }
    if (others.cpu_s > 0) {
        add(cpu, &others);
    }
    qsort(cpu->part, cpu->n, sizeof cpu->part[0], most_first);
}

void stele_bench_cpu_print(const struct stele_bench_cpu *cpu, double n) {
    double small = 0;
    for (size_t i = 0; i < cpu->n; i++) {
        double us = cpu->part[i].cpu_s * 1e6 / n;
        if (us >= 0.01) {
            (void)printf("%s %.2f, ", cpu->part[i].name, us);
        } else {
            small += us;
        }
    }
    (void)printf("all the rest %.2f us an event\n", small);
}

void stele_bench_cpu_json(const struct stele_bench_cpu *cpu, double n, json_t *out) {
    json_t *parts = json_object();
    for (size_t i = 0; i < cpu->n; i++) {
        (void)json_object_set_new(parts, cpu->part[i].name,
                                  json_real(cpu->part[i].cpu_s * 1e6 / n));
    }
    (void)json_object_set_new(out, "server_cpu_us_per_event_by_thread", parts);
}

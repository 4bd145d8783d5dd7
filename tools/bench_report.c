/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_report.c: what a load of bench_load.h measured, as text and as one JSON object. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tools/bench_load.h"

static const struct {
    const char *text, *json;
    double at;
} points[] = {{"p50", "p50_ms", 0.5},
              {"p90", "p90_ms", 0.9},
              {"p99", "p99_ms", 0.99},
              {"p99.9", "p999_ms", 0.999}};
#define N_POINTS (sizeof points / sizeof points[0])

static void put(json_t *out, const char *name, double value) {
    (void)json_object_set_new(out, name, json_real(value));
}

static void put_latency(json_t *out, const char *name,
                        const struct stele_bench_histogram *histogram) {
    json_t *latency = json_object();
    for (size_t i = 0; i < N_POINTS; i++) {
        put(latency, points[i].json, stele_bench_histogram_ms(histogram, points[i].at));
    }
    put(latency, "max_ms", (double)histogram->max_us / 1000.0);
    (void)json_object_set_new(out, name, latency);
}

static void print_json(const struct stele_bench_load *load,
                       const struct stele_bench_load_figures *f,
                       const struct stele_bench_usage *server,
                       const struct stele_bench_ceiling *ceiling) {
    double n = (double)f->stored;
    json_t *out = json_object();
    json_t *stalls = json_array();
    put(out, "events", n);
    put(out, "seconds", f->seconds);
    put(out, "events_per_s", n / f->seconds);
    put(out, "rate_asked", load->events_per_s);
    (void)json_object_set_new(out, "open_loop", json_boolean(load->events_per_s > 0));
    put(out, "clients", (double)load->clients);
    put(out, "connections", (double)(load->batch == 0 ? load->connections : load->clients));
    put(out, "batch", load->batch == 0 ? 1.0 : (double)load->batch);
    put_latency(out, "append", &f->append);
    put(out, "repeated", (double)f->repeated);
    if (load->queries_per_s > 0) {
        put(out, "queries", (double)f->query.n);
        put(out, "hits", (double)f->hits);
        put_latency(out, "query", &f->query);
    }
    for (uint64_t i = 0; i < f->n_stalls && i < STELE_BENCH_STALLS_MAX; i++) {
        (void)json_array_append_new(
            stalls, json_pack("{s:f, s:f}", "unix_s", f->stall[i].unix_s, "ms", f->stall[i].ms));
    }
    put(out, "n_stalls", (double)f->n_stalls);
    (void)json_object_set_new(out, "stalls", stalls);
    put(out, "client_cpu_us_per_event", f->client_cpu_s * 1e6 / n);
    if (server != NULL) {
        put(out, "server_cpu_us_per_event", server->cpu_s * 1e6 / n);
        put(out, "server_rss_mib", server->rss_mib);
        put(out, "written_bytes_per_event", server->written_mib * 1048576.0 / n);
        put(out, "stored_bytes_per_event", server->stored_mib * 1048576.0 / n);
    }
    if (load->watch_index) {
        stele_bench_lag_json(&f->index, out);
    }
    put(out, "ceiling_hash_compress_events_per_s", ceiling->hash_compress_per_s);
    put(out, "ceiling_fdatasync_ms", ceiling->fdatasync_ms);
    put(out, "ceiling_null_events_per_s", ceiling->null_per_s);
    put(out, "of_ceiling_null", n / f->seconds / ceiling->null_per_s);
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
}

static void print_latency(const char *name, const struct stele_bench_histogram *histogram,
                          const char *note) {
    (void)printf("%-17s ", name);
    for (size_t i = 0; i < N_POINTS; i++) {
        (void)printf("%s %.2f  ", points[i].text,
                     stele_bench_histogram_ms(histogram, points[i].at));
    }
    (void)printf("longest %.2f ms (%s)\n", (double)histogram->max_us / 1000.0, note);
}

void stele_bench_load_print(const struct stele_bench_load *load,
                            const struct stele_bench_load_figures *figures,
                            const struct stele_bench_usage *server,
                            const struct stele_bench_ceiling *ceiling, bool json) {
    const struct stele_bench_load_figures *f = figures;
    double n = (double)f->stored;
    const char *loop = load->events_per_s > 0 ? "open loop: from when each was due" : "closed loop";
    if (json) {
        print_json(load, f, server, ceiling);
        return;
    }
    (void)printf("events            %.0f in %.2f s, ", n, f->seconds);
    if (load->batch == 0) {
        (void)printf("single appends, %" PRIu64 " at a time", load->clients);
    } else {
        (void)printf("batches of %" PRIu64, load->batch);
    }
    (void)printf(", %" PRIu64 " connections, mutual TLS, every ack synced\n",
                 load->batch == 0 ? load->connections : load->clients);
    (void)printf("rate              %.0f events/s", n / f->seconds);
    if (load->events_per_s > 0) {
        (void)printf(", %.0f asked", load->events_per_s);
    }
    (void)printf("; %" PRIu64 " calls sent again for lack of room\n", f->repeated);
    print_latency("append latency", &f->append, loop);
    if (load->queries_per_s > 0) {
        (void)printf("queries           %" PRIu64 ", %.0f a second asked, %" PRIu64 " hits\n",
                     f->query.n, load->queries_per_s, f->hits);
        print_latency("query latency", &f->query, "open loop");
    }
    (void)printf("over a second     %" PRIu64 " times\n", f->n_stalls);
    (void)printf("CPU               client %.2f us an event", f->client_cpu_s * 1e6 / n);
    if (server != NULL) {
        (void)printf(", server %.2f us an event\n", server->cpu_s * 1e6 / n);
        (void)printf("memory            server %.0f MiB at most\n", server->rss_mib);
        (void)printf("disk              %.0f bytes written, %.0f bytes stored an event\n",
                     server->written_mib * 1048576.0 / n, server->stored_mib * 1048576.0 / n);
    }
    if (server == NULL) {
        (void)printf("\n");
    }
    if (load->watch_index) {
        stele_bench_lag_print(&f->index);
    }
    (void)printf("ceiling           one thread that only hashes and compresses: %.0f events/s\n",
                 ceiling->hash_compress_per_s);
    (void)printf("ceiling           4 KiB append + fdatasync: %.2f ms\n", ceiling->fdatasync_ms);
    (void)printf(
        "ceiling           the same calls to a server that only answers, closed loop: %.0f "
        "events/s; this run: %.2f of it\n",
        ceiling->null_per_s, n / f->seconds / ceiling->null_per_s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/layers/verify_links.c: what somebody outside writes with the installed library:
 * verify_links KEY... < FILE. Exit 0 if the proof holds, 1 if not.
 */
#include <proto/verify.h>
#include <stdio.h>

int main(int argc, char **argv) {
    static struct stele_vkey keys[16];
    static uint8_t block[4096];
    static struct stele_verify_report report;
    struct stele_verifier *v = NULL;
    stele_err err = {STELE_OK, 0, NULL, ""};
    size_t n = 0;
    stele_status st = STELE_OK;
    for (int i = 1; i < argc && n < 16 && st == STELE_OK; i++) {
        st = stele_vkey_parse(stele_view_str(argv[i]), &keys[n++], &err);
    }
    if (st == STELE_OK) {
        st = stele_verifier_new(keys, n, NULL, NULL, &v, &err);
    }
    for (size_t size; st == STELE_OK && (size = fread(block, 1, sizeof block, stdin)) > 0;) {
        st = stele_verifier_feed(v, stele_view_of(block, size), &err);
    }
    if (st == STELE_OK) {
        st = stele_verifier_end(v, &report, &err);
    }
    stele_verifier_free(v);
    if (st != STELE_OK) {
        (void)fprintf(stderr, "%s: %s\n", stele_status_name(st), err.text);
        return 1;
    }
    (void)printf("%zu logs, %llu events\n", report.n_logs, (unsigned long long)report.n_events);
    stele_verify_report_done(&report);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/init_command.c: makes a data folder: configuration, development certificates, stores with
 * their keys and first entries, and the public keys that auditors pin.
 */
#include "tools/init_command.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/file.h"
#include "storage/log.h"
#include "tools/certificates.h"
#include "tools/cli.h"
#include "tools/config_check.h"
#include "tools/flags.h"
#include "tools/regions.h"

#define REGIONS_MAX 64

static const char usage[] =
    "usage: stele init --data DIR --region NAME [--region NAME]... --origin DOMAIN [--listen "
    "ADDR:PORT]\n"
    "\n"
    "Makes DIR (new or empty): steled.conf, client.conf, vkeys, one store a region, and\n"
    "DEVELOPMENT certificates. Prints one line a log: <region>/<log> <vkey>. Give the vkeys to\n"
    "your auditors: with them alone they check what the logs hold.\n"
    "\n"
    "  --region NAME       a residency domain; a-z, 0-9, '-'\n"
    "  --origin DOMAIN     your domain: logs are named <DOMAIN>/<region>/<log>\n"
    "  --listen ADDR:PORT  where steled listens; default 127.0.0.1:7443\n"
    "\n"
    "Exit codes: 0 done, 2 usage, or DIR is not empty, 5 it could not be written.\n"
    "\n"
    "example:\n"
    "  stele init --data ./audit --region eu-central-1 --region us-east-1 \\\n"
    "             --origin audit.example.org\n";

#define DOMAIN_MAX 128
#define HOST_BYTES 256

struct init {
    const char *data, *origin, *listen;
    char host[HOST_BYTES]; /* of listen */
    const char *region[REGIONS_MAX];
    size_t n_regions;
};

static bool is_region_name(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n <= STELE_REGION_NAME_MAX && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* Parts of a-z, 0-9, '-', '_' and '.' between slashes; none is empty. */
static bool is_domain(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n <= DOMAIN_MAX && name[0] != '/' && name[n - 1] != '/' &&
           strstr(name, "//") == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._/") == n;
}

/* "ADDR:PORT" or "[V6]:PORT", and nothing that YAML would take for something else; the address
 * alone goes to `host`. */
static bool split_listen(const char *listen, char host[HOST_BYTES]) {
    if (!stele_config_is_address(listen) || strlen(listen) >= HOST_BYTES ||
        strspn(listen, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") !=
            strlen(listen)) {
        return false;
    }
    size_t size = (size_t)(strrchr(listen, ':') - listen);
    bool brackets = listen[0] == '[';
    (void)snprintf(host, HOST_BYTES, "%.*s", (int)(brackets ? size - 2 : size),
                   brackets ? listen + 1 : listen);
    return true;
}

/* Everything that can be wrong with the flags, before anything is written. Returns an exit code, or
 * STELE_GO_ON. */
static int check(struct init *init) {
    if (init->data[0] == '\0') {
        return stele_usage_error("init", "name the folder to make with --data DIR");
    }
    if (init->n_regions == 0) {
        return stele_usage_error("init", "name at least one region with --region NAME");
    }
    for (size_t i = 0; i < init->n_regions; i++) {
        if (!is_region_name(init->region[i])) {
            return stele_usage_error("init",
                                     "--region '%s': write 1 to %d of a-z, 0-9 and '-', not "
                                     "starting with '-'",
                                     init->region[i], STELE_REGION_NAME_MAX);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(init->region[i], init->region[k]) == 0) {
                return stele_usage_error("init", "--region %s is given twice", init->region[i]);
            }
        }
    }
    if (init->origin == NULL || !is_domain(init->origin)) {
        return stele_usage_error("init",
                                 "--origin %s: write your domain in lower case, such as "
                                 "audit.example.org",
                                 init->origin == NULL ? "is missing" : init->origin);
    }
    if (!split_listen(init->listen, init->host)) {
        return stele_usage_error("init",
                                 "--listen %s: write ADDR:PORT, such as 127.0.0.1:7443 or "
                                 "[::1]:7443",
                                 init->listen);
    }
    return STELE_GO_ON;
}

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct init *ret) {
    static const struct option names[] = {
        {"data", required_argument, NULL, 'd'},   {"region", required_argument, NULL, 'r'},
        {"origin", required_argument, NULL, 'o'}, {"listen", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    ret->data = ""; /* not given */
    ret->listen = "127.0.0.1:7443";
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":h", names, NULL)) != -1;) {
        if (c == 'd') {
            ret->data = optarg;
        } else if (c == 'o') {
            ret->origin = optarg;
        } else if (c == 'l') {
            ret->listen = optarg;
        } else if (c == 'r' && ret->n_regions == REGIONS_MAX) {
            return stele_usage_error("init", "at most %d regions", REGIONS_MAX);
        } else if (c == 'r') {
            ret->region[ret->n_regions++] = optarg;
        } else {
            return stele_flag_other("init", usage, c, argv);
        }
    }
    return optind == argc ? check(ret)
                          : stele_usage_error("init", "'%s' belongs to no flag", argv[optind]);
}

static stele_status check_empty(const char *path, stele_err *err) {
    if (mkdir(path, 0700) == 0) {
        return STELE_OK;
    }
    if (errno != EEXIST) {
        return STELE_FAIL(err, INVALID, "cannot make the folder '%.120s': %s", path,
                          strerror(errno));
    }
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return STELE_FAIL(err, INVALID, "'%.120s' is no folder that can be read: %s", path,
                          strerror(errno));
    }
    bool empty = true;
    for (struct dirent *entry = NULL; empty && (entry = readdir(dir)) != NULL;) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    (void)closedir(dir);
    return empty ? STELE_OK
                 : STELE_FAIL(err, EXISTS,
                              "'%.120s' is not empty: init never writes into a folder that is in "
                              "use; name a new one",
                              path);
}

static stele_status write_file(const char *dir, const char *name, const stele_buf *text,
                               stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(dir, name, path, err);
    return st == STELE_OK ? stele_file_create(path, stele_view_buf(text), err) : st;
}

static stele_status write_server_config(const struct init *init, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_printf(
        &text, err,
        "# steled.conf. Paths are relative to this file. `steled --config FILE --check-config` "
        "checks it.\n"
        "listen: \"%s\"\noperator_domain: %s\ndata: regions\n"
        "tls: # DEVELOPMENT certificates made by `stele init`: bring your own for production\n"
        "  certificate: tls/server.pem\n  private_key: tls/server.key\n  client_ca: tls/ca.pem\n"
        "default_retention_years: 3 # of events that name no class\n"
        "regions:\n",
        init->listen, init->origin));
    for (size_t r = 0; r < init->n_regions; r++) {
        STELE_TRY(stele_buf_printf(
            &text, err, "  - name: %s\n    logs: # one a retention class, and the region's own\n",
            init->region[r]));
        for (int years = 1; years <= 7; years++) {
            STELE_TRY(stele_buf_printf(&text, err, "      - {name: %dy, retention_years: %d}\n",
                                       years, years));
        }
        STELE_TRY(stele_buf_printf(&text, err, "      - {name: system, retention_years: 7}\n"));
    }
    STELE_TRY(stele_buf_printf(&text, err,
                               "clients: # who may do what; everyone else may do nothing\n"
                               "  - peer: \"cn:" STELE_DEV_CLIENT_NAME
                               "\"\n    regions: [\"*\"]\n    tenants: [\"*\"]\n"
                               "    may: [append, query, read_log]\n"));
    STELE_TRY(write_file(init->data, "steled.conf", &text, err));
cleanup:
    stele_buf_done(&text);
    return st;
}

static stele_status write_client_config(const struct init *init, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_printf(
        &text, err,
        "# client.conf for `stele --config`. Paths are relative to this file.\nserver: %s\n"
        "server_ca: tls/ca.pem\ncertificate: tls/client.pem # DEVELOPMENT certificate\n"
        "private_key: tls/client.key\nvkeys: vkeys\nregions:\n",
        init->listen));
    for (size_t r = 0; r < init->n_regions; r++) {
        STELE_TRY(stele_buf_printf(&text, err, "  - %s\n", init->region[r]));
    }
    STELE_TRY(write_file(init->data, "client.conf", &text, err));
cleanup:
    stele_buf_done(&text);
    return st;
}

/* Lines for stdout ("<region>/<log> <vkey>") and the vkeys file (a vkey a line). */
static stele_status collect_vkeys(const struct stele_regions *regions, stele_buf *lines,
                                  stele_buf *vkeys, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t r = 0; r < regions->n; r++) {
        for (size_t i = 0; i < stele_store_n_logs(regions->store[r]); i++) {
            struct stele_log *log = stele_store_log_at(regions->store[r], i);
            struct stele_vkey vkey;
            stele_log_vkey(log, &vkey);
            STELE_TRY(stele_buf_printf(lines, err, "%s ", stele_log_full_name(log)));
            STELE_TRY(stele_vkey_print(&vkey, lines, err));
            STELE_TRY(stele_buf_printf(lines, err, "\n"));
            STELE_TRY(stele_vkey_print(&vkey, vkeys, err));
            STELE_TRY(stele_buf_printf(vkeys, err, "\n"));
        }
    }
cleanup:
    return st;
}

static stele_status make_folder(const char *data, const char *name, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = stele_file_path(data, name, path, err);
    return st == STELE_OK ? stele_file_make_folder(path, err) : st;
}

static stele_status init_folder(const struct init *init, stele_buf *lines, stele_err *err) {
    struct stele_server_config *config = NULL;
    struct stele_regions regions = {0};
    struct stele_regions_options options = {.create = true};
    stele_buf vkeys = STELE_BUF_EMPTY;
    char path[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    STELE_TRY(make_folder(init->data, "tls", err));
    STELE_TRY(make_folder(init->data, "regions", err));
    STELE_TRY(stele_file_path(init->data, "tls", path, err));
    STELE_TRY(stele_certificates_make(path, init->host, err));
    STELE_TRY(write_server_config(init, err));
    STELE_TRY(write_client_config(init, err));
    STELE_TRY(stele_file_path(init->data, "steled.conf", path, err));
    STELE_TRY(stele_server_config_load(path, &config, err));
    STELE_TRY(stele_regions_open(config, &options, &regions, err));
    STELE_TRY(collect_vkeys(&regions, lines, &vkeys, err));
    STELE_TRY(write_file(init->data, "vkeys", &vkeys, err));
cleanup:
    stele_regions_close(&regions);
    stele_server_config_free(config);
    stele_buf_done(&vkeys);
    return st;
}

int stele_init_command(int argc, char **argv) {
    struct init init = {0};
    stele_buf lines = STELE_BUF_EMPTY;
    stele_err err;
    int code = parse(argc, argv, &init);
    if (code != STELE_GO_ON) {
        return code;
    }
    if (check_empty(init.data, &err) != STELE_OK) {
        return stele_cli_failed("init", STELE_INVALID, &err);
    }
    if (init_folder(&init, &lines, &err) != STELE_OK) {
        (void)fprintf(stderr,
                      "stele init: %s\n'%s' holds a part of a data folder: remove it before you "
                      "try again\n",
                      err.text, init.data);
        stele_buf_done(&lines);
        return STELE_EXIT_INCOMPLETE;
    }
    (void)fwrite(lines.data, 1, lines.size, stdout);
    (void)fprintf(stderr,
                  "The certificates in %s/tls are for DEVELOPMENT only: anyone who can read that "
                  "folder can write and read\nevery tenant. Bring your own for production and "
                  "change the paths in steled.conf.\nNext: steled --config %s/steled.conf\n",
                  init.data, init.data);
    stele_buf_done(&lines);
    return STELE_EXIT_FOUND;
}

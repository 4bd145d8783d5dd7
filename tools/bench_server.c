/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_server.c: starts, watches and removes a server for measuring. */
#include "tools/bench_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/bytes.h"
#include "storage/file.h"
#include "tools/bench_cpu.h"
#include "tools/save.h"
#include "tools/serve.h"

#define READY_MS_MAX 60000 /* a store is opened in well under a second; the machine may be busy */

extern char **environ;

static sigset_t signals; /* that stop a server; set before one starts */

/* Holds whoever changes what runs; who stops the server keeps it, so that it is stopped once. */
static pthread_mutex_t stopping = PTHREAD_MUTEX_INITIALIZER;
static struct stele_bench_server started; /* what a signal stops */
static pid_t tool;                        /* that runs beside the server; 0: none */

/* In a server's folder. */
struct paths {
    char config[STELE_BENCH_PATH_BYTES], ready[STELE_BENCH_PATH_BYTES];
    char output[STELE_BENCH_PATH_BYTES];
};

static void name_paths(const struct stele_bench_server *server, struct paths *ret) {
    (void)snprintf(ret->config, sizeof ret->config, "%s/data/steled.conf", server->dir);
    (void)snprintf(ret->ready, sizeof ret->ready, "%s/ready", server->dir);
    (void)snprintf(ret->output, sizeof ret->output, "%s/output", server->dir);
}

/* The folder this program is in. */
static stele_status own_folder(char ret[4096], stele_err *err) {
    ssize_t n = readlink("/proc/self/exe", ret, 4095);
    char *slash = NULL;
    if (n > 0) {
        ret[n] = '\0';
        slash = strrchr(ret, '/');
    }
    if (slash == NULL) {
        return STELE_FAIL_ERRNO(err, errno, "cannot tell where this program is");
    }
    *slash = '\0';
    return STELE_OK;
}

/* `takes_signals`: it ends with Ctrl-C by itself; else whoever started it stops it. */
static stele_status run(char *const argv[], const char *output, bool takes_signals, pid_t *ret,
                        stele_err *err) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    if (takes_signals) {
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output,
                                           O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    int failed = posix_spawn(ret, argv[0], &actions, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return failed == 0 ? STELE_OK : STELE_FAIL_ERRNO(err, failed, "cannot run '%s'", argv[0]);
}

/* `stele init` in the server's folder. */
static stele_status make_folder(const struct stele_bench_server *server, const char *programs,
                                stele_err *err) {
    char program[4200];
    char path[STELE_BENCH_PATH_BYTES];
    char output[STELE_BENCH_PATH_BYTES];
    (void)snprintf(program, sizeof program, "%s/stele", programs);
    (void)snprintf(path, sizeof path, "%s/data", server->dir);
    (void)snprintf(output, sizeof output, "%s/output", server->dir);
    char *argv[] = {program,
                    (char[]){"init"},
                    (char[]){"--data"},
                    path,
                    (char[]){"--region"},
                    (char[]){STELE_BENCH_REGION},
                    (char[]){"--origin"},
                    (char[]){"bench.invalid"},
                    (char[]){"--listen"},
                    (char[]){"127.0.0.1:0"},
                    NULL};
    pid_t pid = 0;
    int status = 0;
    stele_status st = run(argv, output, false, &pid, err);
    if (st == STELE_OK && (waitpid(pid, &status, 0) != pid || status != 0)) {
        st = STELE_FAIL(err, IO, "`stele init` failed; its output is in %s", output);
    }
    return st;
}

/* The end of what a program printed, for a message. */
static const char *read_output(const char *path) {
    static char text[401];
    FILE *file = fopen(path, "re");
    size_t n = 0;
    if (file != NULL) {
        (void)fseek(file, -400,
                    SEEK_END); /* a shorter file is read from where it stands, its start */
        n = fread(text, 1, sizeof text - 1, file);
        (void)fclose(file);
    }
    text[n] = '\0';
    return text;
}

/* The end of what the server printed. */
static const char *server_output(const struct stele_bench_server *server) {
    char path[STELE_BENCH_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/output", server->dir);
    return read_output(path);
}

/* Until the ready file is there: the address, as one line. */
static stele_status await_ready(struct stele_bench_server *server, const char *ready,
                                stele_buf *address, stele_err *err) {
    const struct timespec pause = {0, 20000000};
    stele_status st = STELE_NOT_FOUND;
    for (int ms = 0; ms < READY_MS_MAX && st == STELE_NOT_FOUND; ms += 20) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return STELE_FAIL(err, CLOSED, "the server ended at once; its output was: %.400s",
                              server_output(server));
        }
        (void)nanosleep(&pause, NULL);
        st = stele_file_read(ready, 512, address, err);
    }
    return st == STELE_NOT_FOUND ? STELE_FAIL(err, CLOSED, "the server was not ready within %d s",
                                              READY_MS_MAX / 1000)
                                 : st;
}

/* Puts the address the server has in place of the one in client.conf. */
static stele_status connect_config(struct stele_bench_server *server, const char *ready,
                                   stele_err *err) {
    stele_buf address = STELE_BUF_EMPTY;
    stele_buf config = STELE_BUF_EMPTY;
    stele_buf out = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    char path[STELE_BENCH_PATH_BYTES];
    STELE_TRY(await_ready(server, ready, &address, err));
    (void)snprintf(path, sizeof path, "%s/data/client.conf", server->dir);
    STELE_TRY(stele_file_read(path, 65536, &config, err));
    STELE_TRY(stele_buf_append(&config, stele_view_of("", 1), err));
    char *line = strstr((char *)config.data, "\nserver: ");
    char *end = line == NULL ? NULL : strchr(line + 1, '\n');
    if (end == NULL) {
        STELE_TRY(STELE_FAIL(err, CORRUPT, "%s names no server", path));
    }
    STELE_TRY(stele_buf_printf(&out, err, "server: %.*s%s", (int)address.size,
                               (const char *)address.data, end + 1));
    (void)snprintf(server->client_conf, sizeof server->client_conf, "%s/data/bench.conf",
                   server->dir);
    (void)unlink(server->client_conf); /* of the start before */
    STELE_TRY(stele_file_create(server->client_conf, stele_view_buf(&out), err));
cleanup:
    stele_buf_done(&address);
    stele_buf_done(&config);
    stele_buf_done(&out);
    return st;
}

/* ------------------------------------------------------------------ a server with our clock */

/* What steled does, without its flags and its log. */
static stele_status serve(const char *config_path, const char *ready,
                          struct stele_bench_clock *clock, stele_err *err) {
    struct stele_server_config *config = NULL;
    struct stele_serve *running = NULL;
    struct stele_regions_options options = {.clock = stele_bench_clock_now_us, .clock_ctx = clock};
    stele_status st = STELE_OK;
    char line[320];
    int number = 0;
    STELE_TRY(stele_server_config_load(config_path, &config, err));
    STELE_TRY(stele_serve_start(config, &options, &running, err));
    (void)snprintf(line, sizeof line, "%s\n", stele_serve_address(running));
    STELE_TRY(stele_save_file(ready, stele_view_str(line), err));
    (void)sigwait(&signals, &number);
cleanup:
    stele_serve_stop(running);
    stele_server_config_free(config);
    return st;
}

static stele_status fork_server(const struct paths *paths, struct stele_bench_clock *clock,
                                pid_t *ret, stele_err *err) {
    pid_t pid = fork();
    if (pid < 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot fork a server");
    }
    if (pid > 0) {
        *ret = pid;
        return STELE_OK;
    }
    stele_err why;
    int fd = open(paths->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) {
        _exit(1);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a bench that is killed leaves no server behind */
    (void)signal(SIGPIPE, SIG_IGN);
    stele_status st = serve(paths->config, paths->ready, clock, &why);
    if (st != STELE_OK) {
        (void)dprintf(STDERR_FILENO, "%s\n", why.text);
    }
    _exit(st == STELE_OK ? 0 : 1);
}

/* ------------------------------------------------------------------ start, stop, signals */

static void *stop_on_signal(void *arg) {
    int number = 0;
    (void)arg;
    if (sigwait(&signals, &number) == 0) {
        stele_bench_server_stop(&started);
        (void)signal(number, SIG_DFL);
        (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
        (void)raise(number);
    }
    return NULL;
}

/* Blocked before any child or thread exists, so that all inherit it. What is ignored stays so. */
static void block_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    (void)sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            (void)sigaddset(&signals, numbers[i]);
        }
    }
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static stele_status watch_signals(const struct stele_bench_server *server, stele_err *err) {
    pthread_t thread;
    started = *server;
    int failed = pthread_create(&thread, NULL, stop_on_signal, NULL);
    if (failed == 0) {
        (void)pthread_detach(thread);
    }
    return failed == 0 ? STELE_OK : STELE_FAIL_ERRNO(err, failed, "no thread to wait for Ctrl-C");
}

/* What `stele init` wrote, with the index's timer off. */
static stele_status without_index(const char *config, stele_err *err) {
    static const char line[] = "index_interval_ms: 4294967295\n";
    int fd = open(config, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot open '%s'", config);
    }
    stele_status st = stele_file_write(fd, stele_view_str(line), config, err);
    (void)close(fd);
    return st;
}

static stele_status run_steled(const char *programs, struct paths *paths, pid_t *ret,
                               stele_err *err) {
    char program[4200];
    (void)snprintf(program, sizeof program, "%s/steled", programs);
    char *argv[] = {
        program, (char[]){"--config"}, paths->config, (char[]){"--ready-file"}, paths->ready, NULL};
    return run(argv, paths->output, false, ret, err);
}

stele_status stele_bench_server_start(struct stele_bench_clock *clock, bool index,
                                      struct stele_bench_server *ret, stele_err *err) {
    struct stele_bench_server server = {.pid = 0};
    char programs[4096];
    struct paths paths;
    stele_status st = stele_bench_folder_make(server.dir, err);
    if (st != STELE_OK) {
        return st;
    }
    name_paths(&server, &paths);
    block_signals();
    STELE_TRY(own_folder(programs, err));
    STELE_TRY(make_folder(&server, programs, err));
    if (!index) {
        STELE_TRY(without_index(paths.config, err));
    }
    STELE_TRY(clock == NULL ? run_steled(programs, &paths, &server.pid, err)
                            : fork_server(&paths, clock, &server.pid, err));
    STELE_TRY(watch_signals(&server, err));
    STELE_TRY(connect_config(&server, paths.ready, err));
    *ret = server;
    return STELE_OK;
cleanup:
    stele_bench_server_stop(&server);
    return st;
}

static _Thread_local double folder_bytes;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)path;
    (void)ftw;
    folder_bytes += type == FTW_F ? (double)st->st_blocks * 512.0 : 0;
    return 0;
}

/* The number behind `name` in a /proc file; 0 if it is not there. */
static double number_in(const char *path, const char *name) {
    char line[256];
    double value = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = strtod(line + strlen(name), NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return value;
}

double stele_bench_own_cpu_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

stele_status stele_bench_server_usage(const struct stele_bench_server *server,
                                      struct stele_bench_usage *ret, stele_err *err) {
    char path[64];
    struct stele_bench_cpu_part whole;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)server->pid);
    stele_status st = stele_bench_cpu_of(path, &whole, err);
    if (st != STELE_OK) {
        return st;
    }
    ret->cpu_s = whole.cpu_s;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid);
    ret->rss_mib = number_in(path, "VmHWM:") / 1024.0;
    (void)snprintf(path, sizeof path, "/proc/%d/io", (int)server->pid);
    ret->written_mib = number_in(path, "write_bytes:") / 1048576.0;
    folder_bytes = 0;
    (void)nftw(server->dir, add_size, 16, FTW_PHYS);
    ret->stored_mib = folder_bytes / 1048576.0;
    return STELE_OK;
}

/* With the lock. */
static void halt(struct stele_bench_server *server) {
    if (server->pid > 0) {
        (void)kill(server->pid, SIGTERM);
        (void)waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

void stele_bench_server_halt(struct stele_bench_server *server) {
    (void)pthread_mutex_lock(&stopping);
    halt(server);
    started.pid = 0;
    (void)pthread_mutex_unlock(&stopping);
}

stele_status stele_bench_server_restart(struct stele_bench_server *server, stele_err *err) {
    char programs[4096];
    struct paths paths;
    stele_status st = STELE_OK;
    name_paths(server, &paths);
    STELE_TRY(own_folder(programs, err));
    stele_bench_server_halt(server);
    (void)unlink(paths.ready);
    (void)pthread_mutex_lock(&stopping);
    st = run_steled(programs, &paths, &server->pid, err);
    started.pid = st == STELE_OK ? server->pid : 0;
    (void)pthread_mutex_unlock(&stopping);
    STELE_TRY(st);
    STELE_TRY(connect_config(server, paths.ready, err));
cleanup:
    return st;
}

stele_status stele_bench_server_run(char *const argv[], const char *output, double *ret_cpu_s,
                                    stele_err *err) {
    enum { WORDS_MAX = 31 };
    char folder[4096];
    char program[4200];
    char *words[WORDS_MAX + 1] = {program};
    struct rusage used;
    int status = 0;
    pid_t pid = 0;
    stele_status st = STELE_OK;
    STELE_TRY(own_folder(folder, err));
    (void)snprintf(program, sizeof program, "%s/%s", folder, argv[0]);
    for (size_t i = 1; i < WORDS_MAX && argv[i] != NULL; i++) {
        words[i] = argv[i];
    }
    (void)pthread_mutex_lock(&stopping);
    st = run(words, output, true, &pid, err);
    tool = st == STELE_OK ? pid : 0;
    (void)pthread_mutex_unlock(&stopping);
    STELE_TRY(st);
    pid_t ended = wait4(pid, &status, 0, &used);
    tool = 0;
    if (ended != pid || status != 0) {
        STELE_TRY(STELE_FAIL(err, IO, "`%s %s` failed: %.400s", argv[0],
                             argv[1] == NULL ? "" : argv[1], read_output(output)));
    }
    *ret_cpu_s = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
                 (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6;
cleanup:
    return st;
}

void stele_bench_server_stop(struct stele_bench_server *server) {
    (void)pthread_mutex_lock(&stopping); /* never unlocked: there is one server, stopped once */
    if (tool > 0) {
        (void)kill(tool, SIGKILL); /* what it works on goes */
    }
    halt(server);
    if (server->keep) {
        (void)fprintf(stderr, "stele bench: the server's folder is %s\n", server->dir);
    } else if (server->dir[0] != '\0') {
        stele_bench_folder_remove(server->dir);
    }
}

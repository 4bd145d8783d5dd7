/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/powercut_replay.c: a small model of a filesystem. Files and folders are nodes; the
 * journal is read once, into what was done to each node and up to where it is synced; then the
 * nodes are written out from the root, each with what survives of it.
 */
#include "tests/fault/powercut_replay.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/engine_blobs.h"
#include "tests/fault/powercut_file.h"
#include "tests/fault/powercut_journal.h"
#include "tests/support/cmocka.h"

#define NODES_MAX 16384
#define FDS_MAX 1024

/* What was done to a node. DATA: a write or, without bytes, a change of the size. Else of a folder.
 */
struct change {
    powercut_op op;
    uint64_t number; /* in the journal */
    uint64_t offset, length;
    const uint8_t *bytes;
    char *name, *other; /* in the folder; `other` is the new one of a RENAME */
    size_t child;
    bool given_up; /* its sync failed */
};
struct entry {
    char *name;
    size_t child;
};
struct node {
    bool folder;
    char *base; /* the file as it was before, NULL: it was not there */
    uint64_t synced;
    struct change *change;
    size_t n_changes, capacity;
    struct entry *entry; /* FOLDER: as it was before; while it is written out, as it is then */
    size_t n_entries;
};
/* A name as the process sees it now. */
struct name {
    char *path;
    size_t node;
};
struct model {
    struct node *node;
    size_t n_nodes;
    struct name *name;
    size_t n_names;
    size_t of_fd[FDS_MAX];
    struct rng *rng;
    struct powercut_summary *summary;
    uint64_t last_data, last_name; /* LOSE_LAST: numbers from here on are lost */
};

static void *grown(void *array, size_t n, size_t size) {
    void *ret = realloc(array, (n + 1) * size);
    assert_non_null(ret);
    return ret;
}

static char *copy_of(const char *text, size_t chars) {
    char *copy = strndup(text, chars);
    assert_non_null(copy);
    return copy;
}

static size_t add_node(struct model *m, bool folder, const char *base) {
    assert_true(m->n_nodes < NODES_MAX);
    m->node[m->n_nodes] =
        (struct node){.folder = folder, .base = base == NULL ? NULL : copy_of(base, strlen(base))};
    return m->n_nodes++;
}

static void add_entry(struct node *folder, const char *name, size_t child) {
    folder->entry = grown(folder->entry, folder->n_entries, sizeof *folder->entry);
    folder->entry[folder->n_entries++] = (struct entry){copy_of(name, strlen(name)), child};
}

static void drop_entry(struct node *folder, const char *name) {
    for (size_t i = 0; i < folder->n_entries; i++) {
        if (strcmp(folder->entry[i].name, name) == 0) {
            free(folder->entry[i].name);
            folder->entry[i] = folder->entry[--folder->n_entries];
            return;
        }
    }
}

/* ---- names as the process sees them ---- */

static struct name *find_name(struct model *m, const char *path) {
    for (size_t i = m->n_names; i > 0; i--) {
        if (strcmp(m->name[i - 1].path, path) == 0) {
            return &m->name[i - 1];
        }
    }
    return NULL;
}

static void drop_name(struct model *m, const char *path) {
    struct name *name = find_name(m, path);
    if (name != NULL) {
        free(name->path);
        *name = m->name[--m->n_names];
    }
}

static void set_name(struct model *m, const char *path, size_t node) {
    drop_name(m, path);
    m->name = grown(m->name, m->n_names, sizeof *m->name);
    m->name[m->n_names++] = (struct name){copy_of(path, strlen(path)), node};
}

/* The node of the folder that holds `path`, and the last part of the path. */
static size_t folder_of(struct model *m, const char *path, const char **ret_last) {
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? copy_of("", 0) : copy_of(path, (size_t)(slash - path));
    const struct name *name = find_name(m, parent);
    if (name == NULL) {
        fail_msg("the journal names '%s' before its folder", path);
    }
    free(parent);
    *ret_last = slash == NULL ? path : slash + 1;
    return name->node;
}

/* ---- reading ---- */

static void load_base(struct model *m, const char *folder, const char *path, size_t node) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *found = readdir(dir); found != NULL; found = readdir(dir)) {
        char inner[2048];
        char inner_path[POWERCUT_PATH_MAX];
        struct stat info;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        (void)snprintf(inner, sizeof inner, "%s/%s", folder, found->d_name);
        (void)snprintf(inner_path, sizeof inner_path, "%s%s%s", path, path[0] == '\0' ? "" : "/",
                       found->d_name);
        assert_int_equal(lstat(inner, &info), 0);
        size_t child = add_node(m, S_ISDIR(info.st_mode), inner);
        add_entry(&m->node[node], found->d_name, child);
        set_name(m, inner_path, child);
        if (S_ISDIR(info.st_mode)) {
            load_base(m, inner, inner_path, child);
        }
    }
    (void)closedir(dir);
}

static struct change *add_change(struct model *m, size_t node, powercut_op op, uint64_t number) {
    struct node *changed = &m->node[node];
    if (changed->n_changes == changed->capacity) {
        changed->capacity = changed->capacity == 0 ? 16 : 2 * changed->capacity;
        changed->change = realloc(changed->change, changed->capacity * sizeof *changed->change);
        assert_non_null(changed->change);
    }
    changed->change[changed->n_changes] = (struct change){.op = op, .number = number};
    return &changed->change[changed->n_changes++];
}

static void take_name_change(struct model *m, const struct powercut_entry *e, uint64_t number,
                             const char *path, const char *other) {
    const char *last = NULL;
    const char *other_last = NULL;
    powercut_op op = (powercut_op)e->op;
    if (path[0] == '\0') {
        return; /* the store's own folder: it is there */
    }
    size_t folder = folder_of(m, path, &last);
    const struct name *name = find_name(m, path);
    /* A file made through stdio is known by its removal or new name only: it is as if it were
     * empty. */
    size_t child = name != NULL ? name->node : add_node(m, op == POWERCUT_MKDIR, NULL);
    if (op == POWERCUT_RENAME || op == POWERCUT_LINK) {
        assert_int_equal(folder_of(m, other, &other_last), folder);
    }
    struct change *change = add_change(m, folder, op, number);
    change->name = copy_of(last, strlen(last));
    change->other = other_last == NULL ? NULL : copy_of(other_last, strlen(other_last));
    change->child = child;
    if (op == POWERCUT_RENAME || op == POWERCUT_UNLINK || op == POWERCUT_RMDIR) {
        drop_name(m, path);
    }
    if (op == POWERCUT_RENAME || op == POWERCUT_LINK) {
        set_name(m, other, child);
    }
    if (op == POWERCUT_OPEN || op == POWERCUT_MKDIR) {
        set_name(m, path, child);
    }
}

static void take_open(struct model *m, const struct powercut_entry *e, uint64_t number,
                      const char *path) {
    if (e->offset != 0) {
        take_name_change(m, e, number, path, "");
    }
    struct name *name = find_name(m, path);
    if (name == NULL) { /* made through stdio */
        const char *last = NULL;
        add_entry(&m->node[folder_of(m, path, &last)], last, add_node(m, false, NULL));
        set_name(m, path, m->n_nodes - 1);
        name = find_name(m, path);
    }
    m->of_fd[e->fd] = name->node;
    if (e->length != 0) {
        (void)add_change(m, name->node, POWERCUT_RESIZE, number);
    }
}

static void take_sync(struct node *node, const struct powercut_entry *e) {
    bool failed = e->length != 0;
    for (size_t i = node->n_changes; failed && !node->folder && i > 0; i--) {
        struct change *change = &node->change[i - 1];
        change->given_up |= change->number >= node->synced && change->number < e->offset;
    }
    if (!failed && node->synced < e->offset) {
        node->synced = e->offset;
    }
}

static void take_entry(struct model *m, const struct powercut_entry *e, uint64_t number,
                       const char *path, const char *other, const uint8_t *bytes) {
    struct change *change = NULL;
    switch ((powercut_op)e->op) {
    case POWERCUT_OPEN:
        take_open(m, e, number, path);
        break;
    case POWERCUT_WRITE:
    case POWERCUT_RESIZE:
        change = add_change(m, m->of_fd[e->fd], (powercut_op)e->op, number);
        change->offset = e->offset;
        change->length = e->length;
        change->bytes = bytes;
        break;
    case POWERCUT_SYNC:
        m->summary->failed_syncs += e->length;
        take_sync(&m->node[m->of_fd[e->fd]], e);
        break;
    case POWERCUT_RENAME:
    case POWERCUT_LINK:
    case POWERCUT_UNLINK:
    case POWERCUT_MKDIR:
    case POWERCUT_RMDIR:
        take_name_change(m, e, number, path, other);
        break;
    case POWERCUT_UNKNOWN:
        fail_msg("a file of the store was used in a way that this test does not follow: %s", path);
    }
}

static void read_journal(struct model *m, const struct powercut_image *journal) {
    struct powercut_entry e;
    uint64_t number = 0;
    const uint8_t *bytes = journal->bytes;
    size_t size = journal->size;
    for (size_t at = 0; size - at >= sizeof e; number++) {
        memcpy(&e, bytes + at, sizeof e);
        assert_int_equal(e.magic, POWERCUT_MAGIC);
        size_t names = (size_t)e.path_chars + e.other_chars;
        size_t data = e.op == POWERCUT_WRITE ? (size_t)e.length : 0;
        if (size - at - sizeof e < names + data) {
            break; /* the process died while it wrote this */
        }
        const char *text = (const char *)bytes + at + sizeof e;
        char *path = copy_of(text, e.path_chars);
        char *other = copy_of(text + e.path_chars, e.other_chars);
        take_entry(m, &e, number, path, other, bytes + at + sizeof e + names);
        free(path);
        free(other);
        at += sizeof e + names + data;
    }
    m->summary->operations = (size_t)number;
}

/* Blobs that were being written: "3y/i/.tmp.7". */
static void note_unfinished(struct model *m) {
    for (size_t i = 0; i < m->n_names; i++) {
        const char *temporary = strstr(m->name[i].path, "/" STELE_BLOB_TEMPORARY);
        if (temporary != NULL && temporary - m->name[i].path > 1) {
            bool segment = temporary[-1] == 'i' && temporary[-2] == '/';
            m->summary->unfinished_segments |= segment ? 1 : 0;
            m->summary->unfinished_packs |= segment ? 0 : 1;
        }
    }
}

/* ---- writing out ---- */

static bool survives(struct model *m, powercut_loss loss, uint64_t first_lost, uint64_t number) {
    switch (loss) {
    case POWERCUT_LOSE_ALL:
        return false;
    case POWERCUT_LOSE_NONE:
        return true;
    case POWERCUT_LOSE_LAST:
        return number < first_lost;
    case POWERCUT_LOSE_ANY:
        break;
    }
    return rng_below(m->rng, 2) == 0;
}

static uint64_t odds_of(struct model *m, const struct change *change) {
    if (m->summary->of_data == POWERCUT_LOSE_ANY) {
        static const uint64_t odds[] = {0, 1, 3, 4, 5, 5};
        return odds[rng_below(m->rng, sizeof odds / sizeof odds[0])];
    }
    return survives(m, m->summary->of_data, m->last_data, change->number) ? POWERCUT_ODDS_ALL : 0;
}

static void apply_data(struct model *m, const struct node *node, struct powercut_file *file) {
    for (size_t i = 0; i < node->n_changes; i++) {
        const struct change *change = &node->change[i];
        bool synced = change->number < node->synced && !change->given_up;
        uint64_t odds = synced ? POWERCUT_ODDS_ALL : odds_of(m, change);
        bool whole = odds == POWERCUT_ODDS_ALL;
        size_t end = (size_t)(change->offset + change->length);
        if (change->op == POWERCUT_RESIZE) {
            powercut_image_resize(&file->memory, end);
            if (whole) {
                powercut_image_resize(&file->disk, end);
            }
        } else {
            whole = powercut_file_write(file, (size_t)change->offset, change->bytes,
                                        (size_t)change->length, odds, synced, m->rng);
            /* The size may be on disk before the bytes are. */
            if (!whole && m->summary->of_data == POWERCUT_LOSE_ANY && end > file->disk.size &&
                rng_below(m->rng, 4) == 0) {
                powercut_image_resize(&file->disk, end);
            }
        }
        m->summary->unsynced_writes += synced ? 0 : 1;
        m->summary->lost_writes += whole ? 0 : 1;
    }
}

static void write_file(struct model *m, const struct node *node, const char *path) {
    struct powercut_file file = {0};
    if (node->base != NULL) {
        powercut_file_load(&file, node->base);
    }
    apply_data(m, node, &file);
    powercut_file_store(&file, path);
    powercut_file_done(&file);
}

static void apply_names(struct model *m, struct node *folder) {
    for (size_t i = 0; i < folder->n_changes; i++) {
        const struct change *change = &folder->change[i];
        bool synced = change->number < folder->synced;
        m->summary->unsynced_names += synced ? 0 : 1;
        if (!synced && !survives(m, m->summary->of_names, m->last_name, change->number)) {
            m->summary->lost_names++;
            continue;
        }
        if (change->op == POWERCUT_RENAME || change->op == POWERCUT_UNLINK ||
            change->op == POWERCUT_RMDIR) {
            drop_entry(folder, change->name);
        }
        if (change->op == POWERCUT_RENAME || change->op == POWERCUT_LINK) {
            drop_entry(folder, change->other);
            add_entry(folder, change->other, change->child);
        }
        if (change->op == POWERCUT_OPEN || change->op == POWERCUT_MKDIR) {
            drop_entry(folder, change->name);
            add_entry(folder, change->name, change->child);
        }
    }
}

static void write_folder(struct model *m, size_t at, const char *path) {
    struct node *folder = &m->node[at];
    assert_int_equal(mkdir(path, 0700), 0);
    apply_names(m, folder);
    for (size_t i = 0; i < folder->n_entries; i++) {
        char inner[2048];
        (void)snprintf(inner, sizeof inner, "%s/%s", path, folder->entry[i].name);
        if (m->node[folder->entry[i].child].folder) {
            write_folder(m, folder->entry[i].child, inner);
        } else {
            write_file(m, &m->node[folder->entry[i].child], inner);
        }
    }
}

static void free_model(struct model *m) {
    for (size_t i = 0; i < m->n_nodes; i++) {
        struct node *node = &m->node[i];
        for (size_t j = 0; j < node->n_changes; j++) {
            free(node->change[j].name);
            free(node->change[j].other);
        }
        for (size_t j = 0; j < node->n_entries; j++) {
            free(node->entry[j].name);
        }
        free(node->change);
        free(node->entry);
        free(node->base);
    }
    for (size_t i = 0; i < m->n_names; i++) {
        free(m->name[i].path);
    }
    free(m->name);
    free(m->node);
}

void powercut_replay(const char *from, const char *journal, const char *to, struct rng *rng,
                     struct powercut_summary *ret) {
    static struct model m;
    struct powercut_image bytes = {NULL, 0, 0};
    struct stat info;
    m = (struct model){.rng = rng, .summary = ret};
    *ret = (struct powercut_summary){.of_data = (powercut_loss)rng_below(rng, 4),
                                     .of_names = (powercut_loss)rng_below(rng, 4)};
    m.node = calloc(NODES_MAX, sizeof *m.node);
    assert_non_null(m.node);
    size_t root = add_node(&m, true, NULL);
    set_name(&m, "", root);
    if (stat(from, &info) == 0) {
        load_base(&m, from, "", root);
    }
    powercut_image_load(&bytes, journal);
    read_journal(&m, &bytes);
    note_unfinished(&m);
    /* The last few operations are what a cut decides about. */
    m.last_data = ret->operations - rng_below(rng, ret->operations < 40 ? ret->operations + 1 : 40);
    m.last_name = m.last_data;
    write_folder(&m, root, to);
    free(bytes.bytes);
    free_model(&m);
}

/* Directories of the host, read one by one, or some ahead of who lists them: to stat what is in them is most of the
 * work, and other threads can do it. */
#include "tree/source-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void kiln_source_item_free(gpointer p)
{
    KilnSourceItem *item = p;
    g_free(item->name);
    g_free(item->target);
    g_free(item);
}

static gint compare_items(gconstpointer a, gconstpointer b)
{
    return strcmp((*(KilnSourceItem *const *)a)->name, (*(KilnSourceItem *const *)b)->name);
}

/* A file that disappears between readdir(3) and here is as if it had never been there. */
int kiln_source_read_item(int dirfd, const char *name, KilnSourceItem **out)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t n = 0;
    *out = NULL;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(st.st_mode) && (n = readlinkat(dirfd, name, target, sizeof(target))) < 0)
        return errno == ENOENT ? 0 : -errno;
    KilnSourceItem *item = g_new(KilnSourceItem, 1);
    item->name = g_strdup(name);
    item->target = S_ISLNK(st.st_mode) ? g_strndup(target, (gsize)n) : NULL;
    item->st = st;
    *out = item;
    return 0;
}

GString *kiln_source_path_in(const char *dir, const char *name)
{
    GString *path = g_string_new(dir);
    if (path->len)
        g_string_append_c(path, '/');
    return g_string_append(path, name);
}

GPtrArray *kiln_source_read_dir(KilnSource *s, const char *path, GError **error)
{
    int fd = kiln_open_beneath(s->fd, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int code = fd < 0 ? -fd : errno;
        if (fd >= 0)
            close(fd);
        kiln_source_fail(s, error, code, "list", path);
        return NULL;
    }
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(kiln_source_item_free);
    const struct dirent *d;
    int result = 0;
    while (result == 0 && (errno = 0, d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        KilnSourceItem *item = NULL;
        if (s->ignore) {
            g_autoptr(GString) full = kiln_source_path_in(path, d->d_name);
            if (kiln_ignore_matches(s->ignore, full->str) &&
                ((d->d_type != DT_DIR && d->d_type != DT_UNKNOWN) ||
                 kiln_ignore_prunes(s->ignore, full->str)))
                continue;
        }
        result = kiln_source_read_item(dirfd(dir), d->d_name, &item);
        if (item)
            g_ptr_array_add(items, item);
    }
    if (result == 0 && errno)
        result = -errno;
    closedir(dir);
    if (result < 0) {
        kiln_source_fail(s, error, -result, "list", path);
        return NULL;
    }
    g_ptr_array_sort(items, compare_items);
    return g_steal_pointer(&items);
}

/* --- Ahead --- */

enum {
    MIN_DIRECTORIES = 4, /* expected, before threads are started: those cost as much as to read some */
    MAX_THREADS = 3,
};

typedef struct {
    char *path;
    enum { EXPECTED, READING, READ, TAKEN } state;
    GPtrArray *items; /* READ: NULL if there was an error */
    GError *error;
} Slot;

struct KilnSourceAhead {
    KilnSource *source;
    GThreadPool *threads; /* NULL: none yet */
    guint expected;
    GMutex lock; /* of slots */
    GCond read;
    GHashTable *slots; /* path → Slot, which stays until the end: a thread may come to it late */
};

static void slot_free(gpointer p)
{
    Slot *slot = p;
    g_free(slot->path);
    g_clear_pointer(&slot->items, g_ptr_array_unref);
    g_clear_error(&slot->error);
    g_free(slot);
}

KilnSourceAhead *kiln_source_ahead_new(KilnSource *s)
{
    KilnSourceAhead *a = g_new0(KilnSourceAhead, 1);
    a->source = s;
    a->slots = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, slot_free);
    g_mutex_init(&a->lock);
    g_cond_init(&a->read);
    return a;
}

void kiln_source_ahead_free(KilnSourceAhead *a)
{
    if (a->threads)
        g_thread_pool_free(a->threads, TRUE, TRUE);
    g_hash_table_unref(a->slots);
    g_mutex_clear(&a->lock);
    g_cond_clear(&a->read);
    g_free(a);
}

static void read_slot(gpointer data, gpointer user_data)
{
    Slot *slot = data;
    KilnSourceAhead *a = user_data;
    g_mutex_lock(&a->lock);
    bool mine = slot->state == EXPECTED;
    if (mine)
        slot->state = READING;
    g_mutex_unlock(&a->lock);
    if (!mine)
        return;
    slot->items = kiln_source_read_dir(a->source, slot->path, &slot->error);
    g_mutex_lock(&a->lock);
    slot->state = READ;
    g_cond_broadcast(&a->read);
    g_mutex_unlock(&a->lock);
}

void kiln_source_ahead_expect(KilnSourceAhead *a, const char *path)
{
    guint threads = MIN(g_get_num_processors() - 1, MAX_THREADS);
    if (threads == 0 || ++a->expected < MIN_DIRECTORIES)
        return;
    if (!a->threads)
        a->threads = g_thread_pool_new(read_slot, a, (gint)threads, FALSE, NULL);
    Slot *slot = g_new0(Slot, 1);
    slot->path = g_strdup(path);
    g_mutex_lock(&a->lock);
    g_hash_table_insert(a->slots, slot->path, slot);
    g_mutex_unlock(&a->lock);
    g_thread_pool_push(a->threads, slot, NULL);
}

GPtrArray *kiln_source_ahead_take(KilnSourceAhead *a, const char *path, GError **error)
{
    g_mutex_lock(&a->lock);
    Slot *slot = g_hash_table_lookup(a->slots, path);
    bool coming = slot && slot->state != EXPECTED;
    while (coming && slot->state == READING)
        g_cond_wait(&a->read, &a->lock);
    if (slot)
        slot->state = TAKEN;
    g_mutex_unlock(&a->lock);
    if (!coming)
        return kiln_source_read_dir(a->source, path, error);
    if (slot->error)
        g_propagate_error(error, g_steal_pointer(&slot->error));
    return g_steal_pointer(&slot->items);
}

#include "tree/source-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

G_DEFINE_QUARK(kiln - source - error - quark, kiln_source_error)

static KilnSource *source_new(const char *display_name)
{
    KilnSource *s = g_new0(KilnSource, 1);
    s->name = g_utf8_make_valid(display_name, -1);
    s->fd = -1;
    clock_gettime(CLOCK_REALTIME_COARSE, &s->made);
    return s;
}

KilnSource *kiln_source_new_dir(int fd, const char *display_name, const KilnIgnore *ignore,
                                KilnStatIndex *index)
{
    KilnSource *s = source_new(display_name);
    s->fd = fd;
    s->ignore = ignore;
    s->index = index;
    s->groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return s;
}

KilnSource *kiln_source_new_view(const KilnView *view, const int *layer_fds,
                                 const char *display_name)
{
    KilnSource *s = source_new(display_name);
    s->view = view;
    s->layer_fds = layer_fds;
    s->groups = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return s;
}

void kiln_source_free(KilnSource *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    if (s->groups)
        g_hash_table_unref(s->groups);
    g_free(s->name);
    g_free(s);
}

bool kiln_source_fail(KilnSource *s, GError **error, int code, const char *doing, const char *path)
{
    g_autofree char *shown = g_utf8_make_valid(*path ? path : "/", -1);
    g_set_error(error, KILN_SOURCE_ERROR, code, "cannot %s “%s” in %s: %s", doing, shown, s->name,
                g_strerror(code));
    return false;
}

bool kiln_source_ignores(const KilnSource *s, const char *path)
{
    return s->ignore && *path && kiln_ignore_matches(s->ignore, path);
}

GPtrArray *kiln_source_names(KilnSource *s, const char *dir, GError **error)
{
    if (s->view)
        return kiln_view_list(s->view, dir);
    g_autoptr(GPtrArray) items = kiln_source_read_dir(s, dir, error);
    if (!items)
        return NULL;
    GPtrArray *names = g_ptr_array_new_full(items->len, g_free);
    for (guint i = 0; i < items->len; i++) {
        KilnSourceItem *item = items->pdata[i];
        g_ptr_array_add(names, g_steal_pointer(&item->name));
    }
    return names;
}

bool kiln_source_any_below(KilnSource *s, const char *dir, bool *any, GError **error)
{
    *any = false;
    if (s->ignore && kiln_ignore_prunes(s->ignore, dir))
        return true;
    g_autoptr(GPtrArray) items = kiln_source_read_dir(s, dir, error);
    if (!items)
        return false;
    for (guint i = 0; i < items->len && !*any; i++) {
        const KilnSourceItem *item = items->pdata[i];
        g_autoptr(GString) path = kiln_source_path_in(dir, item->name);
        if (!kiln_source_ignores(s, path->str))
            *any = true;
        else if (S_ISDIR(item->st.st_mode) && !kiln_source_any_below(s, path->str, any, error))
            return false;
    }
    return true;
}

/* --- Listing a host directory --- */

/* An excluded directory whose content is not all excluded: it comes with the first of it. */
typedef struct Excluded Excluded;
struct Excluded {
    Excluded *outer;
    const char *path;
    const KilnSourceItem *item;
    bool implicit; /* it is the filter that does not want it */
    bool listed;
};

typedef struct {
    KilnSource *source;
    const KilnSourceFilter *filter; /* or NULL */
    KilnManifest *out;
    bool digests;
    GArray *pending;    /* of KilnPending */
    GPtrArray *unasked; /* of layers: directories not wanted that lead to the entry, outer first */
    KilnSourceAhead *ahead;
} Listing;

/* path lies at or below the filter's base. */
static const char *below_base(const KilnSourceFilter *filter, const char *path)
{
    gsize length = strlen(filter->base);
    return length && path[length] ? path + length + 1 : path + length;
}

static bool is_wanted(const Listing *l, const char *path)
{
    for (guint i = 0; l->filter && i < G_N_ELEMENTS(l->filter->ignores); i++)
        if (l->filter->ignores[i] &&
            kiln_ignore_matches(l->filter->ignores[i], below_base(l->filter, path)))
            return false;
    return true;
}

/* Whether nothing below a directory that is not wanted can be wanted. */
static bool none_wanted_below(const Listing *l, const char *path)
{
    for (guint i = 0; l->filter && i < G_N_ELEMENTS(l->filter->ignores); i++) {
        const KilnIgnore *ignore = l->filter->ignores[i];
        const char *below = below_base(l->filter, path);
        if (ignore && kiln_ignore_matches(ignore, below) && kiln_ignore_prunes(ignore, below))
            return true;
    }
    return false;
}

static bool type_of(mode_t mode, KilnType *type)
{
    static const struct {
        mode_t format;
        KilnType type;
    } types[] = {
        {S_IFREG, KILN_TYPE_FILE}, {S_IFDIR, KILN_TYPE_DIR},     {S_IFLNK, KILN_TYPE_SYMLINK},
        {S_IFIFO, KILN_TYPE_FIFO}, {S_IFSOCK, KILN_TYPE_SOCKET},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if ((mode & S_IFMT) == types[i].format) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

/* The names of a file within the context are hard links in the image too. */
static uint32_t group_of_inode(KilnSource *s, const struct stat *st)
{
    g_autofree char *key = g_strdup_printf("%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
    gpointer number = g_hash_table_lookup(s->groups, key);
    if (!number) {
        number = GUINT_TO_POINTER(g_hash_table_size(s->groups) + 1);
        g_hash_table_insert(s->groups, g_steal_pointer(&key), number);
    }
    return GPOINTER_TO_UINT(number);
}

static void list_excluded(Listing *l, Excluded *x);

static bool list_item(Listing *l, const char *path, const KilnSourceItem *item, Excluded *outer,
                      GError **error)
{
    KilnType type;
    if (!type_of(item->st.st_mode, &type)) {
        g_autofree char *shown = g_utf8_make_valid(path, -1);
        g_set_error(error, KILN_SOURCE_ERROR, EINVAL,
                    "“%s” in %s is a device, which cannot be copied; exclude it in .dockerignore",
                    shown, l->source->name);
        return false;
    }
    l->source->endpoints |= type == KILN_TYPE_SOCKET || type == KILN_TYPE_FIFO;
    if (type == KILN_TYPE_SOCKET)
        return true;
    list_excluded(l, outer);
    KilnEntry *e = kiln_manifest_add(l->out, path);
    e->type = type;
    e->mode = type == KILN_TYPE_SYMLINK ? 0777 : item->st.st_mode & 07777;
    e->mtime = item->st.st_mtim.tv_sec;
    e->mtime_nsec = (uint32_t)item->st.st_mtim.tv_nsec;
    if (type == KILN_TYPE_SYMLINK)
        e->target = kiln_manifest_string(l->out, item->target);
    if (type != KILN_TYPE_FILE)
        return true;
    if (item->st.st_nlink > 1)
        e->link_group = group_of_inode(l->source, &item->st);
    e->size = (uint64_t)item->st.st_size;
    if (!l->digests)
        return true;
    e->has_digest =
        l->source->index && kiln_statindex_lookup(l->source->index, &item->st, e->digest);
    if (!e->has_digest) {
        KilnPending pending = {.entry = e, .st = item->st};
        g_array_append_val(l->pending, pending);
    }
    return true;
}

static void list_excluded(Listing *l, Excluded *x)
{
    if (!x || x->listed)
        return;
    list_excluded(l, x->outer);
    x->listed = true;
    (void)list_item(l, x->path, x->item, NULL, NULL); /* a directory: cannot fail */
    kiln_manifest_get(l->out, kiln_manifest_length(l->out) - 1)->implicit = x->implicit;
}

/* The next directories of one that is listed: so many are read meanwhile, and not more, so that a tree is never in
 * memory as a whole. */
enum { AHEAD = 8 };
typedef struct {
    const char *path;
    const GPtrArray *items;
    guint next;    /* item that was not looked at yet */
    guint pending; /* directories that are expected from here on */
} Window;

static void look_ahead(Listing *l, Window *w, guint at)
{
    if (at > 0 && at <= w->next && S_ISDIR(((const KilnSourceItem *)w->items->pdata[at - 1])->st.st_mode))
        w->pending--;
    for (w->next = MAX(w->next, at + 1); w->next < w->items->len && w->pending < AHEAD; w->next++) {
        const KilnSourceItem *item = w->items->pdata[w->next];
        if (!S_ISDIR(item->st.st_mode))
            continue;
        g_autoptr(GString) path = kiln_source_path_in(w->path, item->name);
        w->pending++;
        if (!none_wanted_below(l, path->str))
            kiln_source_ahead_expect(l->ahead, path->str);
    }
}

static bool list_tree(Listing *l, const char *path, const KilnSourceItem *item, Excluded *outer,
                      GError **error)
{
    bool ignored = kiln_source_ignores(l->source, path);
    bool wanted = is_wanted(l, path);
    if (!ignored && wanted && !list_item(l, path, item, outer, error))
        return false;
    if (!S_ISDIR(item->st.st_mode) || (ignored && kiln_ignore_prunes(l->source->ignore, path)) ||
        none_wanted_below(l, path))
        return true;

    Excluded excluded = {.outer = outer, .path = path, .item = item, .implicit = !wanted};
    g_autoptr(GPtrArray) items = kiln_source_ahead_take(l->ahead, path, error);
    if (!items)
        return false;
    Window window = {.path = path, .items = items};
    for (guint i = 0; i < items->len; i++) {
        const KilnSourceItem *child = items->pdata[i];
        g_autoptr(GString) child_path = kiln_source_path_in(path, child->name);
        if (child_path->len >= PATH_MAX)
            return kiln_source_fail(l->source, error, ENAMETOOLONG, "list", child_path->str);
        look_ahead(l, &window, i);
        if (!list_tree(l, child_path->str, child, ignored || !wanted ? &excluded : NULL,
                       error))
            return false;
    }
    return true;
}

static bool list_dir_source(Listing *l, const char *path, GError **error)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *parent = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    int fd = kiln_open_beneath(l->source->fd, parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return kiln_source_fail(l->source, error, -fd, "find", path);
    KilnSourceItem *item;
    int result = kiln_source_read_item(fd, !*path ? "." : slash ? slash + 1 : path, &item);
    close(fd);
    if (result < 0 || !item)
        return kiln_source_fail(l->source, error, result < 0 ? -result : ENOENT, "find", path);
    guint first = kiln_manifest_length(l->out);
    l->ahead = kiln_source_ahead_new(l->source);
    bool ok = list_tree(l, path, item, NULL, error);
    kiln_source_ahead_free(l->ahead);
    kiln_source_item_free(item);
    if (ok && kiln_manifest_length(l->out) == first && kiln_source_ignores(l->source, path))
        return kiln_source_fail(l->source, error, ENOENT, "find", path);
    return ok;
}

/* --- Listing layers --- */

/* Numbers of different layers must not meet. The same file keeps its number over several lists. */
static uint32_t group_of(KilnSource *s, guint layer, uint32_t group)
{
    uint64_t key = (uint64_t)layer << 32 | group;
    gpointer number = g_hash_table_lookup(s->groups, &key);
    if (!number) {
        number = GUINT_TO_POINTER(g_hash_table_size(s->groups) + 1);
        g_hash_table_insert(s->groups, g_memdup2(&key, sizeof(key)), number);
    }
    return GPOINTER_TO_UINT(number);
}

/* Whether an entry of layers is listed; the directories not wanted that lead to it come first. */
static bool list_unasked(Listing *l, const KilnEntry *entry)
{
    while (l->unasked->len > 0) {
        const KilnEntry *last = l->unasked->pdata[l->unasked->len - 1];
        if (kiln_path_within(entry->path, last->path))
            break;
        g_ptr_array_set_size(l->unasked, (gint)l->unasked->len - 1);
    }
    if (!is_wanted(l, entry->path)) {
        if (entry->type == KILN_TYPE_DIR)
            g_ptr_array_add(l->unasked, (gpointer)entry);
        return false;
    }
    for (guint i = 0; i < l->unasked->len; i++) {
        KilnEntry *e = kiln_manifest_add_copy(l->out, l->unasked->pdata[i], NULL);
        e->opaque = false;
        e->implicit = true;
    }
    g_ptr_array_set_size(l->unasked, 0);
    return true;
}

static bool list_entry(const KilnEntry *entry, guint layer, void *data)
{
    Listing *l = data;
    if (entry->type == KILN_TYPE_SOCKET || !list_unasked(l, entry))
        return true;
    KilnEntry *e = kiln_manifest_add_copy(l->out, entry, NULL);
    e->opaque = false; /* it says something about its own layer only */
    e->implicit = false;
    if (e->link_group)
        e->link_group = group_of(l->source, layer, e->link_group);
    if (l->digests && e->type == KILN_TYPE_FILE && !e->has_digest) {
        KilnPending pending = {.entry = e, .layer = layer};
        g_array_append_val(l->pending, pending);
    }
    return true;
}

/* --- Interface --- */

/* Sorting is for the rare caller that lists paths out of order: to check a whole manifest for each
 * of 20,000 files that a wildcard named would cost seconds. */
static void sort_from(KilnManifest *m, guint first)
{
    for (guint i = MAX(first, 1); i < kiln_manifest_length(m); i++) {
        if (kiln_path_compare(kiln_manifest_get(m, i - 1)->path, kiln_manifest_get(m, i)->path) >=
            0) {
            kiln_manifest_sort(m);
            return;
        }
    }
}

bool kiln_source_list(KilnSource *s, const char *path, bool digests, KilnManifest *out,
                      GError **error)
{
    return kiln_source_list_wanted(s, path, NULL, digests, out, error);
}

bool kiln_source_list_wanted(KilnSource *s, const char *path, const KilnSourceFilter *filter,
                             bool digests, KilnManifest *out, GError **error)
{
    g_autoptr(GArray) pending = g_array_new(FALSE, FALSE, sizeof(KilnPending));
    g_autoptr(GPtrArray) unasked = g_ptr_array_new();
    Listing l = {.source = s, .filter = filter, .out = out, .digests = digests};
    l.pending = pending;
    l.unasked = unasked;
    guint first = kiln_manifest_length(out);
    if (s->view) {
        if (!kiln_view_lookup(s->view, path, NULL))
            return kiln_source_fail(s, error, ENOENT, "find", path);
        kiln_view_foreach(s->view, path, list_entry, &l);
    } else if (!list_dir_source(&l, path, error)) {
        return false;
    }
    if (!kiln_source_digest(s, (KilnPending *)pending->data, pending->len, error))
        return false;
    sort_from(out, first);
    return true;
}

bool kiln_source_has_endpoints(const KilnSource *s)
{
    return s->endpoints;
}

int kiln_source_open(KilnSource *s, KilnOpener *opener, const KilnEntry *e, GError **error)
{
    static const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int dirfd = s->fd;
    if (s->view) {
        guint layer;
        if (!kiln_view_lookup(s->view, e->path, &layer)) {
            kiln_source_fail(s, error, ENOENT, "find", e->path);
            return -1;
        }
        dirfd = s->layer_fds[layer];
    }
    int fd = opener ? kiln_opener_open(opener, dirfd, e->path, flags) : kiln_open_beneath(dirfd, e->path, flags);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        kiln_source_fail(s, error, fd < 0 ? -fd : errno, "open", e->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    bool same =
        S_ISREG(st.st_mode) && (uint64_t)st.st_size == e->size &&
        (s->view || (st.st_mtim.tv_sec == e->mtime && st.st_mtim.tv_nsec == (long)e->mtime_nsec));
    if (same)
        return fd;
    close(fd);
    g_autofree char *shown = g_utf8_make_valid(e->path, -1);
    g_set_error(error, KILN_SOURCE_ERROR, ESTALE,
                s->view ? "“%s” in %s is not as its layer's manifest says; remove the image and "
                          "build or pull it again"
                        : "“%s” in %s changed during the build; run the build again",
                shown, s->name);
    return -1;
}

bool kiln_source_may_have_changed(const KilnSource *s, int fd)
{
    struct stat st;
    if (s->view)
        return false;
    if (fstat(fd, &st) < 0)
        return true;
    return kiln_statindex_changed_since(&st, &s->made);
}

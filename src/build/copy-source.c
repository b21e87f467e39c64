#include "build/copy-source.h"
#include "tree/glob.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct KilnCopySource {
    KilnEngine *engine;
    KilnStep *step;
    KilnSource *tree;
    KilnIgnore *excludes; /* --exclude, or NULL */
    KilnView *view;       /* of a stage or image */
    GArray *layer_fds;    /* int, borrowed from the store */
    GPtrArray *items;     /* NULL until matched */
};

static void item_free(gpointer data)
{
    KilnCopyItem *item = data;
    g_free(item->name);
    g_free(item->path);
    g_clear_pointer(&item->entries, kiln_manifest_unref);
    g_free(item);
}

void kiln_copy_source_free(KilnCopySource *s)
{
    g_clear_pointer(&s->items, g_ptr_array_unref);
    g_clear_pointer(&s->tree, kiln_source_free);
    g_clear_pointer(&s->view, kiln_view_free);
    g_clear_pointer(&s->layer_fds, g_array_unref);
    g_clear_pointer(&s->excludes, kiln_ignore_free);
    g_free(s);
}

static bool on_host(const KilnStep *step)
{
    return step->from.kind == KILN_ORIGIN_CONTEXT || step->from.kind == KILN_ORIGIN_NAMED;
}

static bool open_directory(KilnCopySource *s, GError **error)
{
    const KilnBuildOptions *o = s->engine->options;
    bool context = s->step->from.kind == KILN_ORIGIN_CONTEXT;
    const char *path = context ? o->context : g_hash_table_lookup(o->contexts, s->step->from.name);
    int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "opening the build context %s: %s",
                    path ? path : s->step->from.name, g_strerror(path ? errno : ENOENT));
        return false;
    }
    s->tree = kiln_source_new_dir(fd, context ? "the build context" : s->step->from.name,
                                  context ? o->ignore : NULL, s->engine->index);
    return true;
}

static bool open_layers(KilnCopySource *s, GError **error)
{
    const KilnState *state = kiln_step_state(s->step->from.step);
    s->view = kiln_step_view(s->engine, s->step->from.step, error);
    if (!s->view)
        return false;
    s->layer_fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; state && i < state->chain->len; i++) {
        int fd = kiln_layer_fd(s->engine->options->store, g_array_index(state->chain, gint64, i), error);
        if (fd < 0)
            return false;
        g_array_append_val(s->layer_fds, fd);
    }
    s->tree = kiln_source_new_view(s->view, (const int *)(void *)s->layer_fds->data,
                                   s->step->from.name ? s->step->from.name : "the stage");
    return true;
}

static bool parse_excludes(KilnCopySource *s, GError **error)
{
    if (!s->step->excludes || !s->step->excludes[0])
        return true;
    g_autofree char *text = g_strjoinv("\n", s->step->excludes);
    s->excludes = kiln_ignore_parse(text, strlen(text), "--exclude", error);
    return s->excludes != NULL;
}

/* The name that a source argument gives its file: its own last component, also for a symlink that was
 * followed; of a wildcard's match, that of the match. */
static char *name_of(const char *pattern, const char *path)
{
    if (!kiln_glob_has_wildcard(pattern)) {
        g_autofree char *plain = kiln_glob_unescape(pattern);
        char *name = g_path_get_basename(plain);
        if (strcmp(name, "/") != 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            return name;
        g_free(name);
    }
    return g_path_get_basename(path);
}

/* Patterns are matched below the source, and against the names of files and of what a wildcard matches:
 * a directory that is named is wanted, if only empty. */
static void drop_excluded(KilnCopySource *s, KilnCopyItem *item, bool wildcard)
{
    gsize skip = *item->path ? strlen(item->path) + 1 : 0;
    for (guint i = kiln_manifest_length(item->entries); i-- > 0;) {
        const char *path = kiln_manifest_get(item->entries, i)->path;
        const char *below = strlen(path) > skip ? path + skip : NULL;
        bool by_name = wildcard || kiln_manifest_get(item->entries, i)->type != KILN_TYPE_DIR;
        if ((below && kiln_ignore_matches(s->excludes, below)) ||
            (i == 0 && strcmp(path, item->path) == 0 && *path && !below && by_name &&
             kiln_ignore_matches(s->excludes, item->name)))
            kiln_manifest_remove(item->entries, i);
    }
}

static bool list_item(KilnCopySource *s, const char *pattern, const char *match, const char *path,
                      const KilnPlace *place, GError **error)
{
    KilnCopyItem *item = g_new0(KilnCopyItem, 1);
    item->name = name_of(pattern, match);
    item->path = g_strdup(path);
    item->place = place;
    item->entries = kiln_manifest_new();
    g_ptr_array_add(s->items, item);
    if (!kiln_source_list(s->tree, path, on_host(s->step), item->entries, error))
        return false;
    if (s->excludes)
        drop_excluded(s, item, kiln_glob_has_wildcard(pattern));
    return true;
}

static bool not_found(const KilnCopySource *s, const char *path, GError **error)
{
    bool context = s->step->from.kind == KILN_ORIGIN_CONTEXT;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "\"%s\" is not in %s%s", path,
                context ? "the build context" : s->step->from.name ? s->step->from.name : "the stage",
                context && s->engine->options->ignore ? " (or .dockerignore leaves it out)" : "");
    return false;
}

/* What a wildcard matches may be a symlink: it is followed, as one that is named is. */
static bool list_match(KilnCopySource *s, const char *pattern, const char *path, const KilnPlace *place,
                       GError **error)
{
    if (!kiln_glob_has_wildcard(pattern))
        return list_item(s, pattern, path, path, place, error);
    g_autoptr(GPtrArray) followed = kiln_source_match(s->tree, path, false, error);
    if (!followed)
        return false;
    if (followed->len == 0)
        return not_found(s, path, error);
    return list_item(s, pattern, path, followed->pdata[0], place, error);
}

static bool match_argument(KilnCopySource *s, guint i, GError **error)
{
    const char *pattern = s->step->sources[i];
    const KilnPlace *place = &g_array_index(s->step->source_places, KilnPlace, i);
    g_autoptr(GPtrArray) matches = kiln_source_match(s->tree, pattern, true, error);
    bool ok = matches != NULL;
    if (ok && matches->len == 0 && !kiln_glob_has_wildcard(pattern))
        ok = not_found(s, pattern, error);
    for (guint k = 0; ok && k < matches->len; k++)
        ok = list_match(s, pattern, matches->pdata[k], place, error);
    if (!ok)
        kiln_step_prefix_error(s->step, place, error);
    return ok;
}

GPtrArray *kiln_copy_source_items(KilnCopySource *s, GError **error)
{
    if (s->items)
        return s->items;
    s->items = g_ptr_array_new_with_free_func(item_free);
    for (guint i = 0; s->step->sources && s->step->sources[i]; i++)
        if (!match_argument(s, i, error))
            return NULL;
    return s->items;
}

static void feed_items(KilnCopySource *s, KilnHash *key)
{
    for (guint i = 0; i < s->items->len; i++) {
        const KilnCopyItem *item = s->items->pdata[i];
        guint n = kiln_manifest_length(item->entries);
        bool directory = n && kiln_manifest_get(item->entries, 0)->type == KILN_TYPE_DIR;
        kiln_hash_string(key, directory ? NULL : item->name);
        kiln_hash_update(key, &n, sizeof n);
        for (guint k = directory ? 1 : 0; k < n; k++)
            kiln_entry_feed(kiln_manifest_get(item->entries, k), item->path,
                            (KilnAppendFunc)kiln_hash_update, key);
    }
}

/* A stage or image is known by its own key, and by what is taken from it. */
static void feed_origin(KilnCopySource *s, KilnHash *key)
{
    kiln_step_feed(s->step->from.step, key);
    for (char *const *p = s->step->sources; p && *p; p++)
        kiln_hash_string(key, *p);
    kiln_hash_string(key, NULL); /* ends the list */
    for (char *const *p = s->step->excludes; p && *p; p++)
        kiln_hash_string(key, *p);
}

KilnCopySource *kiln_copy_source_new(KilnEngine *e, KilnStep *step, KilnHash *key, GError **error)
{
    KilnCopySource *s = g_new0(KilnCopySource, 1);
    s->engine = e;
    s->step = step;
    bool host = on_host(step);
    bool ok = parse_excludes(s, error) && (host ? open_directory(s, error) : open_layers(s, error));
    if (!ok)
        kiln_step_prefix_error(step, &step->place, error);
    if (ok && host) {
        ok = kiln_copy_source_items(s, error) != NULL;
        if (ok)
            feed_items(s, key);
    } else if (ok) {
        feed_origin(s, key);
    }
    if (!ok)
        g_clear_pointer(&s, kiln_copy_source_free);
    return s;
}

int kiln_copy_source_open(KilnCopySource *s, const KilnEntry *e, GError **error)
{
    return kiln_source_open(s->tree, e, error);
}

bool kiln_copy_source_check(KilnCopySource *s, const KilnEntry *e, int original, int dirfd, const char *path,
                            GError **error)
{
    if (!e->has_digest || !kiln_source_may_have_changed(s->tree, original))
        return true;
    int fd = dirfd < 0 ? original : kiln_open_beneath(dirfd, path, O_RDONLY);
    uint8_t digest[KILN_SHA256_SIZE];
    int result = fd < 0 ? fd : kiln_digest_fd(fd, digest, NULL);
    if (fd >= 0 && fd != original)
        close(fd);
    if (result == 0 && memcmp(digest, e->digest, sizeof digest) == 0)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "\"%s\": %s", e->path,
                result < 0 ? g_strerror(-result) : "it changed while it was being copied; run the build again");
    return false;
}

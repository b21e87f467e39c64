#include "build/copy-source.h"
#include "build/content.h"
#include "build/copy-missing.h"
#include "build/copy-parents.h"
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
    GArray *chain;        /* whose they are */
    GPtrArray *items;     /* NULL until matched */
    char *blob;           /* of the store, in place of a tree; or NULL */
};

static void item_free(gpointer data)
{
    KilnCopyItem *item = data;
    g_free(item->name);
    g_free(item->path);
    g_clear_pointer(&item->entries, kiln_manifest_unref);
    g_clear_pointer(&item->remote, kiln_add_remote_free);
    g_free(item);
}

/* But for the excludes. */
static void clear(KilnCopySource *s)
{
    g_clear_pointer(&s->items, g_ptr_array_unref);
    g_clear_pointer(&s->tree, kiln_source_free);
    g_clear_pointer(&s->view, kiln_view_free);
    g_clear_pointer(&s->layer_fds, g_array_unref);
    g_clear_pointer(&s->chain, g_array_unref);
    g_clear_pointer(&s->blob, g_free);
}

void kiln_copy_source_free(KilnCopySource *s)
{
    clear(s);
    g_clear_pointer(&s->excludes, kiln_ignore_free);
    g_free(s);
}

static bool on_host(const KilnStep *step)
{
    return step->from.kind == KILN_ORIGIN_CONTEXT || step->from.kind == KILN_ORIGIN_NAMED;
}

static bool open_context(KilnCopySource *s, GError **error)
{
    s->tree = kiln_origin_source(s->engine, &s->step->from, error);
    return s->tree != NULL;
}

static bool open_chain(KilnCopySource *s, const GArray *chain, GError **error)
{
    KilnStore *store = s->engine->options->store;
    const gint64 *layers = (const gint64 *)(const void *)chain->data;
    s->view = kiln_layer_view(store, layers, chain->len, error);
    if (!s->view)
        return false;
    s->chain = g_array_copy((GArray *)chain);
    s->layer_fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; i < chain->len; i++) {
        int fd = kiln_layer_fd(store, layers[i], error);
        if (fd < 0)
            return false;
        g_array_append_val(s->layer_fds, fd);
    }
    s->tree = kiln_source_new_view(s->view, (const int *)(void *)s->layer_fds->data,
                                   s->step->from.name ? s->step->from.name : "the stage");
    return true;
}

/* A stage or image, when its files are first asked for. */
static bool open_layers(KilnCopySource *s, GError **error)
{
    if (s->tree)
        return true;
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(s->step->from.step));
    if (open_chain(s, chain, error))
        return true;
    kiln_step_prefix_error(s->step, &s->step->place, error);
    return false;
}

static bool parse_excludes(KilnCopySource *s, GError **error)
{
    if (!s->step->excludes || !s->step->excludes[0])
        return true;
    s->excludes = kiln_ignore_new((const char *const *)s->step->excludes, "--exclude", error);
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

/* A source argument. */
typedef struct {
    const char *pattern; /* of what is copied: with --parents of the directory before the pivot */
    const KilnPlace *place;
    const KilnIgnore *others; /* --parents: what lies below and is not copied; or NULL */
} Argument;

/* --exclude is about what lies below the source, and about files that are named or matched themselves: the
 * reference says so, though BuildKit copies those. A directory that is named is wanted, if only empty. */
static bool list_item(KilnCopySource *s, const Argument *a, const char *match, const char *path, GError **error)
{
    KilnCopyItem *item = g_new0(KilnCopyItem, 1);
    item->name = name_of(a->pattern, match);
    item->path = g_strdup(path);
    item->place = a->place;
    item->entries = kiln_manifest_new();
    g_ptr_array_add(s->items, item);
    const KilnSourceFilter filter = {.base = item->path, .ignores = {a->others, s->excludes}};
    if (!kiln_source_list_wanted(s->tree, path, &filter, on_host(s->step), item->entries, error))
        return false;
    guint n = kiln_manifest_length(item->entries);
    if (s->excludes && n == 1 && kiln_manifest_get(item->entries, 0)->type != KILN_TYPE_DIR &&
        kiln_ignore_matches(s->excludes, item->name))
        kiln_manifest_remove(item->entries, 0);
    return true;
}

static bool not_found(const KilnCopySource *s, const char *path, GError **error)
{
    kiln_copy_missing(s->engine, s->step, s->tree, path, error);
    return false;
}

/* What a wildcard matches may be a symlink: it is followed, as one that is named is. */
static bool list_match(KilnCopySource *s, const Argument *a, const char *path, GError **error)
{
    if (!kiln_glob_has_wildcard(a->pattern))
        return list_item(s, a, path, path, error);
    g_autoptr(GPtrArray) followed = kiln_source_match(s->tree, path, false, error);
    if (!followed)
        return false;
    if (followed->len == 0)
        return not_found(s, path, error);
    return list_item(s, a, path, followed->pdata[0], error);
}

static bool list_argument(KilnCopySource *s, const Argument *a, GError **error)
{
    g_autoptr(GPtrArray) matches = kiln_source_match(s->tree, a->pattern, true, error);
    bool ok = matches != NULL;
    if (ok && matches->len == 0 && !kiln_glob_has_wildcard(a->pattern))
        ok = not_found(s, a->pattern, error);
    for (guint k = 0; ok && k < matches->len; k++)
        ok = list_match(s, a, matches->pdata[k], error);
    return ok;
}

static bool list_with_parents(KilnCopySource *s, const char *source, const KilnPlace *place, GError **error)
{
    g_auto(KilnCopyParents) parents = {0};
    if (!kiln_copy_parents_read(source, &parents, error))
        return false;
    const Argument argument = {.pattern = parents.base, .place = place, .others = parents.others};
    if (!list_argument(s, &argument, error))
        return false;
    const KilnCopyItem *last = s->items->len ? s->items->pdata[s->items->len - 1] : NULL;
    return !parents.required || kiln_manifest_length(last->entries) > 1 || not_found(s, source, error);
}

static bool match_argument(KilnCopySource *s, guint i, GError **error)
{
    const char *source = s->step->sources[i];
    const KilnPlace *place = &g_array_index(s->step->source_places, KilnPlace, i);
    const Argument argument = {.pattern = source, .place = place};
    bool ok = s->step->parents ? list_with_parents(s, source, place, error)
                               : list_argument(s, &argument, error);
    if (!ok)
        kiln_step_prefix_error(s->step, place, error);
    return ok;
}

static bool add_remote(KilnCopySource *s, guint i, GError **error)
{
    const KilnPlace *place = &g_array_index(s->step->source_places, KilnPlace, i);
    KilnCopyItem *item = g_new0(KilnCopyItem, 1);
    g_ptr_array_add(s->items, item);
    item->place = place;
    item->remote = kiln_add_remote_new(s->engine, s->step, i, error);
    if (!item->remote)
        kiln_step_prefix_error(s->step, place, error);
    return item->remote != NULL;
}

GPtrArray *kiln_copy_source_items(KilnCopySource *s, GError **error)
{
    if (s->items)
        return s->items;
    if (!on_host(s->step) && !open_layers(s, error))
        return NULL;
    s->items = g_ptr_array_new_with_free_func(item_free);
    for (guint i = 0; s->step->sources && s->step->sources[i]; i++)
        if (!(kiln_step_fetches(s->step, i) ? add_remote : match_argument)(s, i, error))
            return NULL;
    return s->items;
}

static void feed_items(KilnCopySource *s, KilnKey *key)
{
    for (guint i = 0; i < s->items->len; i++) {
        const KilnCopyItem *item = s->items->pdata[i];
        if (item->remote) {
            kiln_add_remote_feed(item->remote, key);
            continue;
        }
        guint n = kiln_manifest_length(item->entries);
        bool directory = n && kiln_manifest_get(item->entries, 0)->type == KILN_TYPE_DIR;
        kiln_key_text(key, directory ? "directory" : "name", NULL, directory ? NULL : item->name);
        kiln_key_number(key, "files", NULL, n);
        for (guint k = directory ? 1 : 0; k < n; k++) {
            const KilnEntry *e = kiln_manifest_get(item->entries, k);
            if (e->implicit)
                kiln_key_text(key, "parent", e->path, NULL);
            kiln_key_entry(key, e, item->path);
        }
    }
}

/* Of a stage or image the state is an input; here is what is taken from it. */
static void feed_origin(KilnCopySource *s, KilnKey *key)
{
    kiln_key_number(key, "from", NULL, kiln_step_input(s->step, s->step->from.step));
    kiln_key_list(key, "source", s->step->sources);
    kiln_key_list(key, "--exclude", s->step->excludes);
}

void kiln_copy_source_feed(KilnCopySource *s, KilnKey *key)
{
    (on_host(s->step) ? feed_items : feed_origin)(s, key);
}

bool kiln_copy_source_feeds_much(const KilnCopySource *s)
{
    enum { MANY = 1000 }; /* as long as a thread takes to start and end */
    guint n = 0;
    for (guint i = 0; on_host(s->step) && i < s->items->len; i++) {
        const KilnCopyItem *item = s->items->pdata[i];
        if (item->remote)
            return false;
        n += kiln_manifest_length(item->entries);
    }
    return n >= MANY;
}

KilnCopySource *kiln_copy_source_new(KilnEngine *e, KilnStep *step, GError **error)
{
    KilnCopySource *s = g_new0(KilnCopySource, 1);
    s->engine = e;
    s->step = step;
    bool host = on_host(step);
    bool ok = parse_excludes(s, error) && (!host || open_context(s, error));
    if (!ok)
        kiln_step_prefix_error(step, &step->place, error);
    if (ok && host)
        ok = kiln_copy_source_items(s, error) != NULL;
    if (!ok)
        g_clear_pointer(&s, kiln_copy_source_free);
    return s;
}

/* --- The same as before ---------------------------------------------------------------------------------- */

static bool same_item(KilnCopySource *a, const KilnCopyItem *x, KilnCopySource *b, const KilnCopyItem *y)
{
    guint n = kiln_manifest_length(x->entries);
    if (n != kiln_manifest_length(y->entries))
        return false;
    if (n && kiln_manifest_get(x->entries, 0)->type != KILN_TYPE_DIR && strcmp(x->name, y->name) != 0)
        return false;
    const KilnContentSide sides[] = {{x->entries, x->path, a->tree}, {y->entries, y->path, b->tree}};
    return kiln_content_same_lists(&sides[0], &sides[1]);
}

bool kiln_copy_source_same(KilnEngine *e, KilnStep *step, KilnCopySource *s, const GArray *chain)
{
    g_autoptr(GError) error = NULL; /* it is met again when the step is done */
    KilnCopySource before = {.engine = e, .step = step, .excludes = s->excludes};
    bool same = open_chain(&before, chain, &error);
    GPtrArray *was = same ? kiln_copy_source_items(&before, &error) : NULL;
    GPtrArray *is = was ? kiln_copy_source_items(s, &error) : NULL;
    same = is && was->len == is->len;
    for (guint i = 0; same && i < is->len; i++)
        same = same_item(s, is->pdata[i], &before, was->pdata[i]);
    clear(&before);
    return same;
}

int kiln_copy_source_open(KilnCopySource *s, KilnOpener *opener, const KilnEntry *e, GError **error)
{
    return s->blob ? kiln_blob_open(s->engine->options->store, s->blob, NULL, error)
                   : kiln_source_open(s->tree, opener, e, error);
}

static bool is_of_link(const KilnCopySource *s, gint64 layer)
{
    for (const KilnStep *step = s->step->from.step; step; step = step->parent)
        if (step->link && kiln_step_state(step)->layer == layer)
            return true;
    return false;
}

const KilnEntry *kiln_copy_source_twin(KilnCopySource *s, const KilnEntry *e, int *fd)
{
    guint layer;
    const KilnEntry *twin = s->view ? kiln_view_lookup(s->view, e->path, &layer) : NULL;
    if (!twin || is_of_link(s, g_array_index(s->chain, gint64, layer)))
        return NULL;
    *fd = g_array_index(s->layer_fds, int, layer);
    return twin;
}

bool kiln_copy_source_check(KilnCopySource *s, const KilnEntry *e, int original, int dirfd, const char *path,
                            GError **error)
{
    if (s->blob || !e->has_digest || !kiln_source_may_have_changed(s->tree, original))
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

/* --- What was fetched ----------------------------------------------------------------------------------- */

static KilnCopySource *fetched_new(KilnEngine *e, KilnStep *step, const char *name, GError **error)
{
    KilnCopySource *s = g_new0(KilnCopySource, 1);
    s->engine = e;
    s->step = step;
    s->items = g_ptr_array_new_with_free_func(item_free);
    KilnCopyItem *item = g_new0(KilnCopyItem, 1);
    item->name = g_strdup(name);
    item->path = g_strdup(name);
    item->entries = kiln_manifest_new();
    g_ptr_array_add(s->items, item);
    if (!parse_excludes(s, error))
        g_clear_pointer(&s, kiln_copy_source_free);
    return s;
}

KilnCopySource *kiln_copy_source_new_blob(KilnEngine *e, KilnStep *step, const KilnEntry *entry,
                                          const char *digest, GError **error)
{
    KilnCopySource *s = fetched_new(e, step, entry->path, error);
    if (!s)
        return NULL;
    s->blob = g_strdup(digest);
    if (!s->excludes || !kiln_ignore_matches(s->excludes, entry->path))
        kiln_manifest_add_copy(((KilnCopyItem *)s->items->pdata[0])->entries, entry, entry->path);
    return s;
}

KilnCopySource *kiln_copy_source_new_directory(KilnEngine *e, KilnStep *step, int fd, GError **error)
{
    KilnCopySource *s = fetched_new(e, step, "", error);
    if (!s) {
        close(fd);
        return NULL;
    }
    s->tree = kiln_source_new_dir(fd, "what was fetched", NULL, NULL);
    KilnManifest *entries = ((KilnCopyItem *)s->items->pdata[0])->entries;
    const KilnSourceFilter filter = {.base = "", .ignores = {s->excludes}};
    if (!kiln_source_list_wanted(s->tree, "", &filter, false, entries, error)) {
        kiln_copy_source_free(s);
        return NULL;
    }
    return s;
}

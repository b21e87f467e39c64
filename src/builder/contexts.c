#include "builder/contexts.h"
#include "builder/context-load.h"
#include "builder/input.h"
#include "remote/reference.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct KilnContexts {
    GHashTable *by_key; /* what names are compared by → KilnNamedContext */
    GHashTable *trees;  /* name → KilnContext */
    GPtrArray *names;
};

static void named_free(gpointer data)
{
    KilnNamedContext *n = data;
    g_free(n->name);
    g_free(n->path);
    g_free(n->ref);
    g_free(n);
}

/* "alpine" and "docker.io/library/alpine:latest" are one name, as in buildx (util/buildflags/context.go); and
 * stages may be called in any case of letters. g_free(). */
static char *key_of(const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);
    g_autoptr(KilnReference) r = kiln_reference_parse(lower, NULL);
    return r ? kiln_reference_familiar(r) : g_steal_pointer(&lower);
}

static bool usage(GError **error, const char *argument, const char *why)
{
    g_set_error(error, KILN_OPERATION_ERROR, 2, "--build-context %s: %s", argument, why);
    return false;
}

/* --- Kinds of places ------------------------------------------------------------------------------------ */

static bool take_path(KilnNamedContext *n, const char *argument, GError **error)
{
    struct stat st;
    if (stat(n->path, &st) == 0)
        return true;
    g_autofree char *why = g_strdup_printf("%s: %s", n->path, g_strerror(errno));
    return usage(error, argument, why);
}

/* PATH[:TAG][@DIGEST]; the tag begins at the last colon behind the last slash (buildx, util/ocilayout). */
static bool take_layout(KilnNamedContext *n, const char *place, const char *argument, GError **error)
{
    g_autofree char *path = g_strdup(place);
    char *at = strstr(path, "@sha256:");
    if (at) {
        n->ref = g_strdup(at + 1);
        *at = '\0';
    }
    char *slash = strrchr(path, '/');
    char *colon = strrchr(slash ? slash : path, ':');
    if (colon) {
        if (!n->ref)
            n->ref = g_strdup(colon + 1);
        *colon = '\0';
    }
    n->kind = KILN_NAMED_ARCHIVE;
    n->path = g_canonicalize_filename(path, NULL);
    return take_path(n, argument, error);
}

static bool take_archive(KilnNamedContext *n, const char *place, const char *argument, GError **error)
{
    n->kind = KILN_NAMED_ARCHIVE;
    n->path = g_canonicalize_filename(place, NULL);
    return take_path(n, argument, error);
}

static bool take_image(KilnNamedContext *n, const char *place, const char *argument, GError **error)
{
    if (strcmp(place, "scratch") == 0) /* no image, but a tree without files */
        return true;
    g_autoptr(GError) problem = NULL;
    g_autoptr(KilnReference) r = kiln_reference_parse(place, &problem);
    if (!r)
        return usage(error, argument, problem->message);
    n->kind = KILN_NAMED_IMAGE;
    n->ref = kiln_reference_canonical(r);
    return true;
}

static bool take_target(KilnNamedContext *n, const char *place, const char *argument, GError **error)
{
    (void)n;
    (void)place;
    return usage(error, argument, "\"target:\" names a target of a bake file, and there is none");
}

static const struct {
    const char *scheme;
    bool (*take)(KilnNamedContext *n, const char *place, const char *argument, GError **error);
} schemes[] = {
    {"oci-layout://", take_layout},
    {"oci-archive://", take_archive},
    {"docker-archive://", take_archive},
    {"docker-image://", take_image},
    {"target:", take_target},
};

/* A malformed repository is one too: loading it says what is wrong with it. */
static bool is_url(const char *place)
{
    g_autoptr(GError) malformed = NULL;
    g_autoptr(KilnGitReference) r =
        g_path_is_absolute(place) ? NULL : kiln_git_reference_parse(place, true, &malformed);
    return r || malformed || g_str_has_prefix(place, "http://") || g_str_has_prefix(place, "https://");
}

static bool take_place(KilnNamedContext *n, const char *place, const char *argument, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (g_str_has_prefix(place, schemes[i].scheme))
            return schemes[i].take(n, place + strlen(schemes[i].scheme), argument, error);
    if (strcmp(place, "-") == 0)
        return usage(error, argument, "standard input can be the build context or the Dockerfile only");
    if (is_url(place)) {
        n->path = g_strdup(place);
        return true;
    }
    if (strstr(place, "://"))
        return usage(error, argument,
                     "this is no kind of place; write NAME=DIRECTORY, NAME=FILE.tar, "
                     "NAME=https://…, NAME=docker-image://REF, NAME=oci-layout://DIRECTORY[:TAG][@DIGEST], "
                     "NAME=oci-archive://FILE or NAME=docker-archive://FILE");
    n->path = g_canonicalize_filename(place, NULL);
    return take_path(n, argument, error);
}

/* --- The list ------------------------------------------------------------------------------------------- */

/* Of several of one name the last counts. */
static void put(KilnContexts *c, KilnNamedContext *n)
{
    char *key = key_of(n->name);
    const KilnNamedContext *old = g_hash_table_lookup(c->by_key, key);
    for (guint i = c->names->len; old && i-- > 0;)
        if (strcmp(c->names->pdata[i], old->name) == 0)
            g_ptr_array_remove_index(c->names, i);
    g_ptr_array_add(c->names, g_strdup(n->name));
    g_hash_table_replace(c->by_key, key, n);
}

static bool add(KilnContexts *c, const char *argument, GError **error)
{
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument || !equals[1])
        return usage(error, argument, "NAME and a place are needed: NAME=PLACE");
    KilnNamedContext *n = g_new0(KilnNamedContext, 1);
    n->name = g_strndup(argument, (gsize)(equals - argument));
    bool ok = take_place(n, equals + 1, argument, error);
    if (ok)
        put(c, n);
    else
        named_free(n);
    return ok;
}

KilnContexts *kiln_contexts_new(const char *const *arguments, GError **error)
{
    KilnContexts *c = g_new0(KilnContexts, 1);
    c->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, named_free);
    c->trees = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)kiln_context_free);
    c->names = g_ptr_array_new_with_free_func(g_free);
    for (; *arguments; arguments++)
        if (!add(c, *arguments, error)) {
            kiln_contexts_free(c);
            return NULL;
        }
    g_ptr_array_add(c->names, NULL);
    return c;
}

void kiln_contexts_free(KilnContexts *c)
{
    g_hash_table_unref(c->trees);
    g_hash_table_unref(c->by_key);
    g_ptr_array_unref(c->names);
    g_free(c);
}

const char *const *kiln_contexts_names(const KilnContexts *c)
{
    return (const char *const *)c->names->pdata;
}

GHashTable *kiln_contexts_trees(const KilnContexts *c)
{
    return c->trees;
}

const KilnNamedContext *kiln_contexts_find(const KilnContexts *c, const char *name)
{
    g_autofree char *key = key_of(name);
    return g_hash_table_lookup(c->by_key, key);
}

/* --- Loading -------------------------------------------------------------------------------------------- */

/* A directory's own .dockerignore, which only here is read without a Dockerfile beside it (BuildKit,
 * frontend/dockerui/namedcontext.go). */
static bool load_ignore(KilnContext *tree, KilnOperation *op, GError **error)
{
    g_autoptr(GError) failure = NULL;
    int fd = kiln_context_open(tree, ".dockerignore", &failure);
    if (fd < 0 && g_error_matches(failure, KILN_SOURCE_ERROR, ENOENT))
        return true;
    struct stat st;
    g_autofree char *name = g_strconcat(kiln_context_name(tree), "/.dockerignore", NULL);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        g_set_error(error, KILN_OPERATION_ERROR, 1, "%s is not a regular file", name);
        return false;
    }
    gsize size;
    g_autoptr(KilnInput) input = fd < 0 ? NULL : kiln_input_new(op, fd, name, &failure);
    g_autofree char *text = input ? kiln_input_text(input, &size, &failure) : NULL;
    KilnIgnore *ignore = text ? kiln_ignore_parse(text, size, name, &failure) : NULL;
    if (ignore)
        kiln_context_set_ignore(tree, ignore);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return ignore != NULL;
}

bool kiln_contexts_load(KilnContexts *c, KilnOperation *op, KilnFetch *fetch, const KilnNamedContext *named,
                        GError **error)
{
    if (g_hash_table_contains(c->trees, named->name))
        return true;
    KilnLoadedContext loaded = {0};
    g_autofree char *title = g_strdup_printf("[context %s] load from client", named->name);
    const KilnContextLoader loader = {.op = op, .fetch = fetch, .name = named->name, .title = title};
    bool ok;
    if (named->path) {
        ok = kiln_context_load(&loader, named->path, &loaded, error) &&
             (!loaded.local || load_ignore(loaded.context, op, error));
    } else {
        loaded.context = kiln_context_new_empty(named->name, op->only_reads ? NULL : op->store, error);
        ok = loaded.context != NULL;
    }
    if (ok)
        g_hash_table_insert(c->trees, g_strdup(named->name), g_steal_pointer(&loaded.context));
    else if (error)
        g_prefix_error(error, "--build-context %s: ", named->name);
    kiln_loaded_context_clear(&loaded);
    return ok;
}

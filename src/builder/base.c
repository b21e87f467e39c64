#include "builder/base.h"
#include "image/load.h"
#include "remote/reference.h"

#include <string.h>
#include <sys/stat.h>

/* --- Build contexts ----------------------------------------------------------------------------------- */

typedef enum { CONTEXT_DIRECTORY, CONTEXT_LAYOUT, CONTEXT_ARCHIVE } ContextKind;

typedef struct {
    ContextKind kind;
    char *path, *tag;
} Context;

struct KilnContexts {
    GHashTable *by_name;     /* lower-case name → Context */
    GHashTable *directories; /* name → path, borrowed from by_name */
    GPtrArray *names;
};

static void context_free(gpointer data)
{
    Context *c = data;
    g_free(c->path);
    g_free(c->tag);
    g_free(c);
}

static bool usage(GError **error, const char *argument, const char *why)
{
    g_set_error(error, KILN_OPERATION_ERROR, 2,
                "--build-context %s: %s; write NAME=PATH, NAME=oci-layout://PATH[:TAG], "
                "NAME=oci-archive://FILE or NAME=docker-archive://FILE",
                argument, why);
    return false;
}

/* PATH[:TAG] of oci-layout://: the tag begins at the last colon behind the last slash. */
static void split_tag(Context *c)
{
    char *slash = strrchr(c->path, '/');
    char *colon = strrchr(slash ? slash : c->path, ':');
    if (colon) {
        c->tag = g_strdup(colon + 1);
        *colon = '\0';
    }
}

/* Of several of one name the last counts, whatever the case of the letters. */
static void forget_context(KilnContexts *contexts, const char *name)
{
    for (guint i = contexts->names->len; i-- > 0;)
        if (g_ascii_strcasecmp(contexts->names->pdata[i], name) == 0) {
            g_hash_table_remove(contexts->directories, contexts->names->pdata[i]);
            g_ptr_array_remove_index(contexts->names, i);
        }
}

static bool add_context(KilnContexts *contexts, const char *argument, GError **error)
{
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument || !equals[1])
        return usage(error, argument, "NAME and a place are needed");
    static const struct {
        const char *scheme;
        ContextKind kind;
    } schemes[] = {{"oci-layout://", CONTEXT_LAYOUT},
                   {"oci-archive://", CONTEXT_ARCHIVE},
                   {"docker-archive://", CONTEXT_ARCHIVE}};
    const char *place = equals + 1;
    Context *c = g_new0(Context, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (g_str_has_prefix(place, schemes[i].scheme)) {
            c->kind = schemes[i].kind;
            place += strlen(schemes[i].scheme);
            break;
        }
    if (c->kind == CONTEXT_DIRECTORY && strstr(place, "://")) {
        context_free(c);
        return usage(error, argument, "this kind of place is not supported yet");
    }
    c->path = g_canonicalize_filename(place, NULL);
    if (c->kind == CONTEXT_LAYOUT)
        split_tag(c);
    struct stat st;
    if (stat(c->path, &st) < 0 || (c->kind == CONTEXT_DIRECTORY && !S_ISDIR(st.st_mode))) {
        g_autofree char *why = g_strdup_printf("%s is not there or no directory", c->path);
        context_free(c);
        return usage(error, argument, why);
    }
    g_autofree char *name = g_strndup(argument, (gsize)(equals - argument));
    char *key = g_ascii_strdown(name, -1);
    forget_context(contexts, name);
    g_hash_table_replace(contexts->by_name, key, c);
    if (c->kind == CONTEXT_DIRECTORY)
        g_hash_table_replace(contexts->directories, g_strdup(name), c->path);
    g_ptr_array_add(contexts->names, g_strdup(name));
    return true;
}

KilnContexts *kiln_contexts_new(const char *const *arguments, GError **error)
{
    KilnContexts *c = g_new0(KilnContexts, 1);
    c->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, context_free);
    c->directories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c->names = g_ptr_array_new_with_free_func(g_free);
    for (; *arguments; arguments++)
        if (!add_context(c, *arguments, error)) {
            kiln_contexts_free(c);
            return NULL;
        }
    g_ptr_array_add(c->names, NULL);
    return c;
}

void kiln_contexts_free(KilnContexts *c)
{
    g_hash_table_unref(c->directories);
    g_hash_table_unref(c->by_name);
    g_ptr_array_unref(c->names);
    g_free(c);
}

const char *const *kiln_contexts_names(const KilnContexts *c)
{
    return (const char *const *)c->names->pdata;
}

GHashTable *kiln_contexts_directories(const KilnContexts *c)
{
    return c->directories;
}

static const Context *find_context(const KilnContexts *contexts, const char *name)
{
    g_autofree char *key = g_ascii_strdown(name, -1);
    return contexts ? g_hash_table_lookup(contexts->by_name, key) : NULL;
}

/* --- Registries ----------------------------------------------------------------------------------------- */

static void show_progress(const char *what, gint64 done, gint64 total, void *data)
{
    kiln_task_progress(data, what, done, total);
}

static const char *field(json_object *object, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static bool fetch(KilnOperation *op, const char *canonical, const char *platform, KilnWork *work,
                  char **digest, KilnTask *task, GError **error)
{
    if (kiln_work_mkdir(work, "image", error) < 0)
        return false;
    g_autofree char *dest = g_build_filename(kiln_work_path(work), "image", NULL);
    const char *argv[] = {"pull", "--platform", platform, "--have", kiln_blob_directory(op->store),
                          canonical, dest, NULL};
    json_object *done = kiln_remote_run(op->remote, argv, show_progress, task, error);
    if (!done)
        return false;
    *digest = g_strdup(field(done, "digest"));
    json_object_put(done);
    return true;
}

static char *fetch_and_load(KilnOperation *op, const char *canonical, const KilnPlatform *platform,
                            KilnTask *task, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(op->store, error);
    g_autofree char *digest = NULL;
    g_autofree char *text = kiln_platform_text(platform);
    if (!work || !fetch(op, canonical, text, work, &digest, task, error))
        return NULL;
    g_autofree char *layout = g_build_filename(kiln_work_path(work), "image", NULL);
    g_autoptr(GPtrArray) loaded =
        kiln_load(op->store, layout, NULL, canonical, platform, digest, error);
    if (!loaded || loaded->len == 0)
        return NULL;
    return g_strdup(((KilnLoaded *)loaded->pdata[0])->id);
}

KilnImage *kiln_base_pull(KilnOperation *op, const char *canonical, const KilnPlatform *platform,
                          GError **error)
{
    g_autoptr(KilnPlatform) host = platform ? NULL : kiln_platform_host();
    g_autofree char *name = g_strdup_printf("[internal] pull %s", canonical);
    KilnTask *task = kiln_task_start(op->emitter, name);
    GError *failure = NULL;
    g_autofree char *id = fetch_and_load(op, canonical, platform ? platform : host, task, &failure);
    kiln_task_end(task, id ? KILN_VERDICT_DONE : KILN_VERDICT_ERROR, failure ? failure->message : NULL);
    if (!id) {
        g_propagate_prefixed_error(error, failure, "pulling %s: ", canonical);
        return NULL;
    }
    return kiln_image_lookup(op->store, id, error);
}

/* Whether the registry still calls by this name what the store has under it. */
static bool is_current(KilnOperation *op, const KilnImage *image, const char *canonical,
                       const KilnPlatform *platform)
{
    g_autoptr(KilnPlatform) host = platform ? NULL : kiln_platform_host();
    g_autofree char *text = kiln_platform_text(platform ? platform : host);
    const char *argv[] = {"resolve", "--platform", text, canonical, NULL};
    json_object *line = image->source_digest ? kiln_remote_run(op->remote, argv, NULL, NULL, NULL) : NULL;
    bool same = line && g_strcmp0(field(line, "digest"), image->source_digest) == 0;
    json_object_put(line);
    return same;
}

/* --- Names -------------------------------------------------------------------------------------------- */

static KilnPlatform *platform_of(KilnOperation *op, const KilnImage *image)
{
    g_autoptr(KilnConfig) config = kiln_image_config(op->store, image->id, NULL);
    return config ? kiln_config_platform(config) : NULL;
}

static bool fits(KilnOperation *op, const KilnImage *image, const KilnPlatform *platform)
{
    if (!platform)
        return true;
    g_autoptr(KilnPlatform) has = platform_of(op, image);
    return has && kiln_platform_match(platform, has) >= 0;
}

/* Another image of the same index, for the platform: a name means one of them at a time. */
static KilnImage *sibling(KilnOperation *op, const KilnImage *image, const KilnPlatform *platform)
{
    g_autoptr(GPtrArray) all = image->source_digest ? kiln_image_list(op->store, NULL) : NULL;
    for (guint i = 0; all && i < all->len; i++) {
        const KilnImage *other = all->pdata[i];
        if (g_strcmp0(other->source_digest, image->source_digest) == 0 && fits(op, other, platform))
            return kiln_image_lookup(op->store, other->id, NULL);
    }
    return NULL;
}

/* What an error about a base says of the one that the store has for another platform; "" if none. */
static char *other_platform(KilnOperation *op, const KilnImage *other)
{
    g_autoptr(KilnPlatform) has = other ? platform_of(op, other) : NULL;
    g_autofree char *text = has ? kiln_platform_text(has) : NULL;
    return text ? g_strdup_printf(" (the store has it for %s: to use that, say --platform=%s)", text, text)
                : g_strdup("");
}

/* What the store has by this name. *other: what it has for another platform. */
static KilnImage *find_stored(KilnOperation *op, const KilnReference *reference, const char *canonical,
                              const KilnPlatform *platform, KilnImage **other)
{
    KilnImage *image = reference->digest ? kiln_image_by_source(op->store, reference->digest)
                                         : kiln_image_lookup(op->store, canonical, NULL);
    if (!image || fits(op, image, platform))
        return image;
    *other = image;
    return sibling(op, image, platform);
}

static KilnImage *find_or_pull(const KilnBases *b, const char *name, const KilnPlatform *platform,
                               GError **error)
{
    KilnOperation *op = b->op;
    g_autoptr(KilnReference) reference = kiln_reference_parse(name, error);
    if (!reference)
        return NULL;
    g_autofree char *canonical = kiln_reference_canonical(reference);
    g_autoptr(KilnImage) other = NULL;
    g_autoptr(KilnImage) image = find_stored(op, reference, canonical, platform, &other);
    bool always = g_strcmp0(b->pull, "always") == 0 && !reference->digest;
    if (image && (!always || is_current(op, image, canonical, platform)))
        return g_steal_pointer(&image);
    g_autofree char *hint = other_platform(op, other);
    if (g_strcmp0(b->pull, "never") == 0) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "the base image %s is not in the store, and --pull=never forbids to fetch it: kiln "
                    "load or kiln import it%s",
                    canonical, hint);
        return NULL;
    }
    GError *failure = NULL;
    KilnImage *pulled = kiln_base_pull(op, canonical, platform, &failure);
    if (!pulled) {
        g_set_error(error, failure->domain, failure->code, "%s%s", failure->message, hint);
        g_error_free(failure);
    }
    return pulled;
}

static KilnImage *load_context(const KilnBases *b, const Context *c, const KilnPlatform *platform,
                               GError **error)
{
    g_autoptr(KilnPlatform) host = platform ? NULL : kiln_platform_host();
    g_autoptr(GPtrArray) loaded =
        kiln_load(b->op->store, c->path, c->tag, NULL, platform ? platform : host, NULL, error);
    if (!loaded)
        return NULL;
    if (loaded->len != 1) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "%s holds %u images%s%s; name one by its tag (oci-layout://PATH:TAG)", c->path,
                    loaded->len, c->tag ? " of tag " : "", c->tag ? c->tag : "");
        return NULL;
    }
    return kiln_image_lookup(b->op->store, ((KilnLoaded *)loaded->pdata[0])->id, error);
}

/* For an operation that only reads: what is not in the store stays unknown, and so does an archive. */
static KilnResolved *find_or_leave(const KilnBases *b, const Context *context, const char *name,
                                   const KilnPlatform *platform)
{
    KilnResolved *r = g_new0(KilnResolved, 1);
    g_autoptr(KilnReference) reference = context ? NULL : kiln_reference_parse(name, NULL);
    g_autoptr(KilnImage) image = NULL, other = NULL;
    if (reference && b->op->store) {
        g_autofree char *canonical = kiln_reference_canonical(reference);
        image = find_stored(b->op, reference, canonical, platform, &other);
    }
    r->config = image ? kiln_image_config(b->op->store, image->id, NULL) : NULL;
    r->image_id = r->config ? g_strdup(image->id) : NULL;
    r->unknown = !r->config;
    return r;
}

KilnResolved *kiln_base_resolve(const KilnBases *b, const char *name, const KilnPlatform *platform,
                                GError **error)
{
    const Context *context = find_context(b->contexts, name);
    if (kiln_cancel_check(b->op->cancel, error))
        return NULL;
    if (context && context->kind == CONTEXT_DIRECTORY) {
        KilnResolved *r = g_new0(KilnResolved, 1);
        r->directory = true;
        return r;
    }
    if (b->op->only_reads)
        return find_or_leave(b, context, name, platform);
    g_autoptr(KilnImage) image = context ? load_context(b, context, platform, error)
                                         : find_or_pull(b, name, platform, error);
    g_autoptr(KilnConfig) config = image ? kiln_image_config(b->op->store, image->id, error) : NULL;
    if (!config)
        return NULL;
    KilnResolved *r = g_new0(KilnResolved, 1);
    r->config = g_steal_pointer(&config);
    r->image_id = g_strdup(image->id);
    return r;
}

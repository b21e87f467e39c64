#include "builder/base.h"
#include "image/load.h"
#include "remote/reference.h"

#include <string.h>

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
    g_autofree char *max = g_strdup_printf("%" G_GUINT64_FORMAT, kiln_store_limits(op->store).size);
    const char *argv[] = {"pull",       "--platform", platform,  "--have", kiln_blob_directory(op->store),
                          "--max-blob", max,          canonical, dest,     NULL};
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

static bool is_damaged(KilnOperation *op, const KilnImage *image)
{
    for (guint i = 0; i < image->n_chain; i++)
        if (!kiln_layer_is_usable(op->store, image->chain[i]))
            return true;
    return false;
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
    bool never = g_strcmp0(b->pull, "never") == 0; /* then the step says what is wrong with it */
    bool damaged = image && !never && is_damaged(op, image);
    if (image && !damaged && (!always || is_current(op, image, canonical, platform)))
        return g_steal_pointer(&image);
    g_autofree char *hint = damaged ? g_strdup(" (what the store has of it is damaged: \"kiln fsck\" tells more)")
                                    : other_platform(op, other);
    if (never) {
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

static KilnImage *load_archive(const KilnBases *b, const KilnNamedContext *c, const KilnPlatform *platform,
                               GError **error)
{
    g_autoptr(KilnPlatform) host = platform ? NULL : kiln_platform_host();
    g_autoptr(GPtrArray) loaded =
        kiln_load(b->op->store, c->path, c->ref, NULL, platform ? platform : host, NULL, error);
    if (!loaded)
        return NULL;
    if (loaded->len != 1) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "%s holds %u images%s%s; name one by its tag or digest "
                    "(oci-layout://PATH:TAG, oci-layout://PATH@DIGEST)",
                    c->path, loaded->len, c->ref ? " of " : "", c->ref ? c->ref : "");
        return NULL;
    }
    return kiln_image_lookup(b->op->store, ((KilnLoaded *)loaded->pdata[0])->id, error);
}

/* For an operation that only reads: what is not in the store stays unknown, and so does an archive. */
static KilnResolved *find_or_leave(const KilnBases *b, const KilnNamedContext *named, const char *name,
                                   const KilnPlatform *platform)
{
    KilnResolved *r = g_new0(KilnResolved, 1);
    g_autoptr(KilnReference) reference = named && named->kind == KILN_NAMED_ARCHIVE
                                             ? NULL
                                             : kiln_reference_parse(named ? named->ref : name, NULL);
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

static KilnResolved *resolve_tree(const KilnBases *b, const KilnNamedContext *named, GError **error)
{
    bool must = !b->op->only_reads; /* what only reads looks at directories alone, and goes on without others */
    if (!kiln_contexts_load(b->contexts, b->op, b->fetch, named, must ? error : NULL) && must)
        return NULL;
    KilnResolved *r = g_new0(KilnResolved, 1);
    r->directory = true;
    return r;
}

static KilnResolved *resolve_image(const KilnBases *b, KilnImage *image, GError **error)
{
    g_autoptr(KilnConfig) config = image ? kiln_image_config(b->op->store, image->id, error) : NULL;
    if (!config)
        return NULL;
    KilnResolved *r = g_new0(KilnResolved, 1);
    r->config = g_steal_pointer(&config);
    r->image_id = g_strdup(image->id);
    return r;
}

KilnResolved *kiln_base_resolve(const KilnBases *b, const char *name, const KilnPlatform *platform,
                                GError **error)
{
    const KilnNamedContext *named = b->contexts ? kiln_contexts_find(b->contexts, name) : NULL;
    if (kiln_cancel_check(b->op->cancel, error))
        return NULL;
    if (named && named->kind == KILN_NAMED_TREE)
        return resolve_tree(b, named, error);
    if (b->op->only_reads)
        return find_or_leave(b, named, name, platform);
    g_autoptr(KilnImage) image =
        named && named->kind == KILN_NAMED_ARCHIVE
            ? load_archive(b, named, platform, error)
            : find_or_pull(b, named ? named->ref : name, platform, error);
    return resolve_image(b, image, error);
}

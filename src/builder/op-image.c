/* Operations on the images of the store: images, inspect, tag, rmi. */
#include "builder/operation.h"
#include "remote/reference.h"

#include <string.h>

static json_object *string_array(char *const *list)
{
    json_object *array = json_object_new_array();
    for (; list && *list; list++)
        json_object_array_add(array, json_object_new_string(*list));
    return array;
}

static guint64 image_size(KilnStore *store, const KilnImage *image)
{
    guint64 size = 0;
    for (guint i = 0; i < image->n_chain; i++) {
        g_autoptr(KilnManifest) m = kiln_layer_manifest(store, image->chain[i], NULL);
        if (m)
            size += kiln_manifest_size(m);
    }
    return size;
}

/* --- images ------------------------------------------------------------------------------------------- */

/* Docker's filter: "name" means all tags, "name:tag" one. */
static bool name_matches(const char *name, const char *filter)
{
    g_autoptr(KilnReference) have = kiln_reference_parse(name, NULL);
    g_autoptr(KilnReference) want = kiln_reference_parse(filter, NULL);
    if (!have || !want || strcmp(have->domain, want->domain) || strcmp(have->path, want->path))
        return false;
    const char *slash = strrchr(filter, '/');
    bool any_tag = !strchr(slash ? slash : filter, ':');
    return any_tag || g_strcmp0(have->tag, want->tag) == 0;
}

static bool listed(const KilnImage *image, const char *const *filters)
{
    if (!*filters)
        return true;
    for (; *filters; filters++)
        for (char *const *name = image->names; *name; name++)
            if (name_matches(*name, *filters))
                return true;
    return false;
}

static json_object *summary(KilnStore *store, const KilnImage *image)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "image_id", json_object_new_string(image->id));
    json_object_object_add(o, "names", string_array(image->names));
    json_object_object_add(o, "created", json_object_new_int64(image->created));
    json_object_object_add(o, "size", json_object_new_int64((gint64)image_size(store, image)));
    g_autoptr(KilnConfig) config = kiln_image_config(store, image->id, NULL);
    g_autoptr(KilnPlatform) platform = config ? kiln_config_platform(config) : NULL;
    g_autofree char *text = platform ? kiln_platform_text(platform) : NULL;
    json_object_object_add(o, "platform", text ? json_object_new_string(text) : NULL);
    return o;
}

json_object *kiln_operation_images(KilnOperation *op, GError **error)
{
    g_autoptr(GPtrArray) images = kiln_image_list(op->store, error);
    if (!images)
        return NULL;
    g_autofree const char **filters = kiln_request_list(op->request, "names");
    json_object *list = json_object_new_array();
    for (guint i = 0; i < images->len; i++)
        if (listed(images->pdata[i], filters))
            json_object_array_add(list, summary(op->store, images->pdata[i]));
    json_object *result = json_object_new_object();
    json_object_object_add(result, "images", list);
    return result;
}

/* --- inspect ------------------------------------------------------------------------------------------ */

static void move_field(json_object *to, const char *to_key, json_object *from, const char *from_key)
{
    json_object *value;
    if (json_object_object_get_ex(from, from_key, &value))
        json_object_object_add(to, to_key, json_object_get(value));
}

static json_object *familiar_names(char *const *names)
{
    json_object *array = json_object_new_array();
    for (; *names; names++) {
        g_autoptr(KilnReference) r = kiln_reference_parse(*names, NULL);
        g_autofree char *familiar = r ? kiln_reference_familiar(r) : g_strdup(*names);
        json_object_array_add(array, json_object_new_string(familiar));
    }
    return array;
}

/* The shape of `docker image inspect`, as far as it speaks of the image and not of a daemon. */
static json_object *description(KilnStore *store, const KilnImage *image, GError **error)
{
    g_autoptr(KilnConfig) config = kiln_image_config(store, image->id, error);
    if (!config)
        return NULL;
    json_object *document = kiln_config_json(config);
    json_object *o = json_object_new_object();
    json_object_object_add(o, "Id", json_object_new_string(image->id));
    json_object_object_add(o, "RepoTags", familiar_names(image->names));
    json_object *digests = json_object_new_array();
    if (image->source_digest && image->names[0]) {
        g_autoptr(KilnReference) r = kiln_reference_parse(image->names[0], NULL);
        if (r) {
            g_autofree char *text =
                g_strdup_printf("%s/%s@%s", r->domain, r->path, image->source_digest);
            json_object_array_add(digests, json_object_new_string(text));
        }
    }
    json_object_object_add(o, "RepoDigests", digests);
    move_field(o, "Created", document, "created");
    move_field(o, "Author", document, "author");
    move_field(o, "Config", document, "config");
    move_field(o, "Architecture", document, "architecture");
    move_field(o, "Variant", document, "variant");
    move_field(o, "Os", document, "os");
    json_object_object_add(o, "Size", json_object_new_int64((gint64)image_size(store, image)));
    json_object *rootfs = json_object_new_object();
    json_object_object_add(rootfs, "Type", json_object_new_string("layers"));
    g_auto(GStrv) diff_ids = kiln_config_diff_ids(config);
    json_object_object_add(rootfs, "Layers", string_array(diff_ids));
    json_object_object_add(o, "RootFS", rootfs);
    move_field(o, "History", document, "history");
    return o;
}

json_object *kiln_operation_inspect(KilnOperation *op, GError **error)
{
    g_autofree const char **names = kiln_request_list(op->request, "names");
    json_object *list = json_object_new_array();
    for (const char **name = names; *name; name++) {
        g_autoptr(KilnImage) image = kiln_find_image(op->store, *name, error);
        json_object *o = image ? description(op->store, image, error) : NULL;
        if (!o) {
            json_object_put(list);
            return NULL;
        }
        json_object_array_add(list, o);
    }
    json_object *result = json_object_new_object();
    json_object_object_add(result, "images", list);
    return result;
}

/* --- tag ---------------------------------------------------------------------------------------------- */

json_object *kiln_operation_tag(KilnOperation *op, GError **error)
{
    const char *source = kiln_request_text(op->request, "source");
    const char *name = kiln_request_text(op->request, "name");
    g_autoptr(KilnImage) image = kiln_find_image(op->store, source ? source : "", error);
    g_autofree char *canonical = image ? kiln_canonical_name(name ? name : "", error) : NULL;
    if (!canonical || !kiln_image_tag(op->store, image->id, canonical, error))
        return NULL;
    return json_object_new_object();
}

/* --- rmi ---------------------------------------------------------------------------------------------- */

/* Docker's rule: a name is taken off; the image goes with its last name; by ID it goes only if it has one
 * name at most, or with force. */
static bool remove_one(KilnOperation *op, const char *text, bool force, json_object *untagged,
                       json_object *deleted, GError **error)
{
    g_autoptr(KilnImage) image = kiln_find_image(op->store, text, error);
    if (!image)
        return false;
    g_autofree char *canonical = kiln_canonical_name(text, NULL);
    bool by_name = canonical && g_strv_contains((const char *const *)image->names, canonical);
    guint n_names = g_strv_length(image->names);
    if (!by_name && n_names > 1 && !force) {
        g_set_error(error, KILN_OPERATION_ERROR, 1,
                    "image %s has %u names; remove them one by one, or use --force", text, n_names);
        return false;
    }
    if (by_name && n_names > 1) {
        json_object_array_add(untagged, json_object_new_string(canonical));
        return kiln_image_untag(op->store, canonical, error);
    }
    for (char **name = image->names; *name; name++)
        json_object_array_add(untagged, json_object_new_string(*name));
    json_object_array_add(deleted, json_object_new_string(image->id));
    return kiln_image_remove(op->store, image->id, error);
}

json_object *kiln_operation_rmi(KilnOperation *op, GError **error)
{
    g_autofree const char **names = kiln_request_list(op->request, "names");
    bool force = kiln_request_flag(op->request, "force");
    json_object *untagged = json_object_new_array(), *deleted = json_object_new_array();
    json_object *result = json_object_new_object();
    json_object_object_add(result, "untagged", untagged);
    json_object_object_add(result, "deleted", deleted);
    for (const char **name = names; *name; name++)
        if (!remove_one(op, *name, force, untagged, deleted, error)) {
            json_object_put(result);
            return NULL;
        }
    return result;
}

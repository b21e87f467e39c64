/* Which images an OCI layout's index.json holds (image-spec image-index.md, manifest.md,
 * annotations.md). */
#include "image/document.h"
#include "image/layout.h"
#include "image/platform.h"

#include "remote/reference.h"
#include "tree/digest.h"

#include <string.h>

#define ANNOTATION_REF "org.opencontainers.image.ref.name"
#define ANNOTATION_NAME "io.containerd.image.name"
#define ANNOTATION_ATTESTATION "vnd.docker.reference.type"

enum { MAX_NESTING = 4, MAX_DESCRIPTORS = 4096 };

typedef enum {
    KIND_OTHER,
    KIND_INDEX,
    KIND_MANIFEST,
    KIND_UNKNOWN, /* the descriptor has no media type: look */
} Kind;

static Kind kind_of(const char *media_type)
{
    static const struct {
        const char *type;
        Kind kind;
    } kinds[] = {
        {"application/vnd.oci.image.index.v1+json", KIND_INDEX},
        {"application/vnd.docker.distribution.manifest.list.v2+json", KIND_INDEX},
        {"application/vnd.oci.image.manifest.v1+json", KIND_MANIFEST},
        {"application/vnd.docker.distribution.manifest.v2+json", KIND_MANIFEST},
    };
    for (gsize i = 0; media_type != NULL && i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(media_type, kinds[i].type) == 0)
            return kinds[i].kind;
    return media_type == NULL || *media_type == '\0' ? KIND_UNKNOWN : KIND_OTHER;
}

/* One manifest that may be chosen. */
typedef struct {
    char *group; /* manifests of one group are the same image for several platforms */
    char *digest;
    gint64 size;
    KilnPlatform *platform; /* NULL if the index does not say */
    GPtrArray *names;       /* borrowed strings of the top index */
} Candidate;

static void candidate_free(gpointer candidate)
{
    Candidate *c = candidate;
    g_free(c->group);
    g_free(c->digest);
    kiln_platform_free(c->platform);
    g_ptr_array_unref(c->names);
    g_free(c);
}

typedef struct {
    const KilnLayout *layout;
    const KilnPlatform *wanted;
    GPtrArray *candidates; /* Candidate* */
    guint seen;            /* descriptors */
    char *not_image;       /* what kind of thing was passed over */
} Select;

static bool format_error(GError **error, const char *text)
{
    g_set_error_literal(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, text);
    return false;
}

static KilnPlatform *platform_of(json_object *o)
{
    const char *os = kiln_document_string(o, "os"),
               *architecture = kiln_document_string(o, "architecture");
    return os != NULL && architecture != NULL
               ? kiln_platform_new(os, architecture, kiln_document_string(o, "variant"))
               : NULL;
}

/* BuildKit puts provenance and the like beside the images. */
static bool is_attestation(json_object *descriptor)
{
    const char *os = kiln_document_string(kiln_document_object(descriptor, "platform"), "os");
    return kiln_document_string(kiln_document_object(descriptor, "annotations"),
                                ANNOTATION_ATTESTATION) != NULL ||
           g_strcmp0(os, "unknown") == 0;
}

static json_object *read_document(Select *x, const char *digest, gint64 size, const char *what,
                                  GError **error)
{
    gsize length;
    g_autofree char *bytes = kiln_layout_read_blob(x->layout, digest, size, what, &length, error);
    return bytes != NULL ? kiln_document_parse(bytes, length, false, what, error) : NULL;
}

static bool collect(Select *x, json_object *index, const char *group, GPtrArray *names, guint depth,
                    GError **error);

static bool collect_one(Select *x, json_object *descriptor, const char *group, GPtrArray *names,
                        guint depth, GError **error)
{
    const char *digest = kiln_document_string(descriptor, "digest");
    gint64 size = kiln_document_number(descriptor, "size");
    if (digest == NULL)
        return format_error(error, "an index has a descriptor without a digest");
    if (++x->seen > MAX_DESCRIPTORS)
        return format_error(error, "its indexes have too many descriptors");
    if (is_attestation(descriptor))
        return true;
    Kind kind = kind_of(kiln_document_string(descriptor, "mediaType"));
    if (kind == KIND_OTHER) {
        g_free(x->not_image);
        x->not_image = g_strdup(kiln_document_string(descriptor, "mediaType"));
        return true;
    }
    if (kind != KIND_MANIFEST) {
        json_object *document = read_document(x, digest, size, "an image index", error);
        if (document == NULL)
            return false;
        bool index = kiln_document_array(document, "manifests") != NULL;
        bool ok = !index || collect(x, document, group, names, depth + 1, error);
        json_object_put(document);
        if (!ok || index)
            return ok;
    }
    Candidate *c = g_new0(Candidate, 1);
    c->group = g_strdup(group);
    c->digest = g_strdup(digest);
    c->size = size;
    c->platform = platform_of(kiln_document_object(descriptor, "platform"));
    c->names = g_ptr_array_ref(names);
    g_ptr_array_add(x->candidates, c);
    return true;
}

static bool collect(Select *x, json_object *index, const char *group, GPtrArray *names, guint depth,
                    GError **error)
{
    json_object *manifests = kiln_document_array(index, "manifests");
    if (manifests == NULL)
        return format_error(error, "an image index has no \"manifests\"");
    if (depth > MAX_NESTING)
        return format_error(error, "its indexes are nested too deeply");
    for (size_t i = 0; i < json_object_array_length(manifests); i++)
        if (!collect_one(x, json_object_array_get_idx(manifests, i), group, names, depth, error))
            return false;
    return true;
}

/* Whether an annotation or tag is what the caller asked for: as written, or as the same reference.
 */
static bool is_ref(const char *have, const char *ref)
{
    if (have == NULL)
        return false;
    if (strcmp(have, ref) == 0)
        return true;
    g_autoptr(KilnReference) a = kiln_reference_parse(have, NULL),
                             b = kiln_reference_parse(ref, NULL);
    if (a == NULL || b == NULL)
        return false;
    g_autofree char *x = kiln_reference_canonical(a), *y = kiln_reference_canonical(b);
    return strcmp(x, y) == 0;
}

/* One by its digest, which needs not be in index.json but in an index that is. */
static bool collect_digest(Select *x, const char *digest, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    json_object *descriptor = json_object_new_object();
    json_object_object_add(descriptor, "digest", json_object_new_string(digest));
    bool ok = collect_one(x, descriptor, "", names, 0, error);
    json_object_put(descriptor);
    return ok;
}

/* Descriptors of index.json. Those with the same name are one image for several platforms. */
static bool collect_top(Select *x, json_object *index, const char *ref, GError **error)
{
    json_object *manifests = kiln_document_array(index, "manifests");
    if (manifests == NULL)
        return format_error(error, "index.json has no \"manifests\"");
    if (ref != NULL && g_str_has_prefix(ref, KILN_DIGEST_PREFIX))
        return collect_digest(x, ref, error);
    g_autoptr(GString) there = g_string_new(NULL);
    for (size_t i = 0; i < json_object_array_length(manifests); i++) {
        json_object *descriptor = json_object_array_get_idx(manifests, i);
        json_object *annotations = kiln_document_object(descriptor, "annotations");
        const char *tag = kiln_document_string(annotations, ANNOTATION_REF);
        const char *name = kiln_document_string(annotations, ANNOTATION_NAME);
        if (ref != NULL && !is_ref(tag, ref) && !is_ref(name, ref)) {
            const char *label = name != NULL ? name : tag;
            if (label != NULL)
                g_string_append_printf(there, "%s%s", there->len > 0 ? ", " : "", label);
            continue;
        }
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        if (name != NULL)
            g_ptr_array_add(names, g_strdup(name));
        else if (tag != NULL && strpbrk(tag, ":/") != NULL) /* else a bare tag */
            g_ptr_array_add(names, g_strdup(tag));
        const char *group = name != NULL ? name : tag != NULL ? tag : "";
        if (!collect_one(x, descriptor, group, names, 0, error))
            return false;
    }
    if (x->candidates->len == 0 && ref != NULL && x->not_image == NULL) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND,
                    "it has no image \"%s\"; it has %s", ref,
                    there->len > 0 ? there->str : "no names at all");
        return false;
    }
    return true;
}

/* Reads a manifest's config for its platform, where the index does not say. */
static bool find_platform(Select *x, Candidate *c, GError **error)
{
    if (c->platform != NULL)
        return true;
    json_object *manifest = read_document(x, c->digest, c->size, "an image manifest", error);
    if (manifest == NULL)
        return false;
    json_object *descriptor = kiln_document_object(manifest, "config");
    const char *digest = kiln_document_string(descriptor, "digest");
    json_object *config = digest != NULL
                              ? read_document(x, digest, kiln_document_number(descriptor, "size"),
                                              "an image config", error)
                              : NULL;
    if (digest == NULL)
        format_error(error, "an image manifest has no config");
    if (config != NULL) {
        c->platform = platform_of(config);
        if (c->platform == NULL)
            c->platform = kiln_platform_new("unknown", "unknown", NULL);
    }
    json_object_put(config);
    json_object_put(manifest);
    return config != NULL;
}

/* Of the candidates of one group marks those to be loaded: the only one, or the best for the
 * platform. */
static bool choose(Select *x, GPtrArray *group, GPtrArray *chosen, GError **error)
{
    if (group->len == 1) {
        g_ptr_array_add(chosen, group->pdata[0]);
        return true;
    }
    int best = -1;
    g_autoptr(GString) there = g_string_new(NULL);
    for (guint i = 0; i < group->len; i++) {
        Candidate *c = group->pdata[i];
        if (!find_platform(x, c, error))
            return false;
        best = MAX(best, kiln_platform_match(x->wanted, c->platform));
        g_autofree char *text = kiln_platform_text(c->platform);
        g_string_append_printf(there, "%s%s", i > 0 ? ", " : "", text);
    }
    if (best < 0) {
        g_autofree char *text = kiln_platform_text(x->wanted);
        g_set_error(
            error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_PLATFORM,
            "there is no image for %s in it; there are images for %s (choose with --platform)",
            text, there->str);
        return false;
    }
    for (guint i = 0; i < group->len; i++) {
        Candidate *c = group->pdata[i];
        if (kiln_platform_match(x->wanted, c->platform) == best)
            g_ptr_array_add(chosen, c);
    }
    return true;
}

static bool is_image_config(const char *media_type)
{
    return media_type == NULL ||
           strcmp(media_type, "application/vnd.oci.image.config.v1+json") == 0 ||
           strcmp(media_type, "application/vnd.docker.container.image.v1+json") == 0;
}

static bool check_layer_type(const char *type, const char *digest, GError **error)
{
    static const char *const known[] = {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.container.image.rootfs.diff+x-gtar",
        NULL,
    };
    if (type == NULL || g_strv_contains(known, type))
        return true;
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                "the layer %s is of type %s, which kiln cannot unpack%s", digest, type,
                strstr(type, "foreign") != NULL || strstr(type, "nondistributable") != NULL
                    ? " (it is not distributed with the image)"
                : strstr(type, "encrypted") != NULL ? " (it is encrypted)"
                                                    : "");
    return false;
}

static bool read_layers(json_object *manifest, KilnLayoutImage *image, GError **error)
{
    json_object *layers = kiln_document_array(manifest, "layers");
    size_t n = layers != NULL ? json_object_array_length(layers) : 0;
    for (size_t i = 0; i < n; i++) {
        json_object *descriptor = json_object_array_get_idx(layers, i);
        const char *digest = kiln_document_string(descriptor, "digest");
        if (digest == NULL)
            return format_error(error, "an image manifest has a layer without a digest");
        if (!check_layer_type(kiln_document_string(descriptor, "mediaType"), digest, error))
            return false;
        KilnLayoutLayer *layer = g_new0(KilnLayoutLayer, 1);
        layer->digest = g_strdup(digest);
        layer->size = kiln_document_number(descriptor, "size");
        g_ptr_array_add(image->layers, layer);
    }
    return true;
}

/* The image of a manifest. NULL without an error if it is something else (a chart, a signature …).
 */
static KilnLayoutImage *read_manifest(Select *x, const Candidate *c, GError **error)
{
    json_object *manifest = read_document(x, c->digest, c->size, "an image manifest", error);
    if (manifest == NULL)
        return NULL;
    KilnLayoutImage *image = NULL;
    json_object *config = kiln_document_object(manifest, "config");
    const char *digest = kiln_document_string(config, "digest");
    const char *type = kiln_document_string(config, "mediaType");
    if (digest == NULL) {
        format_error(
            error,
            kiln_document_number(manifest, "schemaVersion") == 1
                ? "it is an image of Docker's schema 1, which nobody writes any more; push it anew "
                  "with a current Docker"
                : "an image manifest has no config");
    } else if (!is_image_config(type)) {
        g_free(x->not_image);
        x->not_image = g_strdup(type);
    } else {
        image = kiln_layout_image_new();
        image->config =
            kiln_layout_read_blob(x->layout, digest, kiln_document_number(config, "size"),
                                  "an image config", &image->config_size, error);
        if (image->config == NULL || !read_layers(manifest, image, error))
            g_clear_pointer(&image, kiln_layout_image_free);
    }
    json_object_put(manifest);
    return image;
}

/* Reads what was chosen; the same manifest under several names is one image. */
static GPtrArray *read_chosen(Select *x, GPtrArray *chosen, GError **error)
{
    g_autoptr(GPtrArray) images =
        g_ptr_array_new_with_free_func((GDestroyNotify)kiln_layout_image_free);
    g_autoptr(GHashTable) by_digest = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < chosen->len; i++) {
        const Candidate *c = chosen->pdata[i];
        KilnLayoutImage *image = g_hash_table_lookup(by_digest, c->digest);
        if (image == NULL) {
            g_autoptr(GError) failed = NULL;
            image = read_manifest(x, c, &failed);
            if (failed != NULL) {
                g_propagate_error(error, g_steal_pointer(&failed));
                return NULL;
            }
            if (image == NULL)
                continue;
            if (!kiln_layout_images_add(images, image, error))
                return NULL;
            g_hash_table_insert(by_digest, c->digest, image);
        }
        for (guint n = 0; n < c->names->len; n++)
            kiln_layout_image_add_name(image, c->names->pdata[n]);
    }
    if (images->len == 0) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "there is no image in it%s%s",
                    x->not_image != NULL ? ", but a " : "",
                    x->not_image != NULL ? x->not_image : "");
        return NULL;
    }
    return g_steal_pointer(&images);
}

static GPtrArray *select_images(Select *x, json_object *index, const char *ref, GError **error)
{
    if (!collect_top(x, index, ref, error))
        return NULL;
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < x->candidates->len; i++) {
        Candidate *c = x->candidates->pdata[i];
        GPtrArray *group = g_hash_table_lookup(by_name, c->group);
        if (group == NULL) {
            group = g_ptr_array_new();
            g_ptr_array_add(groups, group);
            g_hash_table_insert(by_name, c->group, group);
        }
        g_ptr_array_add(group, c);
    }
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    for (guint i = 0; i < groups->len; i++)
        if (!choose(x, groups->pdata[i], chosen, error))
            return NULL;
    return read_chosen(x, chosen, error);
}

GPtrArray *kiln_layout_oci_images(const KilnLayout *l, const char *ref,
                                  const KilnPlatform *platform, GError **error)
{
    gsize size;
    g_autofree char *bytes = kiln_layout_read_file(l, "index.json", &size, error);
    json_object *index =
        bytes != NULL ? kiln_document_parse(bytes, size, false, "index.json", error) : NULL;
    if (index == NULL)
        return NULL;
    g_autoptr(KilnPlatform) host = platform == NULL ? kiln_platform_host() : NULL;
    Select x = {.layout = l, .wanted = platform != NULL ? platform : host};
    x.candidates = g_ptr_array_new_with_free_func(candidate_free);
    GPtrArray *images = select_images(&x, index, ref, error);
    g_ptr_array_unref(x.candidates);
    g_free(x.not_image);
    json_object_put(index);
    return images;
}

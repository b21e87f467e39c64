/* Which images a docker-archive's manifest.json holds (moby/moby, image/spec: "Combined Image JSON
 * + Filesystem Changeset Format"). */
#include "image/document.h"
#include "image/layout.h"

#include "remote/reference.h"
#include "tree/digest.h"

#include <string.h>

static bool format_error(GError **error, const char *text)
{
    g_set_error_literal(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, text);
    return false;
}

/* The digest that a file's name promises ("HEX", "HEX.json", "blobs/sha256/HEX"), or NULL. */
static char *promised_digest(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    char *dot = strchr(name, '.');
    if (dot != NULL)
        *dot = '\0';
    g_autofree char *digest = g_strconcat(KILN_DIGEST_PREFIX, name, NULL);
    uint8_t bytes[KILN_SHA256_SIZE];
    return kiln_digest_parse(digest, bytes) ? g_steal_pointer(&digest) : NULL;
}

static bool matches(char *const *tags, const char *ref)
{
    g_autoptr(KilnReference) wanted = kiln_reference_parse(ref, NULL);
    g_autofree char *canonical = wanted != NULL ? kiln_reference_canonical(wanted) : NULL;
    for (; tags != NULL && *tags != NULL; tags++) {
        g_autoptr(KilnReference) have = kiln_reference_parse(*tags, NULL);
        g_autofree char *name = have != NULL ? kiln_reference_canonical(have) : NULL;
        if (strcmp(*tags, ref) == 0 || (name != NULL && g_strcmp0(name, canonical) == 0) ||
            (have != NULL && g_strcmp0(have->tag, ref) == 0))
            return true;
    }
    return false;
}

static KilnLayoutImage *read_image(const KilnLayout *l, json_object *entry, GError **error)
{
    const char *path = kiln_document_string(entry, "Config");
    if (path == NULL) {
        format_error(error, "manifest.json has an image without \"Config\"");
        return NULL;
    }
    g_autoptr(KilnLayoutImage) image = kiln_layout_image_new();
    image->config = kiln_layout_read_file(l, path, &image->config_size, error);
    if (image->config == NULL)
        return NULL;
    g_autofree char *promised = promised_digest(path);
    g_autofree char *real = kiln_digest_of_bytes(image->config, image->config_size);
    if (promised != NULL && strcmp(promised, real) != 0) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST,
                    "the image config %s is damaged: its digest is %s", path, real);
        return NULL;
    }
    g_auto(GStrv) layers = kiln_document_strings(entry, "Layers");
    for (char **p = layers; p != NULL && *p != NULL; p++) {
        KilnLayoutLayer *layer = g_new0(KilnLayoutLayer, 1);
        layer->path = g_strdup(*p);
        /* HEX.tar and HEX/layer.tar are named after other things than the file's digest */
        layer->digest = g_str_has_prefix(*p, "blobs/sha256/") ? promised_digest(*p) : NULL;
        layer->size = -1;
        g_ptr_array_add(image->layers, layer);
    }
    g_auto(GStrv) tags = kiln_document_strings(entry, "RepoTags");
    for (char **p = tags; p != NULL && *p != NULL; p++)
        kiln_layout_image_add_name(image, *p);
    return g_steal_pointer(&image);
}

static GPtrArray *read_images(const KilnLayout *l, json_object *top, const char *ref,
                              GError **error)
{
    g_autoptr(GPtrArray) images =
        g_ptr_array_new_with_free_func((GDestroyNotify)kiln_layout_image_free);
    for (size_t i = 0; i < json_object_array_length(top); i++) {
        json_object *entry = json_object_array_get_idx(top, i);
        g_auto(GStrv) tags = kiln_document_strings(entry, "RepoTags");
        if (ref != NULL && !matches(tags, ref))
            continue;
        KilnLayoutImage *image = read_image(l, entry, error);
        if (image == NULL || !kiln_layout_images_add(images, image, error))
            return NULL;
    }
    if (images->len == 0) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND, "it has no image%s%s",
                    ref != NULL ? " named " : "", ref != NULL ? ref : "");
        return NULL;
    }
    return g_steal_pointer(&images);
}

GPtrArray *kiln_layout_docker_images(const KilnLayout *l, const char *ref, GError **error)
{
    gsize size;
    g_autofree char *bytes = kiln_layout_read_file(l, "manifest.json", &size, error);
    json_object *top =
        bytes != NULL ? kiln_document_parse(bytes, size, true, "manifest.json", error) : NULL;
    if (top == NULL)
        return NULL;
    GPtrArray *images = read_images(l, top, ref, error);
    json_object_put(top);
    return images;
}

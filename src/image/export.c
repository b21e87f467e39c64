/* Images as an archive: image-spec 1.1 image-layout.md, or as `docker save` writes them. */
#include "image/export.h"

#include "image/archive.h"
#include "image/document.h"
#include "image/platform.h"
#include "remote/reference.h"
#include "tree/digest.h"

#include <string.h>
#include <unistd.h>

#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_CONFIG "application/vnd.oci.image.config.v1+json"

/* An image with all that a manifest needs. */
typedef struct {
    KilnImage *image;
    KilnConfig *config;
    char *config_bytes;
    gsize config_size;
    char **diff_ids;
    KilnLayerBlob *blobs; /* one a layer */
} Source;

static void source_free(gpointer source)
{
    Source *o = source;
    for (guint i = 0; o->blobs != NULL && i < o->image->n_chain; i++)
        kiln_layer_blob_clear(&o->blobs[i]);
    g_free(o->blobs);
    g_strfreev(o->diff_ids);
    g_free(o->config_bytes);
    kiln_config_free(o->config);
    kiln_image_free(o->image);
    g_free(o);
}

static char *read_config(KilnStore *s, const char *id, gsize *size, GError **error)
{
    guint64 length;
    int fd = kiln_blob_open(s, id, &length, error);
    if (fd < 0)
        return NULL;
    g_autofree char *bytes = g_malloc(length + 1);
    gsize n = 0;
    ssize_t part = 1;
    while (n < length && (part = read(fd, bytes + n, length - n)) > 0)
        n += (gsize)part;
    close(fd);
    g_autofree char *digest = kiln_digest_of_bytes(bytes, n);
    if (n != length || strcmp(digest, id) != 0) {
        g_set_error(
            error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
            "the config blob %s in the store %s is damaged; load, pull or build the image again",
            id, kiln_store_root(s));
        return NULL;
    }
    bytes[n] = '\0';
    *size = n;
    return g_steal_pointer(&bytes);
}

/* The blob that carries a layer of the image, made now if there is none. */
static bool find_blob(KilnStore *s, gint64 layer, const char *diff_id, KilnLayerBlob *blob,
                      GError **error)
{
    if (kiln_layer_blob_lookup(s, diff_id, blob))
        return true;
    gint64 clamp = -1;
    kiln_layer_tar_clamp(s, layer, diff_id, &clamp);
    g_autofree char *made = kiln_layer_digest(s, layer, clamp, blob, error);
    if (made == NULL)
        return false;
    if (strcmp(made, diff_id) == 0)
        return true;
    kiln_layer_blob_clear(blob);
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                "the layer %s is not in the store %s any more; load, pull or build the image again",
                diff_id, kiln_store_root(s));
    return false;
}

static KilnImage *image_of(const KilnExport *e)
{
    KilnImage *image = g_new0(KilnImage, 1);
    image->id = g_strdup(e->image_id);
    image->names = g_new0(char *, 1);
    image->chain = g_memdup2(e->chain, e->n_chain * sizeof *e->chain);
    image->n_chain = e->n_chain;
    return image;
}

static Source *open_source(KilnStore *s, const KilnExport *e, GError **error)
{
    const char *id = e->image_id;
    Source *o = g_new0(Source, 1);
    o->image = e->config != NULL ? image_of(e) : kiln_image_lookup(s, id, error);
    if (o->image == NULL) {
        g_free(o);
        return NULL;
    }
    if (e->config != NULL) {
        o->config_bytes = g_strndup(e->config, e->config_size);
        o->config_size = e->config_size;
    } else {
        o->config_bytes = read_config(s, o->image->id, &o->config_size, error);
    }
    o->config =
        o->config_bytes != NULL ? kiln_config_parse(o->config_bytes, o->config_size, error) : NULL;
    bool ok = o->config != NULL;
    if (ok) {
        o->diff_ids = kiln_config_diff_ids(o->config);
        o->blobs = g_new0(KilnLayerBlob, o->image->n_chain + 1);
        ok = g_strv_length(o->diff_ids) == o->image->n_chain;
        if (!ok)
            g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                        "the image %s has %u layers in the store and %u in its config", id,
                        o->image->n_chain, g_strv_length(o->diff_ids));
    }
    if (!ok)
        g_clear_pointer(&o, source_free);
    return o;
}

static json_object *new_descriptor(const char *media_type, const char *digest, guint64 size)
{
    json_object *d = json_object_new_object();
    json_object_object_add(d, "mediaType", json_object_new_string(media_type));
    json_object_object_add(d, "digest", json_object_new_string(digest));
    json_object_object_add(d, "size", json_object_new_int64((gint64)size));
    return d;
}

static char *manifest_bytes(const Source *o, gsize *size)
{
    json_object *m = json_object_new_object(), *layers = json_object_new_array();
    json_object_object_add(m, "schemaVersion", json_object_new_int(2));
    json_object_object_add(m, "mediaType", json_object_new_string(TYPE_MANIFEST));
    json_object_object_add(m, "config", new_descriptor(TYPE_CONFIG, o->image->id, o->config_size));
    for (guint i = 0; i < o->image->n_chain; i++)
        json_object_array_add(
            layers, new_descriptor(o->blobs[i].media_type, o->blobs[i].digest, o->blobs[i].size));
    json_object_object_add(m, "layers", layers);
    char *bytes = kiln_document_dump(m, false, size);
    json_object_put(m);
    return bytes;
}

static json_object *platform_json(const KilnConfig *config)
{
    g_autoptr(KilnPlatform) p = kiln_config_platform(config);
    json_object *o = json_object_new_object();
    json_object_object_add(o, "architecture", json_object_new_string(p->architecture));
    json_object_object_add(o, "os", json_object_new_string(p->os));
    if (p->variant != NULL)
        json_object_object_add(o, "variant", json_object_new_string(p->variant));
    return o;
}

/* One descriptor for index.json; name may be NULL. */
static json_object *index_entry(const Source *o, const char *digest, gsize size, const char *name)
{
    json_object *d = new_descriptor(TYPE_MANIFEST, digest, size);
    g_autoptr(KilnReference) r = name != NULL ? kiln_reference_parse(name, NULL) : NULL;
    if (r != NULL) {
        json_object *annotations = json_object_new_object();
        json_object_object_add(annotations, "io.containerd.image.name",
                               json_object_new_string(name));
        if (r->tag != NULL)
            json_object_object_add(annotations, "org.opencontainers.image.ref.name",
                                   json_object_new_string(r->tag));
        json_object_object_add(d, "annotations", annotations);
    }
    json_object_object_add(d, "platform", platform_json(o->config));
    return d;
}

static char *blob_path(const char *digest)
{
    return g_strconcat("blobs/sha256/", digest + strlen(KILN_DIGEST_PREFIX), NULL);
}

/* Puts the image's blobs on the list and its descriptors into the index. */
static bool add_oci(KilnStore *s, KilnArchive *a, const Source *o, char *const *names,
                    json_object *manifests, char **digest, GError **error)
{
    for (guint i = 0; i < o->image->n_chain; i++) {
        if (!find_blob(s, o->image->chain[i], o->diff_ids[i], &o->blobs[i], error))
            return false;
        g_autofree char *path = blob_path(o->blobs[i].digest);
        kiln_archive_add_blob(a, path, o->blobs[i].digest);
    }
    g_autofree char *config_path = blob_path(o->image->id);
    kiln_archive_add_bytes(a, config_path, o->config_bytes, o->config_size);
    gsize size;
    g_autofree char *manifest = manifest_bytes(o, &size);
    *digest = kiln_digest_of_bytes(manifest, size);
    g_autofree char *manifest_path = blob_path(*digest);
    kiln_archive_add_bytes(a, manifest_path, manifest, size);
    if (names == NULL || *names == NULL)
        json_object_array_add(manifests, index_entry(o, *digest, size, NULL));
    for (; names != NULL && *names != NULL; names++)
        json_object_array_add(manifests, index_entry(o, *digest, size, *names));
    return true;
}

/* The same for a docker-archive, with the layers uncompressed. */
static bool add_docker(KilnStore *s, KilnArchive *a, const Source *o, char *const *names,
                       json_object *manifests, char **digest, GError **error)
{
    json_object *entry = json_object_new_object(), *tags = json_object_new_array(),
                *layers = json_object_new_array();
    g_autofree char *config_path =
        g_strconcat(o->image->id + strlen(KILN_DIGEST_PREFIX), ".json", NULL);
    kiln_archive_add_bytes(a, config_path, o->config_bytes, o->config_size);
    json_object_object_add(entry, "Config", json_object_new_string(config_path));
    for (; names != NULL && *names != NULL; names++) {
        g_autoptr(KilnReference) r = kiln_reference_parse(*names, NULL);
        g_autofree char *name = r != NULL ? kiln_reference_familiar(r) : g_strdup(*names);
        json_object_array_add(tags, json_object_new_string(name));
    }
    json_object_object_add(entry, "RepoTags", tags);
    json_object_object_add(entry, "Layers", layers);
    json_object_array_add(manifests, entry);
    for (guint i = 0; i < o->image->n_chain; i++) {
        if (!find_blob(s, o->image->chain[i], o->diff_ids[i], &o->blobs[i], error))
            return false;
        g_autofree char *path =
            g_strconcat(o->diff_ids[i] + strlen(KILN_DIGEST_PREFIX), ".tar", NULL);
        kiln_archive_add_content(a, path, o->blobs[i].digest, o->diff_ids[i]);
        json_object_array_add(layers, json_object_new_string(path));
    }
    *digest = g_strdup(o->image->id);
    return true;
}

static void add_document(KilnArchive *a, const char *path, json_object *o)
{
    gsize size;
    g_autofree char *bytes = kiln_document_dump(o, false, &size);
    kiln_archive_add_bytes(a, path, bytes, size);
}

static bool add_images(KilnStore *s, KilnArchive *a, const KilnExport *images, guint n, bool docker,
                       json_object *manifests, char **digest, GError **error)
{
    for (guint i = 0; i < n; i++) {
        Source *o = open_source(s, &images[i], error);
        g_autofree char *its = NULL;
        bool ok = o != NULL &&
                  (docker ? add_docker : add_oci)(s, a, o, images[i].names, manifests, &its, error);
        g_clear_pointer(&o, source_free);
        if (!ok)
            return false;
        if (i == 0 && digest != NULL)
            *digest = g_steal_pointer(&its);
    }
    return true;
}

bool kiln_export(KilnStore *s, const KilnExport *images, guint n, bool docker, int fd,
                 char **digest, GError **error)
{
    g_autoptr(KilnArchive) a = kiln_archive_new(s);
    g_autofree char *first = NULL;
    json_object *manifests = json_object_new_array();
    bool ok = add_images(s, a, images, n, docker, manifests, &first, error);
    if (ok && docker) {
        add_document(a, "manifest.json", manifests);
    } else if (ok) {
        json_object *index = json_object_new_object();
        json_object_object_add(index, "schemaVersion", json_object_new_int(2));
        json_object_object_add(index, "mediaType", json_object_new_string(TYPE_INDEX));
        json_object_object_add(index, "manifests", json_object_get(manifests));
        add_document(a, "index.json", index);
        json_object_put(index);
        static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
        kiln_archive_add_bytes(a, "oci-layout", layout, strlen(layout));
        kiln_archive_add_directory(a, "blobs");
        kiln_archive_add_directory(a, "blobs/sha256");
    }
    json_object_put(manifests);
    if (!ok || !kiln_archive_write(a, fd, error))
        return false;
    if (digest != NULL)
        *digest = g_steal_pointer(&first);
    return true;
}

#include "remote/manifest.h"

#include <string.h>

#include "remote/digest.h"
#include "remote/error.h"
#include "remote/json.h"

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

/* octet-stream: what Docker 1.10 pushed as the type of a config, and Docker Hub still holds. */
static const char *const config_types[] = {"application/vnd.oci.image.config.v1+json",
                                           DOCKER_CONFIG, "application/octet-stream", NULL};

RemoteDescriptor *remote_descriptor_new(const char *media_type, const char *digest, gint64 size)
{
    RemoteDescriptor *d = g_new0(RemoteDescriptor, 1);
    d->media_type = g_strdup(media_type);
    d->digest = g_strdup(digest);
    d->size = size;
    return d;
}

void remote_descriptor_free(RemoteDescriptor *d)
{
    g_free(d->media_type);
    g_free(d->digest);
    g_clear_pointer(&d->platform, remote_platform_free);
    g_free(d);
}

void remote_manifest_free(RemoteManifest *m)
{
    g_clear_pointer(&m->self, remote_descriptor_free);
    g_clear_pointer(&m->bytes, g_bytes_unref);
    g_clear_pointer(&m->manifests, g_ptr_array_unref);
    g_clear_pointer(&m->config, remote_descriptor_free);
    g_clear_pointer(&m->layers, g_ptr_array_unref);
    g_free(m);
}

static bool malformed(GError **error, const char *name, const char *why)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT, "the manifest of %s is malformed: %s",
                name, why);
    return false;
}

static RemoteDescriptor *descriptor_parse(json_object *json, const char *name, GError **error)
{
    const char *digest = remote_json_string(json, "digest");
    const char *media_type = remote_json_string(json, "mediaType");
    json_object *size = NULL;
    if (!digest || !json_object_object_get_ex(json, "size", &size) ||
        !json_object_is_type(size, json_type_int) || json_object_get_int64(size) < 0) {
        malformed(error, name, "a descriptor has no digest or no size");
        return NULL;
    }
    if (!remote_digest_check(digest, error)) {
        g_prefix_error(error, "the manifest of %s is malformed: ", name);
        return NULL;
    }
    RemoteDescriptor *d =
        remote_descriptor_new(media_type ? media_type : "", digest, json_object_get_int64(size));
    json_object *platform = remote_json_object(json, "platform");
    const char *os = remote_json_string(platform, "os");
    const char *architecture = remote_json_string(platform, "architecture");
    if (os && architecture) {
        d->platform =
            remote_platform_new(os, architecture, remote_json_string(platform, "variant"));
    }
    json_object *annotations = remote_json_object(json, "annotations");
    d->attestation = remote_json_string(annotations, "vnd.docker.reference.type") ||
                     (g_strcmp0(os, "unknown") == 0 && g_strcmp0(architecture, "unknown") == 0);
    return d;
}

static GPtrArray *descriptors_parse(json_object *array, const char *name, GError **error)
{
    g_autoptr(GPtrArray) all =
        g_ptr_array_new_with_free_func((GDestroyNotify)remote_descriptor_free);
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *entry = json_object_array_get_idx(array, i);
        RemoteDescriptor *d = descriptor_parse(entry, name, error);
        if (!d) {
            return NULL;
        }
        g_ptr_array_add(all, d);
    }
    return g_steal_pointer(&all);
}

bool remote_media_type_is_schema1(const char *media_type, const char *name, GError **error)
{
    if (!media_type ||
        !g_str_has_prefix(media_type, "application/vnd.docker.distribution.manifest.v1+")) {
        return false;
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                "%s is stored as a Docker schema 1 image, a format given up in 2016 that kiln does "
                "not read; have it pushed again with a current tool",
                name);
    return true;
}

/* The type of a document: what it says itself, else what HTTP says, else what it looks like. */
static char *decide_type(json_object *root, const char *content_type, const char *name,
                         GError **error)
{
    const char *own = remote_json_string(root, "mediaType");
    g_autofree char *sent = NULL;
    if (content_type) {
        sent = g_strndup(content_type, strcspn(content_type, ";"));
        g_strstrip(sent);
        /* Generic types, such as a plain web server sends, say nothing. */
        if (!g_str_has_prefix(sent, "application/vnd.")) {
            g_clear_pointer(&sent, g_free);
        }
    }
    json_object *version = NULL;
    bool first_schema = json_object_object_get_ex(root, "schemaVersion", &version) &&
                        json_object_get_int(version) == 1;
    if (remote_media_type_is_schema1(
            first_schema ? "application/vnd.docker.distribution.manifest.v1+json" : sent, name,
            error)) {
        return NULL;
    }
    if (own && sent && strcmp(own, sent) != 0) {
        malformed(error, name, "it calls itself another type than the registry does");
        return NULL;
    }
    if (own || sent) {
        return g_strdup(own ? own : sent);
    }
    if (remote_json_array(root, "manifests")) {
        return g_strdup(OCI_INDEX);
    }
    const char *config = remote_json_string(remote_json_object(root, "config"), "mediaType");
    return g_strdup(g_strcmp0(config, DOCKER_CONFIG) == 0 ? DOCKER_MANIFEST : OCI_MANIFEST);
}

static bool parse_image(RemoteManifest *m, json_object *root, const char *name, GError **error)
{
    json_object *config = remote_json_object(root, "config");
    json_object *layers = remote_json_array(root, "layers");
    if (!config || !layers) {
        return malformed(error, name, "it has no config or no layers");
    }
    m->config = descriptor_parse(config, name, error);
    if (!m->config || !(m->layers = descriptors_parse(layers, name, error))) {
        return false;
    }
    if (!g_strv_contains(config_types, m->config->media_type)) {
        const char *artifact = remote_json_string(root, "artifactType");
        g_autofree char *type = remote_printable(artifact ? artifact : m->config->media_type, 100);
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s is not a container image but an artifact of type '%s'", name, type);
        return false;
    }
    if (m->config->size > REMOTE_CONFIG_MAX) {
        return malformed(error, name, "its config is larger than 8 MiB");
    }
    return true;
}

RemoteManifest *remote_manifest_parse(GBytes *bytes, const char *content_type, const char *name,
                                      GError **error)
{
    gsize size = 0;
    const char *text = g_bytes_get_data(bytes, &size);
    g_autofree char *what = g_strdup_printf("the manifest of %s", name);
    g_autoptr(json_object) root = remote_json_parse(text, size, what, error);
    if (!root) {
        return NULL;
    }
    g_autofree char *type = decide_type(root, content_type, name, error);
    if (!type) {
        return NULL;
    }
    json_object *manifests = remote_json_array(root, "manifests");
    if (manifests && (json_object_object_get_ex(root, "layers", NULL) ||
                      json_object_object_get_ex(root, "config", NULL))) {
        malformed(error, name, "it is an index and an image at once");
        return NULL;
    }

    g_autoptr(RemoteManifest) m = g_new0(RemoteManifest, 1);
    g_autofree char *digest = remote_digest_of(text, size);
    m->self = remote_descriptor_new(type, digest, (gint64)size);
    m->bytes = g_bytes_ref(bytes);
    if (strcmp(type, OCI_INDEX) == 0 || strcmp(type, DOCKER_LIST) == 0) {
        if (!manifests) {
            malformed(error, name, "an index without a list of manifests");
            return NULL;
        }
        m->manifests = descriptors_parse(manifests, name, error);
        return m->manifests ? g_steal_pointer(&m) : NULL;
    }
    if (strcmp(type, OCI_MANIFEST) == 0 || strcmp(type, DOCKER_MANIFEST) == 0) {
        return parse_image(m, root, name, error) ? g_steal_pointer(&m) : NULL;
    }
    g_autofree char *shown = remote_printable(type, 100);
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                "%s is of a type that kiln does not know: '%s'", name, shown);
    return NULL;
}

/* "linux/amd64, linux/arm64", for an error. */
static char *offered_platforms(const RemoteManifest *index)
{
    enum { SHOWN = 24 };
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < index->manifests->len && names->len < SHOWN; i++) {
        const RemoteDescriptor *d = index->manifests->pdata[i];
        if (d->platform && !d->attestation) {
            g_autofree char *text = remote_platform_text(d->platform);
            char *shown = remote_printable(text, 40);
            if (g_ptr_array_find_with_equal_func(names, shown, g_str_equal, NULL)) {
                g_free(shown);
            } else {
                g_ptr_array_add(names, shown);
            }
        }
    }
    g_ptr_array_add(names, NULL);
    return names->len > 1 ? g_strjoinv(", ", (char **)names->pdata)
                          : g_strdup("no platform at all");
}

const RemoteDescriptor *remote_manifest_choose(const RemoteManifest *index,
                                               const RemotePlatform *wanted, const char *name,
                                               GError **error)
{
    const RemoteDescriptor *best = NULL;
    const RemoteDescriptor *only = NULL;
    int best_rank = G_MAXINT;
    guint images = 0;
    for (guint i = 0; i < index->manifests->len; i++) {
        const RemoteDescriptor *d = index->manifests->pdata[i];
        if (d->attestation) {
            continue;
        }
        images++;
        if (!d->platform) {
            only = d;
            continue;
        }
        int rank = remote_platform_rank(wanted, d->platform);
        if (rank >= 0 && rank < best_rank) {
            best = d;
            best_rank = rank;
        }
    }
    if (!best && images == 1) {
        best = only;
    }
    if (!best) {
        g_autofree char *asked = remote_platform_text(wanted);
        g_autofree char *offered = offered_platforms(index);
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_PLATFORM,
                    "%s has no image for %s; it offers %s. Choose one with --platform", name, asked,
                    offered);
    }
    return best;
}

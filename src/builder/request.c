/* Reading a request, and finding what it names. */
#include "builder/operation.h"
#include "remote/reference.h"

#include <string.h>
#include <unistd.h>

const char *kiln_request_text(json_object *request, const char *key)
{
    json_object *value;
    if (!json_object_object_get_ex(request, key, &value) || !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

bool kiln_request_flag(json_object *request, const char *key)
{
    return g_strcmp0(kiln_request_text(request, key), "true") == 0;
}

const char **kiln_request_list(json_object *request, const char *key)
{
    json_object *value;
    bool there =
        json_object_object_get_ex(request, key, &value) && json_object_is_type(value, json_type_array);
    size_t n = there ? json_object_array_length(value) : 0;
    const char **list = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        list[i] = json_object_get_string(json_object_array_get_idx(value, i));
    return list;
}

bool kiln_request_platform(json_object *request, KilnPlatform **out, GError **error)
{
    const char *text = kiln_request_text(request, "platform");
    *out = text && *text ? kiln_platform_parse(text, error) : NULL;
    return *out || !text || !*text;
}

char *kiln_canonical_name(const char *text, GError **error)
{
    g_autoptr(KilnReference) reference = kiln_reference_parse(text, error);
    return reference ? kiln_reference_canonical(reference) : NULL;
}

KilnImage *kiln_find_image(KilnStore *store, const char *text, GError **error)
{
    g_autofree char *name = kiln_canonical_name(text, NULL);
    KilnImage *image = name ? kiln_image_lookup(store, name, NULL) : NULL;
    if (image)
        return image;
    g_autoptr(GError) local = NULL;
    image = kiln_image_lookup(store, text, &local);
    if (!image && g_error_matches(local, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND))
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "no image \"%s\" in the store; kiln images lists what there is", text);
    else if (!image)
        g_propagate_error(error, g_steal_pointer(&local));
    return image;
}

KilnConfig *kiln_image_config(KilnStore *store, const char *image_id, GError **error)
{
    guint64 size;
    int fd = kiln_blob_open(store, image_id, &size, error);
    if (fd < 0)
        return NULL;
    g_autofree char *bytes = g_malloc(size + 1);
    guint64 got = 0;
    ssize_t n;
    while (got < size && (n = read(fd, bytes + got, size - got)) > 0)
        got += (guint64)n;
    close(fd);
    return kiln_config_parse(bytes, got, error);
}

/* Operations that bring images in or out: import, load, pull, save. */
#include "builder/base.h"
#include "builder/output.h"
#include "image/load.h"
#include "plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static json_object *strings(const char *only)
{
    json_object *array = json_object_new_array();
    if (only)
        json_object_array_add(array, json_object_new_string(only));
    return array;
}

static json_object *one_image(const char *id, const char *name)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "image_id", json_object_new_string(id));
    json_object_object_add(o, "names", strings(name));
    return o;
}

/* --- import ------------------------------------------------------------------------------------------- */

static KilnConfig *changed_config(json_object *request, GError **error)
{
    g_autoptr(KilnPlatform) platform = NULL;
    if (!kiln_request_platform(request, &platform, error))
        return NULL;
    if (!platform)
        platform = kiln_platform_host();
    g_autoptr(KilnConfig) config = kiln_config_new(platform);
    kiln_config_set_string(config, "WorkingDir", NULL); /* docker import sets none */
    g_autofree const char **changes = kiln_request_list(request, "changes");
    for (const char **c = changes; *c; c++)
        if (!kiln_config_change(config, *c, error))
            return NULL;
    return g_steal_pointer(&config);
}

json_object *kiln_operation_import(KilnOperation *op, GError **error)
{
    const char *path = kiln_request_text(op->request, "path");
    const char *name = kiln_request_text(op->request, "name");
    g_autofree char *canonical = name ? kiln_canonical_name(name, error) : NULL;
    if (!path || (name && !canonical))
        return NULL;
    g_autoptr(KilnConfig) config = changed_config(op->request, error);
    if (!config)
        return NULL;
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, KILN_OPERATION_ERROR, 1, "opening %s: %s", path, g_strerror(errno));
        return NULL;
    }
    g_autofree char *id = kiln_import(op->store, fd, canonical, kiln_request_text(op->request, "message"),
                                      config, error);
    close(fd);
    if (!id) {
        g_prefix_error(error, "importing %s: ", path);
        return NULL;
    }
    return one_image(id, canonical);
}

/* --- load --------------------------------------------------------------------------------------------- */

json_object *kiln_operation_load(KilnOperation *op, GError **error)
{
    const char *path = kiln_request_text(op->request, "path");
    g_autoptr(KilnPlatform) platform = NULL;
    if (!kiln_request_platform(op->request, &platform, error))
        return NULL;
    if (!platform)
        platform = kiln_platform_host();
    g_autoptr(GPtrArray) loaded = kiln_load(op->store, path ? path : "-", NULL, NULL, platform, NULL, error);
    if (!loaded)
        return NULL;
    json_object *list = json_object_new_array();
    for (guint i = 0; i < loaded->len; i++) {
        const KilnLoaded *l = loaded->pdata[i];
        json_object_array_add(list, one_image(l->id, l->name));
    }
    json_object *result = json_object_new_object();
    json_object_object_add(result, "images", list);
    return result;
}

/* --- pull --------------------------------------------------------------------------------------------- */

json_object *kiln_operation_pull(KilnOperation *op, GError **error)
{
    const char *name = kiln_request_text(op->request, "name");
    const char *pull = kiln_request_text(op->request, "pull");
    g_autoptr(KilnPlatform) platform = NULL;
    if (!kiln_request_platform(op->request, &platform, error))
        return NULL;
    if (!platform)
        platform = kiln_platform_host();
    KilnBases bases = {op, NULL, pull ? pull : "always"};
    KilnResolved *resolved = kiln_base_resolve(&bases, name ? name : "", platform, error);
    if (!resolved)
        return NULL;
    g_autoptr(KilnImage) image = kiln_image_lookup(op->store, resolved->image_id, error);
    kiln_resolved_free(resolved);
    if (!image)
        return NULL;
    g_autofree char *canonical = kiln_canonical_name(name, NULL);
    /* The image of an index for another platform may have had the name. */
    if (!kiln_image_tag(op->store, image->id, canonical, error))
        return NULL;
    json_object *result = one_image(image->id, canonical);
    if (image->source_digest)
        json_object_object_add(result, "digest", json_object_new_string(image->source_digest));
    return result;
}

/* --- save --------------------------------------------------------------------------------------------- */

/* Names of one image become one export with several names, as docker save does. */
static bool add_export(KilnOperation *op, const char *text, GPtrArray *images, GPtrArray *name_lists,
                       GError **error)
{
    KilnImage *image = kiln_find_image(op->store, text, error);
    if (!image)
        return false;
    g_autofree char *canonical = kiln_canonical_name(text, NULL);
    bool named = canonical && g_strv_contains((const char *const *)image->names, canonical);
    GPtrArray *names = NULL;
    for (guint i = 0; i < images->len; i++)
        if (strcmp(((KilnImage *)images->pdata[i])->id, image->id) == 0) {
            names = name_lists->pdata[i];
            g_ptr_array_remove_index(names, names->len - 1);
        }
    if (!names) {
        names = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(images, image);
        g_ptr_array_add(name_lists, names);
    } else {
        kiln_image_free(image);
    }
    if (named)
        g_ptr_array_add(names, g_steal_pointer(&canonical));
    g_ptr_array_add(names, NULL);
    return true;
}

json_object *kiln_operation_save(KilnOperation *op, GError **error)
{
    const char *dest = kiln_request_text(op->request, "dest");
    KilnOutput output = {.docker = g_strcmp0(kiln_request_text(op->request, "format"), "docker") == 0};
    g_autofree const char **names = kiln_request_list(op->request, "names");
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_image_free);
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    for (const char **name = names; *name; name++)
        if (!add_export(op, *name, images, lists, error))
            return NULL;
    g_autofree KilnExport *exports = g_new0(KilnExport, images->len + 1);
    for (guint i = 0; i < images->len; i++)
        exports[i] = (KilnExport){((KilnImage *)images->pdata[i])->id,
                                  (char **)((GPtrArray *)lists->pdata[i])->pdata};
    output.path = g_strdup(dest ? dest : "-");
    g_autofree char *digest = NULL;
    bool ok = kiln_output_write(op, &output, exports, images->len, &digest, error);
    kiln_output_clear(&output);
    if (!ok)
        return NULL;
    json_object *result = json_object_new_object();
    json_object_object_add(result, "digest", digest ? json_object_new_string(digest) : NULL);
    return result;
}

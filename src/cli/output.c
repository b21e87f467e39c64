#include "cli/output.h"

#include "cli/command.h"

#include <string.h>

#define SUPPORTED "supported: type=oci,dest=FILE and type=docker,dest=FILE"

static void *refuse(GError **error, const char *text, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void *refuse(GError **error, const char *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *why = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "--output \"%s\": %s (%s)", text, why,
                SUPPORTED);
    return NULL;
}

GPtrArray *kiln_csv_split(const char *text)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);
    for (const char *p = text;;) {
        GString *field = g_string_new(NULL);
        bool quoted = *p == '"';
        p += quoted;
        while (*p && (quoted || *p != ',')) {
            if (quoted && *p == '"') {
                p++;
                if (*p != '"') {
                    quoted = false;
                    continue;
                }
            }
            g_string_append_c(field, *p++);
        }
        g_ptr_array_add(fields, g_string_free(field, FALSE));
        if (*p != ',') {
            return fields;
        }
        p++;
    }
}

static bool take_field(const char *text, const char *field, char **type, char **dest,
                       GError **error)
{
    const char *equals = strchr(field, '=');
    g_autofree char *key =
        equals ? g_ascii_strdown(field, equals - field) : g_ascii_strdown(field, -1);
    const char *value = equals ? equals + 1 : "";
    if (strcmp(key, "type") == 0) {
        g_free(*type);
        *type = g_strdup(value);
    } else if (strcmp(key, "dest") == 0) {
        g_free(*dest);
        *dest = g_strdup(value);
    } else if (strcmp(key, "tar") == 0 && g_ascii_strcasecmp(value, "true") == 0) {
        return true;
    } else if (strcmp(key, "compression") == 0 && strcmp(value, "gzip") == 0) {
        return true;
    } else if (strcmp(key, "name") == 0) {
        return refuse(error, text, "give the image's name with --tag");
    } else {
        return refuse(error, text, "\"%s\" is not supported yet", field);
    }
    return true;
}

char *kiln_output_parse(const char *text, GError **error)
{
    g_autofree char *type = NULL, *dest = NULL;
    if (!strchr(text, '=')) {
        return strcmp(text, "-") == 0
                   ? refuse(error, text,
                            "exporting the file system to standard output is not supported yet")
                   : refuse(error, text,
                            "exporting the file system to a directory is not supported yet");
    }
    g_autoptr(GPtrArray) fields = kiln_csv_split(text);
    for (guint i = 0; i < fields->len; i++) {
        if (!take_field(text, g_ptr_array_index(fields, i), &type, &dest, error)) {
            return NULL;
        }
    }
    if (!type) {
        return refuse(error, text, "it has no type");
    }
    if (strcmp(type, "oci") != 0 && strcmp(type, "docker") != 0) {
        return refuse(error, text, "the type %s is not supported yet", type);
    }
    if (!dest || !*dest) {
        return refuse(error, text, "it has no dest");
    }
    if (strchr(dest, ',')) {
        return refuse(error, text, "a file name with a comma is not supported yet");
    }
    g_autofree char *path = strcmp(dest, "-") == 0 ? g_strdup(dest) : kiln_path_absolute(dest);
    return strchr(path, ',')
               ? refuse(error, text, "%s has a comma, which is not supported yet", path)
               : g_strdup_printf("type=%s,dest=%s", type, path);
}

const char *kiln_output_dest(const char *parsed)
{
    const char *dest = strstr(parsed, ",dest=");
    return dest ? dest + strlen(",dest=") : "";
}

#include "image/document.h"

#include <string.h>

json_object *kiln_document_parse(const char *bytes, gsize size, bool array, const char *what,
                                 GError **error)
{
    if (size > KILN_DOCUMENT_MAX) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "%s has %" G_GSIZE_FORMAT
                    " bytes, more than the %d that such a document may have",
                    what, size, KILN_DOCUMENT_MAX);
        return NULL;
    }
    json_tokener *t = json_tokener_new_ex(KILN_DOCUMENT_DEPTH);
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *o = json_tokener_parse_ex(t, bytes, (int)size);
    enum json_tokener_error result = json_tokener_get_error(t);
    if (result == json_tokener_continue)
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "%s is not a JSON document: it ends early", what);
    else if (result != json_tokener_success)
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "%s is not a JSON document: %s at byte %zu", what,
                    json_tokener_error_desc(result), json_tokener_get_parse_end(t));
    json_tokener_free(t);
    if (result != json_tokener_success) {
        json_object_put(o);
        return NULL;
    }
    if (!json_object_is_type(o, array ? json_type_array : json_type_object)) {
        json_object_put(o);
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "%s is not a JSON %s", what,
                    array ? "array" : "object");
        return NULL;
    }
    return o;
}

static json_object *typed(json_object *o, const char *key, json_type type)
{
    json_object *value = NULL;
    if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &value) ||
        !json_object_is_type(value, type))
        return NULL;
    return value;
}

json_object *kiln_document_object(json_object *o, const char *key)
{
    return typed(o, key, json_type_object);
}

json_object *kiln_document_array(json_object *o, const char *key)
{
    return typed(o, key, json_type_array);
}

const char *kiln_document_string(json_object *o, const char *key)
{
    json_object *value = typed(o, key, json_type_string);
    return value != NULL ? json_object_get_string(value) : NULL;
}

gint64 kiln_document_number(json_object *o, const char *key)
{
    json_object *value = typed(o, key, json_type_int);
    return value != NULL ? json_object_get_int64(value) : -1;
}

char **kiln_document_strings(json_object *o, const char *key)
{
    json_object *array = kiln_document_array(o, key);
    if (array == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new();
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *value = json_object_array_get_idx(array, i);
        if (json_object_is_type(value, json_type_string))
            g_ptr_array_add(list, g_strdup(json_object_get_string(value)));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

static int compare_keys(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether nothing in it need be moved, as in most parts of a document. */
static bool is_sorted(json_object *o)
{
    if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            if (!is_sorted(json_object_array_get_idx(o, i)))
                return false;
    } else if (json_object_is_type(o, json_type_object)) {
        const char *last = "";
        json_object_object_foreach(o, key, value)
        {
            if (strcmp(last, key) > 0 || !is_sorted(value))
                return false;
            last = key;
        }
    }
    return true;
}

/* A copy with sorted keys; scalars and what is sorted are shared. */
static json_object *sort(json_object *o)
{
    if (is_sorted(o))
        return json_object_get(o);
    if (json_object_is_type(o, json_type_array)) {
        size_t n = json_object_array_length(o);
        json_object *copy = json_object_new_array_ext((int)n);
        for (size_t i = 0; i < n; i++)
            json_object_array_add(copy, sort(json_object_array_get_idx(o, i)));
        return copy;
    }
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    json_object_object_foreach(o, key, value)
    {
        (void)value;
        g_ptr_array_add(keys, key);
    }
    g_ptr_array_sort(keys, compare_keys);
    json_object *copy = json_object_new_object();
    for (guint i = 0; i < keys->len; i++)
        json_object_object_add(copy, keys->pdata[i],
                               sort(json_object_object_get(o, keys->pdata[i])));
    return copy;
}

char *kiln_document_dump(json_object *o, bool sorted, gsize *size)
{
    json_object *copy = sorted ? sort(o) : json_object_get(o);
    size_t length = 0;
    const char *text = json_object_to_json_string_length(
        copy, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    char *bytes = g_strndup(text, length);
    json_object_put(copy);
    if (size != NULL)
        *size = length;
    return bytes;
}

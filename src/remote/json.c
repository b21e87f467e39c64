#include "remote/json.h"

#include <limits.h>
#include <string.h>

#include "remote/error.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_tokener, json_tokener_free)

json_object *remote_json_parse(const char *text, gsize size, const char *what, GError **error)
{
    if (size > INT_MAX) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT, "%s is too large", what);
        return NULL;
    }
    g_autoptr(json_tokener) tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    g_autoptr(json_object) root = json_tokener_parse_ex(tokener, text, (int)size);
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    if (!root) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s is not valid JSON: %s at byte %zu", what,
                    problem == json_tokener_continue ? "it ends too early"
                                                     : json_tokener_error_desc(problem),
                    end);
        return NULL;
    }
    while (end < size && g_ascii_isspace(text[end])) {
        end++;
    }
    if (end < size || !json_object_is_type(root, json_type_object)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT, "%s is not a single JSON object",
                    what);
        return NULL;
    }
    return g_steal_pointer(&root);
}

static json_object *member(json_object *object, const char *key, json_type type)
{
    json_object *value = NULL;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type)) {
        return NULL;
    }
    return value;
}

const char *remote_json_string(json_object *object, const char *key)
{
    json_object *value = member(object, key, json_type_string);
    if (!value) {
        return NULL;
    }
    /* A string with an embedded NUL would be one thing here and another elsewhere. */
    const char *text = json_object_get_string(value);
    return strlen(text) == (gsize)json_object_get_string_len(value) ? text : NULL;
}

json_object *remote_json_object(json_object *object, const char *key)
{
    return member(object, key, json_type_object);
}

json_object *remote_json_array(json_object *object, const char *key)
{
    return member(object, key, json_type_array);
}

const char *remote_json_text(json_object *object)
{
    return json_object_to_json_string_ext(object,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

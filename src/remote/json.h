/* JSON documents from outside, by json-c, read with suspicion. */
#pragma once

#include <glib.h>
#include <json-c/json.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

/* Parses exactly one JSON object of `size` bytes: strict syntax, valid UTF-8, at most 32 levels
 * deep. `what` names the document in the REMOTE_ERROR_FORMAT error. The caller owns the result. */
json_object *remote_json_parse(const char *text, gsize size, const char *what, GError **error);

/* Members of an object, borrowed. NULL where it is missing or of another type. */
const char *remote_json_string(json_object *object, const char *key);
json_object *remote_json_object(json_object *object, const char *key);
json_object *remote_json_array(json_object *object, const char *key);

/* One line without spaces, slashes as they are; owned by `object`. */
const char *remote_json_text(json_object *object);

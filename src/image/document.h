/* Reading JSON documents that others wrote: limits, and getters that check types. For src/image/
 * alone. */
#pragma once

#include "image/config.h"

#define KILN_DOCUMENT_MAX                                                                          \
    (4 << 20) /* bytes, as registries take; the largest real ones have some hundred KiB. In memory \
                 JSON can be 40 times as large. */
#define KILN_DOCUMENT_DEPTH 32

/* Parses a document whose top is an object (or an array, if array). `what` names it in errors. Free
 * with json_object_put(). NULL with FORMAT on error. */
json_object *kiln_document_parse(const char *bytes, gsize size, bool array, const char *what,
                                 GError **error);

/* NULL (or -1) if the key is missing or has another type; o may be NULL. Borrowed. */
json_object *kiln_document_object(json_object *o, const char *key);
json_object *kiln_document_array(json_object *o, const char *key);
const char *kiln_document_string(json_object *o, const char *key);
gint64 kiln_document_number(json_object *o, const char *key);

/* A string list as a new strv; an element of another type is left out. NULL if there is no array.
 */
char **kiln_document_strings(json_object *o, const char *key);

/* The bytes: no spaces, slashes not escaped, keys of objects in byte order if sorted. g_free(). */
char *kiln_document_dump(json_object *o, bool sorted, gsize *size);

/* A request as the wire carries it. Private to src/front. */
#pragma once

#include <json-c/json.h>
#include <kiln/kiln.h>

/* The first line of the wire: {"op":…, keys…, "root":…, "env":{…}}, without "secrets" and "ssh", which
 * are the front's business. Build arguments without a value get it from the environment, or are left
 * out if it has none. */
json_object *kiln_request_to_json(const KilnRequest *r);
/* Whether the operation builds nothing and changes nothing (docs/architecture.md, "Explaining"): its
 * builder is started without namespaces, and runs where nothing can be built. */
bool kiln_request_only_reads(const KilnRequest *r);
/* Whether the operation runs one command, whose streams are the caller's. */
bool kiln_request_runs(const KilnRequest *r);
/* The values of key[], borrowed; g_ptr_array_unref(). */
GPtrArray *kiln_request_values(const KilnRequest *r, const char *key);
/* True if the value of the key is "-" (standard input or output of the caller is used). */
bool kiln_request_is_stream(const KilnRequest *r, const char *key);

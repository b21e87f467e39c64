/* SSH agents of --ssh: the user's own, or one that is started to serve keys. Private to src/front. */
#pragma once

#include <glib.h>
#include <json-c/json.h>

typedef struct KilnAgents KilnAgents;

/* From the request's "ssh" (char*, see kiln.h). Starts agents where keys are named; a passphrase is asked
 * for on the terminal. NULL with KILN_ERROR_USAGE or KILN_ERROR_HOST. */
KilnAgents *kiln_agents_new(const GPtrArray *ssh, GError **error);
/* ["ID=SOCKET", …], for the builder. */
json_object *kiln_agents_to_json(const KilnAgents *a);
/* The socket of the agent of an id, borrowed; NULL: none was given. */
const char *kiln_agents_socket(const KilnAgents *a, const char *id);
/* Ends the agents that were started. */
void kiln_agents_free(KilnAgents *a);

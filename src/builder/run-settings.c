#include "builder/run-settings.h"

#include "builder/limits.h"
#include "builder/security.h"

#include <string.h>

/* "ID=SOCKET" → a table. */
static GHashTable *read_agents(json_object *request)
{
    GHashTable *agents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree const char **list = kiln_request_list(request, "agents");
    for (const char **pair = list; *pair; pair++) {
        const char *equals = strchr(*pair, '=');
        if (equals)
            g_hash_table_insert(agents, g_strndup(*pair, (gsize)(equals - *pair)), g_strdup(equals + 1));
    }
    return agents;
}

bool kiln_run_settings_read(KilnOperation *op, KilnRunSettings *out, GError **error)
{
    out->secret = kiln_secrets_get;
    out->secret_data = op->secrets;
    out->agents = read_agents(op->request);
    return kiln_request_limits(op->request, &out->limits, error) && kiln_security_read(op, out, error);
}

void kiln_run_settings_clear(KilnRunSettings *s)
{
    g_clear_pointer(&s->agents, g_hash_table_unref);
    g_clear_pointer(&s->filter, g_bytes_unref);
    kiln_limits_clear(&s->limits);
}

#include "builder/run-settings.h"

#include "build/isolation.h"
#include "builder/limits.h"
#include "builder/security.h"
#include "builder/volumes.h"

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

/* NULL if the request does not have it. */
static char **copy_list(json_object *request, const char *key)
{
    g_autofree const char **list = kiln_request_list(request, key);
    return *list ? g_strdupv((char **)list) : NULL;
}

/* They become lines of files. What a name and an address is the command line has checked. */
static bool check_words(char *const *list, const char *key, bool pairs, GError **error)
{
    for (; list && *list; list++) {
        bool good = **list && (!pairs || strchr(*list, '='));
        for (const char *c = *list; *c; c++)
            good = good && !g_ascii_isspace(*c) && !g_ascii_iscntrl(*c);
        if (!good) {
            g_set_error(error, KILN_OPERATION_ERROR, 2, "the request's %s has \"%s\"", key, *list);
            return false;
        }
    }
    return true;
}

static bool read_network(json_object *request, KilnRunSettings *out, GError **error)
{
    out->private_network = g_strcmp0(kiln_request_text(request, "network"), "private") == 0;
    out->extra_hosts = copy_list(request, "extra_hosts");
    out->dns = copy_list(request, "dns");
    out->dns_search = copy_list(request, "dns_search");
    out->dns_options = copy_list(request, "dns_options");
    return check_words(out->extra_hosts, "extra_hosts", true, error) &&
           check_words(out->dns, "dns", false, error) &&
           check_words(out->dns_search, "dns_search", false, error) &&
           check_words(out->dns_options, "dns_options", false, error);
}

static bool read_emulate(json_object *request, KilnEmulate *out, GError **error)
{
    static const char *const words[] = {
        [KILN_EMULATE_OFF] = "off", [KILN_EMULATE_OWNERS] = "owners", [KILN_EMULATE_FULL] = "full"};
    const char *word = kiln_request_text(request, "emulate");
    *out = KILN_EMULATE_DEFAULT;
    for (guint i = KILN_EMULATE_OFF; word && i < G_N_ELEMENTS(words); i++)
        if (strcmp(word, words[i]) == 0)
            *out = (KilnEmulate)i;
    if (!word || *out != KILN_EMULATE_DEFAULT)
        return true;
    g_set_error(error, KILN_OPERATION_ERROR, 2, "emulate \"%s\": unknown (off, owners, full)", word);
    return false;
}

/* What protects, and cannot be had here, is refused: nobody shall believe that it does. Other
 * settings are warned of when a command runs (build/isolation.c). */
static bool check_isolation(const KilnRunSettings *s, GError **error)
{
    const char *asked = s->filter            ? "--security-opt seccomp=FILE"
                        : s->no_new_privs    ? "--security-opt no-new-privileges"
                        : s->private_network ? "--network=private"
                                             : NULL;
    if (s->isolation < KILNRUN_CHROOT || !asked)
        return true;
    g_set_error(error, KILN_OPERATION_ERROR, 3,
                "%s cannot be had with isolation \"%s\": leave it out and start kiln's container with "
                "it instead, or run kiln where it may make namespaces (kiln doctor says what is "
                "missing)",
                asked, kiln_run_isolation_name(s->isolation));
    return false;
}

bool kiln_run_settings_read(KilnOperation *op, KilnRunSettings *out, GError **error)
{
    const char *snapshotter = kiln_request_text(op->request, "snapshotter");
    if (!kiln_snapshotter_parse(snapshotter, &out->snapshotter)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "unknown snapshotter \"%s\"", snapshotter);
        return false;
    }
    /* What was asked for by name is not replaced by another. */
    g_autofree char *problem = kiln_snapshotter_try(out->snapshotter, op->store);
    if (problem) {
        g_set_error(error, KILN_OPERATION_ERROR, 3, "--snapshotter %s: %s", snapshotter, problem);
        return false;
    }
    out->isolation = op->isolation;
    out->isolation_reason = g_strdup(kiln_request_text(op->request, "isolation_reason"));
    out->secret = kiln_secrets_get;
    out->secret_data = op->secrets;
    out->agents = read_agents(op->request);
    return kiln_request_limits(op->request, &out->limits, error) && kiln_security_read(op, out, error) &&
           read_network(op->request, out, error) && kiln_volumes_open(op->request, &out->volumes, error) &&
           read_emulate(op->request, &out->emulate, error) && check_isolation(out, error);
}

void kiln_run_settings_clear(KilnRunSettings *s)
{
    g_clear_pointer(&s->volumes, g_array_unref);
    g_clear_pointer(&s->isolation_reason, g_free);
    g_clear_pointer(&s->agents, g_hash_table_unref);
    g_clear_pointer(&s->filter, g_bytes_unref);
    kiln_limits_clear(&s->limits);
    char ***lists[] = {&s->extra_hosts, &s->dns, &s->dns_search, &s->dns_options};
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        g_clear_pointer(lists[i], g_strfreev);
}

/* RUN --network, --security and --device. */
#include <string.h>

#include "dockerfile/suggest.h"
#include "plan/plan-private.h"

static bool allowed(const KilnPlanner *p, const char *entitlement)
{
    return p->options->allow && g_strv_contains(p->options->allow, entitlement);
}

static bool not_allowed(const KilnSite *site, const char *flag, const char *entitlement,
                        GError **error)
{
    return kiln_site_fail(site, error, KILN_PLAN_ERROR_NOT_ALLOWED, kiln_site_flag(site, flag),
                          "RUN --%s=%s is not allowed; if you trust this Dockerfile, build it with "
                          "--allow %s",
                          flag, kiln_instruction_flag(site->instruction, flag), entitlement);
}

static bool bad_value(const KilnSite *site, const char *flag, const char *const *values,
                      GError **error)
{
    const char *value = kiln_instruction_flag(site->instruction, flag);
    const char *near = kiln_suggest(value, values, true);
    g_autofree char *list = g_strjoinv(", ", (char **)values);
    return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_flag(site, flag),
                          "RUN --%s: unknown value \"%s\"%s%s%s (%s)", flag, value,
                          near ? ", did you mean " : "", near ? near : "", near ? "?" : "", list);
}

/* The host's network is an entitlement in BuildKit (util/entitlements). */
static bool read_network(KilnPlanner *p, const KilnSite *site, KilnStep *step, GError **error)
{
    static const char *const values[] = {"default", "none", "host", NULL};
    const char *value = kiln_instruction_flag(site->instruction, "network");
    step->network = p->options->network;
    if (!value || strcmp(value, "default") == 0)
        return true;
    for (guint i = 0; values[i]; i++) {
        if (strcmp(value, values[i]) != 0)
            continue;
        step->network = (KilnNetwork)i;
        return step->network != KILN_NETWORK_HOST || allowed(p, "network.host") ||
               not_allowed(site, "network", "network.host", error);
    }
    return bad_value(site, "network", values, error);
}

static bool read_security(KilnPlanner *p, const KilnSite *site, KilnStep *step, GError **error)
{
    static const char *const values[] = {"sandbox", "insecure", NULL};
    const char *value = kiln_instruction_flag(site->instruction, "security");
    if (value && !g_strv_contains(values, value))
        return bad_value(site, "security", values, error);
    step->insecure = value && strcmp(value, "insecure") == 0;
    return !step->insecure || allowed(p, "security.insecure") ||
           not_allowed(site, "security", "security.insecure", error);
}

/* "[name=]NAME[,required[=BOOL]]": BuildKit's instructions/commands_rundevice.go. */
static bool read_device(const KilnSite *site, const KilnFlag *flag, GError **error)
{
    g_auto(GStrv) fields = kiln_mount_fields(flag->value ? flag->value : "");
    const char *name = NULL;
    bool required = false;
    /* What the fields say was checked when the file was read (dockerfile/fields.c). */
    for (char **field = fields; field && *field; field++) {
        const char *value = strchr(*field, '=');
        g_autofree char *key = g_strndup(*field, value ? (gsize)(value - *field) : strlen(*field));
        if (g_ascii_strcasecmp(key, "required") == 0) {
            required = true;
            if (value)
                (void)kiln_mount_bool(value + 1, &required);
        } else if (!name) {
            name = value && g_ascii_strcasecmp(key, "name") == 0 ? value + 1 : *field;
        }
    }
    if (!name || !*name)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, &flag->place,
                              "RUN --device names no device");
    if (required)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_UNSUPPORTED, &flag->place,
                              "RUN --device: the required device \"%s\" cannot be had: kiln gives "
                              "no devices (CDI) to a RUN; without \"required\" it would be left out",
                              name);
    return true;
}

/* A device that is not required is left out, as BuildKit does where no such device is registered. */
static bool read_devices(const KilnSite *site, GError **error)
{
    const KilnList *flags = site->instruction->flags;
    for (guint i = 0; i < flags->len; i++) {
        const KilnFlag *flag = g_ptr_array_index(flags, i);
        if (strcmp(flag->name, "device") == 0 && !read_device(site, flag, error))
            return false;
    }
    return true;
}

bool kiln_site_sandbox(KilnPlanner *p, const KilnSite *site, KilnStep *step, GError **error)
{
    return read_network(p, site, step, error) && read_security(p, site, step, error) &&
           read_devices(site, error);
}

/* Build arguments that are read by the builder itself: SOURCE_DATE_EPOCH and BUILDKIT_*
 * (BuildKit's dockerui/config.go and dockerfile2llb/epoch.go). What they say is kept in the plan.
 */
#include <string.h>

#include "plan/plan-private.h"

/* HOST_NAME_MAX of Linux. */
#define HOSTNAME_MAXIMUM 64

G_GNUC_PRINTF(5, 6)
static bool fail(const KilnPlanner *p, const KilnInstruction *arg, GError **error,
                 KilnPlanError code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (!arg) { /* it is not in the file */
        g_set_error(error, KILN_PLAN_ERROR, (int)code, "--build-arg %s", text);
        return false;
    }
    KilnSite site = {.file = p->file, .instruction = arg, .place = &arg->place};
    return kiln_site_fail(&site, error, code, NULL, "%s", text);
}

/* The last ARG before the first FROM that declares it, or NULL. */
static const KilnInstruction *global_arg(const KilnPlanner *p, const char *name)
{
    const KilnInstruction *found = NULL;
    for (guint i = 0; i < p->file->instructions->len; i++) {
        const KilnInstruction *arg = g_ptr_array_index(p->file->instructions, i);
        if (arg->kind != KILN_INST_ARG)
            break;
        for (guint n = 0; n < arg->args->len; n += 2) {
            if (strcmp(g_ptr_array_index(arg->args, n), name) == 0)
                found = arg;
        }
    }
    return found;
}

/* Stages see the value as the number that it stands for, or none. */
static void replace_argument(KilnPlanner *p, const char *name, const char *value)
{
    if (!value) {
        g_hash_table_remove(p->build_args, name);
        kiln_scope_unset(p->globals, name);
        return;
    }
    if (g_hash_table_contains(p->build_args, name))
        g_hash_table_replace(p->build_args, g_strdup(name), g_strdup(value));
    if (kiln_scope_get(p->globals, name))
        kiln_scope_set(p->globals, name, value);
}

/* A directory has no time of its own, so "context" and the name of a build context stand for none.
 */
static bool without_time(const KilnPlanner *p, const char *value)
{
    return strcmp(value, "context") == 0 || kiln_planner_context(p, value);
}

static bool read_epoch(KilnPlanner *p, GError **error)
{
    static const char name[] = "SOURCE_DATE_EPOCH";
    const char *given = g_hash_table_lookup(p->build_args, name);
    const KilnInstruction *arg = given ? NULL : global_arg(p, name);
    g_autofree char *value = g_strdup(given ? given : kiln_scope_get(p->globals, name));
    gint64 seconds;
    if (!value || (!given && !*value))
        return true;
    if (!*value || without_time(p, value)) {
        replace_argument(p, name, NULL);
        return true;
    }
    if (g_ascii_string_to_signed(value, 10, 0, G_MAXINT64, &seconds, NULL)) {
        g_autofree char *plain = g_strdup_printf("%" G_GINT64_FORMAT, seconds);
        replace_argument(p, name, plain);
        p->plan->epoch = seconds;
        return true;
    }
    g_autofree char *lower = g_ascii_strdown(value, -1);
    if (g_hash_table_contains(p->names, lower))
        return fail(p, arg, error, KILN_PLAN_ERROR_UNSUPPORTED,
                    "%s=%s: the time of what a stage fetches is not supported by this version of "
                    "kiln; give a number of seconds since 1970",
                    name, value);
    return fail(p, arg, error, KILN_PLAN_ERROR_ARGUMENT,
                "%s=%s is neither a number of seconds since 1970 nor the name of a stage or of a "
                "build context",
                name, value);
}

/* It is written to the sandbox's /etc/hosts, too. */
static bool read_hostname(KilnPlanner *p, GError **error)
{
    static const char name[] = "BUILDKIT_SANDBOX_HOSTNAME";
    const char *value = g_hash_table_lookup(p->build_args, name);
    if (!value || !*value)
        return true;
    gsize length = strlen(value);
    if (length > HOSTNAME_MAXIMUM ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
            length)
        return fail(p, NULL, error, KILN_PLAN_ERROR_ARGUMENT,
                    "%s=%s: a hostname has at most %d letters, digits, '.', '-' and '_'", name,
                    value, HOSTNAME_MAXIMUM);
    p->plan->hostname = g_strdup(value);
    return true;
}

bool kiln_planner_settings(KilnPlanner *p, GError **error)
{
    p->plan->epoch = -1;
    return read_epoch(p, error) && read_hostname(p, error);
}

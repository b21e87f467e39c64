/* ARG: before the first FROM, in stages, predefined, and from the command line. */
#include <string.h>

#include "dockerfile/suggest.h"
#include "plan/plan-private.h"

#define SHORT_NAME 2 /* up to it any two are alike */

static const char *const proxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
                                      "ALL_PROXY"};

/* Read by BuildKit itself: they are declared, and never in the environment. */
static const char *const no_variables[] = {"BUILDKIT_SBOM_SCAN_CONTEXT",
                                           "BUILDKIT_SBOM_SCAN_STAGE", NULL};

static void read_list(GHashTable *table, const char *const *list)
{
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '=');
        /* Without "=" the caller found no value for it: then the default holds. */
        if (equals && equals > *list)
            g_hash_table_replace(table, g_strndup(*list, (gsize)(equals - *list)),
                                 g_strdup(equals + 1));
    }
}

void kiln_planner_read_build_args(KilnPlanner *p)
{
    p->build_args = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    p->consumed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    read_list(p->build_args, p->options->proxy_args);
    read_list(p->build_args, p->options->build_args);
}

char **kiln_planner_proxies(const KilnPlanner *p)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (guint i = 0; i < G_N_ELEMENTS(proxies); i++) {
        g_autofree char *lower = g_ascii_strdown(proxies[i], -1);
        const char *value = g_hash_table_lookup(p->build_args, lower);
        if (!value)
            value = g_hash_table_lookup(p->build_args, proxies[i]);
        if (!value || !*value)
            continue;
        g_ptr_array_add(list, g_strconcat(proxies[i], "=", value, NULL));
        g_ptr_array_add(list, g_strconcat(lower, "=", value, NULL));
    }
    if (list->len == 0)
        return NULL;
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_steal(list, NULL);
}

/* BuildKit's defaultArgs(): the host builds, the platform of the result is the target. */
static KilnScope *predefined(KilnPlanner *p)
{
    const KilnPlatform *build = p->host, *target = p->platform;
    g_autofree char *build_text = kiln_platform_text(build);
    g_autofree char *target_text = kiln_platform_text(target);
    const char *stage = p->options->target;
    for (guint i = p->file->instructions->len; !stage && i-- > 0;) {
        const KilnInstruction *from = g_ptr_array_index(p->file->instructions, i);
        if (from->kind == KILN_INST_FROM)
            stage = from->args->len > 1 ? g_ptr_array_index(from->args, 1) : "";
    }
    const struct {
        const char *name, *value;
    } list[] = {
        {"BUILDPLATFORM", build_text},
        {"BUILDOS", build->os},
        {"BUILDOSVERSION", NULL},
        {"BUILDARCH", build->architecture},
        {"BUILDVARIANT", build->variant},
        {"TARGETPLATFORM", target_text},
        {"TARGETOS", target->os},
        {"TARGETOSVERSION", NULL},
        {"TARGETARCH", target->architecture},
        {"TARGETVARIANT", target->variant},
        {"TARGETSTAGE", stage && *stage ? stage : "default"},
    };
    KilnScope *scope = kiln_scope_new();
    for (guint i = 0; i < G_N_ELEMENTS(list); i++) {
        const char *given = g_hash_table_lookup(p->build_args, list[i].name);
        const char *value = given ? given : list[i].value;
        kiln_scope_set(scope, list[i].name, value ? value : "");
    }
    return scope;
}

KilnScope *kiln_planner_globals(KilnPlanner *p, GHashTable *build_args, GError **error)
{
    g_autoptr(KilnScope) scope = predefined(p);
    for (guint i = 0; i < p->file->instructions->len; i++) {
        const KilnInstruction *arg = g_ptr_array_index(p->file->instructions, i);
        if (arg->kind != KILN_INST_ARG)
            break;
        KilnSite site = {.file = p->file,
                         .instruction = arg,
                         .place = &arg->place,
                         .escape = p->file->escape,
                         .scope = scope};
        for (guint n = 0; n + 1 < arg->args->len; n += 2) {
            const char *name = g_ptr_array_index(arg->args, n);
            const char *given = build_args ? g_hash_table_lookup(build_args, name) : NULL;
            g_autofree char *value = NULL;
            if (given) {
                value = g_strdup(given);
            } else if (g_ptr_array_index(arg->args, n + 1)) {
                value = kiln_site_argument(&site, n + 1, error);
                if (!value)
                    return NULL;
            }
            if (value)
                kiln_scope_set(scope, name, value);
            kiln_scope_declare(scope, name, value);
        }
    }
    return g_steal_pointer(&scope);
}

bool kiln_stage_arg(KilnPlanner *p, const KilnSite *site, GError **error)
{
    const KilnInstruction *arg = site->instruction;
    g_autoptr(GString) created_by = g_string_new("ARG");
    for (guint n = 0; n + 1 < arg->args->len; n += 2) {
        const char *name = g_ptr_array_index(arg->args, n);
        kiln_site_warn_secret(site, name);
        g_hash_table_add(p->consumed, g_strdup(name));
        /* --build-arg, the default here, and without one the value before the first FROM */
        g_autofree char *value = g_strdup(g_hash_table_lookup(p->build_args, name));
        if (!value && g_ptr_array_index(arg->args, n + 1)) {
            value = kiln_site_argument(site, n + 1, error);
            if (!value)
                return false;
        }
        if (!value)
            value = g_strdup(kiln_scope_get(p->globals, name));
        if (value && !g_strv_contains(no_variables, name))
            kiln_scope_set(site->scope, name, value);
        kiln_scope_declare(site->scope, name, value);
        g_string_append_printf(created_by, " %s%s%s", name, value ? "=" : "", value ? value : "");
    }
    kiln_site_history(site, NULL, created_by->str);
    return true;
}

/* Needs no ARG: read by the build itself. */
static bool always_consumed(const KilnScope *globals, const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(proxies); i++) {
        if (g_ascii_strcasecmp(name, proxies[i]) == 0)
            return true;
    }
    return kiln_scope_get(globals, name) || g_str_has_prefix(name, "BUILDKIT_") ||
           strcmp(name, "SOURCE_DATE_EPOCH") == 0;
}

/* " (VERSOIN: did you mean VERSION?)", or "". g_free(). */
static char *near_argument(const KilnPlanner *p, const char *name)
{
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(p->consumed), (GCompareFunc)strcmp);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (const GList *key = keys; key; key = key->next)
        g_ptr_array_add(names, key->data);
    g_ptr_array_add(names, NULL);
    const char *near = kiln_suggest(name, (const char *const *)names->pdata, true);
    if (near && (strlen(name) <= SHORT_NAME || strlen(near) <= SHORT_NAME))
        near = NULL;
    return near ? g_strdup_printf(" (%s: did you mean %s?)", name, near) : g_strdup("");
}

void kiln_planner_warn_unused(KilnPlanner *p)
{
    for (guint i = 0; i < p->file->instructions->len; i++) {
        const KilnInstruction *arg = g_ptr_array_index(p->file->instructions, i);
        for (guint n = 0; arg->kind == KILN_INST_ARG && n < arg->args->len; n += 2)
            g_hash_table_add(p->consumed, g_strdup(g_ptr_array_index(arg->args, n)));
    }
    g_autoptr(GString) unused = g_string_new(NULL), hints = g_string_new(NULL);
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (const char *const *arg = p->options->build_args; arg && *arg; arg++) {
        g_autofree char *name = g_strndup(*arg, strcspn(*arg, "="));
        if (!g_hash_table_contains(p->consumed, name) && !always_consumed(p->globals, name) &&
            g_hash_table_add(told, g_strdup(name))) {
            g_autofree char *hint = near_argument(p, name);
            g_string_append_printf(unused, "%s%s", unused->len ? " " : "", name);
            g_string_append(hints, hint);
        }
    }
    KilnPlace nowhere = {0};
    KilnSite site = {.file = p->file, .place = &nowhere, .warnings = p->plan->warnings};
    const char *frontend = g_hash_table_lookup(p->build_args, "BUILDKIT_SYNTAX");
    if (frontend && !strstr(frontend, "docker/dockerfile"))
        kiln_site_warn(&site, "UnusedBuildArg",
                       "BUILDKIT_SYNTAX=%s is ignored: kiln runs no frontends but its own, which "
                       "reads what docker/dockerfile does",
                       frontend);
    if (unused->len == 0)
        return;
    kiln_site_warn(&site, "UnusedBuildArg",
                   "[Warning] One or more build-args [%s] were not consumed%s", unused->str,
                   hints->str);
}

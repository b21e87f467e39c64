/* Instructions that change the configuration and make no layer. One function each; the table at the
 * end says which. */
#include <string.h>

#include "dockerfile/duration.h"
#include "plan/gotext.h"
#include "plan/plan-private.h"
#include "plan/ports.h"

static const char *argument(const KilnSite *site, guint n)
{
    return g_ptr_array_index(site->instruction->args, n);
}

/* history "KEYWORD text" */
static void commit(const KilnSite *site, const char *text)
{
    g_autofree char *created_by =
        g_strdup_printf("%s %s", kiln_instruction_keyword(site->instruction->kind), text);
    kiln_site_history(site, NULL, created_by);
}

/* All pairs are expanded with what was in force before the instruction, and then set. */
static bool pairs(const KilnSite *site, GPtrArray *expanded, GError **error)
{
    for (guint i = 0; i < site->instruction->args->len; i++) {
        char *text = kiln_site_argument(site, i, error);
        if (!text)
            return false;
        g_ptr_array_add(expanded, text);
    }
    return true;
}

static bool env_or_label(KilnSite *site, GError **error)
{
    bool env = site->instruction->kind == KILN_INST_ENV;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    if (!pairs(site, list, error))
        return false;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i + 1 < list->len; i += 2) {
        const char *name = g_ptr_array_index(list, i), *value = g_ptr_array_index(list, i + 1);
        g_string_append_printf(text, "%s%s=%s", i ? " " : "", name, value);
        if (env) {
            kiln_site_warn_secret(site, name);
            kiln_scope_set(site->scope, name, value);
            kiln_config_set_env(site->config, name, value);
        } else {
            kiln_config_set_label(site->config, name, value);
        }
    }
    commit(site, text->str);
    return true;
}

void kiln_site_append_shell(const KilnSite *site, GPtrArray *argv)
{
    static const char *const standard[] = {"/bin/sh", "-c", NULL};
    g_auto(GStrv) shell = kiln_config_list(site->config, "Shell");
    const char *const *word = shell && *shell ? (const char *const *)shell : standard;
    for (; *word; word++)
        g_ptr_array_add(argv, g_strdup(*word));
}

/* The strings of a JSON form, or the shell and the command line. g_strfreev(). */
static char **command(const KilnSite *site)
{
    const KilnInstruction *i = site->instruction;
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    if (i->json) {
        for (guint n = 0; n < i->args->len; n++)
            g_ptr_array_add(list, g_strdup(argument(site, n)));
    } else {
        kiln_site_append_shell(site, list);
        g_ptr_array_add(list, kiln_instruction_shell_command(i));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_steal(list, NULL);
}

static bool cmd_or_entrypoint(KilnSite *site, GError **error)
{
    (void)error;
    bool entrypoint = site->instruction->kind == KILN_INST_ENTRYPOINT;
    g_auto(GStrv) list = command(site);
    /* "CMD []" takes the base's away. */
    kiln_config_set_list(site->config, entrypoint ? "Entrypoint" : "Cmd",
                         *list ? (const char *const *)list : NULL);
    /* A CMD of the base was meant for the base's entrypoint. */
    if (entrypoint && site->has_cmd && !*site->has_cmd)
        kiln_config_set_list(site->config, "Cmd", NULL);
    if (!entrypoint && site->has_cmd)
        *site->has_cmd = true;
    g_autofree char *text = kiln_go_quoted_list(list);
    commit(site, text);
    return true;
}

static bool expose(KilnSite *site, GError **error)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(g_free);
    /* BuildKit sorts the words before it expands them. */
    g_autoptr(GPtrArray) order = g_ptr_array_new();
    for (guint i = 0; i < site->instruction->args->len; i++) {
        guint at = 0;
        while (at < order->len &&
               strcmp(argument(site, GPOINTER_TO_UINT(order->pdata[at])), argument(site, i)) <= 0)
            at++;
        g_ptr_array_insert(order, (gint)at, GUINT_TO_POINTER(i));
    }
    for (guint i = 0; i < order->len; i++) {
        guint n = GPOINTER_TO_UINT(order->pdata[i]);
        g_auto(GStrv) words = kiln_site_words(site, n, error);
        if (!words)
            return false;
        for (char **word = words; *word; word++) {
            if (!kiln_ports_expand(site, *word, kiln_site_place(site, n), ports, error))
                return false;
        }
    }
    for (guint i = 0; i < ports->len; i++)
        kiln_config_add_to_set(site->config, "ExposedPorts", g_ptr_array_index(ports, i));
    g_ptr_array_add(ports, NULL);
    g_autofree char *text = kiln_go_list((char *const *)ports->pdata);
    commit(site, text);
    return true;
}

static bool volume(KilnSite *site, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < site->instruction->args->len; i++) {
        char *path = kiln_site_argument(site, i, error);
        if (!path)
            return false;
        g_ptr_array_add(list, path);
        if (!*path)
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_place(site, i),
                                  "VOLUME: \"%s\" expands to nothing; give a path",
                                  argument(site, i));
    }
    for (guint i = 0; i < list->len; i++)
        kiln_config_add_to_set(site->config, "Volumes", g_ptr_array_index(list, i));
    g_ptr_array_add(list, NULL);
    g_autofree char *text = kiln_go_list((char *const *)list->pdata);
    commit(site, text);
    return true;
}

static bool user(KilnSite *site, GError **error)
{
    g_autofree char *name = kiln_site_argument(site, 0, error);
    if (!name)
        return false;
    kiln_config_set_string(site->config, "User", *name ? name : NULL);
    commit(site, name);
    return true;
}

/* Any number but 0, and names with or without SIG, with moby's RTMIN+n and RTMAX-n
 * (moby/sys/signal). */
static bool valid_signal(const char *text)
{
    gint64 signed_number;
    guint64 number;
    if (g_ascii_string_to_signed(*text == '+' ? text + 1 : text, 10, G_MININT64, G_MAXINT64,
                                 &signed_number, NULL))
        return signed_number != 0 && !g_str_has_prefix(text, "+-");
    g_autofree char *upper = g_ascii_strup(text, -1);
    const char *name = g_str_has_prefix(upper, "SIG") ? upper + 3 : upper;
    for (int n = 1; n < 32; n++) {
        const char *known = sigabbrev_np(n);
        if (known && strcmp(known, name) == 0)
            return true;
    }
    if (strcmp(name, "CLD") == 0 || strcmp(name, "IOT") == 0)
        return true;
    bool minimum = g_str_has_prefix(name, "RTMIN");
    if (!minimum && !g_str_has_prefix(name, "RTMAX"))
        return false;
    name += strlen("RTMIN");
    return !*name ||
           (*name == (minimum ? '+' : '-') &&
            g_ascii_string_to_unsigned(name + 1, 10, 1, minimum ? 15 : 14, &number, NULL));
}

static bool stopsignal(KilnSite *site, GError **error)
{
    g_autofree char *name = kiln_site_argument(site, 0, error);
    if (!name)
        return false;
    if (!valid_signal(name))
        return kiln_site_fail(
            site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_place(site, 0),
            "STOPSIGNAL: unknown signal \"%s\" (a number, or a name such as SIGTERM)", name);
    kiln_config_set_string(site->config, "StopSignal", name);
    commit(site, name);
    return true;
}

static bool shell(KilnSite *site, GError **error)
{
    (void)error;
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (guint i = 0; i < site->instruction->args->len; i++)
        g_ptr_array_add(list, (gpointer)argument(site, i));
    g_ptr_array_add(list, NULL);
    kiln_config_set_list(site->config, "Shell", (const char *const *)list->pdata);
    g_autofree char *text = kiln_go_list((char *const *)list->pdata);
    commit(site, text);
    return true;
}

static bool maintainer(KilnSite *site, GError **error)
{
    (void)error;
    kiln_config_set_top(site->config, "author", argument(site, 0));
    commit(site, argument(site, 0));
    return true;
}

static bool onbuild(KilnSite *site, GError **error)
{
    (void)error;
    g_auto(GStrv) old = kiln_config_list(site->config, "OnBuild");
    guint n = old ? g_strv_length(old) : 0;
    g_autofree const char **list = g_new0(const char *, n + 2);
    for (guint i = 0; i < n; i++)
        list[i] = old[i];
    list[n] = argument(site, 0);
    kiln_config_set_list(site->config, "OnBuild", list);
    return true; /* BuildKit keeps no history of it */
}

/* ---- HEALTHCHECK ---- */

static const struct {
    const char *flag, *field;
} intervals[] = {
    {"interval", "Interval"},
    {"timeout", "Timeout"},
    {"start-period", "StartPeriod"},
    {"start-interval", "StartInterval"},
};

/* Durations and numbers have been checked by the parser. */
static gint64 health_number(const KilnSite *site, const char *flag, bool duration)
{
    const char *text = kiln_instruction_flag(site->instruction, flag);
    gint64 value = 0;
    if (!text || !*text)
        return 0;
    if (duration)
        return kiln_duration_parse(text, &value) ? value : 0;
    return g_ascii_strtoll(text, NULL, 10);
}

/* "NONE", or "CMD" with the strings, or "CMD-SHELL" with the line. */
static char **health_test(const KilnSite *site)
{
    const KilnInstruction *i = site->instruction;
    g_autoptr(GPtrArray) test = g_ptr_array_new();
    bool none = g_ascii_strcasecmp(argument(site, 0), "NONE") == 0;
    if (none || i->json) {
        g_ptr_array_add(test, g_strdup(none ? "NONE" : "CMD"));
        for (guint n = 1; !none && n < i->args->len; n++)
            g_ptr_array_add(test, g_strdup(argument(site, n)));
    } else {
        g_ptr_array_add(test, g_strdup("CMD-SHELL"));
        g_ptr_array_add(test, kiln_instruction_shell_command(i));
    }
    g_ptr_array_add(test, NULL);
    return (char **)g_ptr_array_steal(test, NULL);
}

static bool healthcheck(KilnSite *site, GError **error)
{
    (void)error;
    g_auto(GStrv) test = health_test(site);
    g_autofree char *test_text = kiln_go_list(test);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "{Test:%s", test_text);
    json_object *health = json_object_new_object();
    json_object *array = json_object_new_array();
    for (char **word = test; *word; word++) {
        g_autofree char *valid = g_utf8_make_valid(*word, -1); /* JSON is */
        json_object_array_add(array, json_object_new_string(valid));
    }
    json_object_object_add(health, "Test", array);
    for (guint i = 0; i < G_N_ELEMENTS(intervals); i++) {
        gint64 value = health_number(site, intervals[i].flag, true);
        g_autofree char *duration = kiln_go_duration(value);
        g_string_append_printf(text, " %s:%s", intervals[i].field, duration);
        if (value != 0)
            json_object_object_add(health, intervals[i].field, json_object_new_int64(value));
    }
    gint64 retries = health_number(site, "retries", false);
    g_string_append_printf(text, " Retries:%" G_GINT64_FORMAT "}", retries);
    if (retries != 0)
        json_object_object_add(health, "Retries", json_object_new_int64(retries));
    kiln_config_set_healthcheck(site->config, health);
    commit(site, text->str);
    return true;
}

/* ---- paths ---- */

char *kiln_path_clean(const char *base, const char *path)
{
    g_autofree char *whole = *path == '/' ? g_strdup(path) : g_strconcat(base, "/", path, NULL);
    g_auto(GStrv) parts = g_strsplit(whole, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **part = parts; *part; part++) {
        if (strcmp(*part, "..") == 0) {
            if (kept->len > 0)
                g_ptr_array_set_size(kept, (gint)kept->len - 1);
        } else if (**part && strcmp(*part, ".") != 0) {
            g_ptr_array_add(kept, *part);
        }
    }
    g_ptr_array_add(kept, NULL);
    g_autofree char *joined = g_strjoinv("/", (char **)kept->pdata);
    return g_strconcat("/", joined, NULL);
}

char *kiln_workdir_join(const KilnConfig *config, const char *path)
{
    const char *current = kiln_config_string(config, "WorkingDir");
    if (!current || !*current)
        current = "/";
    if (!*path) /* stays as it is */
        path = current;
    return *path == '/' ? g_strdup(path) : kiln_path_clean(current, path);
}

static bool workdir(KilnSite *site, GError **error)
{
    g_autofree char *path = kiln_site_argument(site, 0, error);
    if (!path)
        return false;
    g_autofree char *joined = kiln_workdir_join(site->config, path);
    kiln_config_set_string(site->config, "WorkingDir", joined);
    commit(site, joined);
    return true;
}

/* ---- the table ---- */

static bool (*const functions[])(KilnSite *, GError **) = {
    [KILN_INST_ENV] = env_or_label,
    [KILN_INST_LABEL] = env_or_label,
    [KILN_INST_CMD] = cmd_or_entrypoint,
    [KILN_INST_ENTRYPOINT] = cmd_or_entrypoint,
    [KILN_INST_EXPOSE] = expose,
    [KILN_INST_VOLUME] = volume,
    [KILN_INST_USER] = user,
    [KILN_INST_STOPSIGNAL] = stopsignal,
    [KILN_INST_SHELL] = shell,
    [KILN_INST_MAINTAINER] = maintainer,
    [KILN_INST_ONBUILD] = onbuild,
    [KILN_INST_HEALTHCHECK] = healthcheck,
    [KILN_INST_WORKDIR] = workdir, /* with a step: kiln_stage_workdir(); so only for --change */
};

bool kiln_site_metadata(KilnSite *site, GError **error)
{
    guint kind = site->instruction->kind;
    if (kind >= G_N_ELEMENTS(functions) || !functions[kind])
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_UNSUPPORTED, NULL,
                              "%s cannot be used here", kiln_instruction_keyword(kind));
    return functions[kind](site, error);
}

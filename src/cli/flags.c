#include "cli/flags.h"

#include "dockerfile/suggest.h"

#include <kiln/kiln.h>

#include <string.h>

bool kiln_usage_error(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, KILN_ERROR, KILN_ERROR_USAGE, text);
    return false;
}

static bool takes_value(const KilnFlag *f)
{
    return f->kind == KILN_FLAG_STRING || f->kind == KILN_FLAG_LIST ||
           f->kind == KILN_FLAG_IGNORED || f->kind == KILN_FLAG_ONLY;
}

/* The words that Docker's flag parser knows. */
static bool parse_switch(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
    *out = g_strv_contains(yes, text);
    return *out || g_strv_contains(no, text);
}

static bool set_switch(const KilnFlag *f, const char *shown, const char *value, GError **error)
{
    bool on = true;
    if (value && !parse_switch(value, &on)) {
        return kiln_usage_error(error, "%s is a switch: it takes true or false, not \"%s\"", shown,
                                value);
    }
    if (f->kind == KILN_FLAG_SWITCH) {
        *(bool *)f->value = on;
    }
    return true;
}

static bool check_only(const KilnFlag *f, const char *shown, const char *value, GError **error)
{
    g_auto(GStrv) allowed = g_strsplit(f->argument, "|", -1);
    if (g_strv_contains((const char *const *)allowed, value)) {
        return true;
    }
    g_autofree char *list = g_strjoinv(", ", allowed);
    return kiln_usage_error(error, "%s=%s is not supported yet (only: %s)", shown, value, list);
}

/* value: NULL if none was given. shown: the flag as the user wrote it. */
static bool apply(const KilnFlag *f, const char *shown, const char *value, GError **error)
{
    switch (f->kind) {
    case KILN_FLAG_SWITCH:
    case KILN_FLAG_IGNORED_SWITCH:
        return set_switch(f, shown, value, error);
    case KILN_FLAG_STRING:
    case KILN_FLAG_OPTIONAL:
        g_free(*(char **)f->value);
        *(char **)f->value = g_strdup(value ? value : "true");
        return true;
    case KILN_FLAG_LIST:
        g_ptr_array_add(*(GPtrArray **)f->value, g_strdup(value));
        return true;
    case KILN_FLAG_ONLY:
        return check_only(f, shown, value, error);
    case KILN_FLAG_UNSUPPORTED:
        return kiln_usage_error(error, "%s is not supported yet", shown);
    default:
        return true;
    }
}

static bool unknown(const KilnFlag *flags, guint n, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < n; i++) {
        g_ptr_array_add(names, (char *)flags[i].name);
    }
    g_ptr_array_add(names, NULL);
    /* Anything is near to a letter or two. */
    const char *near =
        strlen(name) > 2 ? kiln_suggest(name, (const char *const *)names->pdata, true) : NULL;
    return near ? kiln_usage_error(error, "unknown flag --%s (did you mean --%s?)", name, near)
                : kiln_usage_error(error, "unknown flag --%s", name);
}

/* argv[*i] is "--name…". */
static bool parse_long(const KilnFlag *flags, guint n, int argc, char **argv, int *i,
                       GError **error)
{
    const char *text = argv[*i] + 2;
    const char *equals = strchr(text, '=');
    g_autofree char *name = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
    const KilnFlag *f = NULL;
    for (guint k = 0; k < n && !f; k++) {
        f = strcmp(flags[k].name, name) == 0 ? &flags[k] : NULL;
    }
    if (!f) {
        return unknown(flags, n, name, error);
    }
    g_autofree char *shown = g_strconcat("--", name, NULL);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && takes_value(f)) {
        if (*i + 1 >= argc) {
            return kiln_usage_error(error, "%s needs a value", shown);
        }
        value = argv[++*i];
    }
    return apply(f, shown, value, error);
}

/* argv[*i] is "-abc": switches, of which the last may be a flag with a value. */
static bool parse_short(const KilnFlag *flags, guint n, int argc, char **argv, int *i,
                        GError **error)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const KilnFlag *f = NULL;
        for (guint k = 0; k < n && !f; k++) {
            f = flags[k].letter == *p ? &flags[k] : NULL;
        }
        if (!f) {
            return g_ascii_isprint(*p)
                       ? kiln_usage_error(error, "unknown flag -%c in \"%s\"", *p, argv[*i])
                       : kiln_usage_error(error, "unknown flag \"%s\"", argv[*i]);
        }
        char shown[] = {'-', *p, 0};
        if (!takes_value(f)) {
            bool valued = p[1] == '=';
            if (!apply(f, shown, valued ? p + 2 : NULL, error)) {
                return false;
            }
            if (valued) {
                return true;
            }
            continue;
        }
        const char *value = p[1] == '=' ? p + 2 : p[1] ? p + 1 : NULL;
        if (!value && *i + 1 >= argc) {
            return kiln_usage_error(error, "%s needs a value", shown);
        }
        return apply(f, shown, value ? value : argv[++*i], error);
    }
    return true;
}

static bool parse(const KilnFlag *flags, guint n, int argc, char **argv, GPtrArray *arguments,
                  bool leading, GError **error)
{
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (ended || text[0] != '-' || !text[1]) {
            g_ptr_array_add(arguments, argv[i]);
            ended = ended || leading;
        } else if (strcmp(text, "--") == 0) {
            ended = true;
        } else if (!(text[1] == '-' ? parse_long(flags, n, argc, argv, &i, error)
                                    : parse_short(flags, n, argc, argv, &i, error))) {
            return false;
        }
    }
    return true;
}

bool kiln_flags_parse(const KilnFlag *flags, guint n, int argc, char **argv, GPtrArray *arguments,
                      GError **error)
{
    return parse(flags, n, argc, argv, arguments, false, error);
}

bool kiln_flags_parse_leading(const KilnFlag *flags, guint n, int argc, char **argv,
                              GPtrArray *arguments, GError **error)
{
    return parse(flags, n, argc, argv, arguments, true, error);
}

void kiln_flags_help(const KilnFlag *flags, guint n, GString *to)
{
    for (guint i = 0; i < n; i++) {
        const KilnFlag *f = &flags[i];
        if (!f->help) {
            continue;
        }
        g_autoptr(GString) left = g_string_new("  ");
        g_string_append(left, f->letter ? (char[]){'-', f->letter, ',', ' ', 0} : "    ");
        g_string_append_printf(left, "--%s", f->name);
        if (f->argument) {
            g_string_append_printf(left, f->kind == KILN_FLAG_OPTIONAL ? "[=%s]" : " %s",
                                   f->argument);
        }
        g_string_append_printf(to, "%-35s %s\n", left->str, f->help);
    }
}

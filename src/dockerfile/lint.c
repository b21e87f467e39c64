#include "dockerfile/lint.h"

#include <string.h>

#include "dockerfile/excerpt.h"

void kiln_warning_free(KilnDockerfileWarning *warning)
{
    g_free(warning->text);
    g_strfreev(warning->fix);
    g_free(warning);
}

/* ---- the options of "# check=…" (ParseLintOptions in BuildKit) ---- */

#define MAX_CHECK 4096 /* bytes that are read, again for each warning */
#define MAX_OPTIONS 3

/* "key=value", which ";" divides, up to a space. */
static char **check_options(const char *check)
{
    gsize length = check ? MIN(strcspn(check, " "), MAX_CHECK) : 0;
    g_autofree char *value = g_strndup(check, length);
    return value && *value ? g_strsplit(value, ";", MAX_OPTIONS) : g_new0(char *, 1);
}

/* The value of the option, trimmed, or NULL. */
static const char *option_value(char *option, const char *key)
{
    char *equals = strchr(option, '=');
    if (!equals)
        return NULL;
    g_autofree char *name = g_strndup(option, (gsize)(equals - option));
    return strcmp(g_strstrip(name), key) == 0 ? g_strstrip(equals + 1) : NULL;
}

/* Go's strconv.ParseBool. */
static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE", NULL};
static const char *const no[] = {"0", "f", "F", "false", "False", "FALSE", NULL};

char *kiln_lint_fault(const char *check)
{
    g_auto(GStrv) options = check_options(check);
    for (char **option = options; *option; option++) {
        const char *error = option_value(*option, "error");
        if (error && !g_strv_contains(yes, error) && !g_strv_contains(no, error)) {
            g_autofree char *shown = kiln_excerpt_text(error, strlen(error));
            return g_strdup_printf("the check option error=%s is neither true nor false", shown);
        }
        if (error || option_value(*option, "skip") || option_value(*option, "experimental"))
            continue;
        g_autofree char *shown = kiln_excerpt_text(*option, strlen(*option));
        return g_strdup_printf("the check option %s is unknown; there are skip=RULE,RULE (or all), "
                               "error=true and experimental=RULE,RULE (or all)",
                               shown);
    }
    return NULL;
}

bool kiln_lint_is_strict(const KilnDockerfile *d)
{
    g_auto(GStrv) options = check_options(d->check);
    bool strict = false;
    for (char **option = options; *option; option++) {
        const char *error = option_value(*option, "error");
        strict = error ? g_strv_contains(yes, error) : strict;
    }
    return strict;
}

/* Do the options name this rule, or "all", under the key? */
static bool lists(const char *check, const char *key, const char *rule)
{
    if (!check)
        return false;
    g_auto(GStrv) options = check_options(check);
    for (char **option = options; *option; option++) {
        const char *value = option_value(*option, key);
        if (!value)
            continue;
        g_auto(GStrv) names = g_strsplit(value, ",", -1);
        for (char **name = names; *name; name++)
            if (strcmp(g_strstrip(*name), rule) == 0 || strcmp(value, "all") == 0)
                return true;
    }
    return false;
}

/* The options of a "# check=…" ahead of an instruction, which add to those of the file. */
static char *own_options(const KilnInstruction *i)
{
    for (char **comment = i ? i->comments : NULL; comment && *comment; comment++) {
        const char *at = *comment;
        if (g_ascii_strncasecmp(at, "check", strlen("check")) != 0)
            continue;
        at += strlen("check");
        at += strspn(at, " \t");
        if (*at != '=')
            continue;
        g_autofree char *fault = kiln_lint_fault(at + 1 + strspn(at + 1, " \t"));
        return fault ? NULL : g_strdup(at + 1 + strspn(at + 1, " \t"));
    }
    return NULL;
}

bool kiln_lint_wants(const KilnDockerfile *d, const KilnInstruction *i, const char *rule)
{
    /* BuildKit's one experimental rule: only on demand, and then no skip=all concerns it. */
    bool experimental = strcmp(rule, "InvalidDefinitionDescription") == 0;
    const char *key = experimental ? "experimental" : "skip";
    g_autofree char *own = own_options(i);
    return (lists(d->check, key, rule) || lists(own, key, rule)) == experimental;
}

void kiln_lint_warn(KilnDockerfile *d, const KilnInstruction *i, const char *rule,
                    const KilnPlace *place, const char *format, ...)
{
    if (!kiln_lint_wants(d, i, rule))
        return;
    KilnDockerfileWarning *warning = g_new0(KilnDockerfileWarning, 1);
    va_list arguments;
    va_start(arguments, format);
    warning->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    warning->place = *place;
    warning->rule = rule;
    g_ptr_array_add(d->warnings, warning);
}

/* ---- the rules ---- */

typedef enum { CASE_UPPER, CASE_LOWER, CASE_MIXED } Casing;

static Casing casing(const char *word)
{
    bool upper = false, lower = false;
    for (; *word; word++) {
        upper = upper || g_ascii_isupper(*word);
        lower = lower || g_ascii_islower(*word);
    }
    return upper && lower ? CASE_MIXED : lower ? CASE_LOWER : CASE_UPPER;
}

static const KilnPlace *arg_place(const KilnInstruction *i, guint n)
{
    return &i->arg_places[n];
}

static KilnPlace keyword_place(const KilnInstruction *i)
{
    KilnPlace place = i->place;
    place.end_line = place.line;
    place.end_column = place.column + (guint)strlen(i->keyword) - 1;
    return place;
}

static void lint_from(KilnDockerfile *d, const KilnInstruction *from)
{
    if (from->args->len < 3)
        return;
    const char *as = g_ptr_array_index(from->args, 1);
    const char *name = g_ptr_array_index(from->args, 2);
    if (casing(from->keyword) != CASE_MIXED && casing(as) != casing(from->keyword))
        kiln_lint_warn(d, from, "FromAsCasing", arg_place(from, 1),
                       "%s and %s are not in the same case", from->keyword, as);
    g_autofree char *lower = g_ascii_strdown(name, -1);
    if (from->args->len == 3 && strcmp(lower, name) != 0) {
        g_autofree char *shown = kiln_excerpt_text(name, strlen(name));
        kiln_lint_warn(d, from, "StageNameCasing", arg_place(from, 2),
                       "the stage name %s should be in lower case", shown);
    }
}

void kiln_lint_instruction(KilnDockerfile *d, const KilnInstruction *i)
{
    KilnPlace place = keyword_place(i);
    if (i->kind == KILN_INST_FROM)
        lint_from(d, i);
    if (i->kind == KILN_INST_MAINTAINER)
        kiln_lint_warn(d, i, "MaintainerDeprecated", &place,
                       "MAINTAINER is deprecated; use LABEL org.opencontainers.image.authors=…");
}

static void lint_stage_name(KilnDockerfile *d, const KilnInstruction *from, GHashTable *names)
{
    const char *name = g_ptr_array_index(from->args, 1);
    g_autofree char *shown = kiln_excerpt_text(name, strlen(name));
    if (strcmp(name, "scratch") == 0 || strcmp(name, "context") == 0)
        kiln_lint_warn(d, from, "ReservedStageName", arg_place(from, 1),
                       "%s is a reserved word and should not name a stage", shown);
    if (!g_hash_table_add(names, (gpointer)name))
        kiln_lint_warn(d, from, "DuplicateStageName", arg_place(from, 1),
                       "an earlier stage is named %s, too; names should be unique", shown);
}

/* The last comment ahead of an ARG or of a stage with a name describes it, and begins with its
 * name. */
static void lint_description(KilnDockerfile *d, const KilnInstruction *i)
{
    guint n = i->comments ? g_strv_length(i->comments) : 0;
    bool from = i->kind == KILN_INST_FROM;
    if (n == 0 || (from && i->args->len < 2))
        return;
    g_autofree char *word = g_strndup(i->comments[n - 1], strcspn(i->comments[n - 1], " "));
    const char *name = g_ptr_array_index(i->args, from ? 1 : 0);
    guint names = from ? 1 : i->args->len / 2;
    for (guint k = 0; k < names; k++)
        if (strcmp(from ? name : g_ptr_array_index(i->args, 2 * k), word) == 0)
            return;
    KilnPlace place = keyword_place(i);
    kiln_lint_warn(d, i, "InvalidDefinitionDescription", &place,
                   "the comment above does not describe it: write \"# %s …\", or put an empty "
                   "comment line between",
                   names > 1 ? "<name of the ARG>" : name);
}

static void lint_casing(KilnDockerfile *d)
{
    guint lower = 0, upper = 0;
    guint first = 0;
    while (first < d->instructions->len) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, first);
        if (i->kind == KILN_INST_FROM)
            break;
        first++; /* BuildKit leaves the global ARGs out */
    }
    for (guint n = first; n < d->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        lower += casing(i->keyword) == CASE_LOWER;
        upper += casing(i->keyword) == CASE_UPPER;
    }
    Casing majority = lower > upper ? CASE_LOWER : CASE_UPPER;
    for (guint n = first; n < d->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        if (casing(i->keyword) == majority)
            continue;
        KilnPlace place = keyword_place(i);
        kiln_lint_warn(d, i, "ConsistentInstructionCasing", &place,
                       "%s should be in %s case as most instructions of the file are", i->keyword,
                       majority == CASE_LOWER ? "lower" : "upper");
    }
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const KilnPlace *p = &(*(KilnDockerfileWarning *const *)a)->place;
    const KilnPlace *q = &(*(KilnDockerfileWarning *const *)b)->place;
    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    return p->column < q->column ? -1 : p->column > q->column;
}

void kiln_lint_sort(GPtrArray *warnings)
{
    g_ptr_array_sort(warnings, by_place);
}

void kiln_lint(KilnDockerfile *d)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        if (i->kind == KILN_INST_FROM && i->args->len > 1)
            lint_stage_name(d, i, names);
        if (i->kind == KILN_INST_FROM || i->kind == KILN_INST_ARG)
            lint_description(d, i);
    }
    lint_casing(d);
    kiln_lint_sort(d->warnings);
}

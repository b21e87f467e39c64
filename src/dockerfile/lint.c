#include "dockerfile/lint.h"

#include <string.h>

#include "dockerfile/excerpt.h"

#define MAX_CHECK 4096 /* bytes of "# check=" that are read, again for each warning */

void kiln_warning_free(KilnDockerfileWarning *warning)
{
    g_free(warning->text);
    g_free(warning);
}

/* The options of "# check=…", which ";" divides, up to a space. */
static char **check_options(const KilnDockerfile *d)
{
    gsize length = d->check ? MIN(strcspn(d->check, " "), MAX_CHECK) : 0;
    g_autofree char *value = g_strndup(d->check, length);
    return g_strsplit(value ? value : "", ";", -1);
}

bool kiln_lint_is_strict(const KilnDockerfile *d)
{
    static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE", NULL};
    g_auto(GStrv) options = check_options(d);
    for (char **option = options; *option; option++)
        if (g_str_has_prefix(*option, "error=") && g_strv_contains(yes, *option + strlen("error=")))
            return true;
    return false;
}

/* Does "# check=…" say to skip this rule? */
static bool is_skipped(const KilnDockerfile *d, const char *rule)
{
    g_auto(GStrv) options = check_options(d);
    for (char **option = options; *option; option++) {
        if (!g_str_has_prefix(*option, "skip="))
            continue;
        g_auto(GStrv) names = g_strsplit(*option + strlen("skip="), ",", -1);
        if (g_strv_contains((const char *const *)names, "all") ||
            g_strv_contains((const char *const *)names, rule))
            return true;
    }
    return false;
}

void kiln_lint_warn(KilnDockerfile *d, const char *rule, const KilnPlace *place, const char *format,
                    ...)
{
    if (is_skipped(d, rule))
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
    return &g_array_index(i->arg_places, KilnPlace, n);
}

static KilnPlace keyword_place(const KilnInstruction *i)
{
    KilnPlace place = i->place;
    place.end_line = place.line;
    place.end_column = place.column + (guint)strlen(i->keyword) - 1;
    return place;
}

void kiln_lint_from(KilnDockerfile *d, const KilnInstruction *from)
{
    if (from->args->len != 3)
        return;
    const char *as = g_ptr_array_index(from->args, 1);
    const char *name = g_ptr_array_index(from->args, 2);
    if (casing(from->keyword) != CASE_MIXED && casing(as) != casing(from->keyword))
        kiln_lint_warn(d, "FromAsCasing", arg_place(from, 1), "%s and %s are not in the same case",
                       from->keyword, as);
    g_autofree char *lower = g_ascii_strdown(name, -1);
    if (strcmp(lower, name) != 0) {
        g_autofree char *shown = kiln_excerpt_text(name, strlen(name));
        kiln_lint_warn(d, "StageNameCasing", arg_place(from, 2),
                       "the stage name %s should be in lower case", shown);
    }
}

/* What the rules know of the stage they are in. */
typedef struct {
    const KilnInstruction *last[KILN_INST_SHELL + 1]; /* by kind */
    bool shell; /* SHELL is set, here or in the stage it starts from */
    char *name;
} Stage;

static void lint_stage_name(KilnDockerfile *d, const KilnInstruction *from, GHashTable *shells)
{
    const char *name = g_ptr_array_index(from->args, 1);
    g_autofree char *shown = kiln_excerpt_text(name, strlen(name));
    if (strcmp(name, "scratch") == 0 || strcmp(name, "context") == 0)
        kiln_lint_warn(d, "ReservedStageName", arg_place(from, 1),
                       "%s is a reserved word and should not name a stage", shown);
    if (g_hash_table_contains(shells, name))
        kiln_lint_warn(d, "DuplicateStageName", arg_place(from, 1),
                       "an earlier stage is named %s, too; names should be unique", shown);
}

static void lint_once(KilnDockerfile *d, Stage *stage, const KilnInstruction *i)
{
    const KilnInstruction *before = stage->last[i->kind];
    stage->last[i->kind] = i;
    if (!before)
        return;
    KilnPlace place = keyword_place(before);
    kiln_lint_warn(d, "MultipleInstructionsDisallowed", &place,
                   "the %s at line %u overrides this one: only the last of a stage counts",
                   kiln_instruction_keyword(i->kind), i->place.line);
}

static void lint_instruction(KilnDockerfile *d, Stage *stage, const KilnInstruction *i)
{
    KilnPlace place = keyword_place(i);
    const char *keyword = kiln_instruction_keyword(i->kind);
    switch (i->kind) {
    case KILN_INST_SHELL:
        stage->shell = true;
        break;
    case KILN_INST_MAINTAINER:
        kiln_lint_warn(d, "MaintainerDeprecated", &place,
                       "MAINTAINER is deprecated; use LABEL org.opencontainers.image.authors=…");
        break;
    case KILN_INST_ENV:
    case KILN_INST_LABEL:
        if (i->legacy)
            kiln_lint_warn(d, "LegacyKeyValueFormat", &place,
                           "\"%s name=value\" should be used instead of \"%s name value\"", keyword,
                           keyword);
        break;
    case KILN_INST_CMD:
    case KILN_INST_ENTRYPOINT:
        lint_once(d, stage, i);
        if (!i->json && !stage->shell)
            kiln_lint_warn(d, "JSONArgsRecommended", &place,
                           "%s should be in JSON form: in shell form signals reach the shell and "
                           "not the program",
                           keyword);
        break;
    case KILN_INST_HEALTHCHECK:
        lint_once(d, stage, i);
        break;
    default:
        break;
    }
}

/* FROM begins a stage; what it inherits is the shell of the stage it names. */
static void lint_from(KilnDockerfile *d, Stage *stage, const KilnInstruction *from,
                      GHashTable *shells)
{
    const char *base = g_ptr_array_index(from->args, 0);
    g_autofree char *lower = g_ascii_strdown(base, -1);
    bool shell = GPOINTER_TO_INT(g_hash_table_lookup(shells, lower)) != 0;
    *stage = (Stage){.shell = shell};
    if (from->args->len > 1) {
        stage->name = g_ptr_array_index(from->args, 1);
        lint_stage_name(d, from, shells);
    }
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
        kiln_lint_warn(d, "ConsistentInstructionCasing", &place,
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

void kiln_lint(KilnDockerfile *d)
{
    /* Names of stages seen so far, lower case, to whether SHELL is set at their end. */
    g_autoptr(GHashTable) shells = g_hash_table_new(g_str_hash, g_str_equal);
    Stage stage = {0};
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        if (i->kind == KILN_INST_FROM) {
            lint_from(d, &stage, i, shells);
        } else {
            lint_instruction(d, &stage, i);
        }
        if (stage.name)
            g_hash_table_insert(shells, stage.name, GINT_TO_POINTER(stage.shell));
    }
    lint_casing(d);
    g_ptr_array_sort(d->warnings, by_place);
}

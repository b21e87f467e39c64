/* Judges a split instruction against the grammar: what moby/buildkit does in
 * frontend/dockerfile/instructions/parse.go, before any variable is known. */
#include "dockerfile/instruction.h"

#include <string.h>

#include "dockerfile/duration.h"
#include "dockerfile/excerpt.h"
#include "dockerfile/fields.h"
#include "dockerfile/grammar.h"
#include "dockerfile/heredoc.h"

typedef struct {
    const KilnDockerfile *d;
    KilnInstruction *i;
    GError **error;
} Check;

static const char *arg(const Check *c, guint n)
{
    return g_ptr_array_index(c->i->args, n);
}

static const KilnPlace *arg_place(const Check *c, guint n)
{
    return &c->i->arg_places[n];
}

G_GNUC_PRINTF(4, 5)
static bool fail(const Check *c, const KilnPlace *place, KilnDockerfileError code,
                 const char *format, ...)
{
    /* Of the whole instruction only the keyword is underlined. */
    KilnPlace keyword = c->i->place;
    keyword.end_line = keyword.line;
    keyword.end_column = keyword.column + (guint)strlen(c->i->keyword) - 1;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    kiln_dockerfile_error(c->error, c->d, place ? place : &keyword, code, "%s", message);
    return false;
}

static bool check_flag_value(const Check *c, const KilnFlag *flag, const KilnFlagRule *rule)
{
    const char *value = flag->value;
    if (rule->type != KILN_FLAG_BOOL) {
        return value || fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                             "--%s needs a value: --%s=…", flag->name, flag->name);
    }
    if (!value || g_ascii_strcasecmp(value, "true") == 0 || g_ascii_strcasecmp(value, "false") == 0)
        return true;
    g_autofree char *shown = kiln_excerpt_text(value, strlen(value));
    return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                "--%s is either true or false, not \"%s\"", flag->name, shown);
}

/* ", which takes --a, --b" for a message. g_free(). */
static char *flags_known(const KilnRule *rule)
{
    GString *list = g_string_new(", which takes ");
    guint n = 0;
    for (; n < G_N_ELEMENTS(rule->flags) && rule->flags[n].name; n++)
        g_string_append_printf(list, "%s--%s", n > 0 ? ", " : "", rule->flags[n].name);
    if (n == 0)
        g_string_append(list, "no flags");
    return g_string_free(list, FALSE);
}

static bool check_flags(const Check *c)
{
    const KilnRule *rule = kiln_grammar_rule(c->i->kind);
    bool none = c->i->kind == KILN_INST_HEALTHCHECK && c->i->args->len > 0 &&
                strcmp(arg(c, 0), "NONE") == 0;
    if (rule->ignores_flags || none) {
        c->i->flags = &kiln_list_empty;
        return true;
    }
    if (c->i->flags->len == 0)
        return true;
    guint seen = 0; /* a bit for each of rule->flags */
    for (guint n = 0; n < c->i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(c->i->flags, n);
        const char *suggestion = NULL;
        const KilnFlagRule *known = kiln_grammar_flag(rule, flag->name, &suggestion);
        if (!known) {
            g_autofree char *shown = kiln_excerpt_text(flag->name, strlen(flag->name));
            g_autofree char *advice = suggestion
                                          ? g_strdup_printf(" (did you mean --%s?)", suggestion)
                                          : flags_known(rule);
            return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG, "unknown flag --%s for %s%s",
                        shown, rule->keyword, advice);
        }
        guint bit = 1u << (known - rule->flags);
        if (seen & bit && known->type != KILN_FLAG_STRINGS)
            return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                        "--%s is given twice; %s takes it once", flag->name, rule->keyword);
        seen |= bit;
        if (!check_flag_value(c, flag, known))
            return false;
    }
    return true;
}

static bool check_one_of(const Check *c, const char *name, const char *const *allowed)
{
    const char *value = kiln_instruction_flag(c->i, name);
    if (!value || g_strv_contains(allowed, value))
        return true;
    g_autofree char *shown = kiln_excerpt_text(value, strlen(value));
    g_autofree char *list = g_strjoinv(", ", (char **)(void *)allowed);
    for (guint n = 0; n < c->i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(c->i->flags, n);
        if (strcmp(flag->name, name) == 0)
            return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                        "--%s cannot be \"%s\"; there are %s", name, shown, list);
    }
    return false;
}

static bool check_run(const Check *c)
{
    static const char *const networks[] = {"default", "none", "host", NULL};
    static const char *const securities[] = {"sandbox", "insecure", NULL};
    if (c->i->json && c->i->args->len == 0)
        return fail(c, NULL, KILN_DOCKERFILE_ERROR_ARGUMENT, "RUN [] names no program to execute");
    return check_one_of(c, "network", networks) && check_one_of(c, "security", securities) &&
           kiln_fields_check(c->d, c->i, c->error);
}

static bool is_stage_name(const char *name)
{
    if (!g_ascii_islower(*name))
        return false;
    while (g_ascii_islower(*name) || g_ascii_isdigit(*name) || (*name && strchr("-_.", *name)))
        name++;
    return *name == '\0';
}

static bool check_from(const Check *c)
{
    guint count = c->i->args->len;
    if (count == 1)
        return true;
    bool as = count > 1 && g_ascii_strcasecmp(arg(c, 1), "AS") == 0;
    if (count != 3 || !as) {
        guint wrong = as && count > 3 ? 3 : 1;
        const KilnPlace *place = count > 1 ? arg_place(c, wrong) : NULL;
        bool continued = place && place->line > c->i->place.line;
        return fail(c, place, KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "FROM takes an image, or an image and a name: FROM image AS name%s%s",
                    as && count == 2 ? "; there is no name behind AS" : "",
                    continued ? "; is the \\ at the end of the line before meant?" : "");
    }
    g_autofree char *name = g_ascii_strdown(arg(c, 2), -1);
    if (!is_stage_name(name)) {
        g_autofree char *shown = kiln_excerpt_text(arg(c, 2), strlen(arg(c, 2)));
        return fail(c, arg_place(c, 2), KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "%s cannot name a stage: a name begins with a letter and goes on with letters, "
                    "digits, \"-\", \"_\" and \".\"",
                    shown);
    }
    KilnList *args = kiln_list_new(c->d->arena, 2);
    args->pdata[0] = c->i->args->pdata[0];
    args->pdata[1] = kiln_arena_copy(c->d->arena, name, strlen(name));
    c->i->args = args;
    c->i->arg_places[1] = c->i->arg_places[2];
    return true;
}

static bool check_at_least_one(const Check *c)
{
    const char *keyword = kiln_instruction_keyword(c->i->kind);
    return c->i->args->len > 0 ||
           fail(c, NULL, KILN_DOCKERFILE_ERROR_ARGUMENT,
                "%s needs at least one argument, and there is none", keyword);
}

static bool check_exactly_one(const Check *c)
{
    const char *keyword = kiln_instruction_keyword(c->i->kind);
    return c->i->args->len == 1 || fail(c, NULL, KILN_DOCKERFILE_ERROR_ARGUMENT,
                                        "%s needs an argument, and there is none", keyword);
}

static bool check_names(const Check *c)
{
    if (!check_at_least_one(c))
        return false;
    for (guint n = 0; n < c->i->args->len; n += 2) {
        if (*arg(c, n) == '\0')
            return fail(c, arg_place(c, n), KILN_DOCKERFILE_ERROR_ARGUMENT,
                        "%s: there is no name before the =; no blanks stand around it: NAME=VALUE",
                        kiln_instruction_keyword(c->i->kind));
    }
    return true;
}

static bool check_copy(const Check *c)
{
    const char *keyword = kiln_instruction_keyword(c->i->kind);
    guint count = c->i->args->len;
    if (count < 2)
        return fail(c, NULL, KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "%s needs at least one source and a destination, and there is %s", keyword,
                    count == 0 ? "neither" : "only one argument");
    KilnHeredoc *heredoc = kiln_heredoc_word(arg(c, count - 1), strlen(arg(c, count - 1)));
    kiln_heredoc_free(heredoc);
    return !heredoc ||
           fail(c, arg_place(c, count - 1), KILN_DOCKERFILE_ERROR_ARGUMENT,
                "the destination of %s cannot be a heredoc; write it behind the heredoc", keyword);
}

static bool check_volume(const Check *c)
{
    if (!check_at_least_one(c))
        return false;
    for (guint n = 0; n < c->i->args->len; n++) {
        /* White space around a volume's name goes, also in JSON form. */
        g_strstrip(g_ptr_array_index(c->i->args, n));
        if (*arg(c, n) == '\0')
            return fail(c, arg_place(c, n), KILN_DOCKERFILE_ERROR_ARGUMENT,
                        "a volume cannot be an empty string");
    }
    return true;
}

static bool check_shell(const Check *c)
{
    if (!c->i->json)
        return fail(c, c->i->args->len > 0 && *arg(c, 0) ? arg_place(c, 0) : NULL,
                    KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "SHELL takes the JSON form: SHELL [\"/bin/sh\", \"-c\"]");
    return check_at_least_one(c);
}

static bool check_trigger(const Check *c)
{
    if (!c->i->trigger)
        return check_at_least_one(c);
    KilnInstructionKind kind = c->i->trigger->kind;
    const KilnPlace *place = &c->i->trigger->place;
    if (kind == KILN_INST_ONBUILD)
        return fail(c, place, KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "ONBUILD cannot be the trigger of another ONBUILD");
    if (kind == KILN_INST_FROM || kind == KILN_INST_MAINTAINER)
        return fail(c, place, KILN_DOCKERFILE_ERROR_ARGUMENT, "%s cannot be a trigger of ONBUILD",
                    kiln_instruction_keyword(kind));
    return true;
}

/* A number of times, as Go's strconv.ParseInt with 32 bits takes it. */
static bool is_retries(const char *value)
{
    if (*value == '\0')
        return true; /* "--retries=" is as good as none */
    if (*value == '+')
        value++;
    char *end = NULL;
    gint64 number = g_ascii_strtoll(value, &end, 10);
    return g_ascii_isdigit(*value) && *end == '\0' && number <= G_MAXINT32;
}

static bool check_health_flags(const Check *c)
{
    for (guint n = 0; n < c->i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(c->i->flags, n);
        g_autofree char *shown = kiln_excerpt_text(flag->value, strlen(flag->value));
        gint64 time = 0;
        if (strcmp(flag->name, "retries") == 0) {
            if (!is_retries(flag->value))
                return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                            "--retries=%s is not a number of times", shown);
            continue;
        }
        if (*flag->value && !kiln_duration_parse(flag->value, &time))
            return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                        "--%s=%s is not a duration such as 30s, 1m30s or 500ms", flag->name, shown);
        if (time != 0 && time < 1000000)
            return fail(c, &flag->place, KILN_DOCKERFILE_ERROR_FLAG,
                        "--%s=%s is less than a millisecond", flag->name, shown);
    }
    return true;
}

static bool check_healthcheck(const Check *c)
{
    guint count = c->i->args->len;
    if (!check_at_least_one(c))
        return false;
    if (strcmp(arg(c, 0), "NONE") == 0)
        return count == 1 || fail(c, arg_place(c, 1), KILN_DOCKERFILE_ERROR_ARGUMENT,
                                  "HEALTHCHECK NONE takes no arguments");
    if (strcmp(arg(c, 0), "CMD") != 0) {
        g_autofree char *shown = kiln_excerpt_text(arg(c, 0), strlen(arg(c, 0)));
        return fail(c, arg_place(c, 0), KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "HEALTHCHECK %s: there are HEALTHCHECK CMD … and HEALTHCHECK NONE", shown);
    }
    if (count == 1)
        return fail(c, NULL, KILN_DOCKERFILE_ERROR_ARGUMENT,
                    "HEALTHCHECK CMD needs a command, and there is none");
    return check_health_flags(c);
}

bool kiln_instruction_check(const KilnDockerfile *d, KilnInstruction *i, GError **error)
{
    const Check c = {d, i, error};
    if (!check_flags(&c))
        return false;
    switch (i->kind) {
    case KILN_INST_FROM:
        return check_from(&c);
    case KILN_INST_RUN:
        return check_run(&c);
    case KILN_INST_CMD:
    case KILN_INST_ENTRYPOINT:
        return true; /* empty forms are allowed: they reset what the base has */
    case KILN_INST_ENV:
    case KILN_INST_LABEL:
    case KILN_INST_ARG:
        return check_names(&c);
    case KILN_INST_ADD:
    case KILN_INST_COPY:
        return check_copy(&c);
    case KILN_INST_EXPOSE:
        return check_at_least_one(&c);
    case KILN_INST_VOLUME:
        return check_volume(&c);
    case KILN_INST_MAINTAINER:
    case KILN_INST_USER:
    case KILN_INST_WORKDIR:
    case KILN_INST_STOPSIGNAL:
        return check_exactly_one(&c);
    case KILN_INST_ONBUILD:
        return check_trigger(&c);
    case KILN_INST_HEALTHCHECK:
        return check_healthcheck(&c);
    case KILN_INST_SHELL:
        return check_shell(&c);
    }
    g_assert_not_reached();
}

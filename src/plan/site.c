/* Where an instruction applies: its complaints, its history and its words. */
#include <stdarg.h>
#include <string.h>

#include "dockerfile/expand.h"
#include "dockerfile/lint.h"
#include "dockerfile/suggest.h"
#include "plan/plan-private.h"

/* BuildKit's, in convert.go; tools tell its history entries by it. */
#define HISTORY_COMMENT "buildkit.dockerfile.v0"

void kiln_history_free(KilnHistory *h)
{
    if (!h)
        return;
    g_free(h->created_by);
    g_free(h->comment);
    g_free(h);
}

void kiln_site_history(const KilnSite *site, KilnStep *step, const char *created_by)
{
    if (!site->history)
        return;
    KilnHistory *h = g_new0(KilnHistory, 1);
    h->created_by = g_strdup(created_by);
    h->comment = g_strdup(HISTORY_COMMENT);
    h->step = step;
    g_ptr_array_add(site->history, h);
}

static void fail_in(const KilnSite *site, GError **error, GQuark domain, int code,
                    const KilnPlace *place, const char *message)
{
    g_autofree char *text =
        site->origin ? g_strdup_printf("%s: %s", site->origin, message) : g_strdup(message);
    if (!site->file) {
        g_set_error_literal(error, domain, code, text);
        return;
    }
    /* A trigger's own places are in its text, not in the file. */
    if (!place || site->origin)
        place = site->place;
    g_autoptr(GError) placed = NULL;
    kiln_dockerfile_error(&placed, site->file, place, KILN_DOCKERFILE_ERROR_ARGUMENT, "%s", text);
    g_set_error_literal(error, domain, code, placed->message);
}

bool kiln_site_fail(const KilnSite *site, GError **error, KilnPlanError code,
                    const KilnPlace *place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fail_in(site, error, KILN_PLAN_ERROR, (int)code, place, message);
    return false;
}

void kiln_site_warn(const KilnSite *site, const char *rule, const char *format, ...)
{
    if (!site->warnings)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    for (guint i = 0; i < site->warnings->len; i++) {
        const KilnDockerfileWarning *w = g_ptr_array_index(site->warnings, i);
        if (w->place.line == site->place->line && strcmp(w->text, text) == 0)
            return;
    }
    /* kiln_lint_warn() knows what "# check=skip=…" leaves out. */
    KilnDockerfile plan = {.check = site->file ? site->file->check : NULL,
                           .warnings = site->warnings};
    kiln_lint_warn(&plan, site->origin ? NULL : site->instruction, rule, site->place, "%s", text);
}

/* Names like API_KEY or github_token, but not PUBLIC_KEY (BuildKit's rule and words). */
static bool looks_secret(const char *name)
{
    static const char *const secret[] = {"apikey", "auth",     "credential", "credentials",
                                         "key",    "password", "pword",      "passwd",
                                         "secret", "token",    NULL};
    static const char *const harmless[] = {"public", "file", "version", NULL};
    g_autofree char *lower = g_ascii_strdown(name, -1);
    g_auto(GStrv) parts = g_strsplit(lower, "_", -1);
    bool found = false;
    for (char **part = parts; *part; part++) {
        if (g_strv_contains(harmless, *part))
            return false;
        found = found || g_strv_contains(secret, *part);
    }
    return found;
}

void kiln_site_warn_secret(const KilnSite *site, const char *name)
{
    if (looks_secret(name))
        kiln_site_warn(site, "SecretsUsedInArgOrEnv",
                       "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")",
                       kiln_instruction_keyword(site->instruction->kind), name);
}

const KilnPlace *kiln_site_place(const KilnSite *site, guint argument)
{
    if (site->origin || argument >= site->instruction->args->len)
        return site->place;
    return &site->instruction->arg_places[argument];
}

const KilnPlace *kiln_site_flag(const KilnSite *site, const char *name)
{
    const KilnList *flags = site->instruction->flags;
    if (site->instruction->kind == KILN_INST_RUN && strcmp(name, "from") == 0)
        name = "mount";
    for (guint i = flags->len; i-- > 0;) {
        const KilnFlag *flag = g_ptr_array_index(flags, i);
        if (strcmp(flag->name, name) == 0)
            return &flag->place;
    }
    return NULL;
}

/* ---- expansion ---- */

typedef struct {
    const KilnSite *site;
    bool silent; /* what is unset is not told */
} Lookup;

/* As in BuildKit also ${name:-word} is told, which foresees that the variable is unset. */
static const char *look_up(const char *name, void *data)
{
    const Lookup *lookup = data;
    const KilnSite *site = lookup->site;
    const char *value = kiln_scope_get(site->scope, name);
    if (value || lookup->silent || site->scope->open || kiln_scope_declares(site->scope, name))
        return value;
    g_autoptr(GPtrArray) names = kiln_scope_names(site->scope);
    g_ptr_array_add(names, NULL);
    const char *near = kiln_suggest(name, (const char *const *)names->pdata, false);
    if (near)
        kiln_site_warn(site, "UndefinedVar",
                       "Usage of undefined variable '$%s' (did you mean $%s?)", name, near);
    else
        kiln_site_warn(site, "UndefinedVar", "Usage of undefined variable '$%s'", name);
    return NULL;
}

void kiln_site_place_error(const KilnSite *site, GError **error, GError *problem,
                           const KilnPlace *place)
{
    fail_in(site, error, problem->domain, problem->code, place, problem->message);
    g_error_free(problem);
}

char *kiln_site_word(const KilnSite *site, const char *word, const KilnPlace *place, GError **error)
{
    Lookup lookup = {site, false};
    GError *problem = NULL;
    char *result = kiln_expand_word(word, site->escape, look_up, &lookup, &problem);
    if (!result)
        kiln_site_place_error(site, error, problem, place);
    return result;
}

char *kiln_site_raw(const KilnSite *site, const char *text, const KilnPlace *place, GError **error)
{
    Lookup lookup = {site, false};
    GError *problem = NULL;
    char *result = kiln_expand_raw(text, '\\', look_up, &lookup, &problem);
    if (!result)
        kiln_site_place_error(site, error, problem, place);
    return result;
}

char *kiln_site_argument(const KilnSite *site, guint argument, GError **error)
{
    return kiln_site_word(site, g_ptr_array_index(site->instruction->args, argument),
                          kiln_site_place(site, argument), error);
}

char **kiln_site_words(const KilnSite *site, guint argument, GError **error)
{
    Lookup lookup = {site, true}; /* of EXPOSE, where BuildKit does not tell either */
    GError *problem = NULL;
    char **words = kiln_expand_words(g_ptr_array_index(site->instruction->args, argument), site->escape, look_up, &lookup, &problem);
    if (!words)
        kiln_site_place_error(site, error, problem, kiln_site_place(site, argument));
    return words;
}

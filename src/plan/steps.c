/* Steps: making one, naming it, and those of RUN and WORKDIR. */
#include <string.h>

#include "dockerfile/lex.h"
#include "plan/plan-private.h"

#define SSH_SOCKET "SSH_AUTH_SOCK"

static void origin_clear(KilnOrigin *o)
{
    g_free(o->name);
}

void kiln_mounts_free(GArray *mounts)
{
    for (guint i = 0; mounts && i < mounts->len; i++) {
        KilnMount *m = &g_array_index(mounts, KilnMount, i);
        g_free(m->target);
        g_free(m->source);
        g_free(m->id);
        origin_clear(&m->from);
        g_free(m->env);
    }
    if (mounts)
        g_array_unref(mounts);
}

static void inlines_free(GArray *inlines)
{
    for (guint i = 0; inlines && i < inlines->len; i++) {
        g_free(g_array_index(inlines, KilnInline, i).name);
        g_free(g_array_index(inlines, KilnInline, i).content);
    }
    if (inlines)
        g_array_unref(inlines);
}

void kiln_step_free(KilnStep *s)
{
    if (!s)
        return;
    g_free(s->name);
    g_free(s->created_by);
    g_ptr_array_unref(s->needs);
    g_free(s->keyword);
    g_free(s->ref);
    g_free(s->image_id);
    g_strfreev(s->argv);
    g_strfreev(s->env);
    g_strfreev(s->proxy_env);
    g_free(s->script);
    g_free(s->user);
    g_free(s->shell_name);
    kiln_mounts_free(s->mounts);
    origin_clear(&s->from);
    g_strfreev(s->sources);
    if (s->source_places)
        g_array_unref(s->source_places);
    g_clear_pointer(&s->remotes, g_ptr_array_unref);
    g_free(s->dest);
    g_free(s->chown);
    g_free(s->chmod);
    inlines_free(s->inlines);
    g_strfreev(s->excludes);
    g_free(s->workdir);
    g_free(s);
}

KilnStep *kiln_step_add(KilnPlanner *p, const KilnSite *site, KilnStepKind kind, KilnStep *parent)
{
    KilnStep *s = g_new0(KilnStep, 1);
    s->index = p->plan->steps->len;
    s->kind = kind;
    s->parent = parent;
    s->needs = g_ptr_array_new();
    if (!site->origin) {
        s->file = site->file;
        s->place = *site->place;
    }
    s->keyword = g_strdup(kiln_instruction_keyword(site->instruction->kind));
    g_ptr_array_add(p->plan->steps, s);
    return s;
}

char *kiln_stage_step_name(KilnStage *s, const KilnSite *site, const char *text)
{
    g_autofree char *total = g_strdup_printf("%u", s->total);
    return g_strdup_printf("[%s%s%*u/%s] %s%s", s->label ? s->label : "", s->label ? " " : "",
                           (int)strlen(total), ++s->count, total, site->origin ? "ONBUILD " : "",
                           text);
}

typedef struct {
    const KilnScope *scope;
    const GArray *mounts;
} Shown;

static const char *look_up(const char *name, void *data)
{
    const Shown *shown = data;
    return kiln_mounts_set_variable(shown->mounts, name) ? "****"
                                                         : kiln_scope_get(shown->scope, name);
}

char *kiln_site_display(const KilnSite *site, const GArray *mounts)
{
    Shown shown = {site->scope, mounts};
    const KilnInstruction *i = site->instruction;
    bool run = i->kind == KILN_INST_RUN;
    g_autofree char *text = g_strndup(i->original, strcspn(i->original, "\n"));
    const KilnHeredoc *script =
        run && i->heredocs->len == 1 ? g_ptr_array_index(i->heredocs, 0) : NULL;
    g_autofree char *command = kiln_instruction_shell_command(i);
    if (script && command && strcmp(command, script->content) == 0) {
        g_autofree char *body = g_strstrip(g_strdup(script->content));
        gsize line = strcspn(body, "\r\n");
        char *summary =
            g_strdup_printf("%s (%.*s%s)", text, (int)line, body, body[line] ? "..." : "");
        g_free(text);
        text = summary;
    }
    KilnLexMode mode = {.escape = site->escape,
                        .keep_quotes = run,
                        .keep_unset = run,
                        .lookup = look_up,
                        .data = &shown};
    char *expanded = NULL;
    if (!kiln_lex(text, strlen(text), &mode, &expanded, NULL, NULL))
        expanded = g_strdup(text);
    for (char *c = expanded; *c && !g_ascii_isspace(*c); c++)
        *c = g_ascii_toupper(*c);
    return expanded;
}

/* ---- RUN ---- */

/* What the history shows as the command. For a script that is the shell and the path, as in
 * BuildKit, though the file is executed itself. */
static char **run_command(const KilnSite *site, KilnStep *step)
{
    const KilnInstruction *i = site->instruction;
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    if (i->json) {
        for (guint n = 0; n < i->args->len; n++)
            g_ptr_array_add(argv, g_strdup(g_ptr_array_index(i->args, n)));
    } else {
        kiln_site_append_shell(site, argv);
        step->shell_name = g_strdup(g_ptr_array_index(argv, 0));
        char *command = kiln_instruction_shell_command(i);
        if (kiln_instruction_is_script(i)) {
            const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, 0);
            step->script = command;
            command = g_strdup_printf("/dev/pipes/%s", heredoc->name);
            g_clear_pointer(&step->shell_name, g_free);
            const char *const file[] = {command, NULL};
            step->argv = g_strdupv((char **)file);
        }
        g_ptr_array_add(argv, command);
    }
    g_ptr_array_add(argv, NULL);
    char **words = (char **)g_ptr_array_steal(argv, NULL);
    if (!step->argv)
        step->argv = g_strdupv(words);
    return words;
}

/* What a RUN or a WORKDIR takes over of the configuration. */
static void take_user(KilnStep *step, const KilnConfig *config)
{
    const char *user = kiln_config_string(config, "User");
    const char *workdir = kiln_config_string(config, "WorkingDir");
    step->user = user && *user ? g_strdup(user) : NULL;
    step->workdir = kiln_path_clean("/", workdir ? workdir : "/");
}

/* The first agent is where ssh looks for it, unless the Dockerfile says otherwise; as BuildKit, also if
 * there turns out to be none. */
static char **run_environment(const KilnScope *scope, const GArray *mounts)
{
    char **env = kiln_scope_environ(scope);
    for (guint i = 0; mounts && i < mounts->len && !kiln_scope_get(scope, SSH_SOCKET); i++) {
        const KilnMount *m = &g_array_index(mounts, KilnMount, i);
        if (m->type == KILN_MOUNT_SSH)
            return g_environ_setenv(env, SSH_SOCKET, m->target, true);
    }
    return env;
}

bool kiln_stage_run(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error)
{
    g_autoptr(GPtrArray) needs = g_ptr_array_new();
    GArray *mounts;
    if (!kiln_site_mounts(p, site, needs, &mounts, error))
        return false;
    KilnStep *step = kiln_step_add(p, site, KILN_STEP_RUN, s->last);
    g_ptr_array_extend(step->needs, needs, NULL, NULL);
    step->mounts = mounts;
    if (!kiln_site_sandbox(p, site, step, error))
        return false;
    g_auto(GStrv) words = run_command(site, step);
    if (!*step->argv || !**step->argv)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, NULL,
                              "RUN [] has no command to run");
    step->env = run_environment(s->scope, mounts);
    step->proxy_env = kiln_planner_proxies(p);
    take_user(step, s->config);
    g_autofree char *display = kiln_site_display(site, mounts);
    step->name = kiln_stage_step_name(s, site, display);
    g_autofree char *prefix = kiln_scope_prefix(s->scope);
    g_autofree char *command = g_strjoinv(" ", words);
    step->created_by = g_strdup_printf("RUN %s%s # buildkit", prefix, command);
    kiln_site_history(site, step, step->created_by);
    s->last = step;
    return true;
}

/* ---- WORKDIR ---- */

bool kiln_stage_workdir(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error)
{
    g_autofree char *path = kiln_site_argument(site, 0, error);
    if (!path)
        return false;
    if (!s->workdir_set && *path != '/')
        kiln_site_warn(
            site, "WorkdirRelativePath",
            "Relative workdir \"%s\" can have unexpected results if the base image changes", path);
    s->workdir_set = true;
    g_autofree char *joined = kiln_workdir_join(s->config, path);
    kiln_config_set_string(s->config, "WorkingDir", joined);
    g_autofree char *created_by = g_strdup_printf("WORKDIR %s", joined);
    if (strcmp(joined, "/") == 0) { /* is always there */
        kiln_site_history(site, NULL, created_by);
        return true;
    }
    KilnStep *step = kiln_step_add(p, site, KILN_STEP_WORKDIR, s->last);
    take_user(step, s->config);
    g_autofree char *display = kiln_site_display(site, NULL);
    step->name = kiln_stage_step_name(s, site, display);
    kiln_site_history(site, step, created_by);
    step->created_by = g_steal_pointer(&created_by);
    s->last = step;
    return true;
}

/* COPY and ADD. */
#include <string.h>

#include "plan/plan-private.h"
#include "tree/ignore.h"

/* Octal up to 07777, or a symbolic mode as of chmod(1): "u=rwX,go=rX". */
static bool valid_chmod(const char *text)
{
    if (g_ascii_isdigit(*text)) {
        guint64 mode;
        return g_ascii_string_to_unsigned(text, 8, 0, 07777, &mode, NULL);
    }
    g_auto(GStrv) clauses = g_strsplit(text, ",", -1);
    for (char **clause = clauses; *clause; clause++) {
        const char *p = *clause + strspn(*clause, "ugoa");
        if (!*p || !strchr("+-=", *p))
            return false;
        while (*p && strchr("+-=", *p)) {
            p++;
            gsize copied = strspn(p, "ugo");
            p += copied ? copied : strspn(p, "rwxXst");
        }
        if (*p)
            return false;
    }
    return *clauses != NULL;
}

/* Sources, the bodies of heredocs, and the destination as expanded. */
typedef struct {
    GPtrArray *sources, *remotes;
    GArray *places, *inlines;
    char *dest;
    GString *written; /* " SOURCE …", for the history */
} Files;

static bool read_files(const KilnSite *site, Files *files, GError **error)
{
    const KilnInstruction *i = site->instruction;
    for (guint n = 0; n + 1 < i->args->len; n++) {
        const KilnPlace *place = kiln_site_place(site, n);
        const KilnHeredoc *heredoc = kiln_instruction_heredoc(i, n);
        if (heredoc) {
            KilnInline file = {.name = g_strdup(heredoc->name)};
            file.content = heredoc->expand
                               ? kiln_site_raw(site, heredoc->content, &heredoc->place, error)
                               : g_strdup(heredoc->content);
            g_array_append_val(files->inlines, file);
            if (!file.content)
                return false;
            continue;
        }
        char *source = kiln_site_argument(site, n, error);
        if (!source)
            return false;
        g_string_append_printf(files->written, " %s", source);
        if (!*source) { /* an empty word is the root, as in BuildKit */
            g_free(source);
            source = g_strdup(".");
        }
        g_ptr_array_add(files->sources, source);
        g_array_append_val(files->places, *place);
        KilnRemoteSource *remote;
        if (!kiln_remote_source_read(site, source, place, &remote, error))
            return false;
        g_ptr_array_add(files->remotes, remote);
    }
    files->dest = kiln_site_argument(site, i->args->len - 1, error);
    return files->dest != NULL;
}

/* Absolute; "/" at the end tells a directory, and stays or is put there for "." and "". */
static char *destination(const KilnConfig *config, const char *written)
{
    const char *workdir = kiln_config_string(config, "WorkingDir");
    g_autofree char *base = kiln_path_clean("/", workdir ? workdir : "/");
    char *path = kiln_path_clean(base, written);
    const char *name = strrchr(written, '/');
    name = name ? name + 1 : written;
    bool directory = !*name || strcmp(name, ".") == 0;
    if (directory && strcmp(path, "/") != 0) {
        char *slashed = g_strconcat(path, "/", NULL);
        g_free(path);
        path = slashed;
    }
    return path;
}

static bool flag_word(const KilnSite *site, const char *flag, char **value, GError **error)
{
    const char *written = kiln_instruction_flag(site->instruction, flag);
    if (!written)
        return true;
    g_autofree char *word = kiln_site_word(site, written, kiln_site_flag(site, flag), error);
    if (!word)
        return false;
    if (*word)
        *value = g_steal_pointer(&word);
    return true;
}

static bool read_excludes(const KilnSite *site, KilnStep *step, GError **error)
{
    g_autoptr(GPtrArray) excludes = kiln_instruction_flags(site->instruction, "exclude");
    if (excludes->len == 0)
        return true;
    g_ptr_array_add(excludes, NULL);
    step->excludes = g_strdupv((char **)excludes->pdata);
    GError *malformed = NULL;
    g_autoptr(KilnIgnore) parsed =
        kiln_ignore_new((const char *const *)step->excludes, "--exclude", &malformed);
    if (!parsed)
        kiln_site_place_error(site, error, malformed, kiln_site_flag(site, "exclude"));
    return parsed != NULL;
}

static bool read_flags(const KilnSite *site, KilnStep *step, GError **error)
{
    const KilnInstruction *i = site->instruction;
    if (!flag_word(site, "chown", &step->chown, error) ||
        !flag_word(site, "chmod", &step->chmod, error))
        return false;
    if (step->chmod && !valid_chmod(step->chmod))
        return kiln_site_fail(
            site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_flag(site, "chmod"),
            "%s --chmod=%s: invalid mode; give an octal number from 0 to 07777, or "
            "a symbolic mode such as u=rwX,go=rX",
            step->keyword, step->chmod);
    /* with --chmod it stands on what is there, as in BuildKit (dockerfile2llb/convert_copy.go) */
    step->link = kiln_instruction_flag_on(i, "link") && !step->chmod;
    step->parents = kiln_instruction_flag_on(i, "parents");
    step->add = i->kind == KILN_INST_ADD &&
                (!kiln_instruction_flag(i, "unpack") || kiln_instruction_flag_on(i, "unpack"));
    step->unpack_fetched = i->kind == KILN_INST_ADD && kiln_instruction_flag_on(i, "unpack");
    return read_excludes(site, step, error);
}

/* What is said of the sources that are fetched. */
static bool finish_remotes(const KilnSite *site, KilnStep *step, GError **error)
{
    g_autofree char *checksum = NULL;
    if (!flag_word(site, "checksum", &checksum, error))
        return false;
    if (checksum && (step->remotes->len != 1 || !step->remotes->pdata[0] || step->inlines->len > 0))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_flag(site, "checksum"),
                              "%s --checksum is for one URL or git source", step->keyword);
    for (guint n = 0; n < step->remotes->len; n++) {
        KilnRemoteSource *r = step->remotes->pdata[n];
        if (r && (!kiln_remote_source_flags(site, r, checksum, error) ||
                  !kiln_remote_source_name(site, r, step->sources[n], step->dest,
                                           &g_array_index(step->source_places, KilnPlace, n), error)))
            return false;
    }
    return true;
}

static char *created_by(const KilnStep *step, const Files *files)
{
    GString *text = g_string_new(step->keyword);
    if (step->parents)
        g_string_append(text, " --parents");
    if (step->chown)
        g_string_append_printf(text, " --chown=%s", step->chown);
    if (step->chmod)
        g_string_append_printf(text, " --chmod=%s", step->chmod);
    g_string_append(text, files->written->str);
    for (guint i = 0; i < step->inlines->len; i++)
        g_string_append_printf(text, " <<%s", g_array_index(step->inlines, KilnInline, i).name);
    g_string_append_printf(text, " %s # buildkit", files->dest);
    return g_string_free(text, FALSE);
}

bool kiln_stage_copy(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error)
{
    const KilnInstruction *i = site->instruction;
    if (i->args->len < 2)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, NULL,
                              "%s needs a source and a destination",
                              kiln_instruction_keyword(i->kind));
    KilnOrigin from = {.kind = KILN_ORIGIN_CONTEXT};
    g_autoptr(GPtrArray) needs = g_ptr_array_new();
    const char *name = i->kind == KILN_INST_COPY ? kiln_instruction_flag(i, "from") : NULL;
    if (name && *name && !kiln_planner_origin(p, site, name, &from, needs, error))
        return false;

    KilnStep *step = kiln_step_add(p, site, KILN_STEP_COPY, s->last);
    step->from = from;
    g_ptr_array_extend(step->needs, needs, NULL, NULL);
    if (!read_flags(site, step, error))
        return false;
    step->source_places = g_array_new(FALSE, FALSE, sizeof(KilnPlace));
    step->inlines = g_array_new(FALSE, FALSE, sizeof(KilnInline));
    g_autoptr(GPtrArray) sources = g_ptr_array_new();
    step->remotes = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_remote_source_free);
    g_autoptr(GString) written = g_string_new(NULL);
    Files files = {sources, step->remotes, step->source_places, step->inlines, NULL, written};
    bool ok = read_files(site, &files, error);
    g_ptr_array_add(sources, NULL);
    step->sources = (char **)g_ptr_array_steal(sources, NULL);
    if (!ok)
        return false;
    step->dest = destination(s->config, files.dest);
    if (!finish_remotes(site, step, error)) {
        g_free(files.dest);
        return false;
    }
    g_autofree char *display = kiln_site_display(site, NULL);
    step->name = kiln_stage_step_name(s, site, display);
    step->created_by = created_by(step, &files);
    g_free(files.dest);
    kiln_site_history(site, step, step->created_by);
    s->last = step;
    return true;
}

/* CopyBeforeInstall: sources are copied ahead of what installs dependencies, which then runs again
 * after every change of any file. */
#include "check/order-private.h"

#include "tree/glob.h"

#include <string.h>

/* ---- is it so? ---- */

static bool is_fetched(const KilnCheckStage *s, const KilnTool *t)
{
    return g_ptr_array_find(s->fetched, t, NULL);
}

/* Nothing of the RUN would miss the sources. */
static bool reads_no_sources(const KilnCheckRun *r)
{
    for (guint n = 0; n < r->commands->len; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        const KilnTool *t = kiln_tool_of(c);
        if (t ? t->kind == KILN_TOOL_BUILD || kiln_tool_needs_sources(t, c)
              : !kiln_command_is_harmless(c))
            return false;
        if (strpbrk(c->text, "`$<"))
            return false;
    }
    return true;
}

/* The directory of the context that has what the tool reads: that of the COPY, and a "cd" of the
 * RUN. */
static char *source_directory(const KilnCheckStage *s, const KilnCheckRun *r)
{
    g_autofree char *directory = kiln_check_directory(s->wide);
    for (guint n = 0; n < r->commands->len; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        if (!g_str_equal(c->words[0], "cd") || !c->words[1])
            continue;
        const char *to = c->words[1];
        if (*to == '/' || strpbrk(to, "$~`") || strstr(to, ".."))
            break;
        return g_strconcat(directory, to, g_str_has_suffix(to, "/") ? "" : "/", NULL);
    }
    return g_steal_pointer(&directory);
}

/* A tool that builds has its list of packages where the sources are: without it this is something
 * else. */
static bool has_list(const KilnCheckStage *s, const KilnCheckRun *r, const KilnTool *t)
{
    bool found;
    g_autofree char *directory = source_directory(s, r);
    g_ptr_array_unref(kiln_check_files(s->context, directory, t->files, &found));
    return s->context->fd < 0 || found;
}

static bool is_late(const KilnCheckStage *s, const KilnCheckRun *r, const KilnTool *t,
                    const KilnCommand *c)
{
    if (t->kind == KILN_TOOL_SYSTEM)
        return reads_no_sources(r);
    if (is_fetched(s, t) || kiln_tool_needs_sources(t, c))
        return false;
    if (kiln_tool_by_name(t, c))
        return reads_no_sources(r);
    if (t->kind == KILN_TOOL_PACKAGES)
        return true;
    if (!kiln_check_is_whole(s->wide) && s->context->fd < 0)
        return false; /* who knows whether its list of packages is there */
    /* A cache mount keeps what it fetches; what it builds must be built again anyway. */
    return !kiln_check_has_mount(r->run, t->caches[0]) && !kiln_command_has(c, "-mod=vendor") &&
           !kiln_check_there(s->context, "vendor") &&
           !g_str_equal(c->words[1] ? c->words[1] : "", "install") && !strstr(c->text, ".go") &&
           has_list(s, r, t);
}

/* ---- the lines that mend it ---- */

/* "-r FILE" of pip: files as the COPY would name them. */
static GPtrArray *requirements(const KilnCommand *c, const char *dest)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    for (char **word = c->words + 1; *word; word++) {
        const char *file = NULL;
        if ((g_str_equal(*word, "-r") || g_str_equal(*word, "--requirement")) && word[1])
            file = word[1];
        else if (g_str_has_prefix(*word, "--requirement="))
            file = *word + strlen("--requirement=");
        else if (g_str_has_prefix(*word, "-r") && (*word)[2])
            file = *word + 2;
        if (!file)
            continue;
        gsize n = strlen(dest);
        if (strncmp(file, dest, n) == 0 && (n > 0 && (dest[n - 1] == '/' || file[n] == '/')))
            file += n + (file[n] == '/');
        while (g_str_has_prefix(file, "./"))
            file += 2;
        if (*file == '/')
            file = strrchr(file, '/') + 1;
        if (*file && !strpbrk(file, "$`") && !strstr(file, ".."))
            g_ptr_array_add(files, g_strdup(file));
    }
    return files;
}

/* Whether a COPY ahead of the RUN, other than the wide one, brings the tool's list of packages. */
static bool is_listed(const KilnCheckStage *s, const KilnCheckRun *r)
{
    for (guint n = s->from + 1; n < s->to && s->d->instructions->pdata[n] != r->run; n++) {
        const KilnInstruction *i = s->d->instructions->pdata[n];
        bool copy = (i->kind == KILN_INST_COPY || i->kind == KILN_INST_ADD) && i != s->wide;
        for (guint k = 0; copy && k + 1 < i->args->len; k++) {
            g_autofree char *name = g_path_get_basename(i->args->pdata[k]);
            for (gsize f = 0; r->tool->files[f]; f++)
                if (g_str_equal(name, r->tool->files[f]) ||
                    kiln_glob_match(r->tool->files[f], name, NULL) ||
                    kiln_glob_match(name, r->tool->files[f], NULL))
                    return true;
        }
    }
    return false;
}

/* "COPY package*.json ./" */
char *kiln_check_narrow_copy(const KilnCheckStage *s, const KilnCheckRun *r)
{
    g_autofree char *whole = kiln_check_directory(s->wide);
    g_autofree char *directory = source_directory(s, r);
    const char *below = directory + strlen(whole); /* of a "cd" */
    const char *dest = s->wide->args->pdata[s->wide->args->len - 1];
    g_autoptr(GPtrArray) files = requirements(r->install, dest);
    if (files->len == 0) {
        bool found;
        g_clear_pointer(&files, g_ptr_array_unref);
        files = kiln_check_files(s->context, directory, r->tool->files, &found);
    }
    g_autoptr(GString) line = g_string_new("COPY");
    const char *sub =
        strchr(files->pdata[0], '/'); /* requirements/prod.txt: it may include others there */
    g_autofree char *folder =
        sub ? g_strndup(files->pdata[0], (gsize)(sub - (char *)files->pdata[0]) + 1) : NULL;
    for (guint n = 0; !folder && n < files->len; n++)
        g_string_append_printf(line, " %s%s", directory, (char *)files->pdata[n]);
    if (folder)
        g_string_append_printf(line, " %s%s", directory, folder);
    g_string_append_printf(line, " %s%s%s%s", g_str_equal(dest, ".") ? "./" : dest,
                           g_str_equal(dest, ".") || g_str_has_suffix(dest, "/") ? "" : "/", below,
                           folder ? folder : "");
    return g_string_free(g_steal_pointer(&line), FALSE);
}

/* Whether the RUN cannot be taken apart at its "&&"s. */
static bool is_program(const KilnCheckRun *r)
{
    static const char *const keywords[] = {"for", "case", "fi",   "done", "esac",
                                           "}",   "[",    "test", NULL};
    for (guint n = 0; n < r->commands->len; n++)
        if (g_strv_contains(keywords, ((KilnCommand *)r->commands->pdata[n])->words[0]))
            return true;
    return false;
}

/* What the RUN does besides installing, or NULL. */
static char *rest_of(const KilnCheckRun *r)
{
    g_autoptr(GPtrArray) rest = g_ptr_array_new();
    for (guint n = 0; n < r->commands->len && !is_program(r); n++) {
        const KilnCommand *c = r->commands->pdata[n];
        if (c != r->install && !kiln_tool_of(c) && !kiln_command_is_harmless(c))
            g_ptr_array_add(rest, c->text);
    }
    g_ptr_array_add(rest, NULL);
    return rest->len > 1 ? g_strjoinv(" && ", (char **)rest->pdata) : NULL;
}

char *kiln_check_command(const KilnCheckRun *r)
{
    if (is_program(r))
        return r->run->heredocs->len ? g_strdup(r->install->text) : kiln_commands_text(r->run);
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    for (guint n = 0; n < r->commands->len; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        if (!g_str_equal(c->words[0], ":"))
            g_ptr_array_add(all, c->text);
    }
    g_ptr_array_add(all, NULL);
    return g_strjoinv(" && ", (char **)all->pdata);
}

/* The lines ahead of the COPY to `before`, those behind it to `after`. */
static void mend(const KilnCheckStage *s, const KilnCheckRun *r, GPtrArray *before,
                 GPtrArray *after)
{
    const KilnTool *t = r->tool;
    g_autofree char *flags = kiln_check_flags(r->run);
    g_autofree char *rest = rest_of(r);
    g_autofree char *all = kiln_check_command(r);
    const char *command = rest ? r->install->text : all;
    bool fetches = t->fetch && !kiln_tool_only_fetches(t, r->install);
    bool builds = fetches && t->kind == KILN_TOOL_BUILD;
    if (!kiln_tool_by_name(t, r->install) && !is_listed(s, r))
        g_ptr_array_add(before, kiln_check_narrow_copy(s, r));
    if (builds)
        g_ptr_array_add(before, g_strconcat("RUN ", flags, t->fetch, NULL));
    else
        g_ptr_array_add(before,
                        g_strconcat("RUN ", flags, command, fetches ? " " : NULL, t->fetch, NULL));
    if (builds)
        g_ptr_array_add(after, g_strconcat("RUN ", flags, command, NULL));
    else if (fetches && t->after)
        g_ptr_array_add(after, g_strconcat("RUN ", flags, t->after, NULL));
    if (rest)
        g_ptr_array_add(after, g_strconcat("RUN ", rest, NULL));
}

void kiln_check_run_free(KilnCheckRun *r)
{
    g_ptr_array_unref(r->commands);
    g_free(r);
}

void kiln_check_install(KilnCheckStage *s, const KilnCheckRun *r)
{
    for (guint n = 0; n < r->commands->len; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        const KilnTool *t = kiln_tool_of(c), *program = kiln_tool_program(c);
        if (!s->wide && program)
            g_ptr_array_add(s->fetched, (gpointer)program);
        if (!s->wide && t && !kiln_tool_by_name(t, c))
            g_ptr_array_add(s->fetched, (gpointer)t);
        if (!s->wide || !t || !is_late(s, r, t, c))
            continue;
        KilnCheckRun *late = g_new0(KilnCheckRun, 1);
        *late = (KilnCheckRun){r->run, g_ptr_array_ref(r->commands), c, t};
        g_ptr_array_add(s->late, late);
        return;
    }
}

void kiln_check_late(KilnCheckStage *s)
{
    if (s->late->len == 0)
        return;
    g_autoptr(GPtrArray) before = g_ptr_array_new(), after = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GString) at = g_string_new(NULL);
    for (guint n = 0; n < s->late->len; n++) {
        const KilnCheckRun *r = s->late->pdata[n];
        mend(s, r, before, after);
        if (!g_ptr_array_find(names, r->tool->name, NULL))
            g_ptr_array_add(names, (gpointer)r->tool->name);
        g_string_append_printf(at, "%s%u", n ? ", " : "", r->run->place.line);
    }
    g_ptr_array_add(before, g_strdup(s->wide->original));
    g_ptr_array_extend_and_steal(before, g_steal_pointer(&after));
    g_ptr_array_add(before, NULL);
    g_ptr_array_add(names, NULL);
    g_autofree char *tools = g_strjoinv(" and ", (char **)names->pdata);
    kiln_check_tell(s, s->wide, "CopyBeforeInstall", (char **)g_ptr_array_steal(before, NULL),
                    "whenever a file that this copies changes, %s run%s again (line%s %s): copy only the "
                    "files that say what to install, install, then copy the rest",
                    tools, names->len > 2 ? "" : "s", s->late->len > 1 ? "s" : "", at->str);
}

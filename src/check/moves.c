#include "check/moves.h"

#include "check/order-private.h"
#include "tree/place.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A list of packages that is longer is not looked into, and nothing is proposed. */
#define LIST_SIZE_MAX (4 << 20)

/* Of the tools that may go ahead of the sources: what else they read where their list of packages is, words in that
 * list that make them read more, what they write beside it, and which of its files they may write anew. */
typedef struct {
    const char *tool;
    const char *list; /* NULL: the files of the tool */
    const char *also[6];
    const char *more[10];
    const char *makes[3];
    const char *lock;
    const char *frozen[4]; /* words with which they do not */
} Reads;

#define NPM_MORE                                                                                                       \
    {"\"workspaces\"", "\"file:", "\"link:", "\"portal:", "\"preinstall\"", "\"install\"", "\"postinstall\"",          \
     "\"prepare\"", "\"prepublish\"", NULL}

static const Reads reads[] = {
    {"npm", "package.json", {".npmrc"}, NPM_MORE, {"node_modules"}, "package-lock.json", {"ci", "clean-install"}},
    {"yarn", "package.json", {".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn"}, NPM_MORE, {"node_modules", ".pnp.cjs"},
     "yarn.lock", {"--frozen-lockfile", "--immutable"}},
    {"pnpm", "package.json", {".npmrc", ".pnpmfile.cjs"}, NPM_MORE, {"node_modules"}, "pnpm-lock.yaml",
     {"--frozen-lockfile"}},
    {"pip", NULL, {NULL}, {"-e ", "--editable", "-r ", "--requirement", "-c ", "--constraint", "file:", "./", "../", NULL},
     {NULL}, NULL, {NULL}},
    {"uv pip", NULL, {NULL}, {"-e ", "--editable", "-r ", "--requirement", "-c ", "--constraint", "file:", "./", "../", NULL},
     {NULL}, NULL, {NULL}},
    {"uv", "pyproject.toml", {"uv.toml", ".python-version"}, {"path =", "path=", "workspace", NULL}, {".venv"}, "uv.lock",
     {"--locked", "--frozen"}},
    {"poetry", "pyproject.toml", {"poetry.toml"}, {"path =", "path=", NULL}, {".venv"}, NULL, {NULL}},
    {"composer", "composer.json", {"auth.json"}, {"\"path\"", "\"artifact\"", NULL}, {"vendor"}, NULL, {NULL}},
    {"bundle", "Gemfile", {".bundle", ".ruby-version"}, {"path:", "path ", ":path", "gemspec", "eval_gemfile", NULL},
     {"vendor"}, "Gemfile.lock", {"--frozen", "--deployment"}},
    {"go", "go.mod", {"go.work"}, {"=> .", "=> /", NULL}, {NULL}, NULL, {NULL}},
};

/* Arguments that a tool may read without being told to. */
static const char *const read_anyway[] = {"NPM",   "NODE",  "YARN",    "PNPM",     "COREPACK", "PIP",    "UV",  "PYTHON",
                                          "POETRY", "GO",    "GEM",     "BUNDLE",   "RUBY",     "COMPOSER", "PHP", "APT",
                                          "DEB",   "APK",   "DNF",     "YUM",      "PATH",     "HOME",   "LANG", "LC_",
                                          "TZ",    "CC",    "CXX",     "CFLAGS",   "LDFLAGS",  "MAKE",   "CARGO", "SSL",
                                          "CURL",  "GIT_",  "HTTP",    "NO_PROXY", "FTP",      "ALL_PROXY", "TARGET", "BUILDKIT",
                                          "SOURCE_DATE", "USER", "SHELL", "TMP", "TERM", "CI", NULL};

void kiln_move_free(KilnMove *m)
{
    g_ptr_array_unref(m->runs);
    g_ptr_array_unref(m->ahead);
    g_ptr_array_unref(m->files);
    g_ptr_array_unref(m->assumptions);
    g_free(m->refusal);
    g_free(m->variable);
    g_free(m);
}

static KilnMove *move_new(const KilnInstruction *moved, guint stage)
{
    KilnMove *m = g_new0(KilnMove, 1);
    m->moved = moved;
    m->stage = stage;
    m->runs = g_ptr_array_new();
    m->ahead = g_ptr_array_new_with_free_func(g_free);
    m->files = g_ptr_array_new_with_free_func(g_free);
    m->assumptions = g_ptr_array_new_with_free_func(g_free);
    return m;
}

static void refuse(KilnMove *m, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void refuse(KilnMove *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!m->refusal) /* the first reason is enough */
        m->refusal = g_strdup_vprintf(format, arguments);
    va_end(arguments);
}

static void assume(KilnMove *m, char *text)
{
    if (g_ptr_array_find_with_equal_func(m->assumptions, text, g_str_equal, NULL))
        g_free(text);
    else
        g_ptr_array_add(m->assumptions, text);
}

/* ---- RUNs whose needs are known ---- */

static const Reads *reads_of(const KilnTool *t)
{
    for (gsize n = 0; n < G_N_ELEMENTS(reads); n++)
        if (g_str_equal(reads[n].tool, t->name))
            return &reads[n];
    return NULL;
}

/* Where package managers keep what nobody needs any more. */
static bool is_litter(const char *path)
{
    static const char *const places[] = {"/var/lib/apt/", "/var/cache/", "/root/.cache", "/root/.npm"};
    bool found = false;
    for (gsize n = 0; n < G_N_ELEMENTS(places); n++)
        found = found || g_str_has_prefix(path, places[n]);
    return found && !strstr(path, "..");
}

/* Nothing but what the distribution's programs, or a change of directory, touch. */
static bool is_neutral(const KilnCommand *c)
{
    static const char *const nothing[] = {"cd", "set", ":", "true", NULL};
    static const char *const managers[] = {"apt-get", "apt", "apk", "dnf", "yum", "microdnf", "npm",
                                           "yarn",    "pip", "bundle", "poetry", NULL};
    if (g_strv_contains(nothing, c->words[0]))
        return true;
    if (g_strv_contains(managers, c->words[0]))
        return kiln_command_is_harmless(c);
    bool removes = g_str_equal(c->words[0], "rm");
    for (char **word = c->words + 1; removes && *word; word++)
        removes = **word == '-' || is_litter(*word);
    return removes;
}

/* "apt-get install ./a.deb" */
static bool names_files(const KilnCommand *c)
{
    for (char **word = c->words + 1; *word; word++)
        if (**word != '-' && (strchr(*word, '/') || g_str_has_suffix(*word, ".deb") || g_str_has_suffix(*word, ".rpm") ||
                              g_str_has_suffix(*word, ".apk")))
            return true;
    return false;
}

/* Told to look or to put things elsewhere, or into further files. */
static bool goes_elsewhere(const KilnCommand *c)
{
    static const char *const flags[] = {"-C",       "-c",          "-d",      "-f",        "-F",          "-t",
                                        "-w",       "--prefix",    "--cwd",   "--dir",     "--directory", "--working-dir",
                                        "--target", "--workspace", "--filter", "--gemfile", "--root",     "--project",
                                        "--constraint", "--find-links", "--userconfig", "--modules-folder", NULL};
    for (char **word = c->words + 1; *word; word++) {
        g_autofree char *flag = g_strndup(*word, strcspn(*word, "="));
        if (g_strv_contains(flags, flag) || strstr(*word, ".."))
            return true;
    }
    return false;
}

/* Whether it installs, and reads what is known. */
static bool is_known(const KilnCommand *c, const KilnTool *t)
{
    const Reads *r = reads_of(t);
    if (t->kind == KILN_TOOL_SYSTEM)
        return !names_files(c);
    if (kiln_tool_needs_sources(t, c) || !r || goes_elsewhere(c))
        return false;
    if (t->fetch && !kiln_tool_only_fetches(t, c))
        return false;
    bool by_name = t->kind == KILN_TOOL_PACKAGES && kiln_tool_by_name(t, c);
    /* what adds a package to the project's list reads and writes that */
    return !by_name || strstr(t->name, "pip") || kiln_command_has(c, "-g") || kiln_command_has(c, "--global");
}

static bool has_bind_mount(const KilnInstruction *run)
{
    g_autoptr(GPtrArray) mounts = kiln_instruction_flags(run, "mount");
    for (guint n = 0; n < mounts->len; n++)
        if (!mounts->pdata[n] || !strstr(mounts->pdata[n], "type=") || strstr(mounts->pdata[n], "type=bind"))
            return true;
    return false;
}

/* Whether what a RUN reads is known, and it installs something. */
static bool is_installer(const KilnInstruction *run, const GPtrArray *commands)
{
    bool installs = false;
    for (guint n = 0; n < commands->len; n++) {
        const KilnCommand *c = commands->pdata[n];
        const KilnTool *t = kiln_tool_of(c);
        if (strpbrk(c->text, "`$<>") || (t ? !is_known(c, t) : !is_neutral(c)))
            return false;
        installs = installs || t;
    }
    return installs && !has_bind_mount(run);
}

/* ---- COPY ---- */

/* Of a file of the context, NULL if it cannot be read. g_free(). */
static char *read_list(const KilnCheckContext *context, const char *path)
{
    struct stat st;
    int fd = kiln_open_beneath(context->fd, path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= LIST_SIZE_MAX) {
        text = g_malloc0((gsize)st.st_size + 1);
        if (read(fd, text, (size_t)st.st_size) != st.st_size)
            g_clear_pointer(&text, g_free);
    }
    close(fd);
    return text;
}

/* The list names nothing that is in the context, too. */
static void check_list(KilnMove *m, const KilnCheckContext *context, const Reads *r, const char *path)
{
    g_autofree char *text = read_list(context, path);
    if (!text)
        refuse(m, "%s cannot be read", path);
    for (gsize n = 0; text && r->more[n]; n++)
        if (strstr(text, r->more[n]))
            refuse(m, "%s has '%s': %s may read more of the sources", path, r->more[n], r->tool);
}

static char *without_slash(const char *path)
{
    gsize n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return g_strndup(path, n);
}

/* Whether the RUN works where the COPY puts the sources, or below by one relative "cd": only then are the files that
 * go ahead those that it reads. */
static bool is_at_home(const KilnCheckStage *s, const KilnCheckRun *run)
{
    g_autofree char *dest = without_slash(s->wide->args->pdata[s->wide->args->len - 1]);
    const char *home = g_str_equal(dest, ".") ? dest : NULL;
    for (guint n = s->from + 1; n < s->to && s->d->instructions->pdata[n] != s->wide; n++) {
        const KilnInstruction *i = s->d->instructions->pdata[n];
        g_autofree char *at = i->kind == KILN_INST_WORKDIR && i->args->len ? without_slash(i->args->pdata[0]) : NULL;
        if (at && !g_str_equal(dest, "."))
            home = *dest == '/' && g_str_equal(at, dest) ? dest : NULL;
    }
    guint moves = 0;
    for (guint n = 0; n < run->commands->len; n++) {
        const KilnCommand *c = run->commands->pdata[n];
        if (!g_str_equal(c->words[0], "cd") || !c->words[1])
            continue;
        g_autofree char *to = without_slash(c->words[1]);
        if (*dest == '/' && g_str_equal(to, dest) && moves == 0)
            home = dest;
        else if (*to == '/' || strpbrk(to, "~-") == to || strstr(to, "..") || moves++ > 0)
            return false;
    }
    return home != NULL;
}

/* The files that the tool of the RUN reads go ahead. */
static void add_ahead(KilnMove *m, const KilnCheckStage *s, const KilnCheckRun *run)
{
    const Reads *r = reads_of(run->tool);
    g_autofree char *base = kiln_check_directory(s->wide), *line = kiln_check_narrow_copy(s, run);
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint n = g_strv_length(words);
    g_autoptr(GString) sources = g_string_new(NULL);
    g_autofree char *directory = g_path_get_dirname(words[1]);
    g_autofree char *place = g_str_equal(directory, ".") ? g_strdup("") : g_strconcat(directory, "/", NULL);
    if (!is_at_home(s, run))
        refuse(m, "it is not sure that \"%s\" (line %u) is run where this copies to", run->install->text,
               run->run->place.line);
    for (guint k = 1; k + 1 < n; k++) {
        g_autofree char *name = g_path_get_basename(words[k]);
        bool listed = r->list ? g_str_equal(name, r->list) : !g_str_has_suffix(words[k], "/");
        if (!kiln_check_there(s->context, words[k]))
            refuse(m, "%s is not in the context", words[k]);
        else if (!r->list && !listed)
            refuse(m, "%s is a directory, whose files may read others", words[k]);
        else if (listed)
            check_list(m, s->context, r, words[k]);
        g_string_append_printf(sources, " %s", words[k]);
        g_ptr_array_add(m->files, g_strdup(words[k] + strlen(base)));
    }
    for (gsize k = 0; r->also[k]; k++) {
        g_autofree char *path = g_strconcat(place, r->also[k], NULL);
        if (!kiln_check_there(s->context, path) ||
            g_ptr_array_find_with_equal_func(m->files, path + strlen(base), g_str_equal, NULL))
            continue;
        if (g_str_equal(r->also[k], ".yarn") || g_str_equal(r->also[k], ".bundle"))
            refuse(m, "%s reads what is in %s", r->tool, path);
        g_string_append_printf(sources, " %s", path);
        g_ptr_array_add(m->files, g_strdup(path + strlen(base)));
    }
    for (gsize k = 0; r->makes[k]; k++) {
        g_autofree char *path = g_strconcat(place, r->makes[k], NULL);
        if (kiln_check_there(s->context, path))
            refuse(m, "%s writes %s, which is in the context, too: it belongs into .dockerignore", r->tool, path);
    }
    g_autofree char *lock = r->lock ? g_strconcat(place, r->lock, NULL) : NULL;
    bool frozen = !lock || !kiln_check_there(s->context, lock);
    for (gsize k = 0; r->frozen[k]; k++)
        frozen = frozen || kiln_command_has(run->install, r->frozen[k]);
    if (!frozen)
        assume(m, g_strdup_printf("\"%s\" leaves %s as it is", run->install->text, lock));
    assume(m, g_strdup_printf("\"%s\" reads nothing of the context but%s", run->install->text, sources->str));
    g_autofree char *flags = kiln_check_flags(s->wide);
    char *copy = g_strconcat("COPY ", flags, sources->str + 1, " ", words[n - 1], NULL);
    if (g_ptr_array_find_with_equal_func(m->ahead, copy, g_str_equal, NULL))
        g_free(copy);
    else
        g_ptr_array_add(m->ahead, copy);
}

/* Whether the COPY can stand below a RUN; what the RUN needs goes ahead. */
static bool add_run(KilnMove *m, const KilnCheckStage *s, const KilnInstruction *run)
{
    g_autoptr(GPtrArray) commands = kiln_commands_of(run);
    if (!is_installer(run, commands))
        return false;
    for (guint n = 0; n < commands->len; n++) {
        const KilnCommand *c = commands->pdata[n];
        const KilnTool *t = kiln_tool_of(c);
        if (!t)
            continue;
        const KilnCheckRun r = {run, commands, c, t};
        if (t->kind != KILN_TOOL_SYSTEM && !(t->kind == KILN_TOOL_PACKAGES && kiln_tool_by_name(t, c)))
            add_ahead(m, s, &r);
        else
            assume(m, g_strdup_printf("\"%s\" reads nothing of the context", c->text));
    }
    g_ptr_array_add(m->runs, (gpointer)run);
    return true;
}

static bool has_dollar(const KilnInstruction *i)
{
    return strchr(i->original, '$') != NULL;
}

/* Whether the COPY may go below an instruction that is no RUN. */
static bool passes(const KilnInstruction *copy, const KilnInstruction *i)
{
    switch (i->kind) {
    case KILN_INST_ARG:
    case KILN_INST_ENV:
        return !has_dollar(copy);
    case KILN_INST_LABEL:
    case KILN_INST_CMD:
    case KILN_INST_ENTRYPOINT:
    case KILN_INST_EXPOSE:
    case KILN_INST_HEALTHCHECK:
    case KILN_INST_MAINTAINER:
    case KILN_INST_SHELL:
    case KILN_INST_STOPSIGNAL:
    case KILN_INST_USER:
        return true;
    default:
        return false;
    }
}

static bool has_other_flags(const KilnInstruction *copy)
{
    for (guint n = 0; n < copy->flags->len; n++) {
        const KilnFlag *flag = copy->flags->pdata[n];
        if (!g_str_equal(flag->name, "chown") && !g_str_equal(flag->name, "chmod") && !g_str_equal(flag->name, "link"))
            return true;
    }
    return false;
}

static void find_copy(KilnCheckStage *s, guint at, guint stage, GPtrArray *moves)
{
    const KilnInstruction *copy = s->d->instructions->pdata[at];
    if (s->context->fd < 0 || copy->kind != KILN_INST_COPY || copy->args->len != 2 || copy->json ||
        !kiln_check_is_wide(s->context, copy) || has_other_flags(copy))
        return;
    s->wide = copy;
    KilnMove *m = move_new(copy, stage);
    for (guint n = at + 1; n < s->to; n++) {
        const KilnInstruction *i = s->d->instructions->pdata[n];
        if (i->kind == KILN_INST_RUN ? !add_run(m, s, i) : !passes(copy, i))
            break;
    }
    if (m->runs->len > 0)
        g_ptr_array_add(moves, m);
    else
        kiln_move_free(m);
}

/* ---- ARG ---- */

static bool mentions(const KilnInstruction *i, const char *name)
{
    if (strstr(i->original, name))
        return true;
    for (guint n = 0; n < i->heredocs->len; n++)
        if (strstr(((KilnHeredoc *)i->heredocs->pdata[n])->content, name))
            return true;
    return false;
}

/* One that is there to have steps run again does what it should. */
static bool may_be_read(const char *name)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    for (gsize n = 0; read_anyway[n]; n++)
        if (g_str_has_prefix(upper, read_anyway[n]))
            return true;
    return strstr(upper, "CACHE") || strstr(upper, "BUST") || strstr(upper, "PROXY");
}

static bool passes_argument(const KilnInstruction *i)
{
    return i->kind != KILN_INST_ONBUILD && i->kind != KILN_INST_FROM;
}

static void find_argument(const KilnCheckStage *s, guint at, guint stage, GPtrArray *moves)
{
    const KilnInstruction *arg = s->d->instructions->pdata[at];
    if (arg->kind != KILN_INST_ARG || arg->args->len > 2 || (arg->args->len == 2 && arg->args->pdata[1] && has_dollar(arg)) ||
        may_be_read(arg->args->pdata[0]))
        return;
    const char *name = arg->args->pdata[0];
    KilnMove *m = move_new(arg, stage);
    m->variable = g_strdup(name);
    for (guint n = at + 1; n < s->to; n++) {
        const KilnInstruction *i = s->d->instructions->pdata[n];
        g_autoptr(GPtrArray) commands = i->kind == KILN_INST_RUN ? kiln_commands_of(i) : NULL;
        if (mentions(i, name) || !passes_argument(i) || (commands && !is_installer(i, commands)))
            break;
        if (!commands)
            continue;
        g_ptr_array_add(m->runs, (gpointer)i);
        g_autofree char *command = kiln_commands_text(i);
        assume(m, g_strdup_printf("\"%s\" does not look at the variable %s", command, name));
    }
    if (m->runs->len > 0)
        g_ptr_array_add(moves, m);
    else
        kiln_move_free(m);
}

/* ---- */

static bool is_from(const KilnInstruction *i)
{
    return i->kind == KILN_INST_FROM;
}

GPtrArray *kiln_check_moves(const KilnDockerfile *d, const KilnCheckContext *context)
{
    GPtrArray *moves = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_move_free);
    guint stage = 0;
    for (guint from = 0; from < d->instructions->len; from++) {
        if (!is_from(d->instructions->pdata[from]))
            continue;
        KilnCheckStage s = {.d = d, .context = context, .from = from, .to = from + 1};
        while (s.to < d->instructions->len && !is_from(d->instructions->pdata[s.to]))
            s.to++;
        for (guint n = from + 1; n < s.to; n++) {
            find_copy(&s, n, stage, moves);
            find_argument(&s, n, stage, moves);
        }
        stage++;
    }
    return moves;
}

void kiln_move_apply(const KilnMove *m, KilnLineEdit *e)
{
    const KilnPlace *from = &m->moved->place;
    const KilnInstruction *last = m->runs->pdata[m->runs->len - 1];
    kiln_line_edit_remove(e, from->line, from->end_line);
    for (guint n = 0; n < m->ahead->len; n++)
        kiln_line_edit_insert(e, from->end_line, m->ahead->pdata[n]);
    kiln_line_edit_copy(e, last->place.end_line, from->line, from->end_line);
}

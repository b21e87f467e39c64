/* Goes through the stages of a file for the rules on their order. */
#include "check/order-private.h"

#include <stdarg.h>
#include <string.h>

#include "dockerfile/lint.h"

void kiln_check_tell(const KilnCheckStage *s, const KilnInstruction *at, const char *rule,
                     char **fix, const char *format, ...)
{
    g_auto(GStrv) lines = fix;
    if (!kiln_lint_wants(s->d, at, rule))
        return;
    KilnDockerfileWarning *w = g_new0(KilnDockerfileWarning, 1);
    va_list arguments;
    va_start(arguments, format);
    w->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    w->place = at->place;
    w->rule = rule;
    w->fix = g_steal_pointer(&lines);
    g_ptr_array_add(s->warnings, w);
}

/* The value of a field ("type") of a --mount, or NULL. */
static const char *mount_field(char *const *fields, const char *name)
{
    gsize length = strlen(name);
    for (; *fields; fields++)
        if (g_ascii_strncasecmp(*fields, name, length) == 0 && (*fields)[length] == '=')
            return *fields + length + 1;
    return NULL;
}

static bool mount_covers(const char *mount, const char *path)
{
    g_auto(GStrv) fields = g_strsplit(mount, ",", -1);
    const char *type = mount_field(fields, "type"), *target = mount_field(fields, "target");
    target = target ? target : mount_field(fields, "dst");
    target = target ? target : mount_field(fields, "destination");
    if (!type || !target ||
        (g_ascii_strcasecmp(type, "cache") != 0 && g_ascii_strcasecmp(type, "tmpfs") != 0))
        return false;
    gsize n = strlen(target);
    while (n > 1 && target[n - 1] == '/')
        n--;
    gsize length = strcspn(path, ",");
    gsize common = MIN(n, length);
    return strncmp(path, target, common) == 0 &&
           (n == length || (n < length ? path[n] : target[length]) == '/');
}

bool kiln_check_has_mount(const KilnInstruction *run, const char *path)
{
    g_autoptr(GPtrArray) mounts = kiln_instruction_flags(run, "mount");
    for (guint n = 0; n < mounts->len; n++)
        if (mounts->pdata[n] && mount_covers(mounts->pdata[n], path))
            return true;
    return false;
}

char *kiln_check_flags(const KilnInstruction *i)
{
    GString *text = g_string_new(NULL);
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = i->flags->pdata[n];
        g_string_append_printf(text, "--%s%s%s ", flag->name, flag->value ? "=" : "",
                               flag->value ? flag->value : "");
    }
    return g_string_free(text, FALSE);
}

/* ---- what stays in a layer ---- */

/* A command that removes something below the path, or all of it. */
static bool removes(const KilnCommand *c, const char *path)
{
    if (!g_str_equal(c->words[0], "rm") && !g_str_equal(c->words[0], "find"))
        return false;
    for (char **word = c->words + 1; *word; word++) {
        gsize n = strcspn(*word, "*{?");
        while (n > 1 && (*word)[n - 1] == '/')
            n--;
        if (**word == '/' && (strncmp(*word, path, n) == 0 || g_str_has_prefix(*word, path)))
            return true;
    }
    return false;
}

static bool removes_later(const KilnCheckRun *r, const char *path)
{
    for (guint n = 0; n < r->commands->len; n++)
        if (removes(r->commands->pdata[n], path))
            return true;
    return false;
}

static char **lines(char *first, char *second)
{
    char **list = g_new0(char *, 3);
    list[0] = first;
    list[1] = second;
    return list;
}

static void check_apt(const KilnCheckStage *s, const KilnCheckRun *r, const KilnCommand *c)
{
    char **verb = kiln_command_verb(c, NULL);
    if ((!g_str_equal(c->words[0], "apt-get") && !g_str_equal(c->words[0], "apt")) || !verb ||
        !g_str_equal(*verb, "update") || kiln_check_has_mount(r->run, "/var/lib/apt/lists") ||
        removes_later(r, "/var/lib/apt/lists"))
        return;
    kiln_check_tell(s, r->run, "AptListsLeftInLayer",
                    lines(g_strdup("    && rm -rf /var/lib/apt/lists/*"), NULL),
                    "%s update leaves its lists, some 20 MB or more, in this layer of the image; "
                    "remove them in the "
                    "same RUN, at its end (a later one does not make the layer smaller)",
                    c->words[0]);
}

/* The first "apk add" of the RUN, with --no-cache; NULL without one. */
static char *apk_line(const KilnCheckRun *r)
{
    static const char *const updates[] = {"-U", "--update", "--update-cache", NULL};
    for (guint n = 0; n < r->commands->len; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        char **verb = kiln_command_verb(c, NULL);
        if (!g_str_equal(c->words[0], "apk") || !verb || !g_str_equal(*verb, "add"))
            continue;
        g_autoptr(GString) line = g_string_new("apk add --no-cache");
        for (char **word = c->words + 1; *word; word++)
            if (word != verb && !g_strv_contains(updates, *word))
                g_string_append_printf(line, " %s", *word);
        return g_string_free(g_steal_pointer(&line), FALSE);
    }
    return NULL;
}

static void check_apk(const KilnCheckStage *s, const KilnCheckRun *r, const KilnCommand *c)
{
    char **verb = kiln_command_verb(c, NULL);
    bool update = kiln_command_has(c, "-U") || kiln_command_has(c, "--update") ||
                  kiln_command_has(c, "--update-cache") || (verb && g_str_equal(*verb, "update"));
    if (!g_str_equal(c->words[0], "apk") || !update || kiln_command_has(c, "--no-cache") ||
        kiln_check_has_mount(r->run, "/var/cache/apk") ||
        kiln_check_has_mount(r->run, "/etc/apk/cache") || removes_later(r, "/var/cache/apk"))
        return;
    kiln_check_tell(
        s, r->run, "ApkCacheLeftInLayer", lines(apk_line(r), NULL),
        "apk leaves its index in this layer of the image; with --no-cache, and without update, it "
        "fetches the index anew and keeps nothing");
}

static void check_leftovers(const KilnCheckStage *s, const KilnCheckRun *r)
{
    guint before = s->warnings->len;
    for (guint n = 0; s->final && n < r->commands->len && s->warnings->len == before; n++) {
        check_apt(s, r, r->commands->pdata[n]);
        check_apk(s, r, r->commands->pdata[n]);
    }
}

/* ---- what could be better ---- */

static void check_cache(KilnCheckStage *s, const KilnCheckRun *r)
{
    for (guint n = 0; n < r->commands->len && !s->mount_told; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        const KilnTool *t = kiln_tool_of(c);
        bool wanted = t && !kiln_check_has_mount(r->run, t->caches[0]);
        for (gsize k = 0; wanted && t->no_cache[k]; k++)
            wanted = !kiln_command_has(c, t->no_cache[k]);
        if (!wanted)
            continue;
        g_autoptr(GString) line = g_string_new("RUN ");
        for (gsize k = 0; k < G_N_ELEMENTS(t->caches) && t->caches[k]; k++)
            g_string_append_printf(line, "--mount=type=cache,target=%s ", t->caches[k]);
        g_autofree char *flags = kiln_check_flags(r->run);
        const KilnCheckRun install = {r->run, r->commands, c, t};
        g_autofree char *command = kiln_check_command(&install);
        g_string_append_printf(line, "%s%s", flags, command);
        kiln_check_tell(
            s, r->run, "CacheMountPossible", lines(g_strdup(line->str), NULL),
            "what %s fetches here is fetched again whenever the step runs again; a cache mount "
            "keeps it "
            "from build to build, and out of the image%s",
            t->name,
            g_str_equal(t->name, "apt-get")
                ? " (Debian's images delete it unless /etc/apt/apt.conf.d/docker-clean is removed)"
                : "");
        s->mount_told = true; /* one is enough to say it */
    }
}

static bool is_purged(const KilnCheckRun *r)
{
    static const char *const verbs[] = {"purge", "remove", "autoremove", "del", "erase", NULL};
    for (guint n = 0; n < r->commands->len; n++) {
        char **verb = kiln_command_verb(r->commands->pdata[n], NULL);
        if (verb && g_strv_contains(verbs, *verb))
            return true;
    }
    return false;
}

static void check_build_tool(KilnCheckStage *s, const KilnCheckRun *r)
{
    for (guint n = 0; s->only && n < r->commands->len && !s->build_told; n++) {
        const KilnCommand *c = r->commands->pdata[n];
        const char *tool = kiln_build_tool_of(c, kiln_tool_of(c));
        if (!tool || is_purged(r))
            continue;
        static const char *const sketch[] = {"FROM … AS build", "# … everything up to here …",
                                             "FROM …  # a base with what the program needs to run",
                                             "COPY --from=build /what/was/built /where/it/runs",
                                             NULL};
        kiln_check_tell(s, r->run, "BuildToolInFinalStage", g_strdupv((char **)sketch),
                        "%s, and what it needs to build, is shipped with the image; a second stage "
                        "that takes only "
                        "the result leaves it behind",
                        tool);
        s->build_told = true;
    }
}

/* ---- stages ---- */

static void check_run(KilnCheckStage *s, const KilnInstruction *run)
{
    g_autoptr(GPtrArray) commands = kiln_commands_of(run);
    const KilnCheckRun r = {.run = run, .commands = commands};
    kiln_check_install(s, &r);
    check_leftovers(s, &r);
    if (!s->infos)
        return;
    check_cache(s, &r);
    check_build_tool(s, &r);
}

static void check_copy(KilnCheckStage *s, const KilnInstruction *copy)
{
    if (!kiln_check_is_wide(s->context, copy))
        return;
    kiln_check_context(s, copy);
    if (!s->wide)
        s->wide = copy;
}

static void check_stage(KilnCheckStage *s)
{
    g_autoptr(GPtrArray) fetched = g_ptr_array_new();
    g_autoptr(GPtrArray) late = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_check_run_free);
    s->fetched = fetched;
    s->late = late;
    for (guint n = s->from + 1; n < s->to; n++) {
        const KilnInstruction *i = s->d->instructions->pdata[n];
        if (i->kind == KILN_INST_RUN)
            check_run(s, i);
        else
            check_copy(s, i);
    }
    kiln_check_late(s);
}

/* Names of the stages that the last one stands on, and the index of that one: what is in the image.
 */
static bool is_final(const GPtrArray *froms, guint index)
{
    guint at = froms->len - 1;
    while (at != index) {
        const KilnInstruction *from = froms->pdata[at];
        guint base = at;
        for (guint n = 0; n < at; n++) {
            const KilnInstruction *earlier = froms->pdata[n];
            if (earlier->args->len > 1 &&
                g_ascii_strcasecmp(earlier->args->pdata[1], from->args->pdata[0]) == 0)
                base = n;
        }
        if (base == at)
            return false;
        at = base;
    }
    return true;
}

static guint next_from(const KilnDockerfile *d, guint n)
{
    do
        n++;
    while (n < d->instructions->len &&
           ((KilnInstruction *)d->instructions->pdata[n])->kind != KILN_INST_FROM);
    return n;
}

void kiln_check_order(const KilnDockerfile *d, const KilnCheckContext *context, bool infos,
                      GPtrArray *warnings)
{
    g_autoptr(GPtrArray) froms = g_ptr_array_new();
    for (guint n = 0; n < d->instructions->len; n++)
        if (((KilnInstruction *)d->instructions->pdata[n])->kind == KILN_INST_FROM)
            g_ptr_array_add(froms, d->instructions->pdata[n]);
    guint index = 0;
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = d->instructions->pdata[n];
        if (i->kind != KILN_INST_FROM)
            continue;
        KilnCheckStage s = {.d = d,
                            .context = context,
                            .warnings = warnings,
                            .infos = infos,
                            .only = froms->len == 1,
                            .final = is_final(froms, index++),
                            .from = n,
                            .to = next_from(d, n)};
        check_stage(&s);
    }
}

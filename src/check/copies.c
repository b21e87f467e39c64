/* What a COPY brings, and what the context has. */
#include "check/order-private.h"
#include "dockerfile/lint.h"
#include "tree/glob.h"
#include "tree/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Where people keep sources. */
static const char *const source_directories[] = {
    "app",    "src",    "source",  "sources", "code",     "backend",     "frontend",
    "server", "client", "web",     "www",     "api",      "site",        "html",
    "public", "lib",    "project", "service", "services", "application", NULL};

bool kiln_check_there(const KilnCheckContext *context, const char *path)
{
    if (context->fd < 0 || (context->ignore && kiln_ignore_matches(context->ignore, path)))
        return false;
    int fd = kiln_open_beneath(context->fd, path, O_PATH);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_directory(const KilnCheckContext *context, const char *path)
{
    int fd = kiln_open_beneath(context->fd, path, O_RDONLY | O_DIRECTORY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

char *kiln_check_directory(const KilnInstruction *copy)
{
    const char *source = copy->args->pdata[0];
    while (g_str_has_prefix(source, "./") || *source == '/')
        source += *source == '/' ? 1 : 2;
    gsize n = strcspn(source, "*?[");
    if (g_str_equal(source, ".") || n < strlen(source))
        return g_strdup("");
    return g_strconcat(source, *source && !g_str_has_suffix(source, "/") ? "/" : "", NULL);
}

static bool is_whole(const char *source)
{
    static const char *const whole[] = {".", "./", "/", "*", "./*", "/*", "", NULL};
    return g_strv_contains(whole, source);
}

bool kiln_check_is_whole(const KilnInstruction *copy)
{
    return is_whole(copy->args->pdata[0]);
}

bool kiln_check_is_wide(const KilnCheckContext *context, const KilnInstruction *copy)
{
    if ((copy->kind != KILN_INST_COPY && copy->kind != KILN_INST_ADD) || copy->heredocs->len > 0 ||
        kiln_instruction_flag(copy, "from"))
        return false;
    if (is_whole(copy->args->pdata[0]))
        return true;
    g_autofree char *directory = kiln_check_directory(copy);
    gsize n = strlen(directory);
    if (n == 0 || copy->args->len != 2 || strpbrk(directory, "$\\"))
        return false;
    g_autofree char *name = g_strndup(directory, n - 1);
    const char *slash = strrchr(name, '/');
    return g_strv_contains(source_directories, slash ? slash + 1 : name) &&
           (context->fd < 0 || !kiln_check_there(context, name) || is_directory(context, name));
}

static bool matches_any(const char *name, const char *const *patterns)
{
    for (; *patterns; patterns++)
        if (kiln_glob_match(*patterns, name, NULL))
            return true;
    return false;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *kiln_check_files(const KilnCheckContext *context, const char *directory,
                            const char *const *patterns, bool *found)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int fd = context->fd < 0 ? -1
                             : kiln_open_beneath(context->fd, *directory ? directory : ".",
                                                 O_RDONLY | O_DIRECTORY);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        g_autofree char *path = g_strconcat(directory, e->d_name, NULL);
        if (matches_any(e->d_name, patterns) && !strpbrk(e->d_name, " \t\n") &&
            !(context->ignore && kiln_ignore_matches(context->ignore, path)))
            g_ptr_array_add(names, g_strdup(e->d_name));
    }
    if (d)
        closedir(d);
    *found = names->len > 0;
    g_ptr_array_sort(names, by_name);
    for (; !*found && *patterns; patterns++)
        g_ptr_array_add(names, g_strdup(*patterns));
    return names;
}

void kiln_check_context(KilnCheckStage *s, const KilnInstruction *copy)
{
    static const char *const needless[] = {".git",   "node_modules", "venv",      ".venv",
                                           "target", "__pycache__",  ".terraform"};
    if (s->context->fd < 0 || s->context->ignore || !is_whole(copy->args->pdata[0]))
        return;
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    for (gsize n = 0; n < G_N_ELEMENTS(needless); n++) {
        /* target/ is cargo's and maven's, but also a name like any other. */
        bool ours = !g_str_equal(needless[n], "target") ||
                    kiln_check_there(s->context, "Cargo.toml") ||
                    kiln_check_there(s->context, "pom.xml");
        if (ours && kiln_check_there(s->context, needless[n]))
            g_ptr_array_add(found, (gpointer)needless[n]);
    }
    if (found->len == 0)
        return;
    g_ptr_array_add(found, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)found->pdata);
    kiln_check_tell(s, copy, "ContextWithoutIgnore", g_strdupv((char **)found->pdata),
                    "there is no .dockerignore, and this takes %s into the image; make a "
                    ".dockerignore with these "
                    "lines",
                    list);
}

static const KilnInstruction *instruction_at(const KilnDockerfile *d, guint line)
{
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = d->instructions->pdata[n];
        if (i->place.line == line)
            return i;
    }
    return NULL;
}

static bool excludes_all(const KilnIgnore *ignore)
{
    return kiln_ignore_matches(ignore, "\001");
}

void kiln_check_ignored(const KilnPlan *plan, const KilnDockerfile *d, const KilnIgnore *ignore,
                        GPtrArray *warnings)
{
    if (!ignore || kiln_ignore_has_exceptions(ignore))
        return;
    KilnDockerfile sink = {.check = d->check, .warnings = warnings};
    for (guint n = 0; n < plan->steps->len; n++) {
        const KilnStep *step = plan->steps->pdata[n];
        if (step->kind != KILN_STEP_COPY || step->from.kind != KILN_ORIGIN_CONTEXT || !step->file)
            continue;
        for (char **source = step->sources; *source; source++) {
            g_autofree char *path = g_canonicalize_filename(*source, "/");
            bool whole = g_str_equal(path, "/");
            /* BuildKit compares an absolute path as it is, which no pattern matches. */
            bool excluded = whole ? excludes_all(ignore)
                                  : **source != '/' && !strstr(*source, "://") &&
                                        kiln_ignore_matches(ignore, path + 1);
            if (excluded)
                kiln_lint_warn(&sink, instruction_at(d, step->place.line), "CopyIgnoredFile",
                               &step->place, "%s of \"%s\", which .dockerignore excludes",
                               step->keyword, *source);
        }
    }
}

#include "builder/definition-text.h"
#include "builder/context-load.h"
#include "builder/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_NAME "Dockerfile"

static char *read_fd(KilnDefinition *d, int fd, const char *path, gsize *size, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        g_set_error(error, KILN_OPERATION_ERROR, 1, "%s is not a regular file", path);
        close(fd);
        return NULL;
    }
    g_autoptr(KilnInput) input = kiln_input_new(d->op, fd, path, error);
    return input ? kiln_input_text(input, size, error) : NULL;
}

static char *read_from_context(KilnDefinition *d, const char *path, gsize *size, GError **error)
{
    int fd = kiln_context_open(d->context, path, error);
    return fd < 0 ? NULL : read_fd(d, fd, path, size, error);
}

/* A file of the host; one that lies in the context is opened as COPY does: symlinks are followed inside of it.
 * The context may be anybody's, and errors quote what they find. */
static char *read_from_host(KilnDefinition *d, const char *path, gsize *size, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
    char *real = d->directory ? realpath(directory, NULL) : NULL;
    gsize n = real ? strlen(d->directory) : 0;
    bool inside = real && strncmp(real, d->directory, n) == 0 && (real[n] == '/' || !real[n]);
    g_autofree char *below = inside ? g_build_filename("/", real + n, name, NULL) : NULL;
    free(real);
    if (inside)
        return read_from_context(d, below, size, error);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return read_fd(d, fd, path, size, error);
    g_set_error(error, KILN_OPERATION_ERROR, 1, "cannot open %s: %s", path, g_strerror(errno));
    return NULL;
}

static char *read_from_input(KilnDefinition *d, gsize *size, GError **error)
{
    g_autoptr(KilnInput) input = kiln_input_new_standard(d->op, error);
    if (!input)
        return NULL;
    if (kiln_input_kind(input) == KILN_INPUT_TEXT)
        return kiln_input_text(input, size, error);
    g_set_error(error, KILN_OPERATION_ERROR, 1, "--file -: standard input is %s",
                kiln_input_kind(input) == KILN_INPUT_EMPTY ? "empty" : "an archive, not a Dockerfile");
    return NULL;
}

static bool is_url(const char *file)
{
    return file && (g_str_has_prefix(file, "http://") || g_str_has_prefix(file, "https://"));
}

static char *read_from_url(KilnDefinition *d, const char *url, gsize *size, GError **error)
{
    if (d->op->only_reads) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "--file %s: only a build fetches its Dockerfile", url);
        return NULL;
    }
    KilnUrlRecord record = {0};
    int fd = kiln_fetch_url(d->fetch, url, NULL, &record, error)
                 ? kiln_blob_open(d->op->store, record.digest, NULL, error)
                 : -1;
    kiln_url_clear(&record);
    return fd < 0 ? NULL : read_fd(d, fd, url, size, error);
}

static char *read_path(KilnDefinition *d, const char *path, gsize *size, GError **error)
{
    return g_path_is_absolute(path) ? read_from_host(d, path, size, error)
                                    : read_from_context(d, path, size, error);
}

/* "dockerfile" where there is no "Dockerfile", as in BuildKit (frontend/dockerui/config.go). */
static char *read_either(KilnDefinition *d, const char *path, gsize *size, GError **error)
{
    GError *failure = NULL;
    char *text = read_path(d, path, size, &failure);
    if (!text && g_str_has_suffix(path, DEFAULT_NAME)) {
        g_autofree char *lower = g_strdup(path);
        lower[strlen(path) - strlen(DEFAULT_NAME)] = 'd';
        g_autofree char *base = g_path_get_basename(lower);
        text = strcmp(base, "dockerfile") == 0 ? read_path(d, lower, size, NULL) : NULL;
    }
    if (text)
        g_clear_error(&failure);
    else
        g_propagate_error(error, failure);
    return text;
}

static char *read_dockerfile(KilnDefinition *d, KilnLoadedContext *loaded, gsize *size, GError **error)
{
    *size = loaded->dockerfile_size;
    if (loaded->dockerfile)
        return g_steal_pointer(&loaded->dockerfile);
    const char *wanted = kiln_request_text(d->op->request, "file");
    return d->file          ? read_either(d, d->file, size, error)
           : is_url(wanted) ? read_from_url(d, wanted, size, error)
                            : read_from_input(d, size, error);
}

/* BUILDKIT_DOCKERFILE_CHECK stands in for the check directive (frontend/dockerui/config.go). */
static const char *check_options(const KilnDefinition *d)
{
    static const char name[] = "BUILDKIT_DOCKERFILE_CHECK=";
    g_autofree const char **arguments = kiln_request_list(d->op->request, "build_args");
    const char *options = NULL;
    for (const char **a = arguments; *a; a++)
        if (g_str_has_prefix(*a, name))
            options = *a + strlen(name);
    return options;
}

static bool parse(KilnDefinition *d, KilnLoadedContext *loaded, const char *name, GError **error)
{
    d->text = read_dockerfile(d, loaded, &d->size, error);
    if (d->text)
        d->dockerfile = kiln_dockerfile_parse_all(d->text, d->size, name, check_options(d), d->errors);
    return d->dockerfile != NULL;
}

static bool load_dockerfile(KilnDefinition *d, KilnLoadedContext *loaded, GError **error)
{
    g_autofree char *name = g_path_get_basename(d->file ? d->file : DEFAULT_NAME);
    g_autofree char *title = g_strdup_printf("[internal] load build definition from %s", name);
    KilnTask *task = kiln_task_start(d->op->emitter, title);
    g_autoptr(GError) failure = NULL;
    bool ok = parse(d, loaded, name, &failure);
    const GError *wrong = ok && d->errors->len > 0 ? d->errors->pdata[0] : failure;
    kiln_task_end(task, wrong ? KILN_VERDICT_ERROR : KILN_VERDICT_DONE, wrong ? wrong->message : NULL);
    if (failure && g_error_matches(failure, KILN_SOURCE_ERROR, ENOENT) && d->file)
        g_set_error(error, KILN_OPERATION_ERROR, 1,
                    loaded->local ? "no Dockerfile at %s; name it with -f, and the context directory last"
                                  : "no %s in the build context; name the Dockerfile with -f, by its path in "
                                    "there",
                    d->file);
    else if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

/* FILE.dockerignore beside the Dockerfile, else .dockerignore of the context. */
static bool load_ignore(KilnDefinition *d, GError **error)
{
    g_autofree char *own = d->file ? g_strconcat(d->file, ".dockerignore", NULL) : NULL;
    g_autofree char *common = g_build_filename(d->directory, ".dockerignore", NULL);
    const char *path = own && g_file_test(own, G_FILE_TEST_EXISTS) ? own : common;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    gsize size;
    g_autofree char *text = read_from_host(d, path, &size, error);
    g_autofree char *name = g_path_get_basename(path);
    KilnIgnore *ignore = text ? kiln_ignore_parse(text, size, name, error) : NULL;
    if (ignore)
        kiln_context_set_ignore(d->context, ignore);
    return ignore != NULL;
}

/* Which file it is to be; d->file stays NULL where it has no path: standard input, a URL. */
static bool choose_file(KilnDefinition *d, const KilnLoadedContext *loaded, GError **error)
{
    const char *file = kiln_request_text(d->op->request, "file");
    if (file && (loaded->dockerfile || loaded->only_file)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2,
                    "--file %s: what was given as the build context is a Dockerfile itself, not a tar archive",
                    file);
        return false;
    }
    if (loaded->only_file)
        d->file = g_strdup(loaded->only_file);
    else if (!loaded->dockerfile && !file)
        d->file = loaded->local ? g_build_filename(d->directory, DEFAULT_NAME, NULL) : g_strdup(DEFAULT_NAME);
    else if (file && strcmp(file, "-") != 0 && !is_url(file))
        d->file = loaded->local ? g_canonicalize_filename(file, d->directory) : g_strdup(file);
    return true;
}

/* The values that Go's strconv.ParseBool takes for true. */
static bool is_true(const char *text)
{
    static const char *const values[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
    return g_strv_contains(values, text);
}

/* The last of a name counts. */
static bool keeps_git_dir(json_object *request)
{
    static const char name[] = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=";
    g_autofree const char **arguments = kiln_request_list(request, "build_args");
    bool keep = false;
    for (const char **a = arguments; *a; a++)
        if (g_str_has_prefix(*a, name))
            keep = is_true(*a + strlen(name));
    return keep;
}

static bool read_files(KilnDefinition *d, KilnLoadedContext *loaded, GError **error)
{
    const char *place = kiln_request_text(d->op->request, "context");
    if (!place) {
        g_set_error_literal(error, KILN_OPERATION_ERROR, 2, "the request names no build context");
        return false;
    }
    const char *epoch = kiln_request_text(d->op->request, "source_date_epoch");
    const KilnContextLoader loader = {
        .op = d->op,
        .fetch = d->fetch,
        .name = "the build context",
        .title = "[internal] load build context",
        .keep_git_dir = keeps_git_dir(d->op->request),
        .commit_times = epoch && *epoch,
    };
    if (!kiln_context_load(&loader, place, loaded, error))
        return false;
    d->context = g_steal_pointer(&loaded->context);
    d->directory = loaded->local ? place : NULL;
    return choose_file(d, loaded, error) && load_dockerfile(d, loaded, error) &&
           (!loaded->local || load_ignore(d, error));
}

bool kiln_definition_read_files(KilnDefinition *d, GError **error)
{
    KilnLoadedContext loaded = {0};
    bool ok = read_files(d, &loaded, error);
    kiln_loaded_context_clear(&loaded);
    return ok;
}

#include "builder/context-load.h"
#include "builder/input.h"
#include "tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name that BuildKit gives to what a URL has, if that is no archive (frontend/dockerui/context.go). */
#define ONLY_FILE "context"

void kiln_loaded_context_clear(KilnLoadedContext *l)
{
    g_clear_pointer(&l->context, kiln_context_free);
    g_clear_pointer(&l->dockerfile, g_free);
}

/* Operations that only read have nowhere to unpack to, and no network. */
static bool check_store(const KilnContextLoader *l, const char *what, GError **error)
{
    if (!l->op->only_reads)
        return true;
    g_set_error(error, KILN_OPERATION_ERROR, 2,
                "only a build fetches or unpacks a context: give %s as a directory, or the Dockerfile alone on "
                "standard input", what);
    return false;
}

static KilnContext *unpack(const KilnContextLoader *l, KilnInput *input, GError **error)
{
    if (!check_store(l, "the archive's files", error))
        return NULL;
    KilnTask *task = kiln_task_start(l->op->emitter, l->title);
    GError *failure = NULL;
    KilnContext *context = kiln_input_unpack(input, l->name, &failure);
    kiln_task_end(task, kiln_verdict_of(failure), failure ? failure->message : NULL);
    if (failure)
        g_propagate_error(error, failure);
    return context;
}

/* A tar, or a Dockerfile that copies nothing. */
static bool load_standard_input(const KilnContextLoader *l, KilnLoadedContext *out, GError **error)
{
    g_autoptr(KilnInput) input = kiln_input_new_standard(l->op, error);
    if (!input)
        return false;
    switch (kiln_input_kind(input)) {
    case KILN_INPUT_ARCHIVE:
        out->context = unpack(l, input, error);
        break;
    case KILN_INPUT_TEXT:
        out->dockerfile = kiln_input_text(input, &out->dockerfile_size, error);
        if (out->dockerfile)
            out->context =
                kiln_context_new_empty(l->name, l->op->only_reads ? NULL : l->op->store, error);
        break;
    case KILN_INPUT_EMPTY:
        g_set_error_literal(error, KILN_OPERATION_ERROR, 1,
                            "standard input is empty, but is to be the build context (a tar archive) or a "
                            "Dockerfile: what should write it may have failed");
    }
    return out->context != NULL;
}

/* --- Paths ---------------------------------------------------------------------------------------------- */

static bool load_archive(const KilnContextLoader *l, int fd, const char *path, KilnLoadedContext *out,
                         GError **error)
{
    g_autoptr(KilnInput) input = kiln_input_new(l->op, fd, path, error);
    if (input && kiln_input_kind(input) == KILN_INPUT_ARCHIVE)
        out->context = unpack(l, input, error);
    else if (input)
        g_set_error(error, KILN_OPERATION_ERROR, 2,
                    "the context %s is neither a directory nor a tar archive; to name a Dockerfile use --file",
                    path);
    return out->context != NULL;
}

static bool load_path(const KilnContextLoader *l, const char *path, KilnLoadedContext *out, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "cannot open the context %s: %s", path, g_strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        out->local = true;
        out->context = kiln_context_new_directory(l->name, fd, NULL);
        return true;
    } else if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)) {
        return load_archive(l, fd, path, out, error);
    } else {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "the context %s is neither a directory nor a file", path);
    }
    if (fd >= 0)
        close(fd);
    return false;
}

/* --- URLs ----------------------------------------------------------------------------------------------- */

/* A tree of one file, with the name, mode and time that BuildKit gives it (source/http: the time that the
 * server says, else 1970). */
static KilnContext *single_file(const KilnContextLoader *l, int blob, guint64 size, const KilnUrlRecord *url,
                                GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(l->op->store, error);
    int fd = work ? kiln_work_mkdir(work, "context", error) : -1;
    if (fd < 0)
        return NULL;
    g_autoptr(KilnManifest) manifest = kiln_manifest_new();
    KilnEntry *root = kiln_manifest_add(manifest, "");
    root->type = KILN_TYPE_DIR;
    root->mode = 0755;
    KilnEntry *file = kiln_manifest_add(manifest, ONLY_FILE);
    file->type = KILN_TYPE_FILE;
    file->mode = 0600;
    file->size = size;
    file->mtime = MAX(url->modified, 0);
    file->has_digest = kiln_digest_parse(url->digest, file->digest);
    g_autoptr(KilnPlacer) placer = kiln_placer_new(fd, kiln_store_owners(l->op->store));
    if (!kiln_placer_put(placer, file, blob, error) || !kiln_placer_finish(placer, error))
        return NULL;
    kiln_manifest_sort(manifest);
    return kiln_context_new_tree(l->name, fd, g_steal_pointer(&work), g_steal_pointer(&manifest));
}

static bool load_blob(const KilnContextLoader *l, const char *place, const KilnUrlRecord *url,
                      KilnLoadedContext *out, GError **error)
{
    guint64 size;
    int fd = kiln_blob_open(l->op->store, url->digest, &size, error);
    g_autoptr(KilnInput) input = fd < 0 ? NULL : kiln_input_new(l->op, fd, place, error);
    if (!input)
        return false;
    if (kiln_input_kind(input) == KILN_INPUT_ARCHIVE) {
        out->context = unpack(l, input, error);
        return out->context != NULL;
    }
    int blob = kiln_blob_open(l->op->store, url->digest, &size, error);
    out->context = blob < 0 ? NULL : single_file(l, blob, size, url, error);
    out->only_file = ONLY_FILE;
    if (blob >= 0)
        close(blob);
    return out->context != NULL;
}

static bool load_url(const KilnContextLoader *l, const char *url, KilnLoadedContext *out, GError **error)
{
    KilnUrlRecord record = {0};
    bool ok = kiln_fetch_url(l->fetch, url, NULL, &record, error) && load_blob(l, url, &record, out, error);
    kiln_url_clear(&record);
    return ok;
}

static bool load_repository(const KilnContextLoader *l, KilnGitReference *r, KilnLoadedContext *out,
                            GError **error)
{
    KilnGitCommit commit = {0};
    if (!kiln_fetch_git_commit(l->fetch, r, &commit, error))
        return false;
    r->mtime_commit |= l->commit_times;
    g_autoptr(KilnWork) work = kiln_work_new(l->op->store, error);
    g_autofree char *path =
        work ? kiln_fetch_git_tree(l->fetch, r, &commit, l->keep_git_dir || r->keep_git_dir == KILN_GIT_YES,
                                   work, "repository", error)
             : NULL;
    kiln_git_commit_clear(&commit);
    int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (path && fd < 0)
        g_set_error(error, KILN_OPERATION_ERROR, 1, "opening what was fetched from %s: %s", r->remote,
                    g_strerror(errno));
    if (fd >= 0)
        out->context = kiln_context_new_directory(l->name, fd, g_steal_pointer(&work));
    return fd >= 0;
}

bool kiln_context_load(const KilnContextLoader *l, const char *place, KilnLoadedContext *out, GError **error)
{
    *out = (KilnLoadedContext){0};
    if (strcmp(place, "-") == 0)
        return load_standard_input(l, out, error);
    if (g_path_is_absolute(place))
        return load_path(l, place, out, error);
    if (!check_store(l, "its files", error))
        return false;
    GError *malformed = NULL;
    g_autoptr(KilnGitReference) repository = kiln_git_reference_parse(place, true, &malformed);
    if (repository)
        return load_repository(l, repository, out, error);
    if (malformed)
        g_propagate_error(error, malformed);
    else if (g_str_has_prefix(place, "http://") || g_str_has_prefix(place, "https://"))
        return load_url(l, place, out, error);
    else
        g_set_error(error, KILN_OPERATION_ERROR, 2, "the context %s is no path, URL or git repository", place);
    return false;
}

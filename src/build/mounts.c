#include "build/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a heredoc script with an interpreter line of its own is bound: KilnStep.script and argv[0] (plan.h). */
#define SCRIPT_MODE 0755

struct KilnStepMounts {
    GArray *binds; /* struct kilnrun_bind; the fds are ours */
};

static bool unsupported(const KilnStep *step, const char *what, GError **error)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "RUN --mount=%s is not supported yet",
                what);
    kiln_step_prefix_error(step, &step->place, error);
    return false;
}

static bool check(const KilnStep *step, const KilnMount *m, GError **error)
{
    if (m->type == KILN_MOUNT_BIND && m->from.kind != KILN_ORIGIN_CONTEXT)
        return unsupported(step, "type=bind,from=… (of a stage or image)", error);
    if (m->type == KILN_MOUNT_BIND && !m->readonly)
        return unsupported(step, "type=bind,rw", error);
    if (m->type == KILN_MOUNT_CACHE && (m->from.kind != KILN_ORIGIN_STAGE || m->from.step))
        return unsupported(step, "type=cache,from=…", error);
    return true;
}

/* The files that a bind shows are part of what the command can see. */
static bool feed_bind(KilnEngine *e, const KilnMount *m, KilnHash *key, GError **error)
{
    const KilnBuildOptions *o = e->options;
    int fd = open(o->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "opening the build context %s: %s",
                    o->context, g_strerror(errno));
        return false;
    }
    g_autoptr(KilnSource) tree = kiln_source_new_dir(fd, "the build context", o->ignore, e->index);
    g_autoptr(GPtrArray) matches = kiln_source_match(tree, m->source, false, error);
    if (!matches)
        return false;
    if (matches->len == 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "RUN --mount=type=bind: \"%s\" is not in the build context", m->source);
        return false;
    }
    g_autoptr(KilnManifest) entries = kiln_manifest_new();
    if (!kiln_source_list(tree, matches->pdata[0], true, entries, error))
        return false;
    guint n = kiln_manifest_length(entries);
    kiln_hash_update(key, &n, sizeof n);
    for (guint i = 0; i < n; i++)
        kiln_entry_feed(kiln_manifest_get(entries, i), matches->pdata[0], (KilnAppendFunc)kiln_hash_update,
                        key);
    return true;
}

bool kiln_step_mounts_feed(KilnEngine *e, const KilnStep *step, KilnHash *key, GError **error)
{
    for (guint i = 0; step->mounts && i < step->mounts->len; i++) {
        const KilnMount *m = &g_array_index(step->mounts, KilnMount, i);
        if (!check(step, m, error))
            return false;
        kiln_hash_string(key, m->type == KILN_MOUNT_BIND    ? "bind"
                              : m->type == KILN_MOUNT_CACHE ? "cache"
                                                            : "tmpfs");
        kiln_hash_string(key, m->target);
        kiln_hash_string(key, m->id); /* another cache may hold something else */
        if (m->type == KILN_MOUNT_BIND && !feed_bind(e, m, key, error)) {
            kiln_step_prefix_error(step, &step->place, error);
            return false;
        }
    }
    return true;
}

/* A cache's directory in the store, by the hash of its id. */
static int open_cache(KilnEngine *e, const KilnMount *m, GError **error)
{
    g_autofree char *digest = kiln_digest_of_bytes(m->id, strlen(m->id));
    g_autofree char *path = g_strconcat("caches/", digest + strlen(KILN_DIGEST_PREFIX), NULL);
    int store = kiln_store_fd(e->options->store);
    bool made = false;
    if (mkdirat(store, "caches", 0700) < 0 && errno != EEXIST)
        goto fail;
    if (mkdirat(store, path, 0755) == 0)
        made = true;
    else if (errno != EEXIST)
        goto fail;
    int fd = openat(store, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        goto fail;
    if (made) {
        uid_t uid = m->uid >= 0 ? (uid_t)m->uid : 0;
        gid_t gid = m->gid >= 0 ? (gid_t)m->gid : 0;
        /* an owner that this user cannot give stays root, which is what the command runs as */
        (void)!fchownat(store, path, uid, gid, AT_SYMLINK_NOFOLLOW);
        (void)!fchmodat(store, path, m->mode >= 0 ? (mode_t)m->mode : 0755, 0);
    }
    return fd;
fail:
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "making the cache directory %s/%s: %s",
                kiln_store_root(e->options->store), path, g_strerror(errno));
    return -1;
}

static bool place(KilnSource *tree, KilnPlacer *placer, const KilnEntry *e, const char *path, GError **error)
{
    KilnEntry out = *e;
    out.path = path;
    out.link_group = 0;
    int fd = e->type == KILN_TYPE_FILE ? kiln_source_open(tree, e, error) : -1;
    if (fd < 0 && e->type == KILN_TYPE_FILE)
        return false;
    bool ok = kiln_placer_put(placer, &out, fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Puts what .dockerignore leaves of a part of the context into the directory `into`; a single file as
 * "file". */
static bool copy_visible(KilnEngine *e, KilnSource *tree, const char *source, int into, bool *file,
                         GError **error)
{
    g_autoptr(GPtrArray) matches = kiln_source_match(tree, source, false, error);
    if (!matches)
        return false;
    if (matches->len == 0) { /* it was there when the step's key was made */
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "%s of the build context is gone; run the build again", source);
        return false;
    }
    const char *root = matches->pdata[0];
    g_autoptr(KilnManifest) entries = kiln_manifest_new();
    if (!kiln_source_list(tree, root, false, entries, error))
        return false;
    g_autoptr(KilnPlacer) placer = kiln_placer_new(into, kiln_store_owners(e->options->store));
    const guint n = kiln_manifest_length(entries);
    *file = n == 1 && kiln_manifest_get(entries, 0)->type != KILN_TYPE_DIR;
    for (guint i = 0; i < n; i++) {
        const KilnEntry *entry = kiln_manifest_get(entries, i);
        const char *below = entry->path + strlen(root);
        below += *below == '/';
        if (!place(tree, placer, entry, *file ? "file" : below, error) ||
            (i % 256 == 0 && kiln_cancel_check(e->options->cancel, error)))
            return false;
    }
    return kiln_placer_finish(placer, error);
}

/* The context as .dockerignore has it: a copy, for a bind could only show everything. */
static int open_filtered(KilnEngine *e, const KilnMount *m, guint i, KilnWork *work, GError **error)
{
    const KilnBuildOptions *o = e->options;
    g_autofree char *name = g_strdup_printf("bind%u", i);
    int into = kiln_work_mkdir(work, name, error);
    int context = into < 0 ? -1 : open(o->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into >= 0 && context < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "opening the build context %s: %s",
                    o->context, g_strerror(errno));
    if (context < 0)
        return -1;
    g_autoptr(KilnSource) tree = kiln_source_new_dir(context, "the build context", o->ignore, e->index);
    bool file = false;
    if (!copy_visible(e, tree, m->source, into, &file, error))
        return -1;
    int fd = kiln_open_beneath(into, file ? "file" : ".", O_PATH);
    if (fd < 0)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "opening the copy of %s: %s", m->source,
                    g_strerror(-fd));
    return fd;
}

static int open_bind(KilnEngine *e, const KilnMount *m, guint i, KilnWork *work, GError **error)
{
    if (e->options->ignore)
        return open_filtered(e, m, i, work, error);
    int root = open(e->options->context, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *source = m->source + strspn(m->source, "/");
    int fd = root < 0 ? -errno : kiln_open_beneath(root, *source ? source : ".", O_PATH);
    if (root >= 0)
        close(root);
    if (fd < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "opening %s of the build context: %s",
                    m->source, g_strerror(-fd));
    return fd;
}

static bool add_mount(KilnStepMounts *mounts, KilnEngine *e, const KilnMount *m, guint i, KilnWork *work,
                      GError **error)
{
    struct kilnrun_bind bind = {.target = m->target, .source_fd = -1, .readonly = m->readonly};
    if (m->type == KILN_MOUNT_CACHE) {
        bind.source_fd = open_cache(e, m, error);
    } else if (m->type == KILN_MOUNT_BIND) {
        bind.source_fd = open_bind(e, m, i, work, error);
    } else {
        g_autofree char *name = g_strdup_printf("tmp%u", i);
        int fd = kiln_work_mkdir(work, name, error);
        if (fd >= 0) {
            (void)!fchmod(fd, 01777);
            bind.source_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        }
    }
    if (bind.source_fd < 0)
        return false;
    g_array_append_val(mounts->binds, bind);
    return true;
}

static bool add_script(KilnStepMounts *mounts, const KilnStep *step, KilnWork *work, GError **error)
{
    int fd = openat(kiln_work_fd(work), "script", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, SCRIPT_MODE);
    gsize size = strlen(step->script);
    bool ok = fd >= 0 && write(fd, step->script, size) == (ssize_t)size && fchmod(fd, SCRIPT_MODE) == 0;
    int path_fd = ok ? openat(kiln_work_fd(work), "script", O_PATH | O_CLOEXEC) : -1;
    if (path_fd < 0)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "writing the heredoc's script: %s",
                    g_strerror(errno));
    if (fd >= 0)
        close(fd); /* an open writer would make executing it ETXTBSY */
    struct kilnrun_bind bind = {.target = step->argv[0], .source_fd = path_fd, .readonly = true};
    if (path_fd >= 0)
        g_array_append_val(mounts->binds, bind);
    return path_fd >= 0;
}

KilnStepMounts *kiln_step_mounts_new(KilnEngine *e, const KilnStep *step, KilnWork *work, GError **error)
{
    KilnStepMounts *mounts = g_new0(KilnStepMounts, 1);
    mounts->binds = g_array_new(FALSE, FALSE, sizeof(struct kilnrun_bind));
    bool ok = !step->script || add_script(mounts, step, work, error);
    for (guint i = 0; ok && step->mounts && i < step->mounts->len; i++)
        ok = add_mount(mounts, e, &g_array_index(step->mounts, KilnMount, i), i, work, error);
    if (!ok)
        g_clear_pointer(&mounts, kiln_step_mounts_free);
    return mounts;
}

const struct kilnrun_bind *kiln_step_mounts_binds(const KilnStepMounts *m, size_t *n)
{
    *n = m->binds->len;
    return (const struct kilnrun_bind *)(void *)m->binds->data;
}

void kiln_step_mounts_free(KilnStepMounts *m)
{
    for (guint i = 0; i < m->binds->len; i++)
        close(g_array_index(m->binds, struct kilnrun_bind, i).source_fd);
    g_array_unref(m->binds);
    g_free(m);
}

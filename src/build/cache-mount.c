/* RUN --mount=type=cache: a directory of the store that outlives builds. */
#include "build/imports.h"
#include "build/isolation.h"
#include "build/mounts-private.h"
#include "cache/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* How often a lock that another one holds is tried for; as BuildKit does (solver/llbsolver/mounts). */
#define RETRY_US (100 * 1000)
/* So many processes may use one private cache at once. */
#define MAX_INSTANCES 1000

/* A directory that mounts of the step use; several may use one. */
typedef struct {
    char *id;   /* what it is known by */
    char *name; /* of the instance in use: the id, or "ID.2" */
    KilnSharing sharing;
    const KilnMount *mount; /* the first that asks for it: what a new one begins with */
    int lock;
} KilnCache;

void kiln_cache_free(gpointer data)
{
    KilnCache *c = data;
    if (c->lock >= 0)
        close(c->lock);
    g_free(c->id);
    g_free(c->name);
    g_free(c);
}

static bool has_seed(const KilnMount *m)
{
    return m->from.kind != KILN_ORIGIN_STAGE || m->from.step;
}

/* Caches that begin differently are different ones, as in BuildKit; without `from`, `source` is a part of the
 * one that there is. */
char *kiln_cache_mount_name(const KilnMount *m)
{
    const KilnState *from = kiln_step_state(m->from.step);
    g_autoptr(KilnHash) hash = kiln_hash_new();
    kiln_hash_string(hash, m->id);
    kiln_hash_string(hash, from ? from->key : m->from.name);
    kiln_hash_string(hash, has_seed(m) ? m->source : "/");
    const gint64 attributes[] = {m->mode, m->uid, m->gid};
    kiln_hash_update(hash, attributes, sizeof attributes);
    g_autofree char *digest = kiln_hash_finish_text(hash);
    return g_strdup(digest + strlen(KILN_DIGEST_PREFIX));
}

static KilnCache *find_cache(const KilnStepMounts *s, const KilnMount *m)
{
    g_autofree char *id = kiln_cache_mount_name(m);
    for (guint i = 0; i < s->caches->len; i++) {
        KilnCache *c = s->caches->pdata[i];
        if (strcmp(c->id, id) == 0)
            return c;
    }
    return NULL;
}

static gint by_id(gconstpointer a, gconstpointer b)
{
    return strcmp((*(KilnCache *const *)a)->id, (*(KilnCache *const *)b)->id);
}

/* Sorted: everybody takes locks in this order, so that no two wait for each other. */
static void collect(KilnStepMounts *s)
{
    for (guint i = 0; s->step->mounts && i < s->step->mounts->len; i++) {
        const KilnMount *m = &g_array_index(s->step->mounts, KilnMount, i);
        if (m->type != KILN_MOUNT_CACHE)
            continue;
        KilnCache *c = find_cache(s, m);
        if (!c) {
            c = g_new0(KilnCache, 1);
            c->id = kiln_cache_mount_name(m);
            c->mount = m;
            c->lock = -1;
            g_ptr_array_add(s->caches, c);
        }
        c->sharing = MAX(c->sharing, m->sharing); /* the strictest */
        if (c->sharing == KILN_SHARING_SHARED && kiln_isolation_is_bare(s->engine))
            c->sharing = KILN_SHARING_LOCKED; /* it is moved to where it is used: cover.c */
    }
    g_ptr_array_sort(s->caches, by_id);
}

/* --- Locks --------------------------------------------------------------------------------------- */

static bool try_lock(KilnStepMounts *s, KilnCache *c, guint instance, GError **error)
{
    g_free(c->name);
    c->name = instance ? g_strdup_printf("%s.%u", c->id, instance + 1) : g_strdup(c->id);
    c->lock = kiln_cache_lock(s->engine->options->store, c->name, c->sharing != KILN_SHARING_SHARED, error);
    return c->lock >= 0;
}

/* One that nobody uses now. */
static bool lock_private(KilnStepMounts *s, KilnCache *c, GError **error)
{
    GError *failure = NULL;
    for (guint i = 0; i < MAX_INSTANCES && !failure; i++)
        if (try_lock(s, c, i, &failure))
            return true;
    if (!failure)
        g_set_error(&failure, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "%d instances of the private cache \"%s\" are in use", MAX_INSTANCES, c->mount->id);
    g_propagate_error(error, failure);
    return false;
}

/* Waits without a place in the pool: whoever has the lock may be a step of this build's. A blocking
 * fcntl(2) could not be canceled. */
static bool wait_for_lock(KilnStepMounts *s, KilnCache *c, GError **error)
{
    GError *failure = NULL;
    bool locked = false;
    kiln_engine_lend_place(s->engine);
    while (!locked && !failure && !kiln_cancel_wait(s->engine->options->cancel, RETRY_US, &failure))
        locked = try_lock(s, c, 0, &failure);
    kiln_engine_take_place(s->engine);
    if (failure)
        g_propagate_error(error, failure);
    return locked;
}

static bool lock_cache(KilnStepMounts *s, KilnCache *c, GError **error)
{
    if (c->sharing == KILN_SHARING_PRIVATE)
        return lock_private(s, c, error);
    GError *failure = NULL;
    if (try_lock(s, c, 0, &failure))
        return true;
    if (!failure)
        return wait_for_lock(s, c, error);
    g_propagate_error(error, failure);
    return false;
}

/* --- Directories --------------------------------------------------------------------------------- */

/* For want of subordinate ids: as src/tree/place.c does it in layers, and the sandbox reads it. */
static void record_owner(const KilnMount *m, int fd)
{
    KilnEntry e = {.type = KILN_TYPE_DIR};
    char there[128];
    ssize_t n = has_seed(m) ? fgetxattr(fd, KILN_STAT_XATTR, there, sizeof there) : -1;
    if (n > 0)
        (void)kiln_stat_record_parse(there, (size_t)n, &e);
    e.uid = m->uid >= 0 ? (guint32)m->uid : e.uid;
    e.gid = m->gid >= 0 ? (guint32)m->gid : e.gid;
    g_autofree char *text = kiln_stat_record_format(&e);
    (void)!fsetxattr(fd, KILN_STAT_XATTR, text, strlen(text), 0);
}

/* An owner that cannot be given stays root. */
static void set_attributes(const KilnStepMounts *s, const KilnMount *m, int fd)
{
    bool seeded = has_seed(m);
    bool named = m->uid >= 0 || m->gid >= 0;
    if (named && kiln_store_owners(s->engine->options->store) == KILN_OWNERS_RECORDED)
        record_owner(m, fd);
    else if (named)
        (void)!fchown(fd, m->uid >= 0 ? (uid_t)m->uid : seeded ? (uid_t)-1 : 0,
                      m->gid >= 0 ? (gid_t)m->gid : seeded ? (gid_t)-1 : 0);
    if (m->mode >= 0 || !seeded)
        (void)!fchmod(fd, m->mode >= 0 ? (mode_t)m->mode : 0755);
}

/* What a cache that the build reads has of it. *found: it is a directory of the work folder by this name. What is
 * damaged is warned of, and nothing. */
static bool import_directory(KilnStepMounts *s, const KilnCache *c, const char *name, bool *found, GError **error)
{
    const KilnCacheSource *source;
    const KilnCacheMount *mount = kiln_imports_mount(s->engine, c->id, &source);
    KilnStore *store = s->engine->options->store;
    g_autoptr(GError) failure = NULL;
    *found = false;
    if (!mount)
        return true;
    int fd = kiln_work_mkdir(s->work, name, error);
    if (fd < 0)
        return false;
    *found = kiln_cache_mount_restore(source, mount, store, fd, &failure);
    if (*found)
        return true;
    g_autofree char *text =
        g_strdup_printf("the cache mount \"%s\" is not taken from the cache: %s", c->mount->id, failure->message);
    kiln_emit_warning(s->engine->options->emitter, NULL, text);
    for (guint i = 0; i < mount->layers->len; i++) /* which of them it was is not known */
        kiln_imports_distrust(s->engine, source, g_array_index(mount->layers, KilnCacheLayer, i).blob);
    return true;
}

static bool make_directory(KilnStepMounts *s, const KilnCache *c, GError **error)
{
    const KilnMount *m = c->mount;
    g_autofree char *imported = kiln_mounts_name(s, m, "imported");
    bool found = false;
    if (!import_directory(s, c, imported, &found, error))
        return false;
    if (found)
        return kiln_cache_commit(s->engine->options->store, s->work, imported, c->name, error);
    g_autofree char *name = kiln_mounts_name(s, m, "cache");
    int fd = kiln_work_mkdir(s->work, name, error);
    bool file = false;
    if (fd < 0 || (has_seed(m) && !kiln_bind_mount_copy(s, m, fd, &file, error)))
        return false;
    if (file) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "RUN --mount=type=cache: \"%s\" is no directory, which a cache begins with", m->source);
        return false;
    }
    set_attributes(s, m, fd);
    return kiln_cache_commit(s->engine->options->store, s->work, name, c->name, error);
}

static int open_directory(KilnStepMounts *s, const KilnCache *c, GError **error)
{
    GError *failure = NULL;
    int fd = kiln_cache_open(s->engine->options->store, c->name, &failure);
    if (fd < 0 && !failure && make_directory(s, c, &failure)) {
        fd = kiln_cache_open(s->engine->options->store, c->name, &failure);
        if (fd < 0 && !failure)
            g_set_error(&failure, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                        "the directory of the cache \"%s\" has gone", c->mount->id);
    }
    if (fd >= 0)
        kiln_cache_used(s->engine->options->store, c->name, c->mount->id);
    if (failure)
        g_propagate_error(error, failure);
    return fd;
}

bool kiln_cache_mounts_take(KilnStepMounts *s, GError **error)
{
    collect(s);
    for (guint i = 0; i < s->caches->len; i++)
        if (!lock_cache(s, s->caches->pdata[i], error))
            return false;
    return true;
}

/* Without from, `source` is a directory that the cache has got in an earlier build. */
static int open_source(const KilnMount *m, int directory, GError **error)
{
    const char *source = has_seed(m) ? "" : m->source + strspn(m->source, "/");
    int fd = kiln_open_beneath(directory, *source ? source : ".", O_PATH | O_DIRECTORY);
    if (fd < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "RUN --mount=type=cache: \"%s\" of the cache \"%s\": %s", m->source, m->id,
                    g_strerror(-fd));
    return fd;
}

bool kiln_cache_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    int directory = open_directory(s, find_cache(s, m), error);
    if (directory < 0)
        return false;
    struct kilnrun_bind bind = {.target = m->target,
                                .readonly = m->readonly,
                                .source_fd = open_source(m, directory, error)};
    close(directory);
    if (bind.source_fd < 0)
        return false;
    g_array_append_val(s->binds, bind);
    return true;
}

/* COPY and ADD: entries of a source tree to places in the layer, by Docker's rules of destination. */
#include "build/copy-files.h"
#include "build/copy-source.h"
#include "build/engine.h"
#include "build/layer-writer.h"
#include "build/mode.h"
#include "build/user.h"
#include "tree/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    KilnEngine *engine;
    KilnStep *step;
    KilnCopySource *source;
    KilnWork *work;
    bool unpack; /* files of the source that are archives */
    KilnView *below;
    KilnLayerWriter *writer;
    KilnCopyFiles *files; /* of the sources, to be put on disk */
    int upperfd;
    bool set_owner;
    guint32 uid, gid;
    gint64 now;
    GHashTable *links; /* of the current source: link group → First */
} Copy;

/* Where the first of several hard links was put, and their group in the layer. */
typedef struct {
    guint32 group;
    const char *path; /* of the manifest */
} First;

/* The owner that --chown names, in *user; false with error. Nothing is set without --chown. */
static bool find_owner(KilnEngine *e, const KilnStep *step, KilnUser *user, GError **error)
{
    if (!step->chown || !*step->chown)
        return true;
    g_autoptr(KilnView) image = kiln_step_view(e, step->parent, error);
    if (!image)
        return false;
    bool ok = kiln_user_lookup(e, step->parent, image, step->chown, true, user, error);
    if (!ok)
        kiln_step_prefix_error(step, &step->place, error);
    return ok;
}

/* The key of a --link says nothing of the image, but whom that means by a name. */
static bool feed_owner(KilnEngine *e, const KilnStep *step, KilnKey *key, GError **error)
{
    KilnUser user = {0};
    if (!step->link)
        return true;
    bool ok = find_owner(e, step, &user, error);
    kiln_key_number(key, "--chown uid", NULL, user.uid);
    kiln_key_number(key, "--chown gid", NULL, user.gid);
    kiln_user_clear(&user);
    return ok;
}

static bool prepare(KilnEngine *e, KilnStep *step, gpointer *prepared, GError **error)
{
    *prepared = kiln_copy_source_new(e, step, error);
    return *prepared != NULL;
}

static bool feed(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error)
{
    kiln_key_text(key, "destination", NULL, step->dest);
    kiln_key_text(key, "--chown", NULL, step->chown);
    kiln_key_text(key, "--chmod", NULL, step->chmod);
    kiln_key_number(key, "unpacked", NULL, step->add);
    kiln_key_number(key, "--link", NULL, step->link);
    kiln_key_number(key, "--parents", NULL, step->parents);
    for (guint i = 0; step->inlines && i < step->inlines->len; i++) {
        const KilnInline *in = &g_array_index(step->inlines, KilnInline, i);
        kiln_key_text(key, "heredoc", in->name, in->content);
    }
    kiln_key_number(key, "heredocs", NULL, step->inlines ? step->inlines->len : 0);
    if (!feed_owner(e, step, key, error))
        return false;
    kiln_copy_source_feed(prepared, key);
    return true;
}

static bool same_input(KilnEngine *e, KilnStep *step, gpointer prepared, const KilnStep *input, const GArray *chain)
{
    (void)input; /* there is one */
    return kiln_copy_source_same(e, step, prepared, chain);
}

/* Directories that are made for what is copied have an octal --chmod too, as by mkdir with a umask of
 * 022: that is what BuildKit's come out as. */
static uint16_t directory_mode(const KilnStep *step)
{
    uint16_t mode;
    bool octal = step->chmod && kiln_mode_parse_octal(step->chmod, &mode);
    return octal ? mode & 0755 : KILN_LAYER_WRITER_DIRECTORY_MODE;
}

/* --- Destinations ------------------------------------------------------------------------------------- */

static bool is_directory(Copy *c, const char *path)
{
    const KilnEntry *e = kiln_layer_writer_lookup(c->writer, path);
    return e && e->type == KILN_TYPE_DIR;
}

static char *join(const char *dir, const char *name)
{
    return *dir ? g_strconcat(dir, "/", name, NULL) : g_strdup(name);
}

/* The path that one file goes to: into the destination if that is a directory or is written as one, else
 * the destination itself, with symlinks followed; its parent exists afterwards. */
static char *file_destination(Copy *c, const char *name, GError **error)
{
    const char *dest = c->step->dest;
    g_autofree char *followed = kiln_view_resolve(c->below, dest, true, error);
    if (!followed)
        return NULL;
    if (g_str_has_suffix(dest, "/") || is_directory(c, followed))
        return kiln_layer_writer_directory(c->writer, followed, error) ? join(followed, name) : NULL;
    g_autofree char *slash = g_path_get_dirname(followed);
    const char *parent = strcmp(slash, ".") == 0 ? "" : slash;
    return kiln_layer_writer_directory(c->writer, parent, error) ? g_steal_pointer(&followed) : NULL;
}

static char *directory_destination(Copy *c, GError **error)
{
    char *path = kiln_view_resolve(c->below, c->step->dest, true, error);
    if (path && !kiln_layer_writer_directory(c->writer, path, error))
        g_clear_pointer(&path, g_free);
    return path;
}

/* --- Entries ------------------------------------------------------------------------------------------ */

static KilnEntry as_written(const Copy *c, const KilnEntry *e)
{
    KilnEntry out = *e;
    if (c->set_owner) {
        out.uid = c->uid;
        out.gid = c->gid;
    }
    if (c->step->chmod && e->type != KILN_TYPE_SYMLINK)
        out.mode = kiln_mode_apply(c->step->chmod, e->mode, e->type == KILN_TYPE_DIR);
    out.opaque = false;
    out.implicit = false;
    return out;
}

/* What is gathered for a path must be there before another thing takes its place. */
static bool make_way(Copy *c, const char *path, GError **error)
{
    return !kiln_layer_writer_holds(c->writer, path) || kiln_copy_files_place(c->files, NULL, error);
}

static bool put_file(Copy *c, const KilnEntry *e, const char *path, GError **error)
{
    gpointer key = GUINT_TO_POINTER(e->link_group);
    const First *there = e->link_group ? g_hash_table_lookup(c->links, key) : NULL;
    KilnEntry out = as_written(c, e);
    if (e->link_group)
        out.link_group = there ? there->group : kiln_layer_writer_new_group(c->writer);
    const KilnEntry *own = kiln_layer_writer_record(c->writer, &out, path, error);
    if (!own)
        return false;
    if (there) {
        kiln_copy_files_add_link(c->files, there->path, own->path);
        return true;
    }
    kiln_copy_files_add(c->files, c->source, e, own);
    if (e->link_group) {
        First *first = g_new(First, 1);
        *first = (First){out.link_group, own->path};
        g_hash_table_insert(c->links, key, first);
    }
    return true;
}

static bool put_entry(Copy *c, const KilnEntry *e, const char *path, GError **error)
{
    if (!make_way(c, path, error))
        return false;
    if (e->type == KILN_TYPE_FILE)
        return put_file(c, e, path, error);
    KilnEntry out = as_written(c, e);
    return kiln_layer_writer_put(c->writer, &out, path, -1, error);
}

/* A directory that is not wanted itself (--parents, --exclude with "!") but leads to what is: one that exists
 * gets the mode of the source and no more (fsutil copy.go, createParentDirs). */
static bool put_parent(Copy *c, const KilnEntry *e, const char *path, GError **error)
{
    const KilnEntry *there = kiln_layer_writer_lookup(c->writer, path);
    if (!there || there->type != KILN_TYPE_DIR)
        return put_entry(c, e, path, error);
    KilnEntry out = *there;
    out.mode = e->mode;
    out.opaque = out.implicit = false;
    return kiln_layer_writer_put(c->writer, &out, path, -1, error);
}

static bool copy_tree(Copy *c, const KilnCopyItem *item, GError **error)
{
    g_autofree char *dest = directory_destination(c, error);
    if (!dest)
        return false;
    gsize skip = *item->path ? strlen(item->path) + 1 : 0;
    for (guint i = 0; i < kiln_manifest_length(item->entries); i++) {
        const KilnEntry *e = kiln_manifest_get(item->entries, i);
        if (strlen(e->path) < skip || !*e->path) /* the directory itself: only its content is copied */
            continue;
        g_autofree char *path = join(dest, e->path + skip);
        if (!(e->implicit ? put_parent : put_entry)(c, e, path, error))
            return false;
        if (i % 256 == 0 && kiln_cancel_check(c->engine->options->cancel, error))
            return false;
    }
    return true;
}

/* --- ADD of an archive ----------------------------------------------------------------------------- */

typedef struct {
    int fd;
    KilnCancel *cancel;
    char buffer[64 * 1024];
} FileReader;

static ssize_t read_file(void *data, const void **buffer, GError **error)
{
    FileReader *r = data;
    if (kiln_cancel_check(r->cancel, error))
        return -1;
    ssize_t n = read(r->fd, r->buffer, sizeof r->buffer);
    if (n < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "reading the archive: %s",
                    g_strerror(errno));
    *buffer = r->buffer;
    return n;
}

/* The symlinks and directories that names in the archive lead through are also those of the image. */
static const KilnEntry *look_below(const char *path, void *data)
{
    return kiln_layer_writer_lookup(data, path);
}

static bool unpack(Copy *c, int fd, GError **error)
{
    if (!kiln_copy_files_place(c->files, NULL, error))
        return false;
    /* --chmod says nothing about archives and where they are unpacked */
    kiln_layer_writer_set_directory_mode(c->writer, KILN_LAYER_WRITER_DIRECTORY_MODE);
    g_autofree char *dest = directory_destination(c, error);
    kiln_layer_writer_set_directory_mode(c->writer, directory_mode(c->step));
    if (!dest)
        return false;
    KilnUntarOptions options = {
        .owners = kiln_store_owners(c->engine->options->store),
        .limits = kiln_store_limits(c->engine->options->store),
        .detect_compression = true,
        .prefix = dest,
        .uid = c->set_owner ? (int64_t)c->uid : -1,
        .gid = c->set_owner ? (int64_t)c->gid : -1,
        .below = look_below,
        .below_data = c->writer,
    };
    g_autofree FileReader *reader = g_new(FileReader, 1);
    reader->fd = fd;
    reader->cancel = c->engine->options->cancel;
    g_autoptr(KilnManifest) unpacked = kiln_manifest_new();
    if (!kiln_untar(read_file, reader, c->upperfd, &options, unpacked, error))
        return false;
    for (guint i = 0; i < kiln_manifest_length(unpacked); i++)
        kiln_manifest_get(unpacked, i)->implicit = false;
    kiln_layer_writer_adopt(c->writer, unpacked);
    return true;
}

/* Whether it was an archive: then it is unpacked. */
static bool add_archive(Copy *c, const KilnCopyItem *item, bool *was_archive, GError **error)
{
    const KilnEntry *e = kiln_manifest_get(item->entries, 0);
    *was_archive = false;
    if (!c->unpack || e->type != KILN_TYPE_FILE || c->step->from.kind != KILN_ORIGIN_CONTEXT)
        return true;
    int fd = kiln_copy_source_open(c->source, NULL, e, error);
    if (fd < 0)
        return false;
    bool ok = true;
    if (kiln_tar_detect(fd)) {
        *was_archive = true;
        ok = unpack(c, fd, error) && kiln_copy_source_check(c->source, e, fd, -1, NULL, error);
        if (!ok)
            g_prefix_error(error, "unpacking %s: ", item->path);
    }
    close(fd);
    return ok;
}

/* --- The step -------------------------------------------------------------------------------------------- */

static bool copy_item(Copy *c, const KilnCopyItem *item, GError **error)
{
    if (kiln_manifest_length(item->entries) == 0)
        return true; /* all of it excluded */
    const KilnEntry *top = kiln_manifest_get(item->entries, 0);
    g_hash_table_remove_all(c->links); /* each source is copied for itself, as in BuildKit */
    if (top->type == KILN_TYPE_DIR)
        return copy_tree(c, item, error);
    bool was_archive;
    if (!add_archive(c, item, &was_archive, error))
        return false;
    if (was_archive)
        return true;
    g_autofree char *path = file_destination(c, item->name, error);
    return path && put_entry(c, top, path, error);
}

/* A source that is fetched is copied like one of a context that holds nothing else. */
static bool copy_remote(Copy *c, const KilnCopyItem *item, GError **error)
{
    Copy own = *c;
    own.source = kiln_add_remote_fetch(item->remote, c->engine, c->step, c->work, error);
    own.unpack = c->step->unpack_fetched && kiln_add_remote_is_file(item->remote);
    GPtrArray *items = own.source ? kiln_copy_source_items(own.source, error) : NULL;
    bool ok = items != NULL;
    for (guint i = 0; ok && i < items->len; i++)
        ok = copy_item(&own, items->pdata[i], error);
    ok = ok && kiln_copy_files_place(c->files, NULL, error);
    g_clear_pointer(&own.source, kiln_copy_source_free);
    return ok;
}

static bool copy_inline(Copy *c, const KilnInline *in, GError **error)
{
    g_autofree char *path = file_destination(c, in->name, error);
    if (!path || !make_way(c, path, error))
        return false;
    gsize size = strlen(in->content);
    int fd = memfd_create("inline", MFD_CLOEXEC);
    if (fd < 0 || write(fd, in->content, size) != (ssize_t)size) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "inline file %s: %s", in->name,
                    g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    KilnEntry e = {.type = KILN_TYPE_FILE, .mode = 0644, .size = size, .mtime = c->now};
    KilnEntry out = as_written(c, &e);
    bool ok = kiln_layer_writer_put(c->writer, &out, path, fd, error);
    close(fd);
    return ok;
}

static bool copy_all(Copy *c, GError **error)
{
    GPtrArray *items = kiln_copy_source_items(c->source, error);
    if (!items)
        return false;
    guint n_inlines = c->step->inlines ? c->step->inlines->len : 0;
    for (guint i = 0; i < items->len; i++) {
        const KilnCopyItem *item = items->pdata[i];
        if (!(item->remote ? copy_remote : copy_item)(c, item, error)) {
            kiln_step_prefix_error(c->step, item->place, error);
            return false;
        }
    }
    for (guint i = 0; i < n_inlines; i++)
        if (!copy_inline(c, &g_array_index(c->step->inlines, KilnInline, i), error)) {
            kiln_step_prefix_error(c->step, &c->step->place, error);
            return false;
        }
    return true;
}

static bool set_owner(Copy *c, GError **error)
{
    KilnUser user = {0};
    bool ok = find_owner(c->engine, c->step, &user, error);
    c->set_owner = c->step->chown && *c->step->chown;
    c->uid = user.uid;
    c->gid = user.gid;
    kiln_user_clear(&user);
    return ok;
}

/* What was gathered is put on disk, and the diffID of the layer made beside it. */
static KilnManifest *place(Copy *c, GError **error)
{
    KilnManifest *whole = kiln_layer_writer_complete(c->writer, error);
    if (!whole)
        return NULL;
    g_autoptr(KilnCopyDigest) digest = NULL;
    if (kiln_copy_files_are_many(c->files) && kiln_build_wants_digest(c->engine, c->step))
        digest = kiln_copy_digest_new(whole, c->upperfd, c->engine->options->epoch);
    if (!kiln_copy_files_place(c->files, digest, error)) {
        kiln_step_prefix_error(c->step, &c->step->place, error);
        return NULL;
    }
    KilnManifest *manifest = kiln_layer_writer_finish(c->writer, error);
    if (manifest && digest)
        kiln_build_take_digest(c->engine, manifest, g_steal_pointer(&digest));
    return manifest;
}

static KilnManifest *execute(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                             int upperfd, KilnTask *task, GError **error)
{
    (void)task;
    /* --link: a layer that would be the same on any other image, so nothing of this one shows in it. */
    g_autoptr(KilnView) below = kiln_step_view(e, step->link ? NULL : step->parent, error);
    if (!below)
        return NULL;
    Copy c = {.engine = e, .step = step, .source = prepared, .below = below, .upperfd = upperfd};
    c.work = work;
    c.unpack = step->add;
    c.now = e->options->epoch >= 0 ? e->options->epoch : g_get_real_time() / G_USEC_PER_SEC;
    if (!set_owner(&c, error))
        return NULL;
    g_autoptr(KilnLayerWriter) writer = kiln_layer_writer_new(
        below, upperfd, kiln_store_owners(e->options->store), c.uid, c.gid, c.now);
    g_autoptr(GHashTable) links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autoptr(KilnCopyFiles) files = kiln_copy_files_new(e, step, below, upperfd);
    c.writer = writer;
    c.files = files;
    kiln_layer_writer_set_directory_mode(writer, directory_mode(step));
    c.links = links;
    return copy_all(&c, error) ? place(&c, error) : NULL;
}

static bool feeds_much(gpointer prepared)
{
    return kiln_copy_source_feeds_much(prepared);
}

static void release(gpointer prepared)
{
    kiln_copy_source_free(prepared);
}

const KilnStepKindOps kiln_step_copy = {
    .prepare = prepare, .feed = feed, .same_input = same_input, .execute = execute, .feeds_much = feeds_much, .release = release};

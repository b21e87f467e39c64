/* COPY and ADD: entries of a source tree to places in the layer, by Docker's rules of destination. */
#include "build/copy-source.h"
#include "build/engine.h"
#include "build/layer-writer.h"
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
    KilnView *below;
    KilnLayerWriter *writer;
    int upperfd;
    bool set_owner;
    guint32 uid, gid;
    int mode; /* --chmod, or -1 */
    gint64 now;
    GHashTable *links; /* link group → path it was first put at */
} Copy;

static bool prepare(KilnEngine *e, KilnStep *step, KilnHash *key, gpointer *prepared, GError **error)
{
    if (step->parents) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                    "%s --parents is not supported yet", step->keyword);
        kiln_step_prefix_error(step, &step->place, error);
        return false;
    }
    kiln_hash_string(key, step->dest);
    kiln_hash_string(key, step->chown);
    kiln_hash_string(key, step->chmod);
    for (guint i = 0; step->inlines && i < step->inlines->len; i++) {
        const KilnInline *in = &g_array_index(step->inlines, KilnInline, i);
        kiln_hash_string(key, in->name);
        kiln_hash_string(key, in->content);
    }
    kiln_hash_string(key, NULL); /* ends the list */
    *prepared = kiln_copy_source_new(e, step, key, error);
    return *prepared != NULL;
}

static bool parse_mode(const char *text, int *mode, GError **error)
{
    guint64 value = 0;
    char *end = NULL;
    *mode = -1;
    if (!text || !*text)
        return true;
    value = g_ascii_strtoull(text, &end, 8);
    if (*end || value > 07777 || !g_ascii_isdigit(*text)) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                    "--chmod=%s is not an octal mode such as 755 (symbolic modes are not supported yet)",
                    text);
        return false;
    }
    *mode = (int)value;
    return true;
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
 * the destination itself; its parent exists afterwards. A last symlink is followed only to a directory. */
static char *file_destination(Copy *c, const char *name, GError **error)
{
    const char *dest = c->step->dest;
    g_autofree char *followed = kiln_view_resolve(c->below, dest, true, error);
    if (!followed)
        return NULL;
    if (g_str_has_suffix(dest, "/") || is_directory(c, followed))
        return kiln_layer_writer_directory(c->writer, followed, error) ? join(followed, name) : NULL;
    char *path = kiln_view_resolve(c->below, dest, false, error);
    if (!path)
        return NULL;
    g_autofree char *slash = g_path_get_dirname(path);
    const char *parent = strcmp(slash, ".") == 0 ? "" : slash;
    if (!kiln_layer_writer_directory(c->writer, parent, error)) {
        g_free(path);
        return NULL;
    }
    return path;
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
    if (c->mode >= 0 && e->type != KILN_TYPE_SYMLINK)
        out.mode = (uint16_t)c->mode;
    out.opaque = false;
    out.implicit = false;
    return out;
}

static bool put_file(Copy *c, const KilnEntry *e, const char *path, GError **error)
{
    const char *first =
        e->link_group ? g_hash_table_lookup(c->links, GUINT_TO_POINTER(e->link_group)) : NULL;
    KilnEntry out = as_written(c, e);
    if (first)
        return kiln_layer_writer_link(c->writer, &out, first, path, error);
    int fd = kiln_copy_source_open(c->source, e, error);
    if (fd < 0)
        return false;
    bool ok = kiln_layer_writer_put(c->writer, &out, path, fd, error);
    close(fd);
    if (ok && e->link_group)
        g_hash_table_insert(c->links, GUINT_TO_POINTER(e->link_group), g_strdup(path));
    return ok;
}

static bool put_entry(Copy *c, const KilnEntry *e, const char *path, GError **error)
{
    if (e->type == KILN_TYPE_FILE)
        return put_file(c, e, path, error);
    KilnEntry out = as_written(c, e);
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
        if (!put_entry(c, e, path, error))
            return false;
        if (i % 256 == 0 && kiln_cancel_check(c->engine->options->cancel, error))
            return false;
    }
    return true;
}

/* --- ADD of a local archive ----------------------------------------------------------------------------- */

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

/* Directories that the archive has but did not describe keep what the layers below say of them. */
static void adopt_implicit(Copy *c, KilnManifest *m)
{
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        KilnEntry *e = kiln_manifest_get(m, i);
        const KilnEntry *there = e->implicit ? kiln_view_lookup(c->below, e->path, NULL) : NULL;
        if (there && there->type == KILN_TYPE_DIR) {
            e->mode = there->mode;
            e->uid = there->uid;
            e->gid = there->gid;
        }
        e->implicit = false;
    }
}

static bool unpack(Copy *c, int fd, GError **error)
{
    g_autofree char *dest = directory_destination(c, error);
    if (!dest)
        return false;
    KilnUntarOptions options = {
        .owners = kiln_store_owners(c->engine->options->store),
        .detect_compression = true,
        .prefix = dest,
        .uid = c->set_owner ? (int64_t)c->uid : -1,
        .gid = c->set_owner ? (int64_t)c->gid : -1,
    };
    g_autofree FileReader *reader = g_new(FileReader, 1);
    reader->fd = fd;
    reader->cancel = c->engine->options->cancel;
    g_autoptr(KilnManifest) unpacked = kiln_manifest_new();
    if (!kiln_untar(read_file, reader, c->upperfd, &options, unpacked, error))
        return false;
    adopt_implicit(c, unpacked);
    kiln_layer_writer_adopt(c->writer, unpacked);
    return true;
}

/* Whether it was an archive: then it is unpacked. */
static bool add_archive(Copy *c, const KilnCopyItem *item, bool *was_archive, GError **error)
{
    const KilnEntry *e = kiln_manifest_get(item->entries, 0);
    *was_archive = false;
    if (!c->step->add || e->type != KILN_TYPE_FILE || c->step->from.kind != KILN_ORIGIN_CONTEXT)
        return true;
    int fd = kiln_copy_source_open(c->source, e, error);
    if (fd < 0)
        return false;
    bool ok = true;
    if (kiln_tar_detect(fd)) {
        *was_archive = true;
        ok = unpack(c, fd, error);
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

static bool copy_inline(Copy *c, const KilnInline *in, GError **error)
{
    g_autofree char *path = file_destination(c, in->name, error);
    if (!path)
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
        if (!copy_item(c, item, error)) {
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
    if (!c->step->chown || !*c->step->chown)
        return true;
    KilnUser user;
    bool ok = kiln_user_lookup(c->engine, c->step->parent, c->below, c->step->chown, true, &user, error);
    c->set_owner = true;
    c->uid = user.uid;
    c->gid = user.gid;
    kiln_user_clear(&user);
    if (!ok)
        kiln_step_prefix_error(c->step, &c->step->place, error);
    return ok;
}

static KilnManifest *execute(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                             int upperfd, KilnTask *task, GError **error)
{
    (void)work;
    (void)task;
    g_autoptr(KilnView) below = kiln_step_view(e, step->parent, error);
    if (!below)
        return NULL;
    Copy c = {.engine = e, .step = step, .source = prepared, .below = below, .upperfd = upperfd};
    c.now = e->options->epoch >= 0 ? e->options->epoch : g_get_real_time() / G_USEC_PER_SEC;
    if (!parse_mode(step->chmod, &c.mode, error)) {
        kiln_step_prefix_error(step, &step->place, error);
        return NULL;
    }
    if (!set_owner(&c, error))
        return NULL;
    g_autoptr(KilnLayerWriter) writer = kiln_layer_writer_new(
        below, upperfd, kiln_store_owners(e->options->store), c.uid, c.gid, c.now);
    g_autoptr(GHashTable) links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    c.writer = writer;
    c.links = links;
    if (!copy_all(&c, error))
        return NULL;
    return kiln_layer_writer_finish(writer, error);
}

static void release(gpointer prepared)
{
    kiln_copy_source_free(prepared);
}

const KilnStepKindOps kiln_step_copy = {.prepare = prepare, .execute = execute, .release = release};

#include "tree/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <unistd.h>

#include "tree/digest.h"
#include "tree/layer-tree.h"
#include "tree/sparse.h"
#include "tree/tar-archive.h"

#define WHITEOUT_META ".wh..wh." /* aufs' own files, image-spec layer.md knows but the next one */
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum { MAX_SYMLINKS = 40, METADATA_PER_ENTRY = 256 };
/* No file system that a layer can lie on has larger files (ext4: 16 TiB). */
static const uint64_t max_file_size = UINT64_C(1) << 44;

typedef struct {
    KilnReadFunc read;
    void *data;
    GError *error; /* of the read function */
    bool any;      /* whether there was a byte */
} Stream;

typedef struct {
    const KilnUntarOptions *options;
    struct archive *archive;
    KilnPlacer *placer;
    KilnLayerTree tree;
    KilnNode *start; /* names in the tar are relative to it */
    KilnManifest *out;
    KilnHash *hash;
    GString *name; /* of the current entry, clean */
    uint32_t last_group;
    KilnTarMeter meter;
} Untar;

static la_ssize_t read_stream(struct archive *a, void *data, const void **buffer)
{
    Stream *s = data;
    ssize_t n = s->error ? -1 : s->read(s->data, buffer, &s->error);
    if (n > 0)
        s->any = true;
    if (n < 0)
        archive_set_error(a, EIO, "%s", s->error ? s->error->message : "read error");
    return n < 0 ? ARCHIVE_FATAL : n;
}

G_GNUC_PRINTF(3, 4)
static bool refuse(GError **error, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *text = g_strdup_printf("entry “%s” of the tar archive: %s", name, reason);
    g_autofree char *valid = kiln_tar_shown(text);
    g_set_error_literal(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT, valid);
    return false;
}

/* A limit was met in this entry. */
static bool refuse_more(const char *name, GError *limit, GError **error)
{
    refuse(error, name, "%s", limit->message);
    g_error_free(limit);
    return false;
}

/* Bytes that an entry makes us keep in memory. */
static bool charge(Untar *u, uint64_t bytes, const char *name, GError **error)
{
    GError *limit = NULL;
    return kiln_tar_meter_memory(&u->meter, bytes, &limit) || refuse_more(name, limit, error);
}

static bool charge_size(Untar *u, uint64_t bytes, const char *name, GError **error)
{
    GError *limit = NULL;
    return kiln_tar_meter_size(&u->meter, bytes, &limit) || refuse_more(name, limit, error);
}

/* --- Names --- */

/* Puts the components of a name, without empty and "." ones, into `out`. */
static bool clean_name(const char *name, const char *shown, GString *out, GError **error)
{
    g_string_truncate(out, 0);
    for (const char *p = name; *p;) {
        const char *end = strchrnul(p, '/');
        size_t size = (size_t)(end - p);
        if (size == 2 && memcmp(p, "..", 2) == 0)
            return refuse(error, shown, "“%s” has a “..” component", name);
        if (size > NAME_MAX)
            return refuse(error, shown, "a file name is longer than %d bytes", NAME_MAX);
        if (size && !(size == 1 && *p == '.')) {
            if (out->len)
                g_string_append_c(out, '/');
            g_string_append_len(out, p, (gssize)size);
        }
        p = *end ? end + 1 : end;
    }
    return out->len < PATH_MAX ||
           refuse(error, shown, "the name is longer than %d bytes", PATH_MAX);
}

static uint32_t owner(int64_t from_options, int64_t from_tar)
{
    return (uint32_t)(from_options >= 0 ? from_options : from_tar);
}

static bool is_type(const KilnNode *node, KilnType type)
{
    return node && node->entry && node->entry->type == type;
}

/* What the layers below have at that place, unless this layer hides it. */
static const KilnEntry *below(Untar *u, const KilnNode *dir, const char *name)
{
    if (!u->options->below)
        return NULL;
    for (const KilnNode *n = dir; n; n = n->parent)
        if (n->entry && n->entry->opaque)
            return NULL;
    g_autofree char *path = g_strconcat(dir->path, *dir->path ? "/" : "", name, NULL);
    return u->options->below(path, u->options->below_data);
}

static void copy_attributes(Untar *u, const KilnEntry *from, KilnEntry *to)
{
    to->mode = from->mode;
    to->uid = from->uid;
    to->gid = from->gid;
    to->mtime = from->mtime;
    to->mtime_nsec = from->mtime_nsec;
    kiln_manifest_set_xattrs(u->out, to, from->xattrs, from->n_xattrs);
}

/* A directory that the tar needs but has not listed; `node` if the path is a whiteout so far. */
static KilnNode *make_implicit(Untar *u, KilnNode *dir, const char *name, KilnNode *node,
                               GError **error)
{
    bool opaque = node != NULL;
    gsize length = strlen(dir->path) + 1 + strlen(name);
    if (length >= PATH_MAX) {
        refuse(error, u->name->str, "its path is longer than %d bytes", PATH_MAX);
        return NULL;
    }
    if (!charge(u, METADATA_PER_ENTRY + length, u->name->str, error))
        return NULL;
    if (!node)
        node = kiln_layer_tree_add(&u->tree, dir, name);
    KilnEntry *e = kiln_layer_tree_reset(&u->tree, node);
    e->type = KILN_TYPE_DIR;
    e->mode = 0755;
    e->uid = owner(u->options->uid, 0);
    e->gid = owner(u->options->gid, 0);
    const KilnEntry *there = opaque ? NULL : below(u, dir, name);
    if (there && there->type == KILN_TYPE_DIR)
        copy_attributes(u, there, e);
    e->implicit = true;
    e->opaque = opaque;
    return kiln_placer_put(u->placer, e, -1, error) ? node : NULL;
}

/* The directory that a clean name leads to, symlinks of the layer followed within its root. Missing
 * ones are made if `create`; else NULL is returned without an error. */
static KilnNode *enter(Untar *u, const char *name, bool create, GError **error)
{
    g_autofree char *rest = g_strdup(name);
    KilnNode *dir = u->start;
    int links = 0;
    for (char *p = rest, *next; p && *p; p = next) {
        next = strchr(p, '/');
        if (next)
            *next++ = '\0';
        if (!*p || strcmp(p, ".") == 0)
            continue;
        if (strcmp(p, "..") == 0) { /* of a symlink */
            dir = dir->parent ? dir->parent : dir;
            continue;
        }
        KilnNode *node = kiln_layer_tree_find(&u->tree, dir, p);
        const KilnEntry *there = node ? node->entry : below(u, dir, p);
        if (there && there->type == KILN_TYPE_SYMLINK) {
            if (++links > MAX_SYMLINKS) {
                refuse(error, u->name->str, "too many symbolic links lead to its directory");
                return NULL;
            }
            const char *target = there->target;
            char *joined = g_strconcat(target, "/", next, NULL);
            dir = *target == '/' ? u->tree.root : dir;
            g_free(rest);
            next = rest = joined;
            continue;
        }
        if (!node && there && there->type != KILN_TYPE_DIR) {
            if (create)
                refuse(error, u->name->str, "“%s” is not a directory", there->path);
            return NULL;
        }
        if (!node || is_type(node, KILN_TYPE_WHITEOUT)) {
            node = create ? make_implicit(u, dir, p, node, error) : NULL;
            if (!node)
                return NULL;
        } else if (!kiln_node_is_dir(node)) {
            if (create)
                refuse(error, u->name->str, "“%s” is not a directory", node->path);
            return NULL;
        }
        dir = node;
    }
    return dir;
}

/* Splits a clean name into the directory (entered) and *base, the last component. */
static KilnNode *enter_parent(Untar *u, const char *name, bool create, const char **base,
                              GError **error)
{
    const char *slash = strrchr(name, '/');
    g_autofree char *parent = g_strndup(name, slash ? (gsize)(slash - name) : 0);
    *base = slash ? slash + 1 : name;
    return enter(u, parent, create, error);
}

/* --- Attributes --- */

static bool read_xattrs(Untar *u, struct archive_entry *ae, KilnEntry *e, GError **error)
{
    g_autoptr(GArray) xattrs = g_array_new(FALSE, FALSE, sizeof(KilnXattr));
    const char *name;
    const void *value;
    size_t size;
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK) {
        if (!name || !kiln_xattr_in_image(name))
            continue;
        if (strlen(name) > XATTR_NAME_MAX || size > XATTR_SIZE_MAX)
            return refuse(error, u->name->str, "an extended attribute is too large");
        if (!charge(u, sizeof(KilnXattr) + strlen(name) + size, u->name->str, error))
            return false;
        KilnXattr x = {.name = name, .value = size ? value : "", .size = (uint32_t)size};
        g_array_append_val(xattrs, x);
    }
    kiln_manifest_set_xattrs(u->out, e, (KilnXattr *)xattrs->data, xattrs->len);
    return true;
}

static bool read_attributes(Untar *u, struct archive_entry *ae, KilnEntry *e, GError **error)
{
    int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX ||
        gid >= UINT32_MAX) /* the last one is chown's -1 */
        return refuse(error, u->name->str, "owner %" PRId64 ":%" PRId64 " is not possible", uid,
                      gid);
    e->mode = (uint16_t)(archive_entry_perm(ae) & 07777);
    e->uid = owner(u->options->uid, uid);
    e->gid = owner(u->options->gid, gid);
    e->mtime = archive_entry_mtime(ae);
    long nsec = archive_entry_mtime_nsec(ae);
    e->mtime_nsec = nsec > 0 && nsec < 1000000000 ? (uint32_t)nsec : 0;
    if (e->type == KILN_TYPE_SYMLINK) {
        e->mode = 0777;
        return true;
    }
    return read_xattrs(u, ae, e, error);
}

/* --- Content --- */

static bool set_archive_error(Untar *u, GError **error)
{
    const char *text = archive_error_string(u->archive);
    return refuse(error, u->name->len ? u->name->str : "/", "%s", text ? text : "damaged");
}

/* Copies the content of the current entry to fd and e->digest. */
static bool read_content(Untar *u, KilnEntry *e, int fd, GError **error)
{
    uint64_t position = 0;
    for (;;) {
        const void *block;
        size_t size;
        la_int64_t offset;
        int r = archive_read_data_block(u->archive, &block, &size, &offset);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK)
            return set_archive_error(u, error);
        if (!size)
            continue;
        if (offset < 0 || (uint64_t)offset < position || (uint64_t)offset > e->size ||
            size > e->size - (uint64_t)offset)
            return refuse(error, e->path, "its content does not fit its size");
        kiln_sparse_hash(u->hash, (uint64_t)offset - position);
        kiln_hash_update(u->hash, block, size);
        if (!kiln_sparse_write(fd, block, size, (uint64_t)offset)) {
            g_set_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO, "cannot write “%s”: %s",
                        u->name->str, g_strerror(errno));
            return false;
        }
        position = (uint64_t)offset + size;
    }
    kiln_sparse_hash(u->hash, e->size - position);
    kiln_hash_finish(u->hash, e->digest);
    e->has_digest = true;
    /* A hole may be what the file ends with. */
    if ((position < e->size || e->size >= KILN_HOLE_SIZE) && ftruncate(fd, (off_t)e->size) < 0) {
        g_set_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO, "cannot write “%s”: %s", u->name->str,
                    g_strerror(errno));
        return false;
    }
    return true;
}

static bool add_file(Untar *u, struct archive_entry *ae, KilnEntry *e, GError **error)
{
    int64_t size = archive_entry_size(ae);
    if (size < 0 || (uint64_t)size > max_file_size)
        return refuse(error, u->name->str, "a size of %" PRId64 " bytes is not possible", size);
    /* what it claims, holes and all: it is hashed, and is to be stored */
    if (!charge_size(u, (uint64_t)size, u->name->str, error))
        return false;
    e->size = (uint64_t)size;
    int fd = kiln_placer_open_file(u->placer, e, error);
    if (fd < 0)
        return false;
    if (!read_content(u, e, fd, error)) {
        close(fd);
        return false;
    }
    return kiln_placer_close_file(u->placer, e, fd, error);
}

/* --- Entries --- */

/* Makes the path free for an entry of this type and returns its entry, reset. A directory over a
 * directory keeps what is below. */
static KilnEntry *claim(Untar *u, KilnNode *dir, const char *base, KilnType type, GError **error)
{
    gsize length = strlen(dir->path) + 1 + strlen(base);
    if (length >= PATH_MAX) {
        refuse(error, u->name->str, "its path is longer than %d bytes", PATH_MAX);
        return NULL;
    }
    if (!charge(u, METADATA_PER_ENTRY + length, u->name->str, error))
        return NULL;
    KilnNode *node = kiln_layer_tree_find(&u->tree, dir, base);
    bool opaque = false;
    if (!node) {
        node = kiln_layer_tree_add(&u->tree, dir, base);
    } else if (type != KILN_TYPE_DIR || !kiln_node_is_dir(node)) {
        if (kiln_path_within(u->start->path, node->path)) { /* by way of a symlink to ".." */
            refuse(error, u->name->str, "it would replace the directory that is unpacked into");
            return NULL;
        }
        /* What was here hid the layers below; a directory must go on to do so. */
        opaque = type == KILN_TYPE_DIR;
        kiln_layer_tree_bury(&u->tree, node);
    } else {
        opaque = node->entry && node->entry->opaque;
    }
    KilnEntry *e = kiln_layer_tree_reset(&u->tree, node);
    e->type = type;
    e->opaque = opaque;
    return e;
}

/* Layers deleted from those below; what the same layer holds is not touched: image-spec layer.md,
 * "Whiteouts". *handled tells that the name was one. */
static bool add_whiteout(Untar *u, struct archive_entry *ae, KilnNode *dir, const char *base,
                         GError **error)
{
    KilnEntry *e;
    if (strcmp(base, WHITEOUT_OPAQUE) == 0) {
        if (!dir->entry) {
            e = kiln_layer_tree_reset(&u->tree, dir);
            e->type = KILN_TYPE_DIR;
            e->mode = 0755;
            e->implicit = true;
        }
        dir->entry->opaque = true;
        return kiln_placer_put(u->placer, dir->entry, -1, error);
    }
    if (g_str_has_prefix(base, WHITEOUT_META))
        return true;
    const char *name = base + strlen(KILN_WHITEOUT_PREFIX);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return refuse(error, u->name->str, "a whiteout of no file");
    KilnNode *node = kiln_layer_tree_find(&u->tree, dir, name);
    if (node && !kiln_node_is_dir(node))
        return true;
    if (node) { /* a new directory in place of a deleted one */
        if (!node->entry)
            return true;
        node->entry->opaque = true;
        return kiln_placer_put(u->placer, node->entry, -1, error);
    }
    e = claim(u, dir, name, KILN_TYPE_WHITEOUT, error);
    if (!e)
        return false;
    e->mtime = archive_entry_mtime(ae);
    return kiln_placer_put(u->placer, e, -1, error);
}

static bool add_link(Untar *u, const char *link, KilnNode *dir, const char *base, GError **error)
{
    g_autoptr(GString) name = g_string_new(NULL);
    const char *target_base;
    if (!clean_name(link, u->name->str, name, error))
        return false;
    GError *inner = NULL;
    KilnNode *target_dir = enter_parent(u, name->str, false, &target_base, &inner);
    if (inner) {
        g_propagate_error(error, inner);
        return false;
    }
    KilnNode *target = target_dir ? kiln_layer_tree_find(&u->tree, target_dir, target_base) : NULL;
    if (!target || is_type(target, KILN_TYPE_WHITEOUT))
        return refuse(error, u->name->str, "a hard link to “%s”, which the archive does not hold",
                      link);
    if (kiln_node_is_dir(target))
        return refuse(error, u->name->str, "a hard link to the directory “%s”", link);
    KilnNode *node = kiln_layer_tree_find(&u->tree, dir, base);
    if (node == target)
        return true;
    if (node && kiln_path_within(target->path, node->path))
        return refuse(error, u->name->str, "a hard link to “%s”, which it replaces", link);

    KilnEntry *t = target->entry;
    KilnEntry *e = claim(u, dir, base, t->type, error);
    if (!e)
        return false;
    if (!t->link_group)
        t->link_group = ++u->last_group;
    const char *path = e->path;
    *e = *t;
    e->path = path;
    return kiln_placer_link(u->placer, t->path, path, error);
}

static KilnType type_of(struct archive_entry *ae)
{
    switch (archive_entry_filetype(ae)) {
    case AE_IFREG:
        return KILN_TYPE_FILE;
    case AE_IFDIR:
        return KILN_TYPE_DIR;
    case AE_IFLNK:
        return KILN_TYPE_SYMLINK;
    case AE_IFIFO:
        return KILN_TYPE_FIFO;
    case AE_IFCHR:
        return KILN_TYPE_CHAR;
    case AE_IFBLK:
        return KILN_TYPE_BLOCK;
    default:
        return KILN_TYPE_SOCKET; /* left out */
    }
}

static bool add_plain(Untar *u, struct archive_entry *ae, KilnNode *dir, const char *base,
                      GError **error)
{
    KilnType type = type_of(ae);
    if (type == KILN_TYPE_SOCKET)
        return true;
    const char *target = type == KILN_TYPE_SYMLINK ? archive_entry_symlink(ae) : NULL;
    if (type == KILN_TYPE_SYMLINK && (!target || !*target || strlen(target) >= PATH_MAX))
        return refuse(error, u->name->str, "a symbolic link with an empty or too long target");
    if (target && !charge(u, strlen(target), u->name->str, error))
        return false;
    KilnEntry *e = claim(u, dir, base, type, error);
    if (!e || !read_attributes(u, ae, e, error))
        return false;
    if (type == KILN_TYPE_FILE)
        return add_file(u, ae, e, error);
    if (target)
        e->target = kiln_manifest_string(u->out, target);
    if (type == KILN_TYPE_CHAR || type == KILN_TYPE_BLOCK) {
        e->major = (uint32_t)archive_entry_rdevmajor(ae);
        e->minor = (uint32_t)archive_entry_rdevminor(ae);
    }
    return kiln_placer_put(u->placer, e, -1, error);
}

/* "./" and the like: the attributes of the image's root. ADD leaves its destination as it is. */
static bool add_root(Untar *u, struct archive_entry *ae, GError **error)
{
    if (u->options->prefix)
        return true;
    if (archive_entry_hardlink(ae) || type_of(ae) != KILN_TYPE_DIR)
        return refuse(error, "/", "the root is not a directory");
    bool opaque = u->tree.root->entry->opaque;
    KilnEntry *e = kiln_layer_tree_reset(&u->tree, u->tree.root);
    e->type = KILN_TYPE_DIR;
    e->opaque = opaque;
    return read_attributes(u, ae, e, error) && kiln_placer_put(u->placer, e, -1, error);
}

static bool add_entry(Untar *u, struct archive_entry *ae, GError **error)
{
    const char *raw = archive_entry_pathname(ae), *base;
    if (!raw)
        return refuse(error, "", "it has no name");
    GError *limit = NULL;
    if (!kiln_tar_meter_entry(&u->meter, &limit))
        return refuse_more(raw, limit, error);
    if (!clean_name(raw, raw, u->name, error))
        return false;
    if (!u->name->len)
        return add_root(u, ae, error);
    KilnNode *dir = enter_parent(u, u->name->str, true, &base, error);
    if (!dir)
        return false;
    if (u->options->whiteouts && g_str_has_prefix(base, KILN_WHITEOUT_PREFIX))
        return add_whiteout(u, ae, dir, base, error);
    const char *link = archive_entry_hardlink(ae);
    return link ? add_link(u, link, dir, base, error) : add_plain(u, ae, dir, base, error);
}

/* --- The archive --- */

static bool refuse_archive(Untar *u, GError **error)
{
    const char *text = archive_error_string(u->archive);
    g_set_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT,
                "not a tar archive, or a damaged one: %s", text ? text : "unknown format");
    if (u->name->len) {
        g_autofree char *shown = kiln_tar_shown(u->name->str);
        g_prefix_error(error, "after entry “%s”: ", shown);
    }
    return false;
}

/* Blocks of zeros behind the last entry, tar(5); libarchive takes the end of the stream for one too. */
static bool check_end(Untar *u, GError **error)
{
    if (!u->options->end_marker ||
        archive_filter_bytes(u->archive, 0) > archive_read_header_position(u->archive))
        return true;
    g_set_error_literal(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT,
                        "the tar archive ends without its end marker: what wrote it was interrupted");
    return false;
}

static bool read_entries(Untar *u, GError **error)
{
    for (;;) {
        struct archive_entry *ae;
        int r = archive_read_next_header(u->archive, &ae);
        if (r == ARCHIVE_EOF)
            return check_end(u, error);
        if (!kiln_tar_is_good(u->archive, r))
            return refuse_archive(u, error);
        if (!add_entry(u, ae, error))
            return false;
    }
}

/* What lies behind the end is read, for the digest, but not without end. */
static bool drain(Untar *u, Stream *s)
{
    const void *buffer;
    ssize_t n;
    do {
        n = s->read(s->data, &buffer, &s->error);
    } while (n > 0 && kiln_tar_meter_size(&u->meter, (uint64_t)n, &s->error));
    return n == 0;
}

/* The root of a layer always has an entry, and a directory to put the rest in. */
static bool begin(Untar *u, GError **error)
{
    for (guint i = 0; i < kiln_manifest_length(u->out); i++)
        u->last_group = MAX(u->last_group, kiln_manifest_get(u->out, i)->link_group);
    u->start = kiln_layer_tree_ensure(&u->tree, u->options->prefix ? u->options->prefix : "");
    if (u->options->prefix || u->tree.root->entry)
        return true;
    KilnEntry *e = kiln_layer_tree_reset(&u->tree, u->tree.root);
    e->type = KILN_TYPE_DIR;
    e->mode = 0755;
    e->implicit = true;
    return kiln_placer_put(u->placer, e, -1, error);
}

static bool run(Untar *u, Stream *stream, GError **error)
{
    if (!begin(u, error))
        return false;
    bool ok = archive_read_open(u->archive, stream, NULL, read_stream, NULL) == ARCHIVE_OK
                  ? read_entries(u, error)
                  : refuse_archive(u, error);
    if (ok)
        ok = drain(u, stream);
    if (stream->error) { /* what libarchive made of it says less */
        if (error)
            g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&stream->error));
        return false;
    }
    if (!ok && !stream->any && error &&
        g_error_matches(*error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT)) {
        g_clear_error(error);
        g_set_error_literal(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT,
                            "not a tar archive: it is empty");
    }
    return ok && kiln_placer_finish(u->placer, error);
}

bool kiln_untar(KilnReadFunc read, void *data, int dirfd, const KilnUntarOptions *options,
                KilnManifest *out, GError **error)
{
    Stream stream = {.read = read, .data = data};
    g_autoptr(KilnPlacer) placer = kiln_placer_new(dirfd, options->owners);
    g_autoptr(KilnHash) hash = kiln_hash_new();
    g_autoptr(GString) name = g_string_new(NULL);
    Untar u = {.options = options,
               .placer = placer,
               .out = out,
               .hash = hash,
               .name = name,
               .meter = {.limits = options->limits}};
    KilnTarLocale locale;

    kiln_tar_locale_enter(&locale, "C");
    u.archive = kiln_tar_reader(options->detect_compression);
    kiln_layer_tree_init(&u.tree, out);
    bool ok = run(&u, &stream, error);
    kiln_layer_tree_finish(&u.tree);
    kiln_layer_tree_clear(&u.tree);
    archive_read_free(u.archive);
    kiln_tar_locale_leave(&locale);
    g_clear_error(&stream.error);
    return ok;
}

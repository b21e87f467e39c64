#include "build/copy-files.h"
#include "build/copy-donor.h"
#include "tree/opener.h"
#include "tree/pieces.h"

#include <unistd.h>

enum {
    FILES_AT_ONCE = 32,
    /* Looking for an earlier layer, or starting a thread, costs about as much as copying some files. */
    MIN_FILES = 64,
    MIN_BYTES = 1 << 20,
};

typedef struct {
    KilnCopySource *source;
    const KilnEntry *from, *to;
    int twin_fd; /* a layer that holds the same file at `twin`; -1: none */
    const char *twin;
} File;

typedef struct {
    const char *existing, *path;
} Link;

struct KilnCopyFiles {
    KilnEngine *engine;
    const KilnStep *step;
    const KilnView *below;
    int upperfd;
    GArray *files; /* of File */
    GArray *links; /* of Link */
    guint64 bytes;
    KilnCopyDigest *digest; /* follows, while files are placed; or NULL */
    bool sought;       /* the donor */
    KilnCopyDonor donor;
    GHashTable *shown; /* Identity of all files of the layers below; NULL until it is needed */
    GHashTable *taken; /* KilnEntry of another stage, whose file was linked; its link groups */
};

/* What is the same for all hard links to a file, and for few others. */
typedef struct {
    guint64 size;
    gint64 mtime;
    guint32 mtime_nsec;
} Identity;

static guint identity_hash(gconstpointer p)
{
    const Identity *i = p;
    return (guint)i->mtime * 31 + i->mtime_nsec + (guint)i->size * 65599;
}

static gboolean identity_equal(gconstpointer a, gconstpointer b)
{
    const Identity *x = a, *y = b;
    return x->size == y->size && x->mtime == y->mtime && x->mtime_nsec == y->mtime_nsec;
}

static Identity identity_of(const KilnEntry *e)
{
    return (Identity){.size = e->size, .mtime = e->mtime, .mtime_nsec = e->mtime_nsec};
}

KilnCopyFiles *kiln_copy_files_new(KilnEngine *e, const KilnStep *step, const KilnView *below, int upperfd)
{
    KilnCopyFiles *f = g_new0(KilnCopyFiles, 1);
    f->engine = e;
    f->step = step;
    f->below = below;
    f->upperfd = upperfd;
    f->files = g_array_new(FALSE, FALSE, sizeof(File));
    f->links = g_array_new(FALSE, FALSE, sizeof(Link));
    f->taken = g_hash_table_new(NULL, NULL);
    return f;
}

void kiln_copy_files_free(KilnCopyFiles *f)
{
    g_array_unref(f->files);
    g_array_unref(f->links);
    g_clear_pointer(&f->shown, g_hash_table_unref);
    g_hash_table_unref(f->taken);
    kiln_copy_donor_clear(&f->donor);
    g_free(f);
}

void kiln_copy_files_add(KilnCopyFiles *f, KilnCopySource *source, const KilnEntry *from, const KilnEntry *to)
{
    const File file = {.source = source, .from = from, .to = to, .twin_fd = -1};
    g_array_append_val(f->files, file);
    f->bytes += to->size;
}

void kiln_copy_files_add_link(KilnCopyFiles *f, const char *existing, const char *path)
{
    const Link link = {.existing = existing, .path = path};
    g_array_append_val(f->links, link);
}

bool kiln_copy_files_are_many(const KilnCopyFiles *f)
{
    return f->files->len >= MIN_FILES || f->bytes >= MIN_BYTES;
}

/* --- Files of other layers ------------------------------------------------------------------------------ */

static void note_shown(const KilnEntry *file, void *data)
{
    GHashTable *shown = data;
    const Identity identity = identity_of(file);
    if (!g_hash_table_contains(shown, &identity))
        g_hash_table_add(shown, g_memdup2(&identity, sizeof identity));
}

/* Whether the layers below may hold this very file: then a command would see one file at two paths, and "cp" refuse
 * to copy the one to the other. */
static bool is_shown(KilnCopyFiles *f, const KilnEntry *e)
{
    if (!f->shown) {
        f->shown = g_hash_table_new_full(identity_hash, identity_equal, g_free, NULL);
        kiln_view_each_file(f->below, note_shown, f->shown);
    }
    const Identity identity = identity_of(e);
    return g_hash_table_contains(f->shown, &identity);
}

/* Whether it is the first file of this step that would be linked to that one of a stage. */
static bool take(KilnCopyFiles *f, const KilnEntry *twin, guint32 group)
{
    return g_hash_table_add(f->taken, group ? GUINT_TO_POINTER(group) : (gpointer)twin);
}

/* What is copied from a stage or image lies in one of its layers. */
static void find_in_source(KilnCopyFiles *f, File *file)
{
    int fd;
    const KilnEntry *twin = kiln_copy_source_twin(file->source, file->from, &fd);
    if (!twin || !kiln_entry_same_attributes(twin, file->to) || is_shown(f, file->to) ||
        !take(f, twin, file->from->link_group))
        return;
    file->twin_fd = fd;
    file->twin = twin->path;
}

static void find_in_donor(KilnCopyFiles *f, File *file)
{
    const KilnEntry *twin = kiln_copy_donor_lookup(&f->donor, file->to);
    if (!twin || is_shown(f, file->to))
        return;
    file->twin_fd = kiln_layer_fd(f->engine->options->store, f->donor.layer, NULL);
    file->twin = file->to->path;
}

/* One for the whole step: in two, the same file could lie at two paths. */
static void find_donor(KilnCopyFiles *f)
{
    if (f->sought || !kiln_copy_files_are_many(f))
        return;
    f->sought = true;
    g_autofree const KilnEntry **entries = g_new(const KilnEntry *, f->files->len);
    for (guint i = 0; i < f->files->len; i++)
        entries[i] = g_array_index(f->files, File, i).to;
    f->donor = kiln_copy_donor_find(f->engine->options->store, f->step, entries, f->files->len);
}

/* The layer of a --link is put over layers that are not known here, which may hold the same file. */
static void find_twins(KilnCopyFiles *f)
{
    if (f->step->link)
        return;
    bool layers = f->step->from.kind != KILN_ORIGIN_CONTEXT && f->step->from.kind != KILN_ORIGIN_NAMED;
    if (!layers)
        find_donor(f);
    for (guint i = 0; i < f->files->len; i++)
        (layers ? find_in_source : find_in_donor)(f, &g_array_index(f->files, File, i));
}

/* --- On disk ---------------------------------------------------------------------------------------------- */

static bool copy_file(KilnCopyFiles *f, KilnPlacer *placer, KilnOpener *opener, const File *file, GError **error)
{
    int fd = kiln_copy_source_open(file->source, opener, file->from, error);
    if (fd < 0)
        return false;
    bool ok = kiln_placer_put(placer, file->to, fd, error) &&
              kiln_copy_source_check(file->source, file->from, fd, f->upperfd, file->to->path, error);
    close(fd);
    return ok;
}

static bool place_file(KilnCopyFiles *f, KilnPlacer *placer, KilnOpener *opener, const File *file, GError **error)
{
    bool linked = false;
    if (file->twin_fd >= 0 &&
        !kiln_placer_link_twin(placer, file->twin_fd, file->twin, f->donor.layer != 0, file->to, &linked, error))
        return false;
    if (!linked && !copy_file(f, placer, opener, file, error))
        return false;
    if (f->digest)
        kiln_copy_digest_placed(f->digest, file->to->path);
    return true;
}

static bool place_some(KilnPieces *pieces, gpointer data, GError **error)
{
    KilnCopyFiles *f = data;
    g_autoptr(KilnPlacer) placer = kiln_placer_new(f->upperfd, kiln_store_owners(f->engine->options->store));
    KilnOpener opener = {0};
    guint from, to;
    bool ok = true;
    while (ok && kiln_pieces_take(pieces, &from, &to)) {
        ok = !kiln_cancel_check(f->engine->options->cancel, error);
        for (guint i = from; ok && i < to; i++)
            ok = place_file(f, placer, &opener, &g_array_index(f->files, File, i), error);
    }
    kiln_opener_clear(&opener);
    return ok;
}

static bool place_links(KilnCopyFiles *f, GError **error)
{
    g_autoptr(KilnPlacer) placer = kiln_placer_new(f->upperfd, kiln_store_owners(f->engine->options->store));
    for (guint i = 0; i < f->links->len; i++) {
        const Link *link = &g_array_index(f->links, Link, i);
        if (!kiln_placer_link(placer, link->existing, link->path, error))
            return false;
        if (f->digest)
            kiln_copy_digest_placed(f->digest, link->path);
    }
    return true;
}

static void start_digest(KilnCopyFiles *f, KilnCopyDigest *digest)
{
    f->digest = digest;
    for (guint i = 0; digest && i < f->files->len; i++)
        kiln_copy_digest_expect(digest, g_array_index(f->files, File, i).to->path);
    for (guint i = 0; digest && i < f->links->len; i++)
        kiln_copy_digest_expect(digest, g_array_index(f->links, Link, i).path);
    if (digest)
        kiln_copy_digest_start(digest);
}

bool kiln_copy_files_place(KilnCopyFiles *f, KilnCopyDigest *digest, GError **error)
{
    find_twins(f);
    start_digest(f, digest);
    bool ok = kiln_pieces_run(f->files->len, FILES_AT_ONCE, kiln_pieces_threads(f->files->len, f->bytes),
                              place_some, f, error) &&
              place_links(f, error);
    g_array_set_size(f->files, 0);
    g_array_set_size(f->links, 0);
    f->bytes = 0;
    f->digest = NULL;
    return ok;
}

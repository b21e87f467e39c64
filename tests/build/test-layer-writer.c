/* The layer of a COPY: what it repeats of the layers below, and what may take whose place. */
#include "store.h"

#include <errno.h>

typedef struct {
    Place place;
    KilnView *below;
    KilnWork *work;
    int upper;
    KilnLayerWriter *writer;
} Fixture;

static void add_below(KilnManifest *m, const char *path, KilnType type, int mode, guint32 uid)
{
    KilnEntry *e = kiln_manifest_add(m, path);
    e->type = type;
    e->mode = (uint16_t)mode;
    e->uid = e->gid = uid;
    e->mtime = 500;
    e->opaque = strcmp(path, "srv") == 0;
    if (type == KILN_TYPE_SYMLINK)
        e->target = kiln_manifest_string(m, "tmp");
}

/* Over a layer with an owner and a mode in every directory. */
static void fixture_set_up(Fixture *f, gconstpointer data)
{
    set_up(&f->place, data);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    add_below(m, "", KILN_TYPE_DIR, 0755, 0);
    add_below(m, "srv", KILN_TYPE_DIR, 0711, 33);
    add_below(m, "srv/deep", KILN_TYPE_DIR, 01777, 34);
    add_below(m, "srv/file", KILN_TYPE_FILE, 0600, 35);
    add_below(m, "link", KILN_TYPE_SYMLINK, 0777, 0);
    kiln_manifest_sort(m);
    f->below = kiln_view_new(&m, 1);
    f->work = kiln_work_new(f->place.store, NULL);
    f->upper = kiln_work_mkdir(f->work, "upper", NULL);
    f->writer = kiln_layer_writer_new(f->below, f->upper, KILN_OWNERS_RECORDED, 7, 8, 999);
}

static void fixture_tear_down(Fixture *f, gconstpointer data)
{
    kiln_layer_writer_free(f->writer);
    kiln_view_free(f->below);
    kiln_work_free(f->work);
    tear_down(&f->place, data);
}

/* "PATH TYPE MODE UID:GID MTIME", a line each. */
static char *listing(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnManifest) m = kiln_layer_writer_finish(f->writer, &error);
    g_assert_no_error(error);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_assert_false(e->opaque);
        g_assert_false(e->implicit);
        g_string_append_printf(out, "/%s %c %o %u:%u %d\n", e->path, e->type, e->mode, e->uid,
                               e->gid, (int)e->mtime);
    }
    return g_string_free(out, FALSE);
}

static void assert_conflict(bool ok, GError **error, const char *part)
{
    g_assert_false(ok);
    g_assert_error(*error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP);
    g_assert_nonnull(strstr((*error)->message, part));
    g_clear_error(error);
}

/* A layer always has its root, as the layers below have it. */
static void test_nothing(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = listing(f);
    g_assert_cmpstr(text, ==, "/ d 755 0:0 500\n");
}

/* Directories from below keep what they are; new ones belong to whom the COPY says. */
static void test_parents(Fixture *f, gconstpointer data)
{
    (void)data;
    put_text(f->writer, "srv/deep/new/er/file", "text");
    g_autofree char *text = listing(f);
    g_assert_cmpstr(text, ==,
                    "/ d 755 0:0 500\n"
                    "/srv d 711 33:33 500\n"
                    "/srv/deep d 1777 34:34 500\n"
                    "/srv/deep/new d 755 7:8 999\n"
                    "/srv/deep/new/er d 755 7:8 999\n"
                    "/srv/deep/new/er/file f 644 0:0 1000000000\n");
    struct stat st;
    g_assert_cmpint(fstatat(f->upper, "srv/deep/new/er/file", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_cmpint(st.st_size, ==, 4);
}

/* The later of two wins, on disk and in the manifest; file over file and directory over directory.
 */
static void test_replacing(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnEntry dir = an_entry(KILN_TYPE_DIR, 0700), fifo = an_entry(KILN_TYPE_FIFO, 0600);
    put_text(f->writer, "srv/file", "first");
    put_text(f->writer, "srv/file", "second one");
    put_text(f->writer, "link", "no link any more");
    put_text(f->writer, "pipe", "for now");
    g_assert_true(kiln_layer_writer_put(f->writer, &fifo, "pipe", -1, NULL));
    g_assert_true(kiln_layer_writer_put(f->writer, &dir, "srv/deep", -1, NULL));
    g_assert_cmpint(kiln_layer_writer_lookup(f->writer, "pipe")->type, ==, KILN_TYPE_FIFO);
    g_assert_cmpint(kiln_layer_writer_lookup(f->writer, "srv/file")->size, ==, 10);
    g_autofree char *text = listing(f);
    g_assert_cmpstr(text, ==,
                    "/ d 755 0:0 500\n"
                    "/link f 644 0:0 1000000000\n"
                    "/pipe p 600 0:0 1000000000\n"
                    "/srv d 711 33:33 500\n"
                    "/srv/deep d 700 0:0 1000000000\n"
                    "/srv/file f 644 0:0 1000000000\n");
    struct stat st;
    g_assert_cmpint(fstatat(f->upper, "pipe", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_true(S_ISFIFO(st.st_mode));
    g_assert_cmpint(fstatat(f->upper, "srv/file", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_cmpint(st.st_size, ==, 10);
}

/* A file cannot take a directory's place, nor the reverse, wherever the one that is there lies. */
static void test_conflicts(Fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = NULL;
    KilnEntry dir = an_entry(KILN_TYPE_DIR, 0755), file = an_entry(KILN_TYPE_SYMLINK, 0777);
    file.target = "x";
    put_text(f->writer, "own/file", "");
    assert_conflict(kiln_layer_writer_put(f->writer, &dir, "srv/file", -1, &error), &error,
                    "cannot put a directory at /srv/file");
    assert_conflict(kiln_layer_writer_put(f->writer, &dir, "own/file", -1, &error), &error,
                    "/own/file");
    assert_conflict(kiln_layer_writer_put(f->writer, &file, "srv", -1, &error), &error,
                    "cannot put a file at /srv: a directory");
    assert_conflict(kiln_layer_writer_put(f->writer, &file, "own", -1, &error), &error, "/own");
    assert_conflict(kiln_layer_writer_record(f->writer, &file, "own", &error) != NULL, &error, "/own");
    assert_conflict(kiln_layer_writer_directory(f->writer, "srv/file/below", &error), &error,
                    "/srv/file");
    assert_conflict(kiln_layer_writer_directory(f->writer, "own/file/below", &error), &error,
                    "/own/file");
    /* a resolved path never has a symlink in the middle: one there is in the way */
    assert_conflict(kiln_layer_writer_directory(f->writer, "link", &error), &error, "/link");
}

/* What another one puts on disk is known to be there. */
static void test_recorded(Fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = NULL;
    KilnEntry e = an_entry(KILN_TYPE_FILE, 0644);
    g_assert_true(kiln_layer_writer_directory(f->writer, "d", &error));
    g_assert_false(kiln_layer_writer_holds(f->writer, "d"));
    g_assert_false(kiln_layer_writer_holds(f->writer, "d/one"));
    g_assert_false(kiln_layer_writer_holds(f->writer, "srv/file")); /* below */
    const KilnEntry *own = kiln_layer_writer_record(f->writer, &e, "d/one", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(own->path, ==, "d/one");
    g_assert_true(kiln_layer_writer_holds(f->writer, "d/one"));
    g_assert_true(kiln_layer_writer_lookup(f->writer, "d/one") == own);
    g_assert_cmpint(faccessat(f->upper, "d/one", F_OK, 0), ==, -1);
    g_autofree char *text = listing(f);
    g_assert_nonnull(strstr(text, "/d/one f 644 0:0 1000000000\n"));
}

/* What kiln_untar() put on disk counts as if it had been put here. */
static void test_adopting(Fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = NULL;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    add_below(m, "srv", KILN_TYPE_DIR, 0700, 99);
    add_below(m, "srv/unpacked", KILN_TYPE_FILE, 0640, 99);
    kiln_manifest_get(m, 0)->opaque = false;
    put_text(f->writer, "srv/unpacked", "first");
    kiln_layer_writer_adopt(f->writer, m);
    KilnEntry dir = an_entry(KILN_TYPE_DIR, 0755);
    assert_conflict(kiln_layer_writer_put(f->writer, &dir, "srv/unpacked", -1, &error), &error,
                    "a file");
    g_autofree char *text = listing(f);
    g_assert_cmpstr(text, ==,
                    "/ d 755 0:0 500\n"
                    "/srv d 700 99:99 500\n"
                    "/srv/unpacked f 640 99:99 500\n");
}

#define ADD(name, function)                                                                        \
    g_test_add("/layer-writer/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("nothing", test_nothing);
    ADD("parents", test_parents);
    ADD("replacing", test_replacing);
    ADD("conflicts", test_conflicts);
    ADD("recorded", test_recorded);
    ADD("adopting", test_adopting);
    return g_test_run();
}

#include "tree/digest.h"
#include "tree/manifest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A directory that is gone at the end of the test. */
typedef struct {
    char *path;
    int fd;
} Dir;

static void dir_setup(Dir *d, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    d->path = g_dir_make_tmp("kiln-manifest-XXXXXX", &error);
    g_assert_no_error(error);
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(d->fd, >=, 0);
}

static void dir_teardown(Dir *d, gconstpointer data)
{
    (void)data;
    unlinkat(d->fd, "m", 0);
    close(d->fd);
    g_assert_cmpint(g_rmdir(d->path), ==, 0);
    g_free(d->path);
}

static KilnEntry *add(KilnManifest *m, const char *path, KilnType type, uint16_t mode)
{
    KilnEntry *e = kiln_manifest_add(m, path);
    e->type = type;
    e->mode = mode;
    return e;
}

static void test_path_compare(void)
{
    /* A directory is directly followed by what it holds, also beside names like "a-b". */
    static const char *const sorted[] = {"",    "a",   "a/b", "a/b/c", "a/z",
                                         "a\1", "a-b", "a.b", "ab",    "\xff"};
    for (guint i = 0; i < G_N_ELEMENTS(sorted); i++)
        for (guint j = 0; j < G_N_ELEMENTS(sorted); j++) {
            int order = kiln_path_compare(sorted[i], sorted[j]);
            g_assert_cmpint((order > 0) - (order < 0), ==, (i > j) - (i < j));
        }
}

static void test_path_within(void)
{
    g_assert_true(kiln_path_within("a/b", "a"));
    g_assert_true(kiln_path_within("a", "a"));
    g_assert_true(kiln_path_within("a", ""));
    g_assert_true(kiln_path_within("", ""));
    g_assert_false(kiln_path_within("ab", "a"));
    g_assert_false(kiln_path_within("a", "a/b"));
    g_assert_false(kiln_path_within("", "a"));
}

static void test_last_one_wins(void)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    add(m, "etc/motd", KILN_TYPE_FILE, 0600);
    add(m, "etc", KILN_TYPE_DIR, 0700);
    KilnEntry *link = add(m, "etc/motd", KILN_TYPE_SYMLINK, 0777);
    add(m, "", KILN_TYPE_DIR, 0755);
    KilnEntry *etc = add(m, "etc", KILN_TYPE_DIR, 0755);
    kiln_manifest_sort(m);

    g_assert_cmpuint(kiln_manifest_length(m), ==, 3);
    g_assert_cmpstr(kiln_manifest_get(m, 0)->path, ==, "");
    g_assert_true(kiln_manifest_get(m, 1) == etc);
    g_assert_true(kiln_manifest_get(m, 2) == link);

    /* An entry added to a sorted manifest still comes last. */
    KilnEntry *again = add(m, "etc", KILN_TYPE_DIR, 01777);
    kiln_manifest_sort(m);
    g_assert_cmpuint(kiln_manifest_length(m), ==, 3);
    g_assert_true(kiln_manifest_lookup(m, "etc") == again);
}

static void test_lookup(void)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_assert_null(kiln_manifest_lookup(m, "a"));
    g_assert_cmpuint(kiln_manifest_lower_bound(m, "a"), ==, 0);

    const KilnEntry *b = add(m, "b", KILN_TYPE_DIR, 0755);
    add(m, "b-c", KILN_TYPE_FILE, 0644);
    add(m, "b/c", KILN_TYPE_FILE, 0644);
    kiln_manifest_sort(m);
    g_assert_true(kiln_manifest_lookup(m, "b") == b);
    g_assert_null(kiln_manifest_lookup(m, ""));
    g_assert_null(kiln_manifest_lookup(m, "b/"));
    g_assert_null(kiln_manifest_lookup(m, "c"));
    g_assert_cmpuint(kiln_manifest_lower_bound(m, ""), ==, 0);
    g_assert_cmpuint(kiln_manifest_lower_bound(m, "b/a"), ==, 1);
    g_assert_cmpuint(kiln_manifest_lower_bound(m, "b-"), ==, 2);
    g_assert_cmpuint(kiln_manifest_lower_bound(m, "c"), ==, 3);

    kiln_manifest_remove(m, 1);
    g_assert_null(kiln_manifest_lookup(m, "b/c"));
    g_assert_cmpuint(kiln_manifest_length(m), ==, 2);
}

static void test_xattrs(void)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    KilnEntry *e = add(m, "a", KILN_TYPE_FILE, 0644);
    char value[] = "one";
    const KilnXattr xattrs[] = {{"user.b", value, 3}, {"user.a", NULL, 0}, {"user.b", "two\0", 4}};
    kiln_manifest_set_xattrs(m, e, xattrs, 3);
    value[0] = 'X';

    /* Sorted, copied, and of the same name the last. */
    g_assert_cmpuint(e->n_xattrs, ==, 2);
    g_assert_cmpstr(e->xattrs[0].name, ==, "user.a");
    g_assert_cmpuint(e->xattrs[0].size, ==, 0);
    g_assert_cmpstr(e->xattrs[1].name, ==, "user.b");
    g_assert_cmpmem(e->xattrs[1].value, e->xattrs[1].size, "two\0", 4);

    kiln_manifest_set_xattrs(m, e, NULL, 0);
    g_assert_null(e->xattrs);
    g_assert_cmpuint(e->n_xattrs, ==, 0);
}

static void test_copy_outlives_original(void)
{
    g_autoptr(KilnManifest) to = kiln_manifest_new();
    KilnManifest *from = kiln_manifest_new();
    KilnEntry *e = add(from, "bin/sh", KILN_TYPE_SYMLINK, 0777);
    e->target = kiln_manifest_string(from, "busybox");
    e->uid = 7;
    kiln_manifest_set_xattrs(from, e, &(KilnXattr){"user.x", "1", 1}, 1);
    const KilnEntry *same = kiln_manifest_add_copy(to, e, NULL);
    const KilnEntry *moved = kiln_manifest_add_copy(to, e, "usr/bin/sh");
    kiln_manifest_unref(from);

    g_assert_cmpstr(same->path, ==, "bin/sh");
    g_assert_cmpstr(moved->path, ==, "usr/bin/sh");
    g_assert_cmpstr(moved->target, ==, "busybox");
    g_assert_cmpuint(moved->uid, ==, 7);
    g_assert_cmpstr(moved->xattrs[0].name, ==, "user.x");
}

static void test_size_counts_hard_links_once(void)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    add(m, "a", KILN_TYPE_FILE, 0644)->size = 100;
    for (int i = 0; i < 3; i++) {
        g_autofree char *path = g_strdup_printf("link%d", i);
        KilnEntry *e = add(m, path, KILN_TYPE_FILE, 0644);
        e->size = 1000;
        e->link_group = 9;
    }
    add(m, "d", KILN_TYPE_DIR, 0755)->size = 4096;
    g_assert_cmpuint(kiln_manifest_size(m), ==, 1100);
}

/* One of everything. */
static KilnManifest *sample(void)
{
    KilnManifest *m = kiln_manifest_new();
    add(m, "", KILN_TYPE_DIR, 0755)->opaque = true;
    KilnEntry *e = add(m, "dev/null", KILN_TYPE_CHAR, 0666);
    e->major = 1;
    e->minor = 1048575;
    add(m, "dev", KILN_TYPE_DIR, 0755)->implicit = true;
    add(m, "disk", KILN_TYPE_BLOCK, 0660)->major = 8;
    e = add(m, "empty", KILN_TYPE_FILE, 0);
    e->mtime = -1;
    e->mtime_nsec = 999999999;
    e = add(m, "new\nline \xff", KILN_TYPE_FILE, 04755);
    e->uid = e->gid = UINT32_MAX - 1;
    e->size = UINT64_C(5) << 30;
    e->mtime = INT64_MIN;
    e->link_group = 1;
    e->has_digest = true;
    memset(e->digest, 0xa5, sizeof(e->digest));
    const KilnXattr xattrs[] = {{"user.empty", "", 0}, {"security.capability", "\0\1\0", 3}};
    kiln_manifest_set_xattrs(m, e, xattrs, 2);
    add(m, "link", KILN_TYPE_SYMLINK, 0777)->target = kiln_manifest_string(m, "../t\xc3\xbc");
    add(m, "pipe", KILN_TYPE_FIFO, 0600)->mtime = INT64_MAX;
    add(m, "sock", KILN_TYPE_SOCKET, 0600);
    add(m, "gone", KILN_TYPE_WHITEOUT, 0);
    kiln_manifest_sort(m);
    return m;
}

static void assert_same_entry(const KilnEntry *a, const KilnEntry *b)
{
    g_assert_cmpstr(a->path, ==, b->path);
    g_assert_cmpint((int)a->type, ==, (int)b->type);
    g_assert_cmpuint(a->mode, ==, b->mode);
    g_assert_true(a->opaque == b->opaque && a->implicit == b->implicit);
    g_assert_cmpuint(a->uid, ==, b->uid);
    g_assert_cmpuint(a->gid, ==, b->gid);
    g_assert_cmpuint(a->major, ==, b->major);
    g_assert_cmpuint(a->minor, ==, b->minor);
    g_assert_cmpint(a->mtime, ==, b->mtime);
    g_assert_cmpuint(a->mtime_nsec, ==, b->mtime_nsec);
    g_assert_cmpuint(a->size, ==, b->size);
    g_assert_cmpuint(a->link_group, ==, b->link_group);
    g_assert_cmpstr(a->target, ==, b->target);
    g_assert_true(a->has_digest == b->has_digest);
    g_assert_cmpmem(a->digest, sizeof(a->digest), b->digest, sizeof(b->digest));
    g_assert_cmpuint(a->n_xattrs, ==, b->n_xattrs);
    for (uint32_t i = 0; i < a->n_xattrs; i++) {
        g_assert_cmpstr(a->xattrs[i].name, ==, b->xattrs[i].name);
        g_assert_cmpmem(a->xattrs[i].value, a->xattrs[i].size, b->xattrs[i].value,
                        b->xattrs[i].size);
    }
}

static void assert_round_trip(const KilnManifest *m, int dirfd)
{
    g_autoptr(GError) error = NULL;
    kiln_manifest_write(m, dirfd, "m", &error);
    g_assert_no_error(error);
    g_autoptr(KilnManifest) back = kiln_manifest_read(dirfd, "m", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(kiln_manifest_length(back), ==, kiln_manifest_length(m));
    for (guint i = 0; i < kiln_manifest_length(m); i++)
        assert_same_entry(kiln_manifest_get(back, i), kiln_manifest_get(m, i));
}

static void test_round_trip(Dir *d, gconstpointer data)
{
    (void)data;
    g_autoptr(KilnManifest) m = sample();
    assert_round_trip(m, d->fd);
    struct stat st;
    g_assert_cmpint(fstatat(d->fd, "m", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
}

static void test_round_trip_empty(Dir *d, gconstpointer data)
{
    (void)data;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    assert_round_trip(m, d->fd);
}

static void test_round_trip_large(Dir *d, gconstpointer data)
{
    (void)data;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    for (guint i = 20000; i-- > 0;) {
        g_autofree char *path = g_strdup_printf("usr/share/some/dir%u/file%u", i % 100, i);
        KilnEntry *e = add(m, path, KILN_TYPE_FILE, 0644);
        e->size = i;
        e->has_digest = true;
        e->digest[i % KILN_SHA256_SIZE] = (uint8_t)i;
    }
    kiln_manifest_sort(m);
    assert_round_trip(m, d->fd);
}

static void test_write_refuses(Dir *d, gconstpointer data)
{
    (void)data;
    static const char *const bad[] = {"/a", "a/", "a//b", "..", "a/../b", "./a", "."};
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(KilnManifest) m = kiln_manifest_new();
        add(m, bad[i], KILN_TYPE_DIR, 0755);
        g_assert_false(kiln_manifest_write(m, d->fd, "m", &error));
        g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT);
        g_clear_error(&error);
        g_assert_cmpint(faccessat(d->fd, "m", F_OK, 0), <, 0);
    }

    g_autoptr(KilnManifest) m = kiln_manifest_new();
    add(m, "b", KILN_TYPE_DIR, 0755);
    add(m, "a", KILN_TYPE_DIR, 0755);
    g_assert_false(kiln_manifest_write(m, d->fd, "m", &error));
    g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT);
    g_clear_error(&error);

    kiln_manifest_sort(m);
    g_assert_true(kiln_manifest_write(m, d->fd, "m", NULL));
    g_assert_false(kiln_manifest_write(m, d->fd, "m", &error)); /* never over an existing file */
    g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_IO);
}

static void replace(const Dir *d, const void *bytes, gsize size)
{
    g_autofree char *path = g_build_filename(d->path, "m", NULL);
    g_autoptr(GError) error = NULL;
    g_file_set_contents_full(path, bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

static void assert_refused(const Dir *d, const void *bytes, gsize size)
{
    g_autoptr(GError) error = NULL;
    replace(d, bytes, size);
    g_assert_null(kiln_manifest_read(d->fd, "m", &error));
    g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT);
}

static char *written_sample(const Dir *d, gsize *size)
{
    g_autoptr(KilnManifest) m = sample();
    g_autofree char *path = g_build_filename(d->path, "m", NULL);
    char *bytes;
    g_assert_true(kiln_manifest_write(m, d->fd, "m", NULL));
    g_assert_true(g_file_get_contents(path, &bytes, size, NULL));
    return bytes;
}

static void test_altered(Dir *d, gconstpointer data)
{
    (void)data;
    gsize size;
    g_autofree char *bytes = written_sample(d, &size);
    for (gsize i = 0; i < size; i++) {
        bytes[i] ^= 1 << (i % 8);
        assert_refused(d, bytes, size);
        bytes[i] ^= 1 << (i % 8);
    }
    for (gsize cut = 0; cut < size; cut += 1 + cut / 16)
        assert_refused(d, bytes, cut);
    g_autofree char *longer = g_malloc0(size + 1);
    memcpy(longer, bytes, size);
    assert_refused(d, longer, size + 1);
}

/* Damage with a checksum that fits: the structure itself must hold. */
static void test_forged(Dir *d, gconstpointer data)
{
    (void)data;
    gsize size;
    g_autofree char *bytes = written_sample(d, &size);
    g_autoptr(KilnHash) hash = kiln_hash_new();
    guint refused = 0;
    for (gsize i = 0; i < size - KILN_SHA256_SIZE; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            g_autofree char *forged = g_memdup2(bytes, size);
            forged[i] ^= 1 << bit;
            kiln_hash_update(hash, forged, size - KILN_SHA256_SIZE);
            kiln_hash_finish(hash, (uint8_t *)forged + size - KILN_SHA256_SIZE);
            replace(d, forged, size);
            g_autoptr(GError) error = NULL;
            g_autoptr(KilnManifest) m = kiln_manifest_read(d->fd, "m", &error);
            g_assert_true((m != NULL) == (error == NULL));
            refused += m == NULL;
        }
    }
    g_assert_cmpuint(refused, >, 8 * 32 / 2); /* the header at least */
}

static void test_version(Dir *d, gconstpointer data)
{
    (void)data;
    gsize size;
    g_autofree char *bytes = written_sample(d, &size);
    bytes[8] = 2;
    replace(d, bytes, size);
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_manifest_read(d->fd, "m", &error));
    g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "version 2"));
}

static void test_missing(Dir *d, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_manifest_read(d->fd, "m", &error));
    g_assert_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_IO);
}

static void append_to_hash(void *hash, const void *bytes, size_t size)
{
    kiln_hash_update(hash, bytes, size);
}

static char *feed(const KilnEntry *e, const char *base)
{
    g_autoptr(KilnHash) h = kiln_hash_new();
    kiln_entry_feed(e, base, append_to_hash, h);
    return kiln_hash_finish_text(h);
}

static KilnEntry file_entry(const char *path)
{
    return (KilnEntry){.path = path, .type = KILN_TYPE_FILE, .mode = 0644, .has_digest = true};
}

static void test_feed_ignores_place_and_time(void)
{
    KilnEntry a = file_entry("src/x/main.c"), b = file_entry("x/main.c");
    b.mtime = 12345;
    b.mtime_nsec = 6;
    b.link_group = 3;
    g_autofree char *one = feed(&a, "src"), *two = feed(&b, ""), *other = feed(&a, "");
    g_assert_cmpstr(one, ==, two);
    g_assert_cmpstr(one, !=, other);
}

static void test_feed_sees_attributes(void)
{
    const KilnXattr xattr = {"user.a", "1", 1}, xattr2 = {"user.a", "2", 1};
    KilnEntry e[11];
    for (guint i = 0; i < G_N_ELEMENTS(e); i++)
        e[i] = file_entry("a");
    e[1].path = "b";
    e[2].mode = 0600;
    e[3].uid = 1;
    e[4].gid = 1;
    e[5].digest[0] = 1;
    e[6].xattrs = &xattr;
    e[7].xattrs = &xattr2;
    e[6].n_xattrs = e[7].n_xattrs = 1;
    e[8].type = KILN_TYPE_SYMLINK;
    e[8].target = "x";
    e[9].type = e[10].type = KILN_TYPE_CHAR;
    e[9].minor = 1;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(e); i++)
        g_assert_true(g_hash_table_add(seen, feed(&e[i], "")));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/manifest/path-compare", test_path_compare);
    g_test_add_func("/manifest/path-within", test_path_within);
    g_test_add_func("/manifest/last-one-wins", test_last_one_wins);
    g_test_add_func("/manifest/lookup", test_lookup);
    g_test_add_func("/manifest/xattrs", test_xattrs);
    g_test_add_func("/manifest/copy-outlives-original", test_copy_outlives_original);
    g_test_add_func("/manifest/size-counts-hard-links-once", test_size_counts_hard_links_once);
#define ADD(name, func) g_test_add("/manifest/file/" name, Dir, NULL, dir_setup, func, dir_teardown)
    ADD("round-trip", test_round_trip);
    ADD("round-trip-empty", test_round_trip_empty);
    ADD("round-trip-large", test_round_trip_large);
    ADD("write-refuses", test_write_refuses);
    ADD("altered", test_altered);
    ADD("forged", test_forged);
    ADD("version", test_version);
    ADD("missing", test_missing);
    g_test_add_func("/manifest/feed/ignores-place-and-time", test_feed_ignores_place_and_time);
    g_test_add_func("/manifest/feed/sees-attributes", test_feed_sees_attributes);
    return g_test_run();
}

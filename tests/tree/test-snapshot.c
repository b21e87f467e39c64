#include "tree/diff.h"
#include "tree/rootfs.h"

#include <stdio.h>

#include "scratch.h"

/* --- Comparing ----------------------------------------------------------------------------------- */

static KilnSnapshot *take(const Scratch *s)
{
    GError *error = NULL;
    KilnSnapshot *snapshot = kiln_snapshot_take(s->fd, &error);
    g_assert_no_error(error);
    return snapshot;
}

static void assert_changes(const KilnSnapshot *before, const KilnSnapshot *after, const char *const *ignored,
                           const char *expected)
{
    g_autoptr(GArray) changes = kiln_snapshot_compare(before, after, ignored);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < changes->len; i++) {
        const KilnTreeChange *c = &g_array_index(changes, KilnTreeChange, i);
        g_string_append_printf(text, "%s/%s ", c->deleted ? "-" : "", c->path);
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static KilnSnapshot *begin(Scratch *s, Scratch *beside)
{
    *s = scratch_open();
    *beside = scratch_open();
    scratch_mkdir(s, "d");
    scratch_mkdir(s, "d/e");
    scratch_write(s, "d/e/deep", "deep");
    scratch_write(s, "d/file", "text");
    scratch_write(s, "top", "text");
    KilnSnapshot *before = take(s);
    g_assert_true(kiln_snapshot_settle(before, beside->fd, NULL));
    return before;
}

static void test_changes(void)
{
    Scratch s, beside;
    g_autoptr(KilnSnapshot) before = begin(&s, &beside);
    g_autoptr(KilnSnapshot) same = take(&s);
    assert_changes(before, same, NULL, "/ ");

    scratch_write(&s, "d/e/deep", "peed"); /* in place, as long as before */
    g_assert_cmpint(unlinkat(s.fd, "top", 0), ==, 0);
    scratch_mkdir(&s, "new");
    scratch_write(&s, "new/file", "");
    g_autoptr(KilnSnapshot) after = take(&s);
    assert_changes(before, after, NULL, "/ /d /d/e /d/e/deep /new /new/file -/top ");
    const char *const ignored[] = {"d/e", "top", NULL};
    assert_changes(before, after, ignored, "/ /new /new/file ");
    scratch_close(&s);
    scratch_close(&beside);
}

static void test_in_place_at_once(void)
{
    Scratch s, beside;
    g_autoptr(KilnSnapshot) before = begin(&s, &beside);
    struct stat st = scratch_stat(&s, "top");
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    scratch_write(&s, "top", "TEXT");
    g_assert_cmpint(utimensat(s.fd, "top", times, 0), ==, 0); /* nothing is left to see but ctime */
    g_autoptr(KilnSnapshot) after = take(&s);
    assert_changes(before, after, NULL, "/ /top ");
    scratch_close(&s);
    scratch_close(&beside);
}

static void test_types(void)
{
    Scratch s, beside;
    g_autoptr(KilnSnapshot) before = begin(&s, &beside);
    g_assert_true(kiln_remove_tree(s.fd, "d", NULL)); /* of what was below nothing need be said */
    scratch_write(&s, "d", "a file now");
    g_assert_cmpint(renameat(s.fd, "top", s.fd, "moved"), ==, 0);
    g_autoptr(KilnSnapshot) after = take(&s);
    assert_changes(before, after, NULL, "/ /d /moved -/top ");
    scratch_close(&s);
    scratch_close(&beside);
}

static void test_refresh(void)
{
    Scratch s, beside;
    g_autoptr(KilnSnapshot) before = begin(&s, &beside);
    g_assert_true(kiln_snapshot_is_current(before, s.fd, "d"));
    g_assert_true(kiln_snapshot_is_current(before, s.fd, "absent"));
    scratch_write(&s, "d/ours", "");
    g_assert_false(kiln_snapshot_is_current(before, s.fd, "d"));
    g_assert_false(kiln_snapshot_is_current(before, s.fd, "d/ours"));
    kiln_snapshot_refresh(before, s.fd, "d");
    kiln_snapshot_refresh(before, s.fd, "d/ours");
    g_autoptr(KilnSnapshot) after = take(&s);
    assert_changes(before, after, NULL, "/ ");
    g_assert_cmpint(unlinkat(s.fd, "d/ours", 0), ==, 0);
    kiln_snapshot_refresh(before, s.fd, "d/ours");
    kiln_snapshot_refresh(before, s.fd, "d");
    g_autoptr(KilnSnapshot) gone = take(&s);
    assert_changes(before, gone, NULL, "/ ");
    scratch_close(&s);
    scratch_close(&beside);
}

/* --- Layers into a rootfs, and out of it again ------------------------------------------------------ */

static KilnEntry *add(KilnManifest *m, KilnType type, const char *path, mode_t mode)
{
    KilnEntry *e = kiln_manifest_add(m, path);
    e->type = type;
    e->mode = (uint16_t)mode;
    e->mtime = 1000000000;
    return e;
}

static void apply(const Scratch *rootfs, const Scratch *layer, KilnManifest *m)
{
    GError *error = NULL;
    kiln_manifest_sort(m);
    g_assert_true(kiln_rootfs_apply(rootfs->fd, KILN_OWNERS_RECORDED, m, layer->fd, &error));
    g_assert_no_error(error);
}

/* /etc with two names of one file, /opt with a file, a symbolic link. */
static KilnManifest *first_layer(Scratch *layer)
{
    KilnManifest *m = kiln_manifest_new();
    *layer = scratch_open();
    scratch_mkdir(layer, "etc");
    scratch_mkdir(layer, "opt");
    scratch_write(layer, "etc/a", "one");
    scratch_write(layer, "opt/old", "old");
    g_assert_cmpint(linkat(layer->fd, "etc/a", layer->fd, "etc/b", 0), ==, 0);
    add(m, KILN_TYPE_DIR, "", 0755);
    add(m, KILN_TYPE_DIR, "etc", 0750)->uid = 42;
    const char *const links[] = {"etc/a", "etc/b"};
    for (guint i = 0; i < 2; i++) {
        KilnEntry *e = add(m, KILN_TYPE_FILE, links[i], 0640);
        e->size = 3;
        e->link_group = 1;
    }
    add(m, KILN_TYPE_DIR, "opt", 0755);
    add(m, KILN_TYPE_FILE, "opt/old", 0644)->size = 3;
    add(m, KILN_TYPE_SYMLINK, "link", 0777)->target = "etc/a";
    return m;
}

static KilnManifest *second_layer(void)
{
    KilnManifest *m = kiln_manifest_new();
    add(m, KILN_TYPE_DIR, "opt", 0700)->opaque = true;
    add(m, KILN_TYPE_WHITEOUT, "link", 0);
    KilnEntry *etc = add(m, KILN_TYPE_DIR, "etc", 0755);
    etc->implicit = true; /* says nothing of /etc */
    return m;
}

static void test_apply(void)
{
    Scratch layer, rootfs = scratch_open();
    g_autoptr(KilnManifest) first = first_layer(&layer), second = second_layer();
    apply(&rootfs, &layer, first);
    struct stat a = scratch_stat(&rootfs, "etc/a"), b = scratch_stat(&rootfs, "etc/b");
    g_assert_cmpuint(a.st_ino, ==, b.st_ino);
    g_assert_cmpuint(a.st_ino, !=, scratch_stat(&layer, "etc/a").st_ino); /* writing here leaves the layer alone */
    g_assert_cmpuint(a.st_mode & 07777, ==, 0640);
    g_assert_cmpint(scratch_stat(&rootfs, "etc").st_mtim.tv_sec, ==, 1000000000);
    apply(&rootfs, &layer, second);
    g_assert_false(scratch_exists(&rootfs, "link"));
    g_assert_false(scratch_exists(&rootfs, "opt/old"));
    g_assert_cmpuint(scratch_stat(&rootfs, "opt").st_mode & 07777, ==, 0700);
    g_assert_cmpuint(scratch_stat(&rootfs, "etc").st_mode & 07777, ==, 0750);
    scratch_close(&layer);
    scratch_close(&rootfs);
}

/* What a command changes comes out as overlayfs would have left it, owners that are recorded too. */
static void test_extract(void)
{
    Scratch layer, rootfs = scratch_open(), upper = scratch_open(), beside = scratch_open();
    GError *error = NULL;
    g_autoptr(KilnManifest) first = first_layer(&layer);
    apply(&rootfs, &layer, first);
    g_autoptr(KilnSnapshot) before = take(&rootfs);
    g_assert_true(kiln_snapshot_settle(before, beside.fd, NULL));

    scratch_write(&rootfs, "etc/b", "changed");
    g_assert_true(kiln_remove_tree(rootfs.fd, "opt", NULL));
    g_assert_cmpint(mkfifoat(rootfs.fd, "fifo", 0600), ==, 0);
    g_autoptr(KilnSnapshot) after = take(&rootfs);
    g_autoptr(GArray) changes = kiln_snapshot_compare(before, after, NULL);
    g_assert_true(kiln_rootfs_extract(rootfs.fd, changes, upper.fd, &error));
    g_assert_no_error(error);

    g_autoptr(KilnView) view = kiln_view_new(&first, 1);
    g_autoptr(KilnManifest) m = kiln_diff_marked_upper(upper.fd, view, NULL, KILN_OWNERS_RECORDED, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++)
        g_string_append_printf(text, "%c:%s ", (int)kiln_manifest_get(m, i)->type, kiln_manifest_get(m, i)->path);
    g_assert_cmpstr(text->str, ==, "d: d:etc f:etc/a f:etc/b p:fifo w:opt ");
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc")->uid, ==, 42);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/a")->link_group, !=, 0);
    g_autofree char *content = scratch_read(&upper, "etc/a");
    g_assert_cmpstr(content, ==, "changed");
    scratch_write(&rootfs, "etc/b", "again"); /* by the next command */
    g_autofree char *still = scratch_read(&upper, "etc/a");
    g_assert_cmpstr(still, ==, "changed");
    scratch_close(&layer);
    scratch_close(&rootfs);
    scratch_close(&upper);
    scratch_close(&beside);
}

/* A name that an image cannot have, and a path that is too long, are refused. */
static void test_bad(void)
{
    Scratch s, beside, upper = scratch_open();
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnSnapshot) before = begin(&s, &beside);
    scratch_write(&s, "d/.wh.file", "");
    g_autoptr(KilnSnapshot) after = take(&s);
    g_autoptr(GArray) changes = kiln_snapshot_compare(before, after, NULL);
    g_assert_false(kiln_rootfs_extract(s.fd, changes, upper.fd, &error));
    g_assert_error(error, KILN_DIFF_ERROR, EINVAL);
    g_assert_nonnull(strstr(error->message, "d/.wh.file"));
    scratch_close(&s);
    scratch_close(&beside);
    scratch_close(&upper);
}

/* What fuse-overlayfs and kiln leave where there are no 0:0 devices. */
static void test_markers(void)
{
    Scratch upper = scratch_open();
    GError *error = NULL;
    g_autoptr(KilnManifest) below = kiln_manifest_new();
    add(below, KILN_TYPE_DIR, "etc", 0755);
    add(below, KILN_TYPE_FILE, "etc/old", 0644);
    add(below, KILN_TYPE_DIR, "var", 0755);
    add(below, KILN_TYPE_FILE, "var/old", 0644);
    kiln_manifest_sort(below);
    scratch_mkdir(&upper, "etc");
    scratch_write(&upper, "etc/.wh.old", "");
    scratch_write(&upper, "etc/.wh.never", "");
    scratch_mkdir(&upper, "var");
    scratch_write(&upper, "var/.wh..wh..opq", "");
    g_autoptr(KilnView) view = kiln_view_new(&below, 1);
    g_autoptr(KilnManifest) m = kiln_diff_marked_upper(upper.fd, view, NULL, KILN_OWNERS_REAL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(kiln_manifest_length(m), ==, 4);
    g_assert_cmpint(kiln_manifest_lookup(m, "etc/old")->type, ==, KILN_TYPE_WHITEOUT);
    g_assert_true(kiln_manifest_lookup(m, "var")->opaque);
    g_assert_false(scratch_exists(&upper, "etc/.wh.never"));
    scratch_close(&upper);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshot/changes", test_changes);
    g_test_add_func("/snapshot/in-place-at-once", test_in_place_at_once);
    g_test_add_func("/snapshot/types", test_types);
    g_test_add_func("/snapshot/refresh", test_refresh);
    g_test_add_func("/rootfs/apply", test_apply);
    g_test_add_func("/rootfs/extract", test_extract);
    g_test_add_func("/rootfs/bad", test_bad);
    g_test_add_func("/diff/markers", test_markers);
    return g_test_run();
}

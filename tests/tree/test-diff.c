#include "tree/diff.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "scratch.h"

/* --- What lay below, and the upper directory that overlayfs would have left --- */

static KilnEntry *below_add(KilnManifest *m, KilnType type, const char *path)
{
    KilnEntry *e = kiln_manifest_add(m, path);
    e->type = type;
    e->mode = type == KILN_TYPE_FIFO ? 0644 : 0755;
    e->uid = 100;
    e->gid = 101;
    return e;
}

static KilnManifest *below_new(void)
{
    KilnManifest *m = kiln_manifest_new();
    below_add(m, KILN_TYPE_DIR, "etc");
    below_add(m, KILN_TYPE_FILE, "etc/old");
    below_add(m, KILN_TYPE_SYMLINK, "etc/link")->target = "old";
    below_add(m, KILN_TYPE_SYMLINK, "etc/other")->target = "old";
    below_add(m, KILN_TYPE_FIFO, "etc/fifo");
    below_add(m, KILN_TYPE_DIR, "var");
    below_add(m, KILN_TYPE_FILE, "var/old");
    below_add(m, KILN_TYPE_FILE, "file");
    below_add(m, KILN_TYPE_FILE, "unmapped")->uid = 2000000;
    KilnEntry *null = below_add(m, KILN_TYPE_CHAR, "dev/null");
    null->major = 1;
    null->minor = 3;
    below_add(m, KILN_TYPE_CHAR, "dev/zero-zero");
    KilnEntry *disk = below_add(m, KILN_TYPE_BLOCK, "disk");
    disk->major = 8;
    disk->minor = 1;
    kiln_manifest_sort(m);
    return m;
}

static void whiteout(const Scratch *s, const char *path)
{
    g_assert_cmpint(mknodat(s->fd, path, S_IFCHR, makedev(0, 0)), ==, 0);
}

static void set_xattr(const Scratch *s, const char *path, const char *name, const char *value)
{
    g_autofree char *full = g_build_filename(s->path, path, NULL);
    g_assert_cmpint(lsetxattr(full, name, value, strlen(value), 0), ==, 0);
}

/* The times of what was copied up are those that it has in below_new(). */
static void as_old(const Scratch *s, const char *path)
{
    const struct timespec times[2] = {0};
    g_assert_cmpint(utimensat(s->fd, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static KilnManifest *diff_recorded(const Scratch *s, const char *const *stubs, KilnOwners owners,
                                   const KilnDiffRecords *records)
{
    g_autoptr(KilnManifest) below = below_new();
    g_autoptr(KilnView) view = kiln_view_new(&below, 1);
    GError *error = NULL;
    KilnManifest *m = kiln_diff_upper(s->fd, view, stubs, owners, records, &error);
    g_assert_no_error(error);
    return m;
}

static KilnManifest *diff(const Scratch *s, const char *const *stubs, KilnOwners owners)
{
    return diff_recorded(s, stubs, owners, NULL);
}

static void assert_shape(const KilnManifest *m, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_string_append_printf(text, "%s%c:%s ", e->opaque ? "o" : "", (int)e->type, e->path);
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_plain(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "etc");
    scratch_write(&s, "etc/new", "content");
    g_assert_cmpint(fchmodat(s.fd, "etc/new", 04711, 0), ==, 0);
    const struct timespec times[2] = {{7, 8}, {1234567890, 123}};
    g_assert_cmpint(utimensat(s.fd, "etc/new", times, 0), ==, 0);
    g_assert_cmpint(symlinkat("/some where", s.fd, "link"), ==, 0);
    g_assert_cmpint(mknodat(s.fd, "caf\xe9\n", S_IFIFO | 0600, 0), ==, 0);
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    assert_shape(m, "d: p:caf\xe9\n d:etc f:etc/new l:link ");
    const KilnEntry *e = kiln_manifest_lookup(m, "etc/new");
    g_assert_cmpuint(e->mode, ==, 04711);
    g_assert_cmpuint(e->uid, ==, geteuid());
    g_assert_cmpuint(e->size, ==, 7);
    g_assert_cmpint(e->mtime, ==, 1234567890);
    g_assert_cmpuint(e->mtime_nsec, ==, 123);
    g_assert_false(e->has_digest);
    g_assert_cmpstr(kiln_manifest_lookup(m, "link")->target, ==, "/some where");
    scratch_close(&s);
}

static void test_whiteouts(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "etc");
    whiteout(&s, "etc/old");
    whiteout(&s, "etc/never-was"); /* made and removed by the command */
    whiteout(&s, "file");
    scratch_mkdir(&s, "var");
    set_xattr(&s, "var", "user.overlay.opaque", "y");
    whiteout(&s, "var/old"); /* hidden already */
    scratch_mkdir(&s, "new");
    set_xattr(&s, "new", "user.overlay.opaque", "y"); /* hides nothing */
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    assert_shape(m, "d: d:etc w:etc/old w:file d:new od:var ");
    g_assert_false(scratch_exists(&s, "etc/never-was"));
    g_assert_false(scratch_exists(&s, "var/old"));
    g_assert_true(scratch_exists(&s, "etc/old"));
    scratch_close(&s);
}

static void test_xattrs(void)
{
    Scratch s = scratch_open();
    scratch_write(&s, "f", "x");
    set_xattr(&s, "f", "user.mine", "yes");
    set_xattr(&s, "f", "user.another", "");
    set_xattr(&s, "f", "user.overlay.origin", "no");
    set_xattr(&s, "f", "user.kiln.other", "no");
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    const KilnEntry *e = kiln_manifest_lookup(m, "f");
    g_assert_cmpuint(e->n_xattrs, ==, 2);
    g_assert_cmpstr(e->xattrs[0].name, ==, "user.another");
    g_assert_cmpuint(e->xattrs[0].size, ==, 0);
    g_assert_cmpstr(e->xattrs[1].name, ==, "user.mine");
    g_assert_cmpmem(e->xattrs[1].value, e->xattrs[1].size, "yes", 3);
    scratch_close(&s);
}

static void test_hard_links(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "d");
    const char *names[] = {"z", "d/y", "x", "w"};
    scratch_write(&s, "a", "1");
    scratch_write(&s, "b", "2");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpint(linkat(s.fd, i % 2 ? "a" : "b", s.fd, names[i], 0), ==, 0);
    scratch_write(&s, "single", "3");
    Scratch outside = scratch_open(); /* as overlayfs' work directory: links that do not count */
    g_assert_cmpint(linkat(s.fd, "single", outside.fd, "single", 0), ==, 0);
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    /* Numbered in path order: a, d/y and w are one file, b, x and z the other. */
    const struct {
        const char *path;
        guint group;
    } expected[] = {{"a", 1}, {"d/y", 1}, {"w", 1}, {"b", 2}, {"x", 2}, {"z", 2}, {"single", 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpuint(kiln_manifest_lookup(m, expected[i].path)->link_group, ==,
                         expected[i].group);
    g_assert_cmpuint(kiln_manifest_size(m), ==, 3);
    scratch_close(&s);
    scratch_close(&outside);
}

static void test_sockets_are_removed(void)
{
    Scratch s = scratch_open();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", s.path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    close(fd);
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    assert_shape(m, "d: ");
    g_assert_false(scratch_exists(&s, "socket"));
    scratch_close(&s);
}

static void test_stubs(void)
{
    Scratch s = scratch_open(), outside = scratch_open();
    scratch_mkdir(&s, "etc");
    scratch_write(&s, "etc/hosts", "");
    scratch_write(&s, "etc/resolv.conf", "the command wrote this");
    scratch_mkdir(&s, "a");
    scratch_mkdir(&s, "a/b");
    scratch_mkdir(&s, "proc");
    scratch_write(&s, "proc/file", "");
    scratch_write(&outside, "kept", "");
    g_assert_cmpint(symlinkat(outside.path, s.fd, "moved"), ==, 0);
    const char *stubs[] = {"/etc/hosts", "etc/resolv.conf", "a",          "/a/b",
                           "/proc",      "missing/x",       "moved/kept", NULL};
    g_autoptr(KilnManifest) m = diff(&s, stubs, KILN_OWNERS_REAL);
    assert_shape(m, "d: d:etc f:etc/resolv.conf l:moved d:proc f:proc/file ");
    g_assert_false(scratch_exists(&s, "a"));
    g_assert_true(scratch_exists(&outside, "kept"));
    scratch_close(&s);
    scratch_close(&outside);
}

/* With a single id, what the disk cannot hold is in user.kiln.stat. */
static void test_recorded(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "etc");
    set_xattr(&s, "etc", KILN_STAT_XATTR, "d 700 5 6 0 0");
    scratch_write(&s, "etc/old", "changed");
    g_assert_cmpint(fchmodat(s.fd, "etc/old", 0640, 0), ==, 0);
    set_xattr(&s, "etc/old", KILN_STAT_XATTR, "f 644 33 4 0 0");
    scratch_write(&s, "disk", "");
    set_xattr(&s, "disk", KILN_STAT_XATTR, "b 660 0 6 8 1");
    g_assert_cmpint(fchmodat(s.fd, "disk", 0640, 0), ==, 0);
    scratch_write(&s, "forged", ""); /* no device below, so the command has written that */
    set_xattr(&s, "forged", KILN_STAT_XATTR, "b 666 0 0 8 1");
    scratch_write(&s, "broken", "x");
    set_xattr(&s, "broken", KILN_STAT_XATTR, "f 644 33");
    g_assert_cmpint(symlinkat("old", s.fd, "etc/link"), ==, 0);
    g_assert_cmpint(symlinkat("elsewhere", s.fd, "etc/other"), ==, 0);
    g_assert_cmpint(mknodat(s.fd, "etc/fifo", S_IFIFO | 0600, 0), ==, 0);
    as_old(&s, "etc/link");
    as_old(&s, "etc/other");
    as_old(&s, "etc/fifo");
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_RECORDED);
    assert_shape(m,
                 "d: f:broken b:disk d:etc p:etc/fifo l:etc/link f:etc/old l:etc/other f:forged ");

    const KilnEntry *e = kiln_manifest_lookup(m, "etc/old");
    g_assert_cmpuint(e->uid, ==, 33);
    g_assert_cmpuint(e->gid, ==, 4);
    g_assert_cmpuint(e->mode, ==, 0640); /* a chmod is real */
    g_assert_cmpuint(e->n_xattrs, ==, 0);
    e = kiln_manifest_lookup(m, "etc");
    g_assert_cmpuint(e->uid, ==, 5);
    g_assert_cmpuint(e->mode, ==, 0755);
    e = kiln_manifest_lookup(m, "disk");
    g_assert_cmpuint(e->gid, ==, 6);
    g_assert_cmpuint(e->mode, ==, 0640);
    g_assert_cmpuint(e->major, ==, 8);
    g_assert_cmpuint(e->minor, ==, 1);
    g_assert_cmpuint(kiln_manifest_lookup(m, "broken")->uid, ==, geteuid());
    /* Copied up, so it has the owner it had; the other one is new. */
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/link")->uid, ==, 100);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/fifo")->gid, ==, 101);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/other")->uid, ==, geteuid());
    scratch_close(&s);
}

static void test_given_away(void)
{
    if (!scratch_can_chown()) {
        g_test_skip("needs the right to chown");
        return;
    }
    Scratch s = scratch_open();
    scratch_write(&s, "unmapped", "");
    set_xattr(&s, "unmapped", KILN_STAT_XATTR, "f 644 2000000 101 0 0");
    scratch_write(&s, "forged", "");
    set_xattr(&s, "forged", KILN_STAT_XATTR, "f 644 7 7 0 0");
    scratch_write(&s, "chowned", "");
    set_xattr(&s, "chowned", KILN_STAT_XATTR, "f 644 2000000 4 0 0");
    g_assert_cmpint(fchownat(s.fd, "chowned", 8, 9, 0), ==, 0);
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_REAL);
    g_assert_cmpuint(kiln_manifest_lookup(m, "unmapped")->uid, ==, 2000000);
    g_assert_cmpuint(kiln_manifest_lookup(m, "forged")->uid, ==, 0);
    g_assert_cmpuint(kiln_manifest_lookup(m, "chowned")->uid, ==, 8);
    g_assert_cmpuint(kiln_manifest_lookup(m, "chowned")->gid, ==, 9);
    scratch_close(&s);
}

/* Renames and hard links take device and owner along, and nothing else does. */
static void test_moved(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "etc");
    scratch_mkdir(&s, "dev");
    whiteout(&s, "disk");
    scratch_write(&s, "moved-disk", "");
    set_xattr(&s, "moved-disk", KILN_STAT_XATTR, "b 660 0 0 8 1");
    scratch_write(&s, "null-copy", ""); /* the device below is still there */
    set_xattr(&s, "null-copy", KILN_STAT_XATTR, "c 660 0 0 1 3");
    scratch_write(&s, "dev/zero-zero", "");
    set_xattr(&s, "dev/zero-zero", KILN_STAT_XATTR, "c 660 0 0 0 0");
    g_assert_cmpint(linkat(s.fd, "dev/zero-zero", s.fd, "linked", 0), ==, 0);
    whiteout(&s, "etc/link");
    whiteout(&s, "etc/fifo");
    const char *links[] = {"moved-link", "new-link", "etc/other"};
    for (gsize i = 0; i < G_N_ELEMENTS(links); i++)
        g_assert_cmpint(symlinkat("old", s.fd, links[i]), ==, 0);
    g_assert_cmpint(linkat(s.fd, "etc/other", s.fd, "other-name", 0), ==, 0);
    g_assert_cmpint(mknodat(s.fd, "moved-fifo", S_IFIFO | 0600, 0), ==, 0);
    as_old(&s, "moved-link");
    as_old(&s, "etc/other");
    as_old(&s, "moved-fifo");
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_RECORDED);
    g_assert_cmpint(kiln_manifest_lookup(m, "moved-disk")->type, ==, KILN_TYPE_BLOCK);
    g_assert_cmpint(kiln_manifest_lookup(m, "null-copy")->type, ==, KILN_TYPE_FILE);
    g_assert_cmpint(kiln_manifest_lookup(m, "linked")->type, ==, KILN_TYPE_CHAR);
    g_assert_cmpuint(kiln_manifest_lookup(m, "moved-link")->uid, ==, 100);
    g_assert_cmpuint(kiln_manifest_lookup(m, "new-link")->uid, ==, geteuid());
    g_assert_cmpuint(kiln_manifest_lookup(m, "other-name")->gid, ==, 101);
    g_assert_cmpuint(kiln_manifest_lookup(m, "moved-fifo")->gid, ==, 101);
    scratch_close(&s);
}

/* A sandbox that has recorded something of one file. */
typedef struct {
    ino_t inode;
    KilnEntry entry;
} Recorded;

static bool find_recorded(int fd, KilnEntry *record, void *data)
{
    const Recorded *r = data;
    struct stat st;
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    *record = r->entry;
    return st.st_ino == r->inode;
}

static KilnManifest *diff_with(const Scratch *s, KilnOwners owners, const char *path, KilnEntry e)
{
    struct stat st;
    g_assert_cmpint(fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    Recorded r = {st.st_ino, e};
    const KilnDiffRecords records = {.find = find_recorded, .data = &r};
    return diff_recorded(s, NULL, owners, &records);
}

static void test_recorded_device(void)
{
    Scratch s = scratch_open();
    scratch_write(&s, "made", "");
    scratch_write(&s, "plain", "");
    g_assert_cmpint(linkat(s.fd, "made", s.fd, "same", 0), ==, 0);
    g_assert_cmpint(fchmodat(s.fd, "made", 0620, 0), ==, 0);
    const KilnEntry tty = {.type = KILN_TYPE_CHAR, .major = 4, .minor = 64};
    g_autoptr(KilnManifest) m = diff_with(&s, KILN_OWNERS_REAL, "made", tty);
    assert_shape(m, "d: c:made f:plain c:same ");
    const KilnEntry *e = kiln_manifest_lookup(m, "made");
    g_assert_cmpuint(e->mode, ==, 0620);
    g_assert_cmpuint(e->uid, ==, geteuid());
    g_assert_cmpuint(e->major, ==, 4);
    g_assert_cmpuint(e->minor, ==, 64);
    g_assert_cmpuint(e->link_group, ==, 1);
    /* From now on the file itself says it, to those who believe that. */
    const KilnDiffRecords believed = {.xattrs_are_true = true};
    g_autoptr(KilnManifest) again = diff_recorded(&s, NULL, KILN_OWNERS_RECORDED, &believed);
    assert_shape(again, "d: c:made f:plain c:same ");
    g_autoptr(KilnManifest) unbelieved = diff(&s, NULL, KILN_OWNERS_RECORDED);
    assert_shape(unbelieved, "d: f:made f:plain f:same ");
    scratch_close(&s);
}

static void test_recorded_symlink(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "etc");
    g_assert_cmpint(symlinkat("old", s.fd, "etc/link"), ==, 0); /* was 100:101 */
    g_assert_cmpint(symlinkat("old", s.fd, "etc/other"), ==, 0);
    as_old(&s, "etc/link");
    as_old(&s, "etc/other");
    const KilnEntry given = {.type = KILN_TYPE_SYMLINK, .uid = 0, .gid = 7};
    g_autoptr(KilnManifest) m = diff_with(&s, KILN_OWNERS_RECORDED, "etc/link", given);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/link")->uid, ==, 0);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/link")->gid, ==, 7);
    g_assert_cmpuint(kiln_manifest_lookup(m, "etc/other")->uid, ==, 100);
    scratch_close(&s);
}

/* What the placer writes, the diff reads. */
static void test_agrees_with_placer(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_RECORDED);
    const KilnEntry entries[] = {
        {.path = "", .type = KILN_TYPE_DIR, .mode = 0755, .uid = 3, .mtime = 5},
        {.path = "dev", .type = KILN_TYPE_DIR, .mode = 01777, .gid = 3, .mtime = 6},
        {.path = "dev/null", .type = KILN_TYPE_CHAR, .mode = 0666, .major = 1, .minor = 3},
        {.path = "dev/zero-zero", .type = KILN_TYPE_CHAR, .mode = 0600, .uid = 1},
        {.path = "var", .type = KILN_TYPE_DIR, .mode = 0755, .uid = 7, .opaque = true},
        {.path = "var/old", .type = KILN_TYPE_FILE, .mode = 0600, .uid = 7, .gid = 8, .mtime = 9},
    };
    GError *error = NULL;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++)
        g_assert_true(
            kiln_placer_put(p, &entries[i], entries[i].type == KILN_TYPE_FILE ? null : -1, &error));
    g_assert_true(kiln_placer_finish(p, &error));
    kiln_placer_free(p);
    close(null);
    g_autoptr(KilnManifest) m = diff(&s, NULL, KILN_OWNERS_RECORDED);
    g_assert_cmpuint(kiln_manifest_length(m), ==, G_N_ELEMENTS(entries));
    for (guint i = 0; i < G_N_ELEMENTS(entries); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i), *x = &entries[i];
        g_assert_cmpstr(e->path, ==, x->path);
        g_assert_cmpint(e->type, ==, x->type);
        g_assert_cmpuint(e->mode, ==, x->mode);
        g_assert_cmpuint(e->uid, ==, x->uid || x->gid || x->major ? x->uid : geteuid());
        g_assert_cmpuint(e->gid, ==, x->gid || x->uid || x->major ? x->gid : getegid());
        g_assert_cmpuint(e->major, ==, x->major);
        g_assert_cmpuint(e->minor, ==, x->minor);
        g_assert_cmpint(e->mtime, ==, x->mtime);
        g_assert_cmpint(e->opaque, ==, x->opaque);
    }
    scratch_close(&s);
}

static void test_too_deep(void)
{
    Scratch s = scratch_open();
    int fd = openat(s.fd, ".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 500; i++) { /* 500 × 11 bytes > PATH_MAX */
        g_assert_cmpint(mkdirat(fd, "ten-letter", 0700), ==, 0);
        int next = openat(fd, "ten-letter", O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next;
    }
    close(fd);
    g_autoptr(KilnView) view = kiln_view_new(NULL, 0);
    GError *error = NULL;
    g_assert_null(kiln_diff_upper(s.fd, view, NULL, KILN_OWNERS_REAL, NULL, &error));
    g_assert_error(error, KILN_DIFF_ERROR, ENAMETOOLONG);
    g_clear_error(&error);
    scratch_close(&s);
}

/* A layer's tar would delete what the rest of the name says. */
static void test_whiteout_names(void)
{
    Scratch s = scratch_open();
    g_autoptr(KilnManifest) below = below_new();
    g_autoptr(KilnView) view = kiln_view_new(&below, 1);
    GError *error = NULL;
    scratch_mkdir(&s, "etc");
    scratch_write(&s, "etc/.wh.old", "");
    g_assert_null(kiln_diff_upper(s.fd, view, NULL, KILN_OWNERS_REAL, NULL, &error));
    g_assert_error(error, KILN_DIFF_ERROR, EINVAL);
    g_assert_nonnull(strstr(error->message, "etc/.wh.old"));
    g_error_free(error);
    scratch_close(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/diff/plain", test_plain);
    g_test_add_func("/diff/whiteouts", test_whiteouts);
    g_test_add_func("/diff/xattrs", test_xattrs);
    g_test_add_func("/diff/hard-links", test_hard_links);
    g_test_add_func("/diff/sockets-are-removed", test_sockets_are_removed);
    g_test_add_func("/diff/stubs", test_stubs);
    g_test_add_func("/diff/recorded", test_recorded);
    g_test_add_func("/diff/given-away", test_given_away);
    g_test_add_func("/diff/moved", test_moved);
    g_test_add_func("/diff/recorded-device", test_recorded_device);
    g_test_add_func("/diff/recorded-symlink", test_recorded_symlink);
    g_test_add_func("/diff/agrees-with-placer", test_agrees_with_placer);
    g_test_add_func("/diff/too-deep", test_too_deep);
    g_test_add_func("/diff/whiteout-names", test_whiteout_names);
    return g_test_run();
}

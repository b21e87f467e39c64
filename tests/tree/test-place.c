#include "tree/place.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "scratch.h"

/* Entries of the calling user, so that no test needs the right to chown. */
static KilnEntry mine(const char *path, KilnType type, uint16_t mode)
{
    return (KilnEntry){.path = path,
                       .type = type,
                       .mode = mode,
                       .uid = geteuid(),
                       .gid = getegid(),
                       .mtime = 1000000000,
                       .mtime_nsec = 5};
}

static int content(const char *bytes, size_t size)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "kiln-content-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    unlink(path);
    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    return fd;
}

static void put(KilnPlacer *p, KilnEntry e, const char *text)
{
    GError *error = NULL;
    int fd = -1;
    if (text) {
        e.size = strlen(text);
        fd = content(text, e.size);
    }
    kiln_placer_put(p, &e, fd, &error);
    g_assert_no_error(error);
    if (fd >= 0)
        close(fd);
}

static void finish(KilnPlacer *p)
{
    GError *error = NULL;
    kiln_placer_finish(p, &error);
    g_assert_no_error(error);
    kiln_placer_free(p);
}

static char *xattr_of(const Scratch *s, const char *path, const char *name)
{
    g_autofree char *full = g_build_filename(s->path, path, NULL);
    char value[256];
    ssize_t n = lgetxattr(full, name, value, sizeof(value));
    return n < 0 ? NULL : g_strndup(value, (gsize)n);
}

static void assert_attributes(const struct stat *st, mode_t mode)
{
    g_assert_cmphex(st->st_mode, ==, mode);
    g_assert_cmpint(st->st_mtim.tv_sec, ==, 1000000000);
    g_assert_cmpint(st->st_mtim.tv_nsec, ==, 5);
}

static void test_all_types(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    put(p, mine("", KILN_TYPE_DIR, 0751), NULL);
    put(p, mine("d", KILN_TYPE_DIR, 0555), NULL);
    put(p, mine("d/set-uid", KILN_TYPE_FILE, 04755), "#!/bin/sh\n");
    put(p, mine("d/unreadable", KILN_TYPE_FILE, 0), "");
    put(p, mine("d/fifo", KILN_TYPE_FIFO, 0622), NULL);
    KilnEntry link = mine("d/link", KILN_TYPE_SYMLINK, 0777);
    link.target = "/nowhere/at all";
    put(p, link, NULL);
    put(p, mine("gone", KILN_TYPE_WHITEOUT, 0), NULL);
    finish(p);

    struct stat st = scratch_stat(&s, "d/set-uid");
    assert_attributes(&st, S_IFREG | 04755);
    g_autofree char *text = scratch_read(&s, "d/set-uid");
    g_assert_cmpstr(text, ==, "#!/bin/sh\n");
    st = scratch_stat(&s, "d/unreadable");
    assert_attributes(&st, S_IFREG);
    st = scratch_stat(&s, "d/fifo");
    assert_attributes(&st, S_IFIFO | 0622);
    st = scratch_stat(&s, "d/link");
    assert_attributes(&st, S_IFLNK | 0777);
    char target[64] = "";
    g_assert_cmpint(readlinkat(s.fd, "d/link", target, sizeof(target)), ==, 15);
    g_assert_cmpstr(target, ==, "/nowhere/at all");
    st = scratch_stat(&s, "gone");
    g_assert_true(S_ISCHR(st.st_mode));
    g_assert_cmpuint(st.st_rdev, ==, makedev(0, 0));
    /* Directories last, so that filling them has not touched their time. */
    st = scratch_stat(&s, "d");
    assert_attributes(&st, S_IFDIR | 0555);
    st = scratch_stat(&s, ".");
    assert_attributes(&st, S_IFDIR | 0751);
    scratch_close(&s);
}

static void test_replaces(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    put(p, mine("a", KILN_TYPE_DIR, 0700), NULL);
    put(p, mine("a/b", KILN_TYPE_DIR, 0700), NULL);
    put(p, mine("a/b/c", KILN_TYPE_FILE, 0600), "c");
    put(p, mine("a/b", KILN_TYPE_FILE, 0600), "now a file"); /* over a full directory */
    put(p, mine("a", KILN_TYPE_DIR, 0711), NULL);            /* keeps what is below */
    put(p, mine("f", KILN_TYPE_FILE, 0600), "f");
    put(p, mine("f", KILN_TYPE_DIR, 0701), NULL);
    put(p, mine("g", KILN_TYPE_FILE, 0600), "long content");
    put(p, mine("g", KILN_TYPE_FILE, 0640), "g");
    finish(p);

    g_autofree char *b = scratch_read(&s, "a/b"), *g = scratch_read(&s, "g");
    g_assert_cmpstr(b, ==, "now a file");
    g_assert_cmpstr(g, ==, "g");
    g_assert_cmphex(scratch_stat(&s, "a").st_mode, ==, S_IFDIR | 0711);
    g_assert_cmphex(scratch_stat(&s, "f").st_mode, ==, S_IFDIR | 0701);
    scratch_close(&s);
}

static void test_never_through_symlinks(void)
{
    Scratch s = scratch_open(), outside = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    KilnEntry link = mine("out", KILN_TYPE_SYMLINK, 0777);
    link.target = outside.path;
    put(p, link, NULL);
    KilnEntry e = mine("out/evil", KILN_TYPE_DIR, 0755);
    GError *error = NULL;
    g_assert_false(kiln_placer_put(p, &e, -1, &error));
    g_assert_error(error, KILN_PLACE_ERROR, ELOOP);
    g_assert_nonnull(strstr(error->message, "out/evil"));
    g_clear_error(&error);
    e.path = "../evil";
    g_assert_false(kiln_placer_put(p, &e, -1, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(scratch_exists(&outside, "evil"));

    g_assert_true(kiln_placer_remove(p, "out/evil", &error)); /* nothing there, so no error */
    g_assert_true(kiln_placer_remove(p, "out", &error));
    g_assert_no_error(error);
    g_assert_true(scratch_exists(&outside, "."));
    kiln_placer_free(p);
    scratch_close(&s);
    scratch_close(&outside);
}

static void test_records_owners(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_RECORDED);
    KilnEntry e = mine("f", KILN_TYPE_FILE, 0640);
    e.uid = 33;
    e.gid = 4;
    put(p, e, "x");
    e.path = "root's";
    e.uid = e.gid = 0;
    put(p, e, "x");
    e = mine("sda", KILN_TYPE_BLOCK, 0660);
    e.uid = 0;
    e.gid = 6;
    e.major = 8;
    put(p, e, NULL);
    e = mine("d", KILN_TYPE_DIR, 0755);
    e.uid = 7;
    put(p, e, NULL);
    e.uid = e.gid = 0; /* a later entry of the same directory */
    put(p, e, NULL);
    finish(p);

    struct stat st = scratch_stat(&s, "f");
    g_assert_cmpuint(st.st_uid, ==, geteuid());
    g_autofree char *f = xattr_of(&s, "f", KILN_STAT_XATTR);
    g_assert_cmpstr(f, ==, "f 640 33 4 0 0");
    g_assert_null(xattr_of(&s, "root's", KILN_STAT_XATTR));
    g_autofree char *sda = xattr_of(&s, "sda", KILN_STAT_XATTR);
    g_assert_cmpstr(sda, ==, "b 660 0 6 8 0");
    g_assert_true(S_ISREG(scratch_stat(&s, "sda").st_mode));
    g_assert_null(xattr_of(&s, "d", KILN_STAT_XATTR));
    scratch_close(&s);
}

static void test_real_owners(void)
{
    if (!scratch_can_chown()) {
        g_test_skip("needs the right to chown");
        return;
    }
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    KilnEntry e = mine("f", KILN_TYPE_FILE, 04755);
    e.uid = 33;
    e.gid = 4;
    put(p, e, "x");
    e = mine("l", KILN_TYPE_SYMLINK, 0777);
    e.target = "f";
    e.uid = 8;
    put(p, e, NULL);
    e = mine("d", KILN_TYPE_DIR, 02755);
    e.gid = 50;
    put(p, e, NULL);
    put(p, mine("d/x", KILN_TYPE_FILE, 0644), "x");
    /* A 0:0 character device would be a whiteout to overlayfs. */
    e = mine("zero", KILN_TYPE_CHAR, 0600);
    put(p, e, NULL);
    finish(p);

    struct stat st = scratch_stat(&s, "f");
    g_assert_cmpuint(st.st_uid, ==, 33);
    g_assert_cmpuint(st.st_gid, ==, 4);
    g_assert_cmphex(st.st_mode & 07777, ==, 04755); /* chown did not clear it */
    g_assert_cmpuint(scratch_stat(&s, "l").st_uid, ==, 8);
    g_assert_cmpuint(scratch_stat(&s, "d").st_gid, ==, 50);
    g_assert_cmphex(scratch_stat(&s, "d").st_mode & 07777, ==, 02755);
    g_assert_cmpuint(scratch_stat(&s, "d/x").st_gid, ==, getegid());
    g_assert_true(S_ISREG(scratch_stat(&s, "zero").st_mode));
    g_autofree char *zero = xattr_of(&s, "zero", KILN_STAT_XATTR);
    g_assert_cmpstr(zero, ==, "c 600 0 0 0 0");
    scratch_close(&s);
}

static void test_xattrs(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_RECORDED);
    const KilnXattr xattrs[] = {
        {"security.selinux", "no", 2},    {"trusted.x", "no", 2},          {"user.good", "yes", 3},
        {"user.kiln.stat", "f 0 0 0", 7}, {"user.overlay.opaque", "y", 1},
    };
    KilnEntry e = mine("d", KILN_TYPE_DIR, 0755);
    e.xattrs = xattrs;
    e.n_xattrs = G_N_ELEMENTS(xattrs);
    e.uid = e.gid = 0;
    put(p, e, NULL);
    e = mine("o", KILN_TYPE_DIR, 0755);
    e.opaque = true;
    put(p, e, NULL);
    e = mine("f", KILN_TYPE_FILE, 0444); /* not writable any more, yet it gets them */
    e.xattrs = xattrs;
    e.n_xattrs = G_N_ELEMENTS(xattrs);
    put(p, e, "f");
    finish(p);

    g_autofree char *good = xattr_of(&s, "d", "user.good"), *file = xattr_of(&s, "f", "user.good");
    g_autofree char *opaque = xattr_of(&s, "o", "user.overlay.opaque");
    g_assert_cmpstr(good, ==, "yes");
    g_assert_cmpstr(file, ==, "yes");
    g_assert_cmpstr(opaque, ==, "y");
    g_assert_null(xattr_of(&s, "d", "user.overlay.opaque"));
    g_assert_null(xattr_of(&s, "d", "user.kiln.stat"));
    g_assert_null(xattr_of(&s, "d", "trusted.x"));
    scratch_close(&s);
}

static void test_links(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    GError *error = NULL;
    put(p, mine("a", KILN_TYPE_DIR, 0755), NULL);
    put(p, mine("a/one", KILN_TYPE_FILE, 0644), "1");
    put(p, mine("two", KILN_TYPE_FILE, 0644), "2");
    g_assert_true(kiln_placer_link(p, "a/one", "two", &error));
    g_assert_true(kiln_placer_link(p, "a/one", "a/three", &error));
    g_assert_true(kiln_placer_link(p, "two", "two", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(scratch_stat(&s, "a/one").st_nlink, ==, 3);
    g_assert_cmpuint(scratch_stat(&s, "two").st_ino, ==, scratch_stat(&s, "a/three").st_ino);
    g_assert_false(kiln_placer_link(p, "missing", "four", &error));
    g_assert_error(error, KILN_PLACE_ERROR, ENOENT);
    g_clear_error(&error);
    kiln_placer_free(p);
    scratch_close(&s);
}

/* A file of another layer is linked only where it is on disk as this one would be. */
/* placed: what only an xattr could tell is not looked at. */
static void test_twins(gconstpointer placed)
{
    static const struct {
        const char *what;
        KilnEntry e;
        const char *xattr;
        bool linked;
    } cases[] = {
        {"the same", {.mode = 0640, .mtime = 1000, .mtime_nsec = 7, .size = 4}, NULL, true},
        {"another mode", {.mode = 0600, .mtime = 1000, .mtime_nsec = 7, .size = 4}, NULL, false},
        {"another time", {.mode = 0640, .mtime = 1001, .mtime_nsec = 7, .size = 4}, NULL, false},
        {"another nanosecond", {.mode = 0640, .mtime = 1000, .mtime_nsec = 8, .size = 4}, NULL, false},
        {"another size", {.mode = 0640, .mtime = 1000, .mtime_nsec = 7, .size = 3}, NULL, false},
        {"another owner", {.mode = 0640, .mtime = 1000, .mtime_nsec = 7, .size = 4, .uid = 5}, NULL, false},
        {"an xattr too many", {.mode = 0640, .mtime = 1000, .mtime_nsec = 7, .size = 4}, "user.x", false},
        {"a foreign record", {.mode = 0640, .mtime = 1000, .mtime_nsec = 7, .size = 4}, KILN_STAT_XATTR, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Scratch layer = scratch_open(), s = scratch_open();
        GError *error = NULL;
        scratch_mkdir(&layer, "d");
        scratch_write(&layer, "d/twin", "text");
        int fd = openat(layer.fd, "d/twin", O_RDONLY | O_CLOEXEC);
        const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 7}, {.tv_sec = 1000, .tv_nsec = 7}};
        g_assert_cmpint(fchmod(fd, 0640), ==, 0);
        if (cases[i].xattr)
            g_assert_cmpint(fsetxattr(fd, cases[i].xattr, "f 640 1 1 0 0", 13, 0), ==, 0);
        g_assert_cmpint(futimens(fd, times), ==, 0);
        close(fd);
        scratch_write(&s, "file", "in the way");
        KilnEntry e = cases[i].e;
        e.path = "file";
        e.type = KILN_TYPE_FILE;
        KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_RECORDED);
        bool done;
        g_assert_true(kiln_placer_link_twin(p, layer.fd, "d/twin", placed != NULL, &e, &done, &error));
        g_assert_no_error(error);
        g_test_message("%s", cases[i].what);
        bool unseen = placed && (cases[i].xattr || e.uid);
        g_assert_cmpint(done, ==, cases[i].linked || unseen);
        g_autofree char *text = scratch_read(&s, "file");
        g_assert_cmpstr(text, ==, done ? "text" : "in the way");
        g_assert_true(kiln_placer_link_twin(p, layer.fd, "d/gone", placed != NULL, &e, &done, &error));
        g_assert_false(done);
        kiln_placer_free(p);
        scratch_close(&s);
        scratch_close(&layer);
    }
}

/* Another device, or a file system without hard links: nothing is done, and that is no error. */
static void test_twin_elsewhere(void)
{
    Scratch s = scratch_open();
    GError *error = NULL;
    int fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    g_assert_cmpint(fstatat(fd, "maps", &st, 0), ==, 0);
    KilnEntry e = {.path = "file", .type = KILN_TYPE_FILE, .mode = st.st_mode & 07777};
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_RECORDED);
    bool done;
    e.mtime = st.st_mtim.tv_sec;
    e.mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
    g_assert_true(kiln_placer_link_twin(p, fd, "maps", false, &e, &done, &error));
    g_assert_no_error(error);
    g_assert_false(done);
    g_assert_cmpint(faccessat(s.fd, "file", F_OK, 0), ==, -1);
    kiln_placer_free(p);
    close(fd);
    scratch_close(&s);
}

static void test_sparse_content(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    const uint64_t size = UINT64_C(5) << 30; /* more than 32 bits; never written out */
    int fd = content("begin", 5);
    g_assert_cmpint(pwrite(fd, "end", 3, (off_t)size - 3), ==, 3);
    lseek(fd, 7, SEEK_SET);
    KilnEntry e = mine("big", KILN_TYPE_FILE, 0644);
    e.size = size;
    GError *error = NULL;
    kiln_placer_put(p, &e, fd, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 7);
    close(fd);
    finish(p);

    struct stat st = scratch_stat(&s, "big");
    g_assert_cmpuint((uint64_t)st.st_size, ==, size);
    g_assert_cmpint(st.st_blocks, <, 4096); /* 2 MB */
    fd = openat(s.fd, "big", O_RDONLY);
    char end[3];
    g_assert_cmpint(pread(fd, end, 3, (off_t)size - 3), ==, 3);
    g_assert_cmpmem(end, 3, "end", 3);
    close(fd);
    scratch_close(&s);
}

static void test_content_too_short(void)
{
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    const uint64_t sizes[] = {4, 100000, 10000000};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        GError *error = NULL;
        int fd = content("abc", 3);
        KilnEntry e = mine("f", KILN_TYPE_FILE, 0644);
        e.size = sizes[i];
        g_assert_false(kiln_placer_put(p, &e, fd, &error));
        g_assert_error(error, KILN_PLACE_ERROR, ESTALE);
        g_clear_error(&error);
        close(fd);
    }
    /* One that grew is cut off at the size that was listed. */
    KilnEntry e = mine("g", KILN_TYPE_FILE, 0644);
    e.size = 2;
    GError *error = NULL;
    int fd = content("abc", 3);
    kiln_placer_put(p, &e, fd, &error);
    g_assert_no_error(error);
    close(fd);
    g_autofree char *text = scratch_read(&s, "g");
    g_assert_cmpstr(text, ==, "ab");
    kiln_placer_free(p);
    scratch_close(&s);
}

static void test_large_content(void)
{
    const size_t size = 3 * 1024 * 1024 + 17;
    g_autofree char *bytes = g_malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    Scratch s = scratch_open();
    KilnPlacer *p = kiln_placer_new(s.fd, KILN_OWNERS_REAL);
    int fd = content(bytes, size);
    KilnEntry e = mine("f", KILN_TYPE_FILE, 0644);
    e.size = size;
    GError *error = NULL;
    kiln_placer_put(p, &e, fd, &error);
    g_assert_no_error(error);
    close(fd);
    kiln_placer_free(p);
    g_autofree char *path = g_build_filename(s.path, "f", NULL), *copy = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(path, &copy, &length, NULL));
    g_assert_cmpmem(copy, length, bytes, size);
    scratch_close(&s);
}

/* What a RUN can leave behind: deeper than PATH_MAX and than the table of open files. */
static void test_remove_deep(void)
{
    Scratch s = scratch_open();
    int fd = openat(s.fd, ".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        g_assert_cmpint(mkdirat(fd, "directory", 0700), ==, 0);
        g_assert_cmpint(mknodat(fd, "file", S_IFREG | 0600, 0), ==, 0);
        int next = openat(fd, "directory", O_RDONLY | O_DIRECTORY);
        g_assert_cmpint(next, >=, 0);
        close(fd);
        fd = next;
    }
    close(fd);
    GError *error = NULL;
    kiln_remove_tree(s.fd, "directory", &error);
    g_assert_no_error(error);
    g_assert_false(scratch_exists(&s, "directory"));
    g_assert_true(scratch_exists(&s, "file"));
    scratch_close(&s);
}

static void test_remove_without_permissions(void)
{
    Scratch s = scratch_open();
    GError *error = NULL;
    scratch_mkdir(&s, "a");
    scratch_mkdir(&s, "a/b");
    scratch_mkdir(&s, "a/b/c");
    scratch_write(&s, "a/b/c/file", "");
    g_assert_cmpint(symlinkat("/", s.fd, "a/root"), ==, 0);
    g_assert_cmpint(fchmodat(s.fd, "a/b/c", 0, 0), ==, 0);
    g_assert_cmpint(fchmodat(s.fd, "a/b", 0500, 0), ==, 0);
    g_assert_cmpint(fchmodat(s.fd, "a", 0, 0), ==, 0);
    g_assert_true(kiln_remove_tree(s.fd, "a", &error));
    g_assert_no_error(error);
    g_assert_false(scratch_exists(&s, "a"));
    g_assert_true(kiln_remove_tree(s.fd, "a", &error)); /* again: nothing to do */
    g_assert_no_error(error);
    scratch_close(&s);
}

static void test_open_beneath(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "d");
    scratch_write(&s, "d/f", "x");
    g_assert_cmpint(symlinkat("d", s.fd, "l"), ==, 0);
    g_assert_cmpint(symlinkat("f", s.fd, "d/l"), ==, 0);
    int fd = kiln_open_beneath(s.fd, "d/f", O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    close(fd);
    fd = kiln_open_beneath(s.fd, "", O_RDONLY | O_DIRECTORY);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpint(kiln_open_beneath(s.fd, "l/f", O_RDONLY), ==, -ELOOP);
    g_assert_cmpint(kiln_open_beneath(s.fd, "d/l", O_RDONLY), ==, -ELOOP);
    g_assert_cmpint(kiln_open_beneath(s.fd, "../etc", O_RDONLY), ==, -EXDEV);
    g_assert_cmpint(kiln_open_beneath(s.fd, "/etc", O_RDONLY), ==, -EXDEV);
    g_assert_cmpint(kiln_open_beneath(s.fd, "none", O_RDONLY), ==, -ENOENT);
    scratch_close(&s);
}

static void test_record_text(void)
{
    KilnEntry e = {
        .type = KILN_TYPE_CHAR, .mode = 04755, .uid = G_MAXUINT32, .major = 1, .minor = 3};
    KilnEntry back = {0};
    g_autofree char *text = kiln_stat_record_format(&e);
    g_assert_cmpstr(text, ==, "c 4755 4294967295 0 1 3");
    g_assert_true(kiln_stat_record_parse(text, strlen(text), &back));
    g_assert_cmpint(back.type, ==, KILN_TYPE_CHAR);
    g_assert_cmpuint(back.mode, ==, 04755);
    g_assert_cmpuint(back.uid, ==, G_MAXUINT32);
    g_assert_cmpuint(back.minor, ==, 3);

    const char *bad[] = {"",
                         "c",
                         "c 4755",
                         "x 644 0 0 0 0",
                         "f 648 0 0 0 0",
                         "f 10000 0 0 0 0",
                         "f 644 -1 0 0 0",
                         "f 644 4294967296 0 0 0",
                         "f 644 0 0 0 0 ",
                         "f 644  0 0 0 0",
                         "f 644 0 0 0 0x1"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(kiln_stat_record_parse(bad[i], strlen(bad[i]), &back));
    g_assert_false(kiln_stat_record_parse("f 644 0 0 0 0", 12, &back)); /* the size counts */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/place/all-types", test_all_types);
    g_test_add_func("/place/replaces", test_replaces);
    g_test_add_func("/place/never-through-symlinks", test_never_through_symlinks);
    g_test_add_func("/place/records-owners", test_records_owners);
    g_test_add_func("/place/real-owners", test_real_owners);
    g_test_add_func("/place/xattrs", test_xattrs);
    g_test_add_func("/place/links", test_links);
    g_test_add_data_func("/place/content/twins", NULL, test_twins);
    g_test_add_data_func("/place/content/placed-twins", "", test_twins);
    g_test_add_func("/place/content/twin-elsewhere", test_twin_elsewhere);
    g_test_add_func("/place/content/sparse", test_sparse_content);
    g_test_add_func("/place/content/too-short", test_content_too_short);
    g_test_add_func("/place/content/large", test_large_content);
    g_test_add_func("/place/remove/deep", test_remove_deep);
    g_test_add_func("/place/remove/without-permissions", test_remove_without_permissions);
    g_test_add_func("/place/open-beneath", test_open_beneath);
    g_test_add_func("/place/record-text", test_record_text);
    return g_test_run();
}

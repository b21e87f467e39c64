/* Layers as tars. */
#include "tar-bytes.h"

#include <sys/sysmacros.h>

static bool collect(void *data, const void *buffer, size_t size, GError **error)
{
    (void)error;
    g_byte_array_append(data, buffer, (guint)size);
    return true;
}

static GByteArray *tar_of(const KilnManifest *m, const Scratch *s, int64_t clamp)
{
    GByteArray *tar = g_byte_array_new();
    GError *error = NULL;
    kiln_tar_write(m, s->fd, clamp, collect, tar, &error);
    g_assert_no_error(error);
    return tar;
}

/* Everything that there is survives being written and read. */
static void test_round_trip(void)
{
    static const char capability[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0";
    Scratch s = scratch_open(), t = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autofree char *component = g_strnfill(250, 'n');
    g_autofree char *deep = g_strjoin("/", component, component, component, NULL);
    entry(tar, '5', "./", "");
    entry(tar, '5', "etc", "");
    entry(tar, '0', "etc/.wh..wh..opq", "");
    file(tar, "etc/first", "content");
    entry(tar, '1', "a-link", "etc/first"); /* sorts before it, so it carries the content */
    entry(tar, '2', "symlink", "caf\xc3\xa9");
    entry(tar, '1', "symlink-2", "symlink");
    entry(tar, '0', ".wh.gone", "");
    entry(tar, '3', "tty", "");
    entry(tar, '4', "disk", "");
    entry(tar, '6', "fifo", "");
    pax(tar, "path", deep, strlen(deep));
    file(tar, "f", "deep");
    pax(tar, "linkpath", deep, strlen(deep));
    entry(tar, '1', "link-to-deep", "x");
    pax(tar, "path", "cafe\xcc\x81", 6);
    file(tar, "f", "decomposed");
    pax(tar, "SCHILY.xattr.security.capability", capability, 20);
    file(tar, "ping", "");
    pax(tar, "SCHILY.xattr.user.mime_type", "\0=\n", 3);
    file(tar, "attributes", "");
    pax(tar, "uid", "4000000000", 10);
    file(tar, "far", "f");
    g_autoptr(KilnManifest) m = good(tar, &s);

    for (int pass = 0; pass < 2; pass++) {
        g_autoptr(GByteArray) written = tar_of(m, &s, -1);
        g_autoptr(GByteArray) twice = tar_of(m, &s, -1);
        g_assert_cmpmem(written->data, written->len, twice->data, twice->len);
        /* hdrcharset, which GNU tar warns about, is only for archives that need it. */
        g_assert_cmpint(memmem(written->data, written->len, "hdrcharset", 10) != NULL, ==, pass);

        Scratch u = scratch_open();
        g_autoptr(KilnManifest) back = kiln_manifest_new();
        GError *error = NULL;
        untar(written, &u, &layer_options, back, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(kiln_manifest_length(back), ==, kiln_manifest_length(m));
        for (guint i = 0; i < kiln_manifest_length(m); i++) {
            const KilnEntry *a = kiln_manifest_get(m, i), *b = kiln_manifest_get(back, i);
            g_assert_cmpstr(a->path, ==, b->path);
            g_assert_cmpint(a->type, ==, b->type);
            g_assert_cmpint(a->opaque, ==, b->opaque);
            g_assert_cmpstr(a->target, ==, b->target);
            g_assert_cmpint(a->link_group != 0, ==, b->link_group != 0);
            if (!*a->path || a->type == KILN_TYPE_WHITEOUT)
                continue;
            g_assert_cmpuint(a->mode, ==, b->mode);
            g_assert_cmpuint(a->uid, ==, b->uid);
            g_assert_cmpuint(a->gid, ==, b->gid);
            g_assert_cmpuint(a->major, ==, b->major);
            g_assert_cmpuint(a->minor, ==, b->minor);
            g_assert_cmpint(a->mtime, ==, b->mtime);
            g_assert_cmpuint(a->n_xattrs, ==, b->n_xattrs);
            for (guint x = 0; x < a->n_xattrs; x++) {
                g_assert_cmpstr(a->xattrs[x].name, ==, b->xattrs[x].name);
                g_assert_cmpmem(a->xattrs[x].value, a->xattrs[x].size, b->xattrs[x].value,
                                b->xattrs[x].size);
            }
            g_assert_cmpmem(a->digest, sizeof(a->digest), b->digest, sizeof(b->digest));
        }
        g_assert_cmpuint(kiln_manifest_lookup(back, "a-link")->link_group, ==,
                         kiln_manifest_lookup(back, "etc/first")->link_group);
        scratch_close(&u);

        if (pass == 0) { /* once more with a name that is no UTF-8, and one that almost is */
            g_byte_array_set_size(tar, tar->len - 1024);
            file(tar, "caf\xe9", "Latin-1");
            file(tar, "\xed\xa0\xbd\xed\xb8\x80", "surrogates");
            g_clear_pointer(&m, kiln_manifest_unref);
            m = good(tar, &t);
            scratch_close(&s);
            s = t;
        }
    }
    scratch_close(&s);
}

static void test_clamps_times(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    file(tar, "f", "x");
    g_autoptr(KilnManifest) m = good(tar, &s);
    g_autoptr(GByteArray) plain = tar_of(m, &s, 2000000000);
    g_autoptr(GByteArray) clamped = tar_of(m, &s, 8);
    g_assert_cmpmem(plain->data + 136, 11, "07346545000", 11);
    g_assert_cmpmem(clamped->data + 136, 11, "00000000010", 11);
    scratch_close(&s);
}

static void test_writes_sparse_as_plain(void)
{
    Scratch s = scratch_open();
    const gsize size = 20 << 20;
    int fd = openat(s.fd, "f", O_CREAT | O_RDWR, 0644);
    g_assert_cmpint(pwrite(fd, "x", 1, 10 << 20), ==, 1);
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    close(fd);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    KilnEntry *e = kiln_manifest_add(m, "f");
    e->type = KILN_TYPE_FILE;
    e->size = size;
    g_autoptr(GByteArray) tar = tar_of(m, &s, -1);
    g_assert_cmpuint(tar->len, ==, 512 + size + 1024);
    for (gsize i = 0; i < size; i++) {
        if (tar->data[512 + i] != (i == 10 << 20 ? 'x' : 0))
            g_error("byte %zu is wrong", i);
    }
    scratch_close(&s);
}

static bool full(void *data, const void *buffer, size_t size, GError **error)
{
    (void)data;
    (void)buffer;
    (void)size;
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "the disk is full");
    return false;
}

static void test_write_errors(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new(), out = g_byte_array_new();
    file(tar, "f", "content");
    g_autoptr(KilnManifest) m = good(tar, &s);
    GError *error = NULL;
    g_assert_false(kiln_tar_write(m, s.fd, -1, full, NULL, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
    g_clear_error(&error);

    scratch_write(&s, "f", "of another length");
    g_assert_false(kiln_tar_write(m, s.fd, -1, collect, out, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO);
    g_clear_error(&error);
    g_assert_cmpint(unlinkat(s.fd, "f", 0), ==, 0);
    g_assert_cmpint(symlinkat("/etc/passwd", s.fd, "f"), ==, 0);
    g_assert_false(kiln_tar_write(m, s.fd, -1, collect, out, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO);
    g_clear_error(&error);
    scratch_close(&s);
}

/* Puts a file there when it is asked for, but for the last. */
static bool put_when_asked(const KilnEntry *e, void *data)
{
    if (strcmp(e->path, "d/late") == 0)
        return false;
    scratch_write(data, e->path, "text");
    return true;
}

/* The same tar comes of a directory that is filled meanwhile; none, if the rest is not waited for. */
static void test_following(void)
{
    Scratch s = scratch_open(), t = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new(), followed = g_byte_array_new();
    entry(tar, '5', "d", "");
    file(tar, "d/a", "text");
    file(tar, "d/b", "text");
    g_autoptr(KilnManifest) m = good(tar, &s);
    g_autoptr(GByteArray) expected = tar_of(m, &s, -1);
    GError *error = NULL;
    scratch_mkdir(&t, "d");
    kiln_tar_write_following(m, t.fd, -1, put_when_asked, &t, collect, followed, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(followed->data, followed->len, expected->data, expected->len);

    g_autoptr(GByteArray) longer = g_byte_array_new();
    file(longer, "d/a", "text");
    file(longer, "d/late", "text");
    g_autoptr(KilnManifest) n = good(longer, &s);
    g_assert_false(kiln_tar_write_following(n, t.fd, -1, put_when_asked, &t, collect, followed, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO);
    g_clear_error(&error);
    scratch_close(&s);
    scratch_close(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tar/write/round-trip", test_round_trip);
    g_test_add_func("/tar/write/clamps-times", test_clamps_times);
    g_test_add_func("/tar/write/sparse-as-plain", test_writes_sparse_as_plain);
    g_test_add_func("/tar/write/errors", test_write_errors);
    g_test_add_func("/tar/write/following", test_following);
    return g_test_run();
}

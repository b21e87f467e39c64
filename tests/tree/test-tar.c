/* Tars that are unpacked. */
#include "tar-bytes.h"
#include "tree/digest.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/sysmacros.h>

static void test_all_types(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    entry(tar, '5', "./", "");
    entry(tar, '5', "./etc/", "");
    file(tar, "/etc/motd", "hello");
    entry(tar, '2', "etc//link", "../outside/\xff");
    entry(tar, '1', "hard", "etc/motd");
    entry(tar, '3', "tty", "");
    entry(tar, '4', "disk", "");
    entry(tar, '6', "fifo", "");
    g_autoptr(KilnManifest) m = good(tar, &s);
    assert_shape(m, "d: b:disk d:etc l:etc/link f:etc/motd p:fifo f:hard c:tty ");

    const KilnEntry *e = kiln_manifest_lookup(m, "etc/motd");
    g_assert_cmpuint(e->mode, ==, 0751);
    g_assert_cmpuint(e->uid, ==, 33);
    g_assert_cmpuint(e->gid, ==, 4);
    g_assert_cmpint(e->mtime, ==, 1000000000);
    g_assert_cmpuint(e->size, ==, 5);
    g_assert_true(e->has_digest);
    g_autofree char *digest = kiln_digest_text(e->digest);
    g_autofree char *expected = kiln_digest_of_bytes("hello", 5);
    g_assert_cmpstr(digest, ==, expected);
    g_assert_cmpuint(e->link_group, !=, 0);
    g_assert_cmpuint(e->link_group, ==, kiln_manifest_lookup(m, "hard")->link_group);
    g_assert_cmpstr(kiln_manifest_lookup(m, "etc/link")->target, ==, "../outside/\xff");
    g_assert_cmpuint(kiln_manifest_lookup(m, "disk")->major, ==, 8);
    g_assert_cmpuint(kiln_manifest_lookup(m, "disk")->minor, ==, 3);

    assert_text(&s, "hard", "hello");
    g_assert_cmpuint(scratch_stat(&s, "hard").st_nlink, ==, 2);
    g_assert_cmphex(scratch_stat(&s, "etc/motd").st_mode, ==, S_IFREG | 0751);
    g_assert_cmpint(scratch_stat(&s, "etc").st_mtim.tv_sec, ==, 1000000000);
    scratch_close(&s);
}

static void test_later_entries_win(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    file(tar, "a/b/c", "gone with b");
    file(tar, "a/b/d/e", "too");
    file(tar, "a/b", "file");
    file(tar, "x", "1");
    entry(tar, '1', "y", "x");
    file(tar, "x", "2");
    entry(tar, '5', "z", "");
    file(tar, "z/1", "stays");
    entry(tar, '5', "z", "");
    g_autoptr(KilnManifest) m = good(tar, &s);
    assert_shape(m, "id: id:a f:a/b f:x f:y d:z f:z/1 ");
    assert_text(&s, "a/b", "file");
    assert_text(&s, "x", "2");
    assert_text(&s, "y", "1"); /* the link was to the first x */
    assert_text(&s, "z/1", "stays");
    scratch_close(&s);
}

static void test_follows_symlinks_inside(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    entry(tar, '2', "lib", "usr/lib");
    file(tar, "lib/x", "x"); /* before usr/lib is listed */
    entry(tar, '2', "abs", "/usr/../../../opt");
    file(tar, "abs/y", "y");
    entry(tar, '2', "opt/up", "..");
    file(tar, "opt/up/z", "z");
    entry(tar, '1', "link", "lib/x");
    g_autoptr(KilnManifest) m = good(tar, &s);
    assert_shape(m, "id: l:abs l:lib f:link id:opt l:opt/up f:opt/y id:usr id:usr/lib "
                    "f:usr/lib/x f:z ");
    assert_text(&s, "usr/lib/x", "x");
    assert_text(&s, "opt/y", "y");
    g_assert_cmpuint(scratch_stat(&s, "link").st_nlink, ==, 2);
    scratch_close(&s);
}

static void test_whiteouts(void)
{
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    entry(tar, '0', "etc/.wh.gone", "");
    entry(tar, '0', "var/.wh..wh..opq", "");
    file(tar, "var/new", "n");
    entry(tar, '0', ".wh..wh.plnk", ""); /* of aufs */
    entry(tar, '0', ".wh.dir", "");      /* deleted and made anew */
    file(tar, "dir/f", "f");
    entry(tar, '5', "late", "");
    entry(tar, '0', ".wh.late", "");
    file(tar, "kept", "k");
    entry(tar, '0', ".wh.kept", ""); /* hides only what is below */
    g_autoptr(KilnManifest) m = good(tar, &s);
    assert_shape(m, "id: iod:dir f:dir/f id:etc w:etc/gone f:kept od:late iod:var f:var/new ");
    g_assert_cmpuint(scratch_stat(&s, "etc/gone").st_rdev, ==, makedev(0, 0));
    assert_text(&s, "kept", "k");
    scratch_close(&s);
}

static void test_plain_names_for_add(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "opt");
    g_autoptr(GByteArray) tar = g_byte_array_new();
    entry(tar, '5', "./", "");
    file(tar, ".wh.x", "plain");
    entry(tar, '1', "link", "./.wh.x");
    file(tar, "sub/f", "f");
    entry(tar, '2', "abs", "/etc"); /* from the root of the image */
    file(tar, "abs/conf", "c");
    end(tar);
    KilnUntarOptions options = {
        .owners = KILN_OWNERS_RECORDED, .prefix = "opt", .uid = 1000, .gid = 1001};
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    untar(tar, &s, &options, m, &error);
    g_assert_no_error(error);
    assert_shape(m, "id:etc f:etc/conf f:opt/.wh.x l:opt/abs f:opt/link id:opt/sub f:opt/sub/f ");
    g_assert_cmpuint(kiln_manifest_lookup(m, "opt/sub")->uid, ==, 1000);
    g_assert_cmpuint(kiln_manifest_lookup(m, "opt/sub/f")->gid, ==, 1001);

    /* A second archive into the same place: it sees what the first one made. */
    g_autoptr(GByteArray) second = g_byte_array_new();
    file(second, "sub", "now a file");
    entry(second, '1', "third", "link");
    end(second);
    untar(second, &s, &options, m, &error);
    g_assert_no_error(error);
    assert_shape(m, "id:etc f:etc/conf f:opt/.wh.x l:opt/abs f:opt/link f:opt/sub f:opt/third ");
    g_assert_cmpuint(scratch_stat(&s, "opt/third").st_nlink, ==, 3);
    scratch_close(&s);
}

static const KilnEntry *look_up(const char *path, void *manifest)
{
    return kiln_manifest_lookup(manifest, path);
}

/* ADD of an archive with "lib/…" to an image where lib is a link to usr/lib. */
static void test_leads_through_what_is_below(void)
{
    Scratch s = scratch_open();
    g_autoptr(KilnManifest) image = kiln_manifest_new();
    kiln_manifest_add(image, "usr")->type = KILN_TYPE_DIR;
    KilnEntry *e = kiln_manifest_add(image, "usr/lib");
    e->type = KILN_TYPE_DIR;
    e->mode = 0711;
    e->uid = 3;
    e = kiln_manifest_add(image, "lib");
    e->type = KILN_TYPE_SYMLINK;
    e->target = kiln_manifest_string(image, "usr/lib");
    e = kiln_manifest_add(image, "absolute");
    e->type = KILN_TYPE_SYMLINK;
    e->target = kiln_manifest_string(image, "/new/place");
    kiln_manifest_add(image, "file")->type = KILN_TYPE_FILE;
    e = kiln_manifest_add(image, "loop");
    e->type = KILN_TYPE_SYMLINK;
    e->target = kiln_manifest_string(image, "loop");
    kiln_manifest_sort(image);
    KilnUntarOptions options = {.owners = KILN_OWNERS_RECORDED,
                                .prefix = "",
                                .uid = -1,
                                .gid = -1,
                                .below = look_up,
                                .below_data = image};

    g_autoptr(GByteArray) tar = g_byte_array_new();
    file(tar, "lib/a", "a");
    file(tar, "absolute/b", "b");
    end(tar);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    untar(tar, &s, &options, m, &error);
    g_assert_no_error(error);
    assert_shape(m, "id:new id:new/place f:new/place/b id:usr id:usr/lib f:usr/lib/a ");
    g_assert_cmpuint(kiln_manifest_lookup(m, "usr/lib")->mode, ==, 0711);
    g_assert_cmpuint(kiln_manifest_lookup(m, "usr/lib")->uid, ==, 3);
    assert_text(&s, "usr/lib/a", "a");

    /* A directory of the archive's own takes the link's place, and stays what names lead to. */
    g_autoptr(GByteArray) own = g_byte_array_new();
    entry(own, '5', "lib", "");
    file(own, "lib/c", "c");
    end(own);
    g_autoptr(KilnManifest) replaced = kiln_manifest_new();
    untar(own, &s, &options, replaced, &error);
    g_assert_no_error(error);
    assert_shape(replaced, "d:lib f:lib/c ");

    const char *const bad[] = {"file/x", "loop/x"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) refused_tar = g_byte_array_new();
        file(refused_tar, bad[i], "");
        end(refused_tar);
        g_autoptr(KilnManifest) none = kiln_manifest_new();
        g_assert_false(untar(refused_tar, &s, &options, none, &error));
        g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT);
        g_clear_error(&error);
    }
    scratch_close(&s);
}

static void test_pax(void)
{
    static const char capability[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0"; /* 20 bytes */
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autofree char *component = g_strnfill(250, 'n');
    g_autofree char *deep = g_strjoin("/", component, component, component, component, NULL);
    pax(tar, "path", deep, strlen(deep));
    file(tar, "short", "deep");
    pax(tar, "path", "caf\xc3\xa9", 5); /* composed */
    file(tar, "short", "1");
    pax(tar, "path", "cafe\xcc\x81", 6); /* decomposed: another name */
    file(tar, "short", "2");
    pax(tar, "path", "caf\xe9", 4); /* Latin-1, against the rules */
    file(tar, "short", "3");
    pax(tar, "path", "\xed\xa0\xbd\xed\xb8\x80", 6); /* surrogates */
    file(tar, "short", "4");
    pax(tar, "linkpath", "\xc3\xa9\xff", 3);
    entry(tar, '2', "link", "short");
    pax(tar, "SCHILY.xattr.security.capability", capability, 20);
    file(tar, "ping", "p");
    pax(tar, "SCHILY.xattr.user.kiln.stat", "f 644 1 1 0 0", 13);
    file(tar, "liar", "l");
    pax(tar, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
    entry(tar, '5', "liar2", "");
    pax(tar, "mtime", "-1.5", 4);
    file(tar, "old", "o");
    pax(tar, "uid", "4000000000", 10);
    file(tar, "far", "f");
    pax(tar, "path", "with\nnewline and space", 22);
    file(tar, "short", "nl");
    g_autoptr(KilnManifest) m = good(tar, &s);

    assert_text(&s, "caf\xc3\xa9", "1");
    assert_text(&s, "cafe\xcc\x81", "2");
    assert_text(&s, "caf\xe9", "3");
    assert_text(&s, "\xed\xa0\xbd\xed\xb8\x80", "4");
    assert_text(&s, "with\nnewline and space", "nl");
    assert_text(&s, deep, "deep");
    g_assert_nonnull(kiln_manifest_lookup(m, deep));
    g_assert_cmpstr(kiln_manifest_lookup(m, "link")->target, ==, "\xc3\xa9\xff");
    const KilnEntry *e = kiln_manifest_lookup(m, "ping");
    g_assert_cmpuint(e->n_xattrs, ==, 1);
    g_assert_cmpstr(e->xattrs[0].name, ==, "security.capability");
    g_assert_cmpmem(e->xattrs[0].value, e->xattrs[0].size, capability, 20);
    g_assert_cmpuint(kiln_manifest_lookup(m, "liar")->n_xattrs, ==, 0);
    g_assert_cmpuint(kiln_manifest_lookup(m, "liar2")->n_xattrs, ==, 0);
    g_assert_cmpuint(kiln_manifest_lookup(m, "far")->uid, ==, 4000000000u);
    g_assert_cmpint(kiln_manifest_lookup(m, "old")->mtime, <, 0);
    scratch_close(&s);
}

static void test_gnu_long_names(void)
{
    Scratch s = scratch_open();
    g_autofree char *component = g_strnfill(120, 'g');
    g_autofree char *name = g_strjoin("/", component, component, "\xe9", NULL);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    raw_entry(tar, 'L', "././@LongLink", "", name, strlen(name) + 1);
    file(tar, "short", "x");
    raw_entry(tar, 'K', "././@LongLink", "", name, strlen(name) + 1);
    entry(tar, '1', "link", "short");
    g_autoptr(KilnManifest) m = good(tar, &s);
    g_assert_nonnull(kiln_manifest_lookup(m, name));
    assert_text(&s, name, "x");
    assert_text(&s, "link", "x");
    scratch_close(&s);
}

static void test_sparse(void)
{
    /* GNU.sparse 1.0: a map of (offset, size) in front of the data. */
    const char *map = "2\n0\n3\n5368709120\n3\n";
    g_autoptr(GByteArray) content = g_byte_array_new();
    g_byte_array_append(content, (const guint8 *)map, (guint)strlen(map));
    pad(content);
    g_byte_array_append(content, (const guint8 *)"onetwo", 6);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    const char *text = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                       "26 GNU.sparse.name=sparse\n34 GNU.sparse.realsize=5368709123\n";
    raw_entry(tar, 'x', "PaxHeaders/x", "", text, strlen(text));
    raw_entry(tar, '0', "GNUSparseFile.0/sparse", "", content->data, content->len);
    Scratch s = scratch_open();
    g_autoptr(KilnManifest) m = good(tar, &s);
    const KilnEntry *e = kiln_manifest_lookup(m, "sparse");
    g_assert_nonnull(e);
    g_assert_cmpuint(e->size, ==, UINT64_C(5368709123));
    struct stat st = scratch_stat(&s, "sparse");
    g_assert_cmpint(st.st_size, ==, INT64_C(5368709123));
    g_assert_cmpint(st.st_blocks, <, 1024);
    scratch_close(&s);
}

static void test_zeros_become_holes(void)
{
    gsize size = 1 << 20;
    g_autofree char *bytes = g_malloc0(size);
    bytes[size / 2] = 'x';
    Scratch s = scratch_open();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    raw_entry(tar, '0', "zeros", "", bytes, size);
    end(tar);
    Feed f = {.bytes = tar, .step = 300000};
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    kiln_untar(feed, &f, s.fd, &layer_options, m, &error);
    g_assert_no_error(error);
    g_assert_cmpint(scratch_stat(&s, "zeros").st_blocks * 512, <, (gssize)size / 2);
    g_autofree char *path = g_build_filename(s.path, "zeros", NULL), *read = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(path, &read, &length, NULL));
    g_assert_cmpmem(read, length, bytes, size);
    g_autofree char *digest = kiln_digest_text(kiln_manifest_lookup(m, "zeros")->digest);
    g_autofree char *expected = kiln_digest_of_bytes(bytes, size);
    g_assert_cmpstr(digest, ==, expected);
    scratch_close(&s);
}

/* --- Detection --- */

static bool detects(const void *bytes, gsize size)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "kiln-detect-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    unlink(path);
    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    bool found = kiln_tar_detect(fd);
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 0);
    close(fd);
    return found;
}

static void test_detect(void)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    end(tar);
    g_assert_false(detects(tar->data, tar->len)); /* Docker: no header could be read */
    g_byte_array_set_size(tar, 0);
    file(tar, "caf\xc3\xa9", "text");
    end(tar);
    g_assert_true(detects(tar->data, tar->len));
    g_assert_false(detects("", 0));
    g_assert_false(detects("#!/bin/sh\n", 10));

    int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ,
                     ARCHIVE_FILTER_ZSTD};
    for (gsize i = 0; i < G_N_ELEMENTS(filters); i++) {
        char out[8192];
        for (int is_tar = 0; is_tar < 2; is_tar++) {
            size_t used = 0;
            struct archive *a = archive_write_new();
            archive_write_set_format_raw(a);
            g_assert_cmpint(archive_write_add_filter(a, filters[i]), ==, ARCHIVE_OK);
            archive_write_open_memory(a, out, sizeof(out), &used);
            struct archive_entry *e = archive_entry_new();
            archive_entry_set_filetype(e, AE_IFREG);
            archive_write_header(a, e);
            archive_write_data(a, is_tar ? (char *)tar->data : "plain text",
                               is_tar ? tar->len : 10);
            archive_write_close(a);
            archive_entry_free(e);
            archive_write_free(a);
            g_assert_cmpint(detects(out, used), ==, is_tar);

            if (is_tar) { /* and ADD unpacks it */
                Scratch s = scratch_open();
                g_autoptr(GByteArray) packed = g_byte_array_new();
                g_byte_array_append(packed, (guint8 *)out, (guint)used);
                g_autoptr(KilnManifest) m = kiln_manifest_new();
                KilnUntarOptions options = {.owners = KILN_OWNERS_RECORDED,
                                            .detect_compression = true,
                                            .prefix = "",
                                            .uid = 0,
                                            .gid = 0};
                GError *error = NULL;
                untar(packed, &s, &options, m, &error);
                g_assert_no_error(error);
                assert_text(&s, "caf\xc3\xa9", "text");
                scratch_close(&s);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tar/read/all-types", test_all_types);
    g_test_add_func("/tar/read/later-entries-win", test_later_entries_win);
    g_test_add_func("/tar/read/follows-symlinks-inside", test_follows_symlinks_inside);
    g_test_add_func("/tar/read/whiteouts", test_whiteouts);
    g_test_add_func("/tar/read/plain-names-for-add", test_plain_names_for_add);
    g_test_add_func("/tar/read/leads-through-what-is-below", test_leads_through_what_is_below);
    g_test_add_func("/tar/read/pax", test_pax);
    g_test_add_func("/tar/read/gnu-long-names", test_gnu_long_names);
    g_test_add_func("/tar/read/sparse", test_sparse);
    g_test_add_func("/tar/read/zeros-become-holes", test_zeros_become_holes);
    g_test_add_func("/tar/detect", test_detect);
    return g_test_run();
}

#include "tree/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/sysmacros.h>

#include "scratch.h"
#include "tree/digest.h"

/* --- Tars made by hand, byte for byte --- */

static void pad(GByteArray *tar)
{
    static const guint8 zeros[512];
    g_byte_array_append(tar, zeros, (512 - tar->len % 512) % 512);
}

/* A ustar header with its checksum, and the content. */
static void raw_entry(GByteArray *tar, char type, const char *name, const char *link,
                      const void *bytes, gsize size)
{
    char h[512] = "";
    memcpy(h, name, MIN(strlen(name), 100));
    memcpy(h + 100, "0000751", 7);
    memcpy(h + 108, "0000041", 7); /* uid 33 */
    memcpy(h + 116, "0000004", 7);
    g_snprintf(h + 124, 12, "%011o", (unsigned)size);
    memcpy(h + 136, "07346545000", 11); /* 1000000000 */
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 157, link, MIN(strlen(link), 100));
    memcpy(h + 257, "ustar\00000", 8);
    memcpy(h + 329, "0000010", 7); /* device 8:3 */
    memcpy(h + 337, "0000003", 7);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)h[i];
    g_snprintf(h + 148, 8, "%06o", sum);
    g_byte_array_append(tar, (guint8 *)h, 512);
    if (size)
        g_byte_array_append(tar, bytes, (guint)size);
    pad(tar);
}

static void entry(GByteArray *tar, char type, const char *name, const char *link)
{
    raw_entry(tar, type, name, link, NULL, 0);
}

static void file(GByteArray *tar, const char *name, const char *text)
{
    raw_entry(tar, '0', name, "", text, strlen(text));
}

/* "LENGTH KEY=VALUE\n", where the length counts itself: pax(1). */
static void pax(GByteArray *tar, const char *key, const void *value, gsize size)
{
    gsize rest = strlen(key) + size + 3, length = 0, before;
    do {
        before = length;
        g_autofree char *digits = g_strdup_printf("%zu", before);
        length = rest + strlen(digits);
    } while (length != before);
    g_autoptr(GString) record = g_string_new(NULL);
    g_string_printf(record, "%zu %s=", length, key);
    g_string_append_len(record, value, (gssize)size);
    g_string_append_c(record, '\n');
    raw_entry(tar, 'x', "PaxHeaders/x", "", record->str, record->len);
}

static void end(GByteArray *tar)
{
    static const guint8 zeros[1024];
    g_byte_array_append(tar, zeros, sizeof(zeros));
}

/* --- Reading them --- */

typedef struct {
    const GByteArray *bytes;
    gsize offset, step;
} Feed;

static ssize_t feed(void *data, const void **buffer, GError **error)
{
    Feed *f = data;
    (void)error;
    gsize n = MIN(f->step, f->bytes->len - f->offset);
    if (n)
        *buffer = f->bytes->data + f->offset;
    f->offset += n;
    return (ssize_t)n;
}

static const KilnUntarOptions layer_options = {
    .owners = KILN_OWNERS_RECORDED, .whiteouts = true, .uid = -1, .gid = -1};

static bool untar(const GByteArray *tar, const Scratch *s, const KilnUntarOptions *options,
                  KilnManifest *out, GError **error)
{
    Feed f = {.bytes = tar, .step = 700}; /* no multiple of a block */
    bool ok = kiln_untar(feed, &f, s->fd, options, out, error);
    if (ok)
        g_assert_cmpuint(f.offset, ==, tar->len); /* all of it belongs to the digest */
    return ok;
}

static KilnManifest *good(GByteArray *tar, const Scratch *s)
{
    GError *error = NULL;
    KilnManifest *m = kiln_manifest_new();
    end(tar);
    untar(tar, s, &layer_options, m, &error);
    g_assert_no_error(error);
    return m;
}

/* The message with which the tar is refused. */
static char *refused(GByteArray *tar)
{
    Scratch s = scratch_open();
    GError *error = NULL;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_assert_false(untar(tar, &s, &layer_options, m, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    char *message = g_strdup(error->message);
    g_clear_error(&error);
    scratch_close(&s);
    return message;
}

/* "LETTER:PATH " for each entry; upper case: implicit or opaque. */
static char *shape(const KilnManifest *m)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_string_append_printf(text, "%s%s%c:%s ", e->implicit ? "i" : "", e->opaque ? "o" : "",
                               (int)e->type, e->path);
    }
    return g_string_free(text, FALSE);
}

static void assert_shape(const KilnManifest *m, const char *expected)
{
    g_autofree char *actual = shape(m);
    g_assert_cmpstr(actual, ==, expected);
}

static void assert_text(const Scratch *s, const char *path, const char *expected)
{
    g_autofree char *text = scratch_read(s, path);
    g_assert_cmpstr(text, ==, expected);
}

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

/* --- What must be refused --- */

static void assert_refused(GByteArray *tar, const char *part)
{
    end(tar);
    g_autofree char *message = refused(tar);
    if (!strstr(message, part))
        g_error("“%s” does not say “%s”", message, part);
    g_byte_array_set_size(tar, 0);
}

static void test_refuses(void)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    file(tar, "a/../../etc/passwd", "x");
    assert_refused(tar, "a/../../etc/passwd");
    file(tar, "..", "x");
    assert_refused(tar, "..");
    entry(tar, '1', "link", "../../etc/passwd");
    assert_refused(tar, "../../etc/passwd");
    entry(tar, '1', "link", "/etc/passwd");
    assert_refused(tar, "/etc/passwd");
    entry(tar, '5', "d", "");
    entry(tar, '1', "link", "d");
    assert_refused(tar, "directory");
    file(tar, "d/f", "x");
    entry(tar, '1', "d", "d/f");
    assert_refused(tar, "replaces");
    file(tar, "f", "x");
    file(tar, "f/below", "x");
    assert_refused(tar, "not a directory");
    entry(tar, '2', "loop", "loop/x");
    file(tar, "loop/f", "x");
    assert_refused(tar, "too many symbolic links");
    entry(tar, '2', "empty", "");
    assert_refused(tar, "empty");
    entry(tar, '0', "d/.wh.", "");
    assert_refused(tar, "whiteout");
    entry(tar, '0', "d/.wh...", "");
    assert_refused(tar, "whiteout");
    entry(tar, '2', ".", "x");
    assert_refused(tar, "root");
    pax(tar, "uid", "4294967295", 10);
    file(tar, "f", "x");
    assert_refused(tar, "4294967295");
    g_autofree char *name = g_strnfill(256, 'n');
    pax(tar, "path", name, 256);
    file(tar, "f", "x");
    assert_refused(tar, "longer than");
    g_autofree char *path = g_malloc0(5000);
    memset(path, 'p', 4999);
    for (int i = 100; i < 4999; i += 100)
        path[i] = '/';
    pax(tar, "path", path, 4999);
    file(tar, "f", "x");
    assert_refused(tar, "longer than");
    pax(tar, "GNU.sparse.realsize", "9000000000000000000", 19);
    file(tar, "f", "x");
    assert_refused(tar, "9000000000000000000");
}

/* Unpacks with limits: NULL if they were kept, else what is said. */
static char *limited(GByteArray *tar, KilnTarLimits limits)
{
    Scratch s = scratch_open();
    KilnUntarOptions options = layer_options;
    options.limits = limits;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    bool ok = untar(tar, &s, &options, m, &error);
    char *message = error ? g_strdup(error->message) : NULL;
    g_assert_true(ok == !error);
    g_assert_true(ok || error->code == KILN_TAR_ERROR_FORMAT);
    g_clear_error(&error);
    scratch_close(&s);
    return message;
}

static void assert_limited(GByteArray *tar, KilnTarLimits least, KilnTarLimits less,
                           const char *says)
{
    g_autofree char *fits = limited(tar, least), *message = limited(tar, less);
    g_assert_null(fits);
    g_assert_nonnull(message);
    if (!strstr(message, says))
        g_error("“%s” does not say “%s”", message, says);
    g_byte_array_set_size(tar, 0);
}

static void test_limits(void)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    /* all files together */
    file(tar, "a", "12345");
    file(tar, "b", "67890");
    end(tar);
    assert_limited(tar, (KilnTarLimits){.size = 100}, (KilnTarLimits){.size = 9},
                   "entry “b” of the tar archive: it unpacks to more than 9 bytes; where that is "
                   "meant, set --max-layer-size higher");
    /* each counts, also one that replaces another or is the root */
    for (int i = 0; i < 4; i++)
        file(tar, "a", "");
    entry(tar, '5', "./", "");
    end(tar);
    assert_limited(tar, (KilnTarLimits){.entries = 5}, (KilnTarLimits){.entries = 4},
                   "it unpacks to more than 4 entries; where that is meant, set --max-layer-entries");
    /* what a sparse file claims, before a byte of it is read */
    pax(tar, "GNU.sparse.realsize", "1099511627776", 13);
    file(tar, "f", "x");
    end(tar);
    g_autofree char *sparse = limited(tar, (KilnTarLimits){.size = UINT64_C(1) << 39});
    g_assert_nonnull(strstr(sparse, "512 GiB"));
    g_byte_array_set_size(tar, 0);
    /* what lies behind the end */
    file(tar, "f", "x");
    end(tar);
    g_byte_array_set_size(tar, tar->len + (1 << 20));
    memset(tar->data + tar->len - (1 << 20), 'x', 1 << 20);
    assert_limited(tar, (KilnTarLimits){.size = 2 << 20}, (KilnTarLimits){.size = 100 << 10},
                   "100 KiB");
}

static void test_add_cannot_leave_its_place(void)
{
    Scratch s = scratch_open();
    scratch_mkdir(&s, "opt");
    g_autoptr(GByteArray) tar = g_byte_array_new();
    entry(tar, '2', "up", "..");
    file(tar, "up/opt", "replaces the directory that is unpacked into");
    end(tar);
    KilnUntarOptions options = {
        .owners = KILN_OWNERS_RECORDED, .prefix = "opt", .uid = -1, .gid = -1};
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    g_assert_false(untar(tar, &s, &options, m, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT);
    g_clear_error(&error);
    scratch_close(&s);
}

static void test_damaged(void)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autofree char *message = refused(tar);
    g_assert_nonnull(strstr(message, "empty"));

    g_byte_array_append(tar, (const guint8 *)"Not a tar.", 10);
    g_autofree char *other = refused(tar);
    g_assert_nonnull(strstr(other, "not a tar"));

    /* An empty tar is a layer without content. */
    g_byte_array_set_size(tar, 0);
    Scratch s = scratch_open();
    g_autoptr(KilnManifest) m = good(tar, &s);
    assert_shape(m, "id: ");
    scratch_close(&s);

    /* Cut off in the middle of the content, and in the middle of a header. */
    g_byte_array_set_size(tar, 0);
    file(tar, "f", "content");
    g_byte_array_set_size(tar, 515);
    g_autofree char *truncated = refused(tar);
    g_assert_nonnull(strstr(truncated, "f"));
    g_byte_array_set_size(tar, 100);
    g_autofree char *header = refused(tar);
    g_assert_nonnull(strstr(header, "not a tar"));

    /* What follows the end belongs to the stream. */
    g_byte_array_set_size(tar, 0);
    file(tar, "f", "content");
    end(tar);
    for (int i = 0; i < 100; i++)
        g_byte_array_append(tar, (const guint8 *)"trailing garbage", 16);
    Scratch t = scratch_open();
    g_autoptr(KilnManifest) n = kiln_manifest_new();
    GError *error = NULL;
    untar(tar, &t, &layer_options, n, &error);
    g_assert_no_error(error);
    scratch_close(&t);
}

/* What ends between two entries may be whole or not: its end marker tells, where that is asked for. */
static void test_end_marker(void)
{
    KilnUntarOptions options = layer_options;
    g_autoptr(GByteArray) tar = g_byte_array_new();
    for (int marker = 0; marker <= 1; marker++) {
        for (int asked = 0; asked <= 1; asked++) {
            g_byte_array_set_size(tar, 0);
            file(tar, "f", "content");
            if (marker)
                end(tar);
            Scratch s = scratch_open();
            g_autoptr(KilnManifest) m = kiln_manifest_new();
            g_autoptr(GError) error = NULL;
            options.end_marker = asked;
            bool ok = untar(tar, &s, &options, m, &error);
            g_assert_cmpint(ok, ==, marker || !asked);
            if (!ok)
                g_assert_nonnull(strstr(error->message, "interrupted"));
            scratch_close(&s);
        }
    }
}

/* No byte that is flipped may crash, hang or escape; the sanitizers watch. */
static void test_flipped_bytes(void)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    pax(tar, "SCHILY.xattr.user.a", "value", 5);
    file(tar, "a/f", "content");
    entry(tar, '2', "l", "a");
    entry(tar, '1', "l/h", "a/f");
    entry(tar, '0', ".wh.gone", "");
    end(tar);
    GRand *rand = g_rand_new_with_seed(1);
    Scratch s = scratch_open();
    for (int i = 0; i < 1500; i++) {
        g_autoptr(GByteArray) copy = g_byte_array_new();
        g_byte_array_append(copy, tar->data, tar->len);
        guint at = (guint)g_rand_int_range(rand, 0, (gint)copy->len);
        copy->data[at] = (guint8)g_rand_int(rand);
        guint block = at / 512 * 512; /* mend the checksum, so that the change counts */
        memset(copy->data + block + 148, ' ', 8);
        unsigned sum = 0;
        for (int j = 0; j < 512; j++)
            sum += copy->data[block + j];
        if (sum != 256)
            g_snprintf((char *)copy->data + block + 148, 8, "%06o", sum);
        scratch_mkdir(&s, "d");
        int fd = openat(s.fd, "d", O_RDONLY | O_DIRECTORY);
        Feed f = {.bytes = copy, .step = 4096};
        g_autoptr(KilnManifest) m = kiln_manifest_new();
        GError *error = NULL;
        if (!kiln_untar(feed, &f, fd, &layer_options, m, &error))
            g_assert_nonnull(error);
        g_clear_error(&error);
        close(fd);
        kiln_remove_tree(s.fd, "d", NULL);
    }
    g_rand_free(rand);
    scratch_close(&s);
}

static ssize_t broken(void *data, const void **buffer, GError **error)
{
    (void)data;
    (void)buffer;
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_IO, "the line is cut");
    return -1;
}

static void test_read_error_comes_through(void)
{
    Scratch s = scratch_open();
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    g_assert_false(kiln_untar(broken, NULL, s.fd, &layer_options, m, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
    g_clear_error(&error);
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

/* --- Writing --- */

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
    g_test_add_func("/tar/read/refuses", test_refuses);
    g_test_add_func("/tar/read/limits", test_limits);
    g_test_add_func("/tar/read/add-cannot-leave-its-place", test_add_cannot_leave_its_place);
    g_test_add_func("/tar/read/damaged", test_damaged);
    g_test_add_func("/tar/read/end-marker", test_end_marker);
    g_test_add_func("/tar/read/flipped-bytes", test_flipped_bytes);
    g_test_add_func("/tar/read/error-comes-through", test_read_error_comes_through);
    g_test_add_func("/tar/detect", test_detect);
    g_test_add_func("/tar/write/round-trip", test_round_trip);
    g_test_add_func("/tar/write/clamps-times", test_clamps_times);
    g_test_add_func("/tar/write/sparse-as-plain", test_writes_sparse_as_plain);
    g_test_add_func("/tar/write/errors", test_write_errors);
    return g_test_run();
}

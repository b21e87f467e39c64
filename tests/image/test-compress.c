/* Compressed streams. */
#include "image/compress.h"

#include "image/config.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <zstd.h>

/* A stream that comes in pieces of one size. */
typedef struct {
    const uint8_t *bytes;
    size_t size, piece;
} Pieces;

static ssize_t next_piece(void *data, const void **buffer, GError **error)
{
    (void)error;
    Pieces *p = data;
    size_t n = MIN(p->size, p->piece);
    *buffer = p->bytes;
    p->bytes += n;
    p->size -= n;
    return (ssize_t)n;
}

static bool append(void *array, const void *bytes, size_t size, GError **error)
{
    (void)error;
    g_byte_array_append(array, bytes, (guint)size);
    return true;
}

/* Something that compresses, but not to nothing. */
static GByteArray *sample(guint size)
{
    GByteArray *b = g_byte_array_sized_new(size);
    guint32 x = 1;
    for (guint i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        guint8 c = (guint8)("etaoin shrdlu\n0123"[(x >> 24) % 17]);
        g_byte_array_append(b, &c, 1);
    }
    return b;
}

static GByteArray *gzip_in(const GByteArray *in, size_t piece)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(KilnGzip) z = kiln_gzip_new(append, out);
    for (size_t i = 0; i < in->len; i += piece)
        g_assert_true(kiln_gzip_write(z, in->data + i, MIN(piece, in->len - i), NULL));
    g_assert_true(kiln_gzip_finish(z, NULL));
    return out;
}

static GByteArray *decompress(const void *bytes, size_t size, size_t piece, GError **error)
{
    Pieces p = {bytes, size, piece};
    g_autoptr(KilnDecompressor) d = kiln_decompressor_new(next_piece, &p);
    GByteArray *out = g_byte_array_new();
    const void *buffer;
    ssize_t n;
    while ((n = kiln_decompressor_read(d, &buffer, error)) > 0)
        g_byte_array_append(out, buffer, (guint)n);
    if (n < 0)
        g_clear_pointer(&out, g_byte_array_unref);
    return out;
}

static void expect_same(const GByteArray *a, const GByteArray *b)
{
    g_assert_cmpmem(a->data, a->len, b->data, b->len);
}

static void test_gzip_is_deterministic(void)
{
    g_autoptr(GByteArray) in = sample(1500000);
    g_autoptr(GByteArray) a = gzip_in(in, in->len), b = gzip_in(in, 1), c = gzip_in(in, 4099);
    expect_same(a, b);
    expect_same(a, c);
    /* RFC 1952: no flags, time 0 */
    g_assert_cmpmem(a->data, 8, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8);
    g_assert_cmpuint(a->len, <, in->len);
}

/* What kiln compresses others can read (libarchive uses zlib). */
static void test_gzip_for_others(void)
{
    g_autoptr(GByteArray) in = sample(700001), z = gzip_in(in, 65536);
    g_autofree uint8_t *out = g_malloc(in->len + 1);
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    archive_read_support_filter_gzip(a);
    archive_read_support_format_raw(a);
    g_assert_cmpint(archive_read_open_memory(a, z->data, z->len), ==, ARCHIVE_OK);
    g_assert_cmpint(archive_read_next_header(a, &e), ==, ARCHIVE_OK);
    la_ssize_t n = archive_read_data(a, out, in->len + 1);
    g_assert_cmpmem(out, (size_t)n, in->data, in->len);
    archive_read_free(a);
}

static void test_round_trips(void)
{
    static const size_t pieces[] = {4, 5, 1000, 1 << 20};
    g_autoptr(GByteArray) in = sample(600000);
    g_autoptr(GByteArray) gz = gzip_in(in, 65536);
    size_t room = ZSTD_compressBound(in->len);
    g_autofree uint8_t *zs = g_malloc(room);
    size_t zs_size = ZSTD_compress(zs, room, in->data, in->len, 3);
    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) a = decompress(gz->data, gz->len, pieces[i], &error);
        g_assert_no_error(error);
        expect_same(a, in);
        g_autoptr(GByteArray) b = decompress(zs, zs_size, pieces[i], &error);
        g_assert_no_error(error);
        expect_same(b, in);
        g_autoptr(GByteArray) c = decompress(in->data, in->len, pieces[i], &error);
        g_assert_no_error(error);
        expect_same(c, in);
    }
}

/* pigz, estargz and zstd:chunked write many members or frames in a row. */
static void test_several_members(void)
{
    g_autoptr(GByteArray) in = sample(1000), twice = g_byte_array_new();
    g_byte_array_append(twice, in->data, in->len);
    g_byte_array_append(twice, in->data, in->len);
    g_autoptr(GByteArray) gz = gzip_in(in, 1000), all = g_byte_array_new();
    g_byte_array_append(all, gz->data, gz->len);
    g_byte_array_append(all, gz->data, gz->len);
    for (size_t piece = 4; piece < 70; piece++) { /* the border falls everywhere */
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) out = decompress(all->data, all->len, piece, &error);
        g_assert_no_error(error);
        expect_same(out, twice);
    }
    g_byte_array_append(all, (const guint8 *)"\0\0\0\0\0\0\0\0", 8); /* padding */
    g_autoptr(GByteArray) padded = decompress(all->data, all->len, 4096, NULL);
    expect_same(padded, twice);

    size_t room = ZSTD_compressBound(in->len);
    g_autofree uint8_t *zs = g_malloc(2 * room);
    size_t n = ZSTD_compress(zs, room, in->data, in->len, 3);
    memcpy(zs + n, zs, n);
    g_autoptr(GByteArray) frames = decompress(zs, 2 * n, 7, NULL);
    expect_same(frames, twice);
}

static void test_empty(void)
{
    g_autoptr(GByteArray) none = g_byte_array_new(), gz = gzip_in(none, 1);
    g_autoptr(GByteArray) a = decompress(gz->data, gz->len, 4096, NULL),
                          b = decompress("", 0, 1, NULL);
    g_assert_cmpuint(a->len, ==, 0);
    g_assert_cmpuint(b->len, ==, 0);
}

static void expect_damage(const void *bytes, size_t size)
{
    for (size_t piece = 4; piece <= 8192; piece *= 8) {
        g_autoptr(GError) error = NULL;
        g_assert_null(decompress(bytes, size, piece, &error));
        g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    }
}

static void test_damage(void)
{
    g_autoptr(GByteArray) in = sample(20000), gz = gzip_in(in, 20000);
    size_t room = ZSTD_compressBound(in->len);
    g_autofree uint8_t *zs = g_malloc(room);
    size_t n = ZSTD_compress(zs, room, in->data, in->len, 3);
    /* truncated: in the header, in the data, in the trailer */
    static const size_t cuts[] = {4, 9, 100, 1000};
    for (gsize i = 0; i < G_N_ELEMENTS(cuts); i++) {
        expect_damage(gz->data, cuts[i]);
        expect_damage(gz->data, gz->len - cuts[i] % 10 - 1);
        expect_damage(zs, cuts[i]);
    }
    expect_damage(zs, n - 1);
    /* followed by something else */
    g_autoptr(GByteArray) junk = g_byte_array_new();
    g_byte_array_append(junk, gz->data, gz->len);
    g_byte_array_append(junk, (const guint8 *)"junk", 4);
    expect_damage(junk->data, junk->len);
    /* a wrong checksum, a wrong length, a wrong bit in the middle */
    static const size_t from_end[] = {8, 4, 5000};
    for (gsize i = 0; i < G_N_ELEMENTS(from_end); i++) {
        g_autoptr(GByteArray) bad = g_byte_array_new();
        g_byte_array_append(bad, gz->data, gz->len);
        bad->data[bad->len - from_end[i]] ^= 0x10;
        expect_damage(bad->data, bad->len);
    }
}

static void test_detect(void)
{
    g_assert_cmpint(kiln_compression_detect("\x1f\x8b\x08\x00", 4), ==, KILN_COMPRESSION_GZIP);
    g_assert_cmpint(kiln_compression_detect("\x28\xb5\x2f\xfd", 4), ==, KILN_COMPRESSION_ZSTD);
    g_assert_cmpint(kiln_compression_detect("\x5a\x2a\x4d\x18", 4), ==, KILN_COMPRESSION_ZSTD);
    g_assert_cmpint(kiln_compression_detect("BZh9", 4), ==, KILN_COMPRESSION_NONE);
    g_assert_cmpint(kiln_compression_detect("\x1f", 1), ==, KILN_COMPRESSION_NONE);
    g_assert_cmpint(kiln_compression_detect("", 0), ==, KILN_COMPRESSION_NONE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/compress/gzip-is-deterministic", test_gzip_is_deterministic);
    g_test_add_func("/image/compress/round-trips", test_round_trips);
    g_test_add_func("/image/compress/several-members", test_several_members);
    g_test_add_func("/image/compress/empty", test_empty);
    g_test_add_func("/image/compress/damage", test_damage);
    g_test_add_func("/image/compress/detect", test_detect);
    g_test_add_func("/image/compress/gzip-for-others", test_gzip_for_others);
    return g_test_run();
}

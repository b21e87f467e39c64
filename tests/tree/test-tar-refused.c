/* Tars that are hostile or damaged. */
#include "tar-bytes.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tar/read/refuses", test_refuses);
    g_test_add_func("/tar/read/limits", test_limits);
    g_test_add_func("/tar/read/add-cannot-leave-its-place", test_add_cannot_leave_its_place);
    g_test_add_func("/tar/read/damaged", test_damaged);
    g_test_add_func("/tar/read/end-marker", test_end_marker);
    g_test_add_func("/tar/read/flipped-bytes", test_flipped_bytes);
    g_test_add_func("/tar/read/error-comes-through", test_read_error_comes_through);
    return g_test_run();
}

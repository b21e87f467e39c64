/* Importing root file systems, digests of layers, and exporting images. */
#include "make-image.h"

static char *import(Place *p, GBytes *tar, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnPlatform) platform = kiln_platform_parse("linux/amd64", NULL);
    g_autoptr(KilnConfig) config = kiln_config_new(platform);
    kiln_config_set_top(config, "created", "2026-01-02T03:04:05Z");
    write_bytes(p->top, "rootfs.tar", tar);
    g_autofree char *path = g_build_filename(p->top, "rootfs.tar", NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *id = kiln_import(p->store, fd, name, "a message", config, &error);
    g_assert_no_error(error);
    close(fd);
    return id;
}

static GBytes *rootfs(void)
{
    Tar *t = tar_new();
    tar_file(t, "bin/sh", "#!");
    tar_file(t, "bin/.wh.gone", "");
    tar_add(t, "sh", AE_IFLNK, 0777, "bin/sh", 0);
    return tar_end(t);
}

static void test_import(Place *p, gconstpointer data)
{
    static const KilnCompression kinds[] = {KILN_COMPRESSION_NONE, KILN_COMPRESSION_GZIP,
                                            KILN_COMPRESSION_ZSTD};
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) tar = rootfs();
    g_autofree char *first = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GBytes) in = compressed(tar, kinds[i]);
        g_autofree char *id = import(p, in, "docker.io/library/base:1");
        if (first == NULL)
            first = g_strdup(id);
        g_assert_cmpstr(id, ==, first);
    }
    g_assert_cmpuint(entries_of(p, "layers"), ==, 1);
    g_autoptr(KilnImage) image = kiln_image_lookup(p->store, "docker.io/library/base:1", &error);
    g_assert_cmpstr(image->id, ==, first);
    g_autoptr(KilnManifest) m = kiln_layer_manifest(p->store, image->chain[0], &error);
    g_assert_nonnull(kiln_manifest_lookup(m, "bin/sh"));
    g_assert_null(kiln_manifest_lookup(m, "bin/gone"));
    g_assert_cmpint(kiln_manifest_lookup(m, "bin")->mode, ==, 0755);
    g_assert_false(kiln_manifest_lookup(m, "bin")->implicit);
    g_assert_false(kiln_manifest_lookup(m, "")->implicit);

    guint64 size;
    int fd = kiln_blob_open(p->store, first, &size, &error);
    g_autofree char *json = g_malloc0(size + 1);
    g_assert_cmpint(read(fd, json, size), ==, (gssize)size);
    close(fd);
    g_autoptr(KilnConfig) config = kiln_config_parse(json, size, &error);
    g_assert_true(kiln_config_validate(config, &error));
    g_assert_nonnull(strstr(
        json, "\"history\":[{\"comment\":\"a message\",\"created\":\"2026-01-02T03:04:05Z\"}]"));
    g_auto(GStrv) ids = kiln_config_diff_ids(config);
    g_autofree char *diff_id = kiln_layer_digest(p->store, image->chain[0], -1, NULL, &error);
    g_assert_cmpstr(ids[0], ==, diff_id);
}

static void test_bad_import(Place *p, gconstpointer data)
{
    static const char *const bad[] = {"", "no tar", "\x1f\x8b\x08\x00 no gzip"};
    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        write_text(p->top, "rootfs.tar", bad[i]);
        g_autofree char *path = g_build_filename(p->top, "rootfs.tar", NULL);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        g_assert_null(kiln_import(p->store, fd, NULL, NULL, NULL, &error));
        g_assert_nonnull(error);
        close(fd);
        g_assert_cmpuint(entries_of(p, "layers"), ==, 0);
    }
}

/* A layer as a build makes it: without digests. */
static gint64 built_layer(Place *p, gint64 mtime)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnWork) w = kiln_work_new(p->store, &error);
    int fd = kiln_work_mkdir(w, "upper", &error);
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    KilnEntry *e = kiln_manifest_add(m, "");
    e->type = KILN_TYPE_DIR;
    e->mode = 0755;
    e = kiln_manifest_add(m, "dir");
    e->type = KILN_TYPE_DIR;
    e->mode = 0700;
    e->mtime = mtime;
    kiln_manifest_sort(m);
    g_autoptr(KilnPlacer) placer = kiln_placer_new(fd, kiln_store_owners(p->store));
    g_assert_true(kiln_placer_put(placer, kiln_manifest_get(m, 1), -1, &error));
    g_assert_true(kiln_placer_finish(placer, &error));
    gint64 layer = kiln_layer_commit(p->store, w, m, &error);
    g_assert_no_error(error);
    return layer;
}

static void test_layer_digest(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    gint64 layer = built_layer(p, 1000);
    KilnLayerBlob blob, again;
    g_autofree char *plain = kiln_layer_digest(p->store, layer, -1, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *with_blob = kiln_layer_digest(p->store, layer, -1, &blob, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(plain, ==, with_blob);
    g_assert_cmpstr(blob.media_type, ==, LAYER_GZIP);
    g_assert_true(kiln_blob_exists(p->store, blob.digest));
    g_autofree char *known = kiln_layer_digest(p->store, layer, -1, &again, &error);
    g_assert_cmpstr(known, ==, plain);
    g_assert_cmpstr(blob.digest, ==, again.digest);
    g_assert_cmpuint(blob.size, ==, again.size);

    /* the blob's content is the tar of that diffID */
    int fd = kiln_blob_open(p->store, blob.digest, NULL, NULL);
    g_autofree char *path = g_build_filename(kiln_blob_directory(p->store), blob.digest + 7, NULL),
                    *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    close(fd);
    g_autofree char *blob_digest = kiln_digest_of_bytes(bytes, size);
    g_assert_cmpstr(blob_digest, ==, blob.digest);

    /* a clamp changes what is younger, and only that */
    g_autofree char *late = kiln_layer_digest(p->store, layer, 5000, NULL, &error);
    g_autofree char *early = kiln_layer_digest(p->store, layer, 500, NULL, &error);
    g_assert_cmpstr(late, ==, plain);
    g_assert_cmpstr(early, !=, plain);
    gint64 twin = built_layer(p, 500);
    g_autofree char *twin_id = kiln_layer_digest(p->store, twin, -1, NULL, &error);
    g_assert_cmpstr(early, ==, twin_id);
    kiln_layer_blob_clear(&blob);
    kiln_layer_blob_clear(&again);
}

static char *export(Place *p, const char *id, const char *const *names, bool docker,
                    const char *file, char **digest)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(p->top, file, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const KilnExport e = {.image_id = id, .names = (char *const *)names};
    g_assert_true(kiln_export(p->store, &e, 1, docker, fd, digest, &error));
    g_assert_no_error(error);
    close(fd);
    return path;
}

static GBytes *bytes_of(const char *path)
{
    char *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    return g_bytes_new_take(bytes, size);
}

static void expect_in(GBytes *b, const char *text)
{
    gsize size;
    const void *bytes = g_bytes_get_data(b, &size);
    if (memmem(bytes, size, text, strlen(text)) == NULL)
        g_error("not in the archive: %s", text);
}

/* Loads an export into a second store. */
static void load_elsewhere(Place *p, const char *path, const char *id, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = g_build_filename(p->top, "other", NULL);
    g_autoptr(KilnStore) other = kiln_store_open(root, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) loaded = kiln_load(other, path, NULL, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(loaded->len, ==, 1);
    KilnLoaded *l = loaded->pdata[0];
    g_assert_cmpstr(l->id, ==, id);
    g_assert_cmpstr(l->name, ==, name);
    kiln_store_close(g_steal_pointer(&other));
    g_assert_true(kiln_store_reset(root, &error));
}

static const char *const names[] = {"docker.io/library/app:1", NULL};

static void test_export(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GBytes) tar = rootfs();
    g_autofree char *id = import(p, tar, names[0]), *d1 = NULL, *d2 = NULL;
    g_autofree char *one = export(p, id, names, false, "one.tar", &d1);
    g_autofree char *two = export(p, id, names, false, "two.tar", &d2);
    g_autoptr(GBytes) a = bytes_of(one), b = bytes_of(two);
    g_assert_true(g_bytes_equal(a, b));
    g_assert_cmpstr(d1, ==, d2);
    g_autofree char *expected = g_strdup_printf("\"digest\":\"%s\"", d1);
    expect_in(a, expected);
    expect_in(a, "\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/app:1\","
                 "\"org.opencontainers.image.ref.name\":\"1\"}");
    expect_in(a, "{\"imageLayoutVersion\":\"1.0.0\"}");
    load_elsewhere(p, one, id, names[0]);

    /* without names too, and as docker save */
    const char *const none[] = {NULL};
    g_autofree char *bare = export(p, id, none, false, "bare.tar", NULL);
    load_elsewhere(p, bare, id, NULL);
    g_autofree char *docker = export(p, id, names, true, "docker.tar", NULL);
    load_elsewhere(p, docker, id, names[0]);
    g_autofree char *docker2 = export(p, id, names, true, "docker2.tar", NULL);
    g_autoptr(GBytes) x = bytes_of(docker), y = bytes_of(docker2);
    g_assert_true(g_bytes_equal(x, y));
}

/* A loaded image goes out with the very blobs that it came with. */
static void test_export_of_loaded(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_ZSTD, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_autofree char *path = export(p, image->id, names, false, "out.tar", NULL);
    g_autoptr(GBytes) out = bytes_of(path), zs = compressed(tars[1], KILN_COMPRESSION_ZSTD);
    g_autofree char *digest = digest_of(zs);
    expect_in(out, digest);
    expect_in(out, LAYER_ZSTD);
    load_elsewhere(p, path, image->id, names[0]);
    g_autofree char *docker = export(p, image->id, names, true, "docker.tar", NULL);
    load_elsewhere(p, docker, image->id, names[0]);
    free_layers(tars);
}

/* The blob of a loaded layer was lost or damaged: an error, not another image. */
static void test_export_of_damaged(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_NONE, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_autofree char *digest = digest_of(tars[1]);
    g_autofree char *blob = g_build_filename(kiln_blob_directory(p->store), digest + 7, NULL),
                    *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(blob, &bytes, &size, NULL));
    bytes[700] ^= 1;
    g_assert_true(g_file_set_contents(blob, bytes, (gssize)size, NULL));
    const KilnExport e = {.image_id = image->id, .names = NULL};
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        g_assert_false(kiln_export(p->store, &e, 1, false, fd, NULL, &error));
        g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT);
        close(fd);
        g_unlink(blob);
    }
    free_layers(tars);
}

static void test_export_errors(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    const KilnExport missing = {.image_id = "sha256:abcdef"};
    g_assert_false(kiln_export(p->store, &missing, 1, false, 1, NULL, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_autoptr(GBytes) tar = rootfs();
    g_autofree char *id = import(p, tar, NULL);
    const KilnExport e = {.image_id = id};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    g_assert_false(kiln_export(p->store, &e, 1, false, fd, NULL, &error));
    g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "free some space"));
    close(fd);
}

static void test_chain_id(void)
{
    /* vectors computed with sha256sum from image-spec config.md's definition */
    static const char *const ids[] = {
        "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    };
    g_autofree char *one = kiln_chain_id(NULL, ids[0]), *two = kiln_chain_id(one, ids[1]),
                    *three = kiln_chain_id(two, ids[2]);
    g_assert_cmpstr(one, ==, ids[0]);
    g_assert_cmpstr(two, ==,
                    "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
    g_assert_cmpstr(three, ==,
                    "sha256:c1377126441fb2f5ec2c21ae2a60255331d639e830f0ee1b40a36e52d4c40588");
}

#define ADD(path, func) g_test_add("/image/" path, Place, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/chain-id", test_chain_id);
    ADD("import", test_import);
    ADD("bad-import", test_bad_import);
    ADD("layer-digest", test_layer_digest);
    ADD("export", test_export);
    ADD("export-of-loaded", test_export_of_loaded);
    ADD("export-of-damaged", test_export_of_damaged);
    ADD("export-errors", test_export_errors);
    return g_test_run();
}

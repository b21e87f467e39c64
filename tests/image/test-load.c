/* Loading images from OCI layouts, OCI archives and docker-archives, and what is refused. */
#include "make-image.h"

static const char *const oci_members[] = {"oci-layout", "index.json", "blobs/sha256", NULL};

static void expect_two_layers(Place *p, const KilnImage *image)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpuint(image->n_chain, ==, 2);
    g_autofree char *old = text_in_layer(p, image->chain[0], "etc/motd");
    g_autofree char *new = text_in_layer(p, image->chain[1], "etc/motd");
    g_assert_cmpstr(old, ==, "old\n");
    g_assert_cmpstr(new, ==, "new\n");
    g_autoptr(KilnView) view = kiln_layer_view(p->store, image->chain, 2, &error);
    g_assert_no_error(error);
    g_assert_null(kiln_view_lookup(view, "etc/gone", NULL));
    g_assert_nonnull(kiln_view_lookup(view, "opt/app/run", NULL));
}

static void check_layout(Place *p, KilnCompression kind)
{
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, kind, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    expect_two_layers(p, image);

    /* the ID is the digest of the config; diffIDs and chainIDs are those of image-spec config.md */
    g_autofree char *config = make_config("amd64", tars, 2),
                    *id = kiln_digest_of_bytes(config, strlen(config));
    g_assert_cmpstr(image->id, ==, id);
    g_assert_true(kiln_blob_exists(p->store, id));
    g_autofree char *d0 = digest_of(tars[0]), *d1 = digest_of(tars[1]);
    g_autofree char *pair = g_strconcat(d0, " ", d1, NULL),
                    *chain = kiln_digest_of_bytes(pair, strlen(pair));
    g_autofree char *recorded = kiln_layer_diff_id(p->store, image->chain[1]);
    g_assert_cmpstr(recorded, ==, d1);
    g_assert_cmpint(kiln_layer_by_chain(p->store, d0), ==, image->chain[0]);
    g_assert_cmpint(kiln_layer_by_chain(p->store, chain), ==, image->chain[1]);
    g_autofree char *computed = kiln_chain_id(d0, d1);
    g_assert_cmpstr(computed, ==, chain);

    static const char *const types[] = {LAYER_TAR, LAYER_GZIP, LAYER_ZSTD};
    KilnLayerBlob blob;
    g_assert_true(kiln_layer_blob_lookup(p->store, d0, &blob));
    g_assert_cmpstr(blob.media_type, ==, types[kind]);
    kiln_layer_blob_clear(&blob);
    free_layers(tars);
    g_assert_cmpuint(entries_of(p, "tmp"), <=, 2); /* this process's own folder and its lock */
}

static void test_layout_tar(Place *p, gconstpointer data)
{
    (void)data;
    check_layout(p, KILN_COMPRESSION_NONE);
}

static void test_layout_gzip(Place *p, gconstpointer data)
{
    (void)data;
    check_layout(p, KILN_COMPRESSION_GZIP);
}

static void test_layout_zstd(Place *p, gconstpointer data)
{
    (void)data;
    check_layout(p, KILN_COMPRESSION_ZSTD);
}

/* A directory that only the layer below lists keeps its mode: in the manifest and on disk. */
static void test_implicit_directory(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_GZIP, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_autoptr(KilnManifest) m = kiln_layer_manifest(p->store, image->chain[1], &error);
    const KilnEntry *etc = kiln_manifest_lookup(m, "etc"), *opt = kiln_manifest_lookup(m, "opt");
    g_assert_cmpint(etc->mode, ==, 0750);
    g_assert_false(etc->implicit);
    g_assert_cmpint(etc->mtime, ==, 1600000000);
    g_assert_cmpint(opt->mode, ==, 0755);
    struct stat st;
    g_assert_cmpint(fstatat(kiln_layer_fd(p->store, image->chain[1], NULL), "etc", &st, 0), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0750);
    g_assert_cmpint(st.st_mtime, ==, 1600000000);
    free_layers(tars);
}

/* The same archive again, and another image on the same base, add only what is new. */
static void test_layers_are_shared(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[3];
    two_layers(tars);
    Tar *t = tar_new();
    tar_file(t, "third", "3");
    tars[2] = tar_end(t);
    g_autofree char *one = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_GZIP, "");
    put_index(p->input, one);
    g_autoptr(KilnImage) a = load_one(p, p->input);
    g_autoptr(KilnImage) again = load_one(p, p->input);
    g_assert_cmpint(again->chain[1], ==, a->chain[1]);
    g_assert_cmpuint(entries_of(p, "layers"), ==, 2);
    g_autofree char *two = put_image(p->input, "amd64", tars, 3, KILN_COMPRESSION_ZSTD, "");
    put_index(p->input, two);
    g_autoptr(KilnImage) b = load_one(p, p->input);
    g_assert_cmpint(b->chain[1], ==, a->chain[1]);
    g_assert_cmpuint(entries_of(p, "layers"), ==, 3);
    free_layers(tars);
    g_bytes_unref(tars[2]);
}

/* A base whose blob was lost is not believed to be whole: the next load brings the blob back. */
static void test_lost_blob_comes_back(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_GZIP, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_autofree char *diff_id = digest_of(tars[0]);
    KilnLayerBlob blob;
    g_assert_true(kiln_layer_blob_lookup(p->store, diff_id, &blob));
    g_autofree char *path = g_build_filename(kiln_blob_directory(p->store), blob.digest + 7, NULL);
    g_assert_cmpint(g_unlink(path), ==, 0);
    kiln_layer_blob_clear(&blob);
    g_autoptr(KilnImage) again = load_one(p, p->input);
    g_assert_cmpint(again->chain[0], ==, image->chain[0]);
    g_assert_true(kiln_layer_blob_lookup(p->store, diff_id, &blob));
    kiln_layer_blob_clear(&blob);
    free_layers(tars);
}

/* What a download leaves out because the store has it is taken from the store. */
static void test_blob_from_the_store(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_NONE, "");
    put_index(p->input, descriptor);
    gsize size;
    const void *bytes = g_bytes_get_data(tars[0], &size);
    g_autofree char *digest = NULL;
    g_assert_true(kiln_blob_put_bytes(p->store, bytes, size, &digest, NULL));
    g_autofree char *path = g_build_filename(p->input, "blobs/sha256", digest + 7, NULL);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    expect_two_layers(p, image);
    free_layers(tars);
}

static void test_archive(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor =
        put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_GZIP,
                  ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"example.com/app:1\"}");
    put_index(p->input, descriptor);
    static const KilnCompression kinds[] = {KILN_COMPRESSION_NONE, KILN_COMPRESSION_GZIP,
                                            KILN_COMPRESSION_ZSTD};
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = archive_of(p, oci_members, kinds[i]);
        g_autoptr(KilnImage) image = load_one(p, path);
        expect_two_layers(p, image);
        g_assert_cmpstr(image->names[0], ==, "example.com/app:1");
    }
    free_layers(tars);
}

/* As `docker save` wrote until 25: config and layers by other names, the second layer a symlink. */
static void test_docker_archive(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *config = make_config("amd64", tars, 2),
                    *id = kiln_digest_of_bytes(config, strlen(config));
    g_autofree char *manifest =
        g_strdup_printf("[{\"Config\":\"%s.json\",\"RepoTags\":[\"app:latest\",\"app:1\"],"
                        "\"Layers\":[\"aa/layer.tar\",\"bb/layer.tar\"]}]",
                        id + 7);
    g_autofree char *config_name = g_strconcat(id + 7, ".json", NULL);
    Tar *t = tar_new();
    gsize size;
    const void *bytes = g_bytes_get_data(tars[0], &size);
    tar_dir(t, "aa/", 0755);
    tar_add(t, "aa/layer.tar", AE_IFREG, 0644, bytes, size);
    bytes = g_bytes_get_data(tars[1], &size);
    tar_add(t, "./cc/layer.tar", AE_IFREG, 0644, bytes, size);
    tar_add(t, "bb/layer.tar", AE_IFLNK, 0777, "../cc/layer.tar", 0);
    tar_file(t, config_name, config);
    tar_file(t, "manifest.json", manifest);
    g_autoptr(GBytes) archive = tar_end(t);
    write_bytes(p->top, "image.tar", archive);
    g_autofree char *path = g_build_filename(p->top, "image.tar", NULL);
    g_autoptr(GPtrArray) loaded = kiln_load(p->store, path, NULL, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(loaded->len, ==, 2);
    g_assert_cmpstr(((KilnLoaded *)loaded->pdata[0])->name, ==, "docker.io/library/app:latest");
    g_assert_cmpstr(((KilnLoaded *)loaded->pdata[1])->name, ==, "docker.io/library/app:1");
    g_autoptr(KilnImage) image = kiln_image_lookup(p->store, "docker.io/library/app:1", &error);
    g_assert_cmpstr(image->id, ==, id);
    expect_two_layers(p, image);
    free_layers(tars);
}

/* Docker 25's `save`: an OCI layout with a manifest.json. A broken index.json is no obstacle. */
static void test_docker_archive_with_index(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_free(put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_NONE, ""));
    g_autofree char *config = make_config("amd64", tars, 2),
                    *id = kiln_digest_of_bytes(config, strlen(config));
    g_autofree char *d0 = digest_of(tars[0]), *d1 = digest_of(tars[1]);
    g_autofree char *manifest =
        g_strdup_printf("[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"b:1\"],"
                        "\"Layers\":[\"blobs/sha256/%s\",\"blobs/sha256/%s\"]}]",
                        id + 7, d0 + 7, d1 + 7);
    write_text(p->input, "manifest.json", manifest);
    put_index(p->input,
              "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"sha256:"
              "0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1}");
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_assert_cmpstr(image->names[0], ==, "docker.io/library/b:1");
    expect_two_layers(p, image);
    free_layers(tars);
}

#define PLATFORM(arch) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"

/* An index of several platforms, as registries have it, beside an attestation. */
static void test_platforms(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *amd =
        put_image(p->input, "amd64", tars, 1, KILN_COMPRESSION_GZIP, PLATFORM("amd64"));
    g_autofree char *arm =
        put_image(p->input, "arm64", tars, 2, KILN_COMPRESSION_GZIP, PLATFORM("arm64"));
    g_autofree char *other =
        put_image(p->input, "unknown", tars, 0, KILN_COMPRESSION_GZIP,
                  ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}");
    g_autofree char *index = g_strdup_printf("{\"schemaVersion\":2,\"mediaType\":\"" INDEX
                                             "\",\"manifests\":[%s,%s,%s]}",
                                             amd, arm, other);
    g_autofree char *descriptor = put_blob_text(p->input, INDEX, index, "");
    put_index(p->input, descriptor);
    static const struct {
        const char *platform;
        guint layers;
    } cases[] = {
        {"linux/amd64", 1}, {"linux/arm64", 2}, {"linux/arm64/v8", 2}, {"linux/amd64/v3", 1}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(KilnPlatform) platform = kiln_platform_parse(cases[i].platform, NULL);
        g_autoptr(GPtrArray) loaded = kiln_load(p->store, p->input, NULL, "docker.io/library/x:1",
                                                platform, "sha256:source", &error);
        g_assert_no_error(error);
        g_assert_cmpuint(loaded->len, ==, 1);
        g_autoptr(KilnImage) image = kiln_image_lookup(p->store, "docker.io/library/x:1", &error);
        g_assert_cmpuint(image->n_chain, ==, cases[i].layers);
        g_assert_cmpstr(image->source_digest, ==, "sha256:source");
    }
    g_autoptr(KilnPlatform) riscv = kiln_platform_parse("linux/riscv64", NULL);
    g_assert_null(kiln_load(p->store, p->input, NULL, NULL, riscv, NULL, &error));
    g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_PLATFORM);
    g_assert_nonnull(strstr(error->message, "linux/amd64, linux/arm64"));
    free_layers(tars);
}

#define NAMED(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"

static void test_choice_by_ref(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *one =
        put_image(p->input, "amd64", tars, 1, KILN_COMPRESSION_GZIP, NAMED("one"));
    g_autofree char *two =
        put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_GZIP, NAMED("app:two"));
    g_autofree char *both = g_strconcat(one, ",", two, NULL);
    put_index(p->input, both);
    g_autoptr(GPtrArray) a = kiln_load(p->store, p->input, "one", NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(a->len, ==, 1);
    g_assert_null(((KilnLoaded *)a->pdata[0])->name); /* a bare tag is no name */
    g_autoptr(GPtrArray) b =
        kiln_load(p->store, p->input, "docker.io/library/app:two", NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((KilnLoaded *)b->pdata[0])->name, ==, "docker.io/library/app:two");
    g_autoptr(GPtrArray) all = kiln_load(p->store, p->input, NULL, NULL, NULL, NULL, &error);
    g_assert_cmpuint(all->len, ==, 2);
    g_assert_null(kiln_load(p->store, p->input, "three", NULL, NULL, NULL, &error));
    g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "one, app:two"));
    g_clear_error(&error);
    g_assert_null(kiln_load(p->store, p->input, NULL, "docker.io/library/x:1", NULL, NULL, &error));
    g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    free_layers(tars);
}

/* An image of metadata alone. */
static void test_no_layers(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *descriptor = put_image(p->input, "amd64", NULL, 0, KILN_COMPRESSION_GZIP, "");
    put_index(p->input, descriptor);
    g_autoptr(KilnImage) image = load_one(p, p->input);
    g_assert_cmpuint(image->n_chain, ==, 0);
}

static void test_empty_layer_twice(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[3];
    tars[0] = tars[1] = tars[2] = tar_end(tar_new());
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 3, KILN_COMPRESSION_GZIP, "");
    put_index(p->input, descriptor);
    g_autofree char *path = archive_of(p, oci_members, KILN_COMPRESSION_NONE);
    g_autoptr(KilnImage) image = load_one(p, path);
    g_assert_cmpuint(image->n_chain, ==, 3);
    g_assert_cmpint(image->chain[0], !=, image->chain[1]); /* other chainIDs */
    g_bytes_unref(tars[0]);
}

/* --- bad input
 * ------------------------------------------------------------------------------------------ */

/* An OCI layout with one layer whose blob is these bytes, and whose config has this diffID. */
static void put_layer_blob(Place *p, GBytes *blob, const char *diff_id, const char *media_type)
{
    g_autofree char *config = g_strdup_printf(
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
        "\"diff_ids\":[\"%s\"]}}",
        diff_id);
    g_autofree char *c = put_blob_text(p->input, CONFIG, config, ""),
                    *l = put_blob(p->input, media_type, blob, "");
    g_autofree char *manifest =
        g_strdup_printf("{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}", c, l);
    g_autofree char *m = put_blob_text(p->input, MANIFEST, manifest, "");
    put_index(p->input, m);
}

static char *layer_path(Place *p, GBytes *blob)
{
    g_autofree char *digest = digest_of(blob);
    return g_build_filename(p->input, "blobs/sha256", digest + 7, NULL);
}

static GBytes *base_tar(void)
{
    GBytes *tars[2];
    two_layers(tars);
    g_bytes_unref(tars[1]);
    return tars[0];
}

/* One bit of the blob differs, its length or its end: the digest tells, whatever else breaks. */
static void test_corrupt_blob(Place *p, gconstpointer data)
{
    static const KilnCompression kinds[] = {KILN_COMPRESSION_NONE, KILN_COMPRESSION_GZIP,
                                            KILN_COMPRESSION_ZSTD};
    (void)data;
    g_autoptr(GBytes) tar = base_tar();
    g_autofree char *diff_id = digest_of(tar);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GBytes) blob = compressed(tar, kinds[i]);
        put_layer_blob(p, blob, diff_id, LAYER_GZIP);
        g_autofree char *path = layer_path(p, blob), *bytes = NULL;
        gsize size;
        g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
        bytes[size / 2] ^= 1;
        g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
        expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST, "is damaged");
        bytes[size / 2] ^= 1;
        g_assert_true(g_file_set_contents(path, bytes, (gssize)size / 2, NULL));
        expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST, "is damaged");
        g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    }
    g_autoptr(KilnImage) image = load_one(p, p->input); /* the store is unharmed */
    g_assert_cmpuint(image->n_chain, ==, 1);
}

/* A blob that is what its digest says, and nothing that can be unpacked. */
static void test_bad_layers(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GBytes) tar = base_tar(), gz = compressed(tar, KILN_COMPRESSION_GZIP);
    g_autofree char *diff_id = digest_of(tar);
    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(gz, 0, g_bytes_get_size(gz) - 20);
    put_layer_blob(p, cut, diff_id, LAYER_GZIP);
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "truncated");

    g_autoptr(GBytes) text = g_bytes_new_static("this is not a tar at all", 24);
    g_autofree char *text_id = digest_of(text);
    put_layer_blob(p, text, text_id, LAYER_TAR);
    expect_failure(p, p->input, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT, text_id);

    Tar *t = tar_new();
    tar_file(t, "../escape", "x");
    g_autoptr(GBytes) escape = tar_end(t);
    g_autofree char *escape_id = digest_of(escape);
    put_layer_blob(p, escape, escape_id, LAYER_TAR);
    expect_failure(p, p->input, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT, "..");

    g_autofree char *wrong = g_strconcat("sha256:", text_id + 7, NULL);
    put_layer_blob(p, gz, wrong, LAYER_GZIP);
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST, "diffID");

    put_layer_blob(p, gz, diff_id, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "not distributed");
    put_layer_blob(p, gz, diff_id, LAYER_GZIP "+encrypted");
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "encrypted");

    put_layer_blob(p, gz, diff_id, LAYER_GZIP);
    g_autofree char *path = layer_path(p, gz);
    g_assert_cmpint(g_unlink(path), ==, 0);
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND, "is missing");
}

/* The second of two layers is bad: the first one is not kept either. */
static void test_nothing_is_kept(Place *p, gconstpointer data)
{
    (void)data;
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_NONE, "");
    put_index(p->input, descriptor);
    g_autofree char *path = layer_path(p, tars[1]);
    g_assert_true(g_file_set_contents(path, "rubbish", -1, NULL));
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST, "is damaged");
    free_layers(tars);
}

static void test_bad_documents(Place *p, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *index;
        KilnImageError code;
        const char *words;
    } cases[] = {
        {"", KILN_IMAGE_ERROR_FORMAT, "ends early"},
        {"[]", KILN_IMAGE_ERROR_FORMAT, "not a JSON object"},
        {"{\"manifests\":7}", KILN_IMAGE_ERROR_FORMAT, "no \"manifests\""},
        {"{\"manifests\":[]}", KILN_IMAGE_ERROR_FORMAT, "no image in it"},
        {"{\"manifests\":[{}]}", KILN_IMAGE_ERROR_FORMAT, "without a digest"},
        {"{\"manifests\":[7]}", KILN_IMAGE_ERROR_FORMAT, "without a digest"},
        {"{\"manifests\":[{\"digest\":\"sha256:../../../../etc/passwd\"}]}",
         KILN_IMAGE_ERROR_FORMAT, "not a sha256 digest"},
        {"{\"manifests\":[{\"mediaType\":\"application/x\",\"digest\":\"sha256:1\"}]}",
         KILN_IMAGE_ERROR_FORMAT, "application/x"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_text(p->input, "index.json", cases[i].index);
        expect_failure(p, p->input, KILN_IMAGE_ERROR, (int)cases[i].code, cases[i].words);
    }
    /* layers and history that do not agree, a manifest that is damaged, an index that holds itself
     */
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *config = make_config("amd64", tars, 1),
                    *c = put_blob_text(p->input, CONFIG, config, "");
    g_autofree char *manifest =
        g_strdup_printf("{\"schemaVersion\":2,\"config\":%s,\"layers\":[]}", c);
    g_autofree char *m = put_blob_text(p->input, MANIFEST, manifest, "");
    put_index(p->input, m);
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                   "lists 0 layers, its config 1");
    g_autoptr(GBytes) bytes = g_bytes_new(manifest, strlen(manifest));
    g_autofree char *path = layer_path(p, bytes);
    g_assert_true(g_file_set_contents(path, "{}", -1, NULL));
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST, "is damaged");
    free_layers(tars);
}

static void test_bad_archives(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *path = g_build_filename(p->top, "image.tar", NULL);
    write_text(p->top, "image.tar", "");
    expect_failure(p, path, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "not an image archive");
    write_text(p->top, "image.tar", "certainly no tar");
    expect_failure(p, path, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "not an image archive");
    expect_failure(p, "/no/such/file", KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND,
                   "/no/such/file");
    expect_failure(p, p->input, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "no index.json");

    Tar *t = tar_new();
    tar_file(t, "etc/passwd", "root");
    g_autoptr(GBytes) rootfs = tar_end(t);
    write_bytes(p->top, "image.tar", rootfs);
    expect_failure(p, path, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "kiln import");

    t = tar_new();
    tar_file(t, "blobs/../../../../evil", "x");
    g_autoptr(GBytes) evil = tar_end(t);
    write_bytes(p->top, "image.tar", evil);
    expect_failure(p, path, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "\"..\"");

    /* a symlink to outside, then a file through it */
    t = tar_new();
    tar_add(t, "blobs", AE_IFLNK, 0777, p->input, 0);
    tar_file(t, "blobs/evil", "x");
    g_autoptr(GBytes) through = tar_end(t);
    write_bytes(p->top, "image.tar", through);
    expect_failure(p, path, G_FILE_ERROR, G_FILE_ERROR_NOTDIR, "blobs/evil");
    g_autofree char *escaped = g_build_filename(p->input, "evil", NULL);
    g_assert_false(g_file_test(escaped, G_FILE_TEST_EXISTS));

    /* a document that is a symlink to a file of the host */
    write_text(p->input, "secret", "{\"manifests\":[]}");
    g_autofree char *secret = g_build_filename(p->input, "secret", NULL);
    t = tar_new();
    tar_add(t, "index.json", AE_IFLNK, 0777, secret, 0);
    g_autoptr(GBytes) link = tar_end(t);
    write_bytes(p->top, "image.tar", link);
    expect_failure(p, path, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "no index.json");
    g_unlink(secret);

    /* truncated in the middle of a blob */
    GBytes *tars[2];
    two_layers(tars);
    g_autofree char *descriptor = put_image(p->input, "amd64", tars, 2, KILN_COMPRESSION_NONE, "");
    put_index(p->input, descriptor);
    g_autofree char *whole = archive_of(p, oci_members, KILN_COMPRESSION_NONE);
    struct stat st;
    g_assert_cmpint(g_stat(whole, &st), ==, 0);
    g_assert_cmpint(truncate(whole, st.st_size - 3000), ==, 0);
    expect_failure(p, whole, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "");
    free_layers(tars);
}

#define ADD(path, func) g_test_add("/image/load/" path, Place, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("layout-tar", test_layout_tar);
    ADD("layout-gzip", test_layout_gzip);
    ADD("layout-zstd", test_layout_zstd);
    ADD("implicit-directory", test_implicit_directory);
    ADD("layers-are-shared", test_layers_are_shared);
    ADD("lost-blob-comes-back", test_lost_blob_comes_back);
    ADD("blob-from-the-store", test_blob_from_the_store);
    ADD("archive", test_archive);
    ADD("docker-archive", test_docker_archive);
    ADD("docker-archive-with-index", test_docker_archive_with_index);
    ADD("platforms", test_platforms);
    ADD("choice-by-ref", test_choice_by_ref);
    ADD("no-layers", test_no_layers);
    ADD("empty-layer-twice", test_empty_layer_twice);
    ADD("corrupt-blob", test_corrupt_blob);
    ADD("bad-layers", test_bad_layers);
    ADD("nothing-is-kept", test_nothing_is_kept);
    ADD("bad-documents", test_bad_documents);
    ADD("bad-archives", test_bad_archives);
    return g_test_run();
}

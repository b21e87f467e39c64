/* What lies in a store: layers, blobs, images, records. */
#include "place.h"
#include "tree/digest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gint64 make_layer(Place *p, const char *file, const char *text)
{
    return make_layer_in(p->store, file, text);
}

static void test_layer(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    gint64 one = make_layer(p, "one", "11"), two = make_layer(p, "two", "222");
    g_assert_cmpint(two, ==, one + 1);
    struct stat st;
    g_assert_cmpint(fstatat(kiln_layer_fd(p->store, one, NULL), "one", &st, 0), ==, 0);
    g_assert_cmpint(st.st_size, ==, 2);
    g_assert_cmpint(kiln_layer_fd(p->store, one, NULL), ==, kiln_layer_fd(p->store, one, NULL));

    /* another process reads the manifest from its file */
    KilnStore *other = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
    g_autoptr(KilnManifest) m = kiln_layer_manifest(other, two, &error);
    g_assert_no_error(error);
    g_assert_nonnull(kiln_manifest_lookup(m, "two"));
    g_autoptr(KilnManifest) again = kiln_layer_manifest(other, two, NULL);
    g_assert_true(again == m);
    kiln_store_close(other);

    g_autoptr(KilnView) view = kiln_layer_view(p->store, (gint64[]){one, two}, 2, &error);
    g_assert_no_error(error);
    guint layer;
    g_assert_nonnull(kiln_view_lookup(view, "one", &layer));
    g_assert_cmpuint(layer, ==, 0);
    g_assert_null(kiln_layer_view(p->store, (gint64[]){one, 4711}, 2, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_cmpint(kiln_layer_fd(p->store, 4711, &error), ==, -1);
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
}

/* A process that died between the rename and the commit leaves a directory of the next number. */
static void test_orphan_is_replaced(Place *p, gconstpointer data)
{
    (void)data;
    gint64 one = make_layer(p, "one", "1");
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, one + 1);
    g_autofree char *orphan = g_build_filename(p->top, "layers", number, "junk", NULL);
    g_autofree char *manifest = g_build_filename(p->top, "manifests", number, NULL);
    g_assert_cmpint(g_mkdir_with_parents(orphan, 0700), ==, 0);
    g_assert_true(g_file_set_contents(manifest, "junk", -1, NULL));
    g_assert_cmpint(make_layer(p, "two", "2"), ==, one + 1);
    g_assert_false(g_file_test(orphan, G_FILE_TEST_EXISTS));
    g_autofree char *file = g_build_filename(p->top, "layers", number, "two", NULL);
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* The root of Fedora's images is 0555; renaming such a directory needs care without
 * CAP_DAC_OVERRIDE. */
static void test_readonly_root(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnWork) w = kiln_work_new(p->store, NULL);
    int fd = kiln_work_mkdir(w, "upper", NULL);
    g_assert_cmpint(fchmod(fd, 0555), ==, 0);
    g_autoptr(KilnManifest) m = manifest_of("x", "");
    gint64 layer = kiln_layer_commit(p->store, w, m, &error);
    g_assert_no_error(error);
    struct stat st;
    g_assert_cmpint(fstatat(kiln_layer_fd(p->store, layer, NULL), "", &st, AT_EMPTY_PATH), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0555);
}

static void test_digests_of_layers(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "f", "1"), base = make_layer(p, "g", "2"), clamp = 0;
    g_assert_null(kiln_layer_diff_id(p->store, layer));
    g_assert_true(kiln_layer_set_tar_diff_id(p->store, layer, -1, "sha256:free", NULL));
    g_assert_true(kiln_layer_set_tar_diff_id(p->store, layer, 1000, "sha256:clamped", NULL));
    g_autofree char *plain = kiln_layer_diff_id(p->store, layer);
    g_autofree char *clamped = kiln_layer_tar_diff_id(p->store, layer, 1000);
    g_assert_cmpstr(plain, ==, "sha256:free");
    g_assert_cmpstr(clamped, ==, "sha256:clamped");
    g_assert_null(kiln_layer_tar_diff_id(p->store, layer, 2000));
    g_assert_true(kiln_layer_tar_clamp(p->store, layer, "sha256:clamped", &clamp));
    g_assert_cmpint(clamp, ==, 1000);
    g_assert_false(kiln_layer_tar_clamp(p->store, layer, "sha256:other", &clamp));

    g_assert_true(kiln_layer_set_diff_id(p->store, base, "sha256:base", NULL));
    g_autofree char *fixed = kiln_layer_tar_diff_id(p->store, base, 1000);
    g_assert_cmpstr(fixed, ==, "sha256:base");

    g_assert_cmpint(kiln_layer_by_chain(p->store, "sha256:chain"), ==, 0);
    g_assert_true(kiln_layer_set_chain(p->store, base, "sha256:chain", NULL));
    g_assert_cmpint(kiln_layer_by_chain(p->store, "sha256:chain"), ==, base);
}

static void test_blob(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *digest = NULL;
    g_assert_true(kiln_blob_put_bytes(p->store, "hello", 5, &digest, &error));
    g_assert_cmpstr(digest, ==,
                    "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    guint64 size = 0;
    int fd = kiln_blob_open(p->store, digest, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, 5);
    close(fd);

    /* a file of another size than recorded is not that blob */
    g_autofree char *path = g_build_filename(kiln_blob_directory(p->store), digest + 7, NULL);
    g_assert_cmpint(truncate(path, 3), ==, 0);
    g_assert_false(kiln_blob_exists(p->store, digest));
    g_assert_true(kiln_blob_put_bytes(p->store, "hello", 5, NULL, &error));
    g_assert_true(kiln_blob_exists(p->store, digest));

    static const char *const bad[] = {"", "sha256:", "sha256:../../../etc/passwd", "md5:00",
                                      "hello"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(kiln_blob_open(p->store, bad[i], NULL, &error), ==, -1);
        g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
        g_clear_error(&error);
    }
}

/* A file that came without a row counts only if it is what its name says. */
static void test_blob_without_row(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *good = kiln_digest_of_bytes("good", 4), *bad = kiln_digest_of_bytes("bad", 3);
    g_autofree char *good_path = g_build_filename(kiln_blob_directory(p->store), good + 7, NULL);
    g_autofree char *bad_path = g_build_filename(kiln_blob_directory(p->store), bad + 7, NULL);
    g_assert_true(g_file_set_contents(good_path, "good", 4, NULL));
    g_assert_true(g_file_set_contents(bad_path, "torn", 4, NULL));
    g_assert_true(kiln_blob_exists(p->store, good));
    g_assert_false(kiln_blob_exists(p->store, bad));
}

static void test_layer_blob(Place *p, gconstpointer data)
{
    (void)data;
    KilnLayerBlob found,
        blob = {.media_type = (char *)"application/vnd.oci.image.layer.v1.tar+gzip"};
    g_autofree char *digest = NULL;
    g_assert_true(kiln_blob_put_bytes(p->store, "layer", 5, &digest, NULL));
    blob.digest = digest;
    g_assert_false(kiln_layer_blob_lookup(p->store, "sha256:d", &found));
    g_assert_true(kiln_layer_blob_set(p->store, "sha256:d", &blob, NULL));
    g_assert_true(kiln_layer_blob_lookup(p->store, "sha256:d", &found));
    g_assert_cmpstr(found.digest, ==, digest);
    g_assert_cmpuint(found.size, ==, 5);
    kiln_layer_blob_clear(&found);
    g_autofree char *path = g_build_filename(kiln_blob_directory(p->store), digest + 7, NULL);
    g_unlink(path);
    g_assert_false(kiln_layer_blob_lookup(p->store, "sha256:d", &found));
}

static void test_image(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *one = NULL, *two = NULL;
    gint64 layers[] = {make_layer(p, "a", "1"), make_layer(p, "b", "2")};
    g_assert_true(kiln_blob_put_bytes(p->store, "{1}", 3, &one, NULL));
    g_assert_true(kiln_blob_put_bytes(p->store, "{2}", 3, &two, NULL));
    g_assert_false(kiln_image_put(p->store, "sha256:nothing", "n", layers, 2, NULL, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_true(kiln_image_put(p->store, one, "docker.io/library/a:latest", layers, 2,
                                 "sha256:src", &error));
    g_assert_true(kiln_image_put(p->store, two, "docker.io/library/b:1", layers, 1, NULL, &error));
    g_assert_true(kiln_image_tag(p->store, one, "docker.io/library/c:1", &error));

    g_autoptr(KilnImage) image = kiln_image_lookup(p->store, "docker.io/library/a:latest", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(image->id, ==, one);
    g_assert_cmpuint(image->n_chain, ==, 2);
    g_assert_cmpint(image->chain[1], ==, layers[1]);
    g_assert_cmpuint(g_strv_length(image->names), ==, 2);
    g_assert_cmpstr(image->source_digest, ==, "sha256:src");
    g_autoptr(KilnImage) by_source = kiln_image_by_source(p->store, "sha256:src");
    g_assert_cmpstr(by_source->id, ==, one);
    g_assert_null(kiln_image_by_source(p->store, "sha256:other"));

    /* by ID and by its first digits */
    g_autoptr(KilnImage) by_id = kiln_image_lookup(p->store, two, NULL);
    g_assert_cmpstr(by_id->id, ==, two);
    g_autofree char *prefix = g_strndup(two + 7, 12);
    g_autoptr(KilnImage) by_prefix = kiln_image_lookup(p->store, prefix, NULL);
    g_assert_cmpstr(by_prefix->id, ==, two);
    prefix[3] = '\0';
    g_assert_null(kiln_image_lookup(p->store, prefix, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_clear_error(&error);

    /* a name moves */
    g_assert_true(
        kiln_image_put(p->store, two, "docker.io/library/a:latest", layers, 1, NULL, NULL));
    g_autoptr(KilnImage) moved = kiln_image_lookup(p->store, "docker.io/library/a:latest", NULL);
    g_assert_cmpstr(moved->id, ==, two);
    g_autoptr(GPtrArray) list = kiln_image_list(p->store, &error);
    g_assert_cmpuint(list->len, ==, 2);

    g_assert_true(kiln_image_untag(p->store, "docker.io/library/c:1", &error));
    g_assert_false(kiln_image_untag(p->store, "docker.io/library/c:1", &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_true(kiln_image_remove(p->store, two, &error));
    g_assert_false(kiln_blob_exists(p->store, two));
    g_assert_null(kiln_image_lookup(p->store, "docker.io/library/a:latest", NULL));
    g_assert_false(kiln_image_tag(p->store, two, "x", &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
}

static void test_ambiguous_prefix(Place *p, gconstpointer data)
{
    (void)data;
    /* Two configs whose digests begin with the same four digits, found by counting. */
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (int i = 0;; i++) {
        g_autofree char *config = g_strdup_printf("{\"n\":%d}", i);
        g_autofree char *digest = kiln_digest_of_bytes(config, strlen(config));
        g_autofree char *prefix = g_strndup(digest + 7, 4);
        const char *other = g_hash_table_lookup(seen, prefix);
        if (other == NULL) {
            g_hash_table_insert(seen, g_steal_pointer(&prefix), g_steal_pointer(&config));
            continue;
        }
        g_autofree char *one = NULL, *two = NULL;
        g_autoptr(GError) error = NULL;
        g_assert_true(kiln_blob_put_bytes(p->store, other, strlen(other), &one, NULL));
        g_assert_true(kiln_blob_put_bytes(p->store, config, strlen(config), &two, NULL));
        g_assert_true(kiln_image_put(p->store, one, NULL, NULL, 0, NULL, NULL));
        g_assert_true(kiln_image_put(p->store, two, NULL, NULL, 0, NULL, NULL));
        g_assert_null(kiln_image_lookup(p->store, prefix, &error));
        g_assert_nonnull(strstr(error->message, "more digits"));
        return;
    }
}

static void test_record(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    KilnRecord r, in = {.key = (char *)"sha256:key",
                        .operation = (char *)"sha256:operation",
                        .inputs = (char *)"sha256:parent 1-7\n",
                        .layer = make_layer(p, "f", "1"),
                        .created = 1700000000,
                        .duration = 1234567,
                        .name = (char *)"RUN make"};
    g_autoptr(GBytes) parts = g_bytes_new_static("a\0b", 3);
    g_assert_false(kiln_record_lookup(p->store, "sha256:key", &r));
    g_assert_null(kiln_key_parts(p->store, "sha256:key"));
    g_assert_true(kiln_record_put(p->store, &in, parts, &error));
    g_assert_true(kiln_record_lookup(p->store, "sha256:key", &r));
    g_assert_cmpint(r.layer, ==, in.layer);
    g_assert_cmpint(r.duration, ==, 1234567);
    g_assert_cmpstr(r.name, ==, "RUN make");
    g_assert_cmpstr(r.operation, ==, "sha256:operation");
    g_assert_cmpstr(r.inputs, ==, "sha256:parent 1-7\n");
    kiln_record_clear(&r);
    g_autoptr(GBytes) read = kiln_key_parts(p->store, "sha256:key");
    g_assert_true(g_bytes_equal(read, parts));

    /* another one that is the same */
    in.key = (char *)"sha256:other";
    in.same_as = (char *)"sha256:key";
    g_assert_true(kiln_record_put(p->store, &in, NULL, &error));
    g_assert_true(kiln_record_lookup(p->store, "sha256:other", &r));
    g_assert_cmpstr(r.key, ==, "sha256:key");
    kiln_record_clear(&r);
    g_autoptr(GPtrArray) records = kiln_records_of(p->store, "sha256:operation", 5);
    g_assert_cmpuint(records->len, ==, 1);
    g_assert_cmpstr(((KilnRecord *)records->pdata[0])->key, ==, "sha256:key");
    in.same_as = NULL;

    in.layer = 4711; /* whose row does not exist */
    in.key = (char *)"sha256:gone";
    g_assert_true(kiln_record_put(p->store, &in, NULL, &error));
    g_assert_false(kiln_record_lookup(p->store, "sha256:gone", &r));
}

static gpointer write_records(gpointer data)
{
    KilnStore *s = data;
    for (int i = 0; i < 50; i++) {
        g_autofree char *key = g_strdup_printf("%p %d", (void *)g_thread_self(), i);
        g_assert_true(kiln_record_put(s, &(KilnRecord){.key = key, .name = key}, NULL, NULL));
        KilnRecord r;
        g_assert_true(kiln_record_lookup(s, key, &r));
        g_assert_cmpstr(r.name, ==, key);
        kiln_record_clear(&r);
    }
    return NULL;
}

/* Threads of one store, and another store as a second process would have it. */
static void test_threads(Place *p, gconstpointer data)
{
    (void)data;
    KilnStore *other = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
    GThread *threads[6];
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("writer", write_records, i % 2 == 0 ? p->store : other);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    kiln_store_close(other);
}

#define ADD(path, func) g_test_add("/store/" path, Place, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("layer", test_layer);
    ADD("orphan-is-replaced", test_orphan_is_replaced);
    ADD("readonly-root", test_readonly_root);
    ADD("digests-of-layers", test_digests_of_layers);
    ADD("blob", test_blob);
    ADD("blob-without-row", test_blob_without_row);
    ADD("layer-blob", test_layer_blob);
    ADD("image", test_image);
    ADD("ambiguous-prefix", test_ambiguous_prefix);
    ADD("record", test_record);
    ADD("threads", test_threads);
    return g_test_run();
}

/* Leases, what stands on what, and garbage collection beside others that use the store. */
#include "place.h"
#include "store/collect.h"
#include "tree/digest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process of its own, as far as locks can tell. */
static void reopen(Place *p)
{
    kiln_store_close(p->store);
    p->store = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
    g_assert_nonnull(p->store);
}

static gint64 make_layer(Place *p, const char *file)
{
    return make_layer_in(p->store, file, "some text");
}

static void sql(Place *p, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void sql(Place *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *path = g_build_filename(p->top, "store.db", NULL);
    sqlite3 *db;
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    g_assert_cmpint(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static gint64 number(Place *p, const char *query)
{
    g_autofree char *path = g_build_filename(p->top, "store.db", NULL);
    sqlite3 *db;
    sqlite3_stmt *q;
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_prepare_v2(db, query, -1, &q, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_step(q), ==, SQLITE_ROW);
    gint64 value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

static bool there(Place *p, const char *folder, gint64 layer)
{
    g_autofree char *path = g_strdup_printf("%s/%s/%" G_GINT64_FORMAT, p->top, folder, layer);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static bool exists(Place *p, gint64 layer)
{
    bool directory = there(p, "layers", layer);
    g_assert_cmpint(there(p, "manifests", layer), ==, directory);
    return directory;
}

static void note(const KilnItem *item, guint64 bytes, gpointer text)
{
    (void)bytes;
    g_string_append_printf(text, "%s%s", ((GString *)text)->len ? " " : "", item->kind == KILN_ITEM_LAYER ? item->id : item->type);
}

/* What another process removes, in order; g_free(). */
static char *prune(Place *p, KilnPruneOptions options)
{
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new(NULL);
    KilnStore *s = kiln_store_open(p->top, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
    kiln_store_prune(s, &options, note, text, &error);
    g_assert_no_error(error);
    kiln_store_close(s);
    return g_string_free(text, FALSE);
}

#define assert_prunes(p, expected, ...)                                                            \
    do {                                                                                           \
        g_autofree char *removed_ = prune(p, (KilnPruneOptions){__VA_ARGS__});                     \
        g_assert_cmpstr(removed_, ==, expected);                                                   \
    } while (0)

static void put_record(Place *p, const char *key, gint64 layer, const char *chain)
{
    g_autofree char *inputs = g_strdup_printf("sha256:parent %s\nsha256:other 77\n", chain);
    const KilnRecord r = {.key = (char *)key, .layer = layer, .created = 1, .inputs = inputs, .name = (char *)"RUN x"};
    g_autoptr(GBytes) parts = g_bytes_new_static("parts", 5);
    g_assert_true(kiln_record_put(p->store, &r, parts, NULL));
}

/* --- Leases ---------------------------------------------------------------------------------------------- */

static void test_what_is_made_is_leased(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "a");
    assert_prunes(p, "", .all = true);
    g_assert_true(exists(p, layer));
    kiln_store_tidy(p->store); /* the operation is over, the process goes on */
    assert_prunes(p, "1", .all = true);
    g_assert_false(exists(p, layer));
    g_assert_cmpint(number(p, "SELECT count(*) FROM layers"), ==, 0);
}

static void test_what_is_looked_up_is_leased(Place *p, gconstpointer data)
{
    (void)data;
    gint64 by_chain = make_layer(p, "a"), by_record = make_layer(p, "b"), known = make_layer(p, "c"),
           none = make_layer(p, "d");
    g_assert_true(kiln_layer_set_chain(p->store, by_chain, "sha256:chain", NULL));
    put_record(p, "sha256:key", by_record, "-");
    put_record(p, "sha256:none", none, "-");
    reopen(p);
    KilnRecord record;
    g_assert_cmpint(kiln_layer_by_chain(p->store, "sha256:chain"), ==, by_chain);
    g_assert_true(kiln_record_lookup(p->store, "sha256:key", &record));
    kiln_record_clear(&record);
    g_assert_true(kiln_layer_lease(p->store, &known, 1));
    assert_prunes(p, "4", .all = true);

    /* and what has gone is not there for whoever comes later, with its record and the parts of its key */
    g_assert_false(kiln_layer_lease(p->store, &none, 1));
    g_assert_false(kiln_record_lookup(p->store, "sha256:none", &record));
    g_assert_null(kiln_key_parts(p->store, "sha256:none"));
    g_autoptr(GBytes) parts = kiln_key_parts(p->store, "sha256:key");
    g_assert_nonnull(parts);
    reopen(p);
    assert_prunes(p, "3 2 1", .all = true);
}

static bool found(KilnStore *s, const char *key)
{
    KilnRecord record;
    bool there = kiln_record_lookup(s, key, &record);
    kiln_record_clear(&record);
    return there;
}

/* Whoever only looks has everything; then what it has looked up, and sees what others have made meanwhile. */
static void test_looking(Place *p, gconstpointer data)
{
    (void)data;
    gint64 first = make_layer(p, "a"), used = make_layer(p, "b"), last = make_layer(p, "c");
    put_record(p, "sha256:used", used, "-");
    put_record(p, "sha256:last", last, "-");
    reopen(p);
    kiln_store_look(p->store);
    g_assert_true(found(p->store, "sha256:used"));
    assert_prunes(p, "", .all = true);

    g_autoptr(KilnStore) other = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
    const KilnRecord made = {.key = (char *)"sha256:new", .layer = used, .name = (char *)"RUN"};
    g_assert_true(kiln_record_put(other, &made, NULL, NULL));
    g_assert_false(found(p->store, "sha256:new"));

    kiln_store_looked(p->store);
    kiln_store_looked(p->store);
    g_assert_true(found(p->store, "sha256:new"));
    assert_prunes(p, "3 1", .all = true);
    g_assert_true(exists(p, used) && !exists(p, first));
    g_assert_false(found(p->store, "sha256:last"));
}

/* While a collector deletes, a build looks as ever. */
static void test_looking_beside_a_collector(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "a");
    put_record(p, "sha256:key", layer, "-");
    reopen(p);
    g_autofree char *path = g_build_filename(p->top, "leases", NULL);
    int fd = g_open(path, O_RDWR | O_CLOEXEC, 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = layer + 1, .l_len = 1};
    g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
    kiln_store_look(p->store);
    g_assert_true(found(p->store, "sha256:key"));
    close(fd);
    kiln_store_looked(p->store);
    assert_prunes(p, "", .all = true);
}

/* What is written while it looks is there at once. */
static void test_looking_and_writing(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "a");
    kiln_store_look(p->store);
    g_assert_false(found(p->store, "sha256:key"));
    put_record(p, "sha256:key", layer, "-");
    g_assert_true(found(p->store, "sha256:key"));
    kiln_store_looked(p->store);
    assert_prunes(p, "", .all = true);
}

static void test_images_and_blobs(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *config = NULL, *blob = NULL;
    gint64 chain[] = {make_layer(p, "a"), make_layer(p, "b")};
    g_assert_true(kiln_blob_put_bytes(p->store, "config", 6, &config, NULL));
    g_assert_true(kiln_blob_put_bytes(p->store, "blob", 4, &blob, NULL));
    g_assert_true(kiln_image_put(p->store, config, "docker.io/library/app:latest", chain, 2, NULL, NULL));
    reopen(p);
    assert_prunes(p, "regular", .all = true); /* the other blob; what has a name stays whole */
    g_assert_false(kiln_blob_exists(p->store, blob));
    g_autoptr(KilnImage) image = kiln_image_lookup(p->store, "docker.io/library/app:latest", NULL);
    g_assert_nonnull(image);

    /* without a name it is garbage, but in use */
    g_assert_true(kiln_image_untag(p->store, "docker.io/library/app:latest", NULL));
    assert_prunes(p, "", .all = true);
    reopen(p);
    assert_prunes(p, "image 2 1 regular");
    g_assert_null(kiln_image_lookup(p->store, config, NULL));
    g_assert_false(kiln_blob_exists(p->store, config));
    g_assert_cmpint(number(p, "SELECT count(*) FROM image_layers"), ==, 0);
}

/* A lease ends with its process, however it ends. */
static void test_killed_process(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "a");
    g_clear_pointer(&p->store, kiln_store_close);
    int ready[2];
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        KilnStore *s = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
        (void)!write(ready[1], s && kiln_layer_lease(s, &layer, 1) ? "y" : "n", 1);
        for (;;)
            pause();
    }
    char answer = 0;
    g_assert_cmpint(read(ready[0], &answer, 1), ==, 1);
    g_assert_cmpint(answer, ==, 'y');
    assert_prunes(p, "", .all = true);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_prunes(p, "1", .all = true);
    close(ready[0]);
    close(ready[1]);
}

/* --- Use ------------------------------------------------------------------------------------------------- */

static void test_use_is_written_to_the_hour(Place *p, gconstpointer data)
{
    (void)data;
    gint64 layer = make_layer(p, "a"), now = g_get_real_time() / G_USEC_PER_SEC;
    g_assert_cmpint(number(p, "SELECT used FROM layers"), >=, now);
    reopen(p);
    sql(p, "UPDATE layers SET used = 5");
    g_assert_true(kiln_store_touch(p->store, NULL));
    g_assert_cmpint(number(p, "SELECT used FROM layers"), ==, 5); /* nobody has used it */
    g_assert_true(kiln_layer_lease(p->store, &layer, 1));
    g_assert_true(kiln_store_touch(p->store, NULL));
    g_assert_cmpint(number(p, "SELECT used FROM layers"), >=, now);
    sql(p, "UPDATE layers SET used = %" G_GINT64_FORMAT, now - 60);
    g_assert_true(kiln_store_touch(p->store, NULL));
    g_assert_cmpint(number(p, "SELECT used FROM layers"), ==, now - 60);

    kiln_cache_used(p->store, "abc", "/root/.npm");
    g_assert_true(kiln_store_touch(p->store, NULL));
    g_assert_cmpint(number(p, "SELECT used >= 60 FROM caches WHERE id = '/root/.npm'"), ==, 1);
}

/* --- Order, limits, filters ------------------------------------------------------------------------------ */

/* Four layers: 3 on 2 on 1, and 4 alone. */
static void make_tree(Place *p)
{
    for (const char *name = "abcd"; *name; name++)
        make_layer(p, (char[]){*name, '\0'});
    put_record(p, "sha256:1", 1, "-");
    put_record(p, "sha256:2", 2, "1");
    put_record(p, "sha256:3", 3, "1-2");
    put_record(p, "sha256:4", 4, "-");
    reopen(p);
}

static void test_least_recently_used_and_leaves_first(Place *p, gconstpointer data)
{
    (void)data;
    make_tree(p);
    sql(p, "UPDATE layers SET created = 0; UPDATE layers SET used = 100 * id");
    assert_prunes(p, "3 2 1 4", .dry_run = true); /* what stands on a layer uses it */
    g_assert_true(exists(p, 3));
    sql(p, "UPDATE layers SET used = 1000 WHERE id = 1; UPDATE layers SET used = 7 WHERE id = 4");
    assert_prunes(p, "4 3 2 1", .dry_run = true);
    assert_prunes(p, "4", .filter = {.unused_since = 299});
    g_assert_true(kiln_layer_lease(p->store, (gint64[]){2}, 1));
    assert_prunes(p, "3", .filter = {.unused_since = 300});
    g_assert_cmpint(number(p, "SELECT count(*) FROM records"), ==, 2);
    assert_prunes(p, ""); /* 2 is in use, and so is what it stands on */
    g_assert_true(exists(p, 1));
}

static void test_limits_and_filters(Place *p, gconstpointer data)
{
    (void)data;
    make_tree(p);
    sql(p, "UPDATE layers SET created = 0; UPDATE layers SET used = 100 * id");
    g_autoptr(KilnUsage) u = kiln_usage_new(p->store, true, NULL);
    guint64 all = kiln_usage_cache(u);
    g_assert_cmpuint(all, ==, kiln_usage_total(u));
    assert_prunes(p, "", .dry_run = true, .max_used = all);
    assert_prunes(p, "3", .dry_run = true, .max_used = all - 1);
    assert_prunes(p, "3", .dry_run = true, .max_used = 1, .reserved = all - 1);
    assert_prunes(p, "3 2 1 4", .dry_run = true, .max_used = 1);
    assert_prunes(p, "", .dry_run = true, .min_free = 1);
    assert_prunes(p, "3 2 1 4", .dry_run = true, .min_free = G_MAXINT64);
    assert_prunes(p, "3", .dry_run = true, .min_free = G_MAXINT64, .reserved = all - 1);
    assert_prunes(p, "4", .dry_run = true, .filter = {.ids = (const char *[]){"4", "2", NULL}});
    assert_prunes(p, "", .dry_run = true, .filter = {.types = (const char *[]){"exec.cachemount", NULL}});
}

static void test_merged_layers(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *config = NULL;
    gint64 chain[] = {make_layer(p, "a"), make_layer(p, "b")}, merged = make_layer(p, "m");
    g_assert_true(kiln_layer_set_chain(p->store, merged, "merge:1,2", NULL));
    g_assert_true(kiln_blob_put_bytes(p->store, "config", 6, &config, NULL));
    g_assert_true(kiln_image_put(p->store, config, "docker.io/library/app:latest", chain, 2, NULL, NULL));
    reopen(p);
    assert_prunes(p, "", .dry_run = true); /* it stands for what stays, and would be made again */
    assert_prunes(p, "3", .dry_run = true, .all = true);
    g_assert_true(kiln_image_untag(p->store, "docker.io/library/app:latest", NULL));
    assert_prunes(p, "3 image 2 1 regular");
}

static void test_shared_files_are_counted_once(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *big = g_strnfill(1 << 20, 'x');
    make_layer_in(p->store, "a", big);
    make_layer_in(p->store, "b", "small");
    g_autofree char *a = g_build_filename(p->top, "layers/1/a", NULL), *b = g_build_filename(p->top, "layers/2/c", NULL);
    g_assert_cmpint(link(a, b), ==, 0);
    reopen(p);
    g_autoptr(KilnUsage) u = kiln_usage_new(p->store, true, NULL);
    g_assert_cmpuint(kiln_usage_length(u), ==, 2);
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint(kiln_usage_get(u, i)->shared, ==, 1 << 20);
        g_assert_cmpuint(kiln_usage_get(u, i)->own, <, 100000);
    }
    g_assert_cmpuint(kiln_usage_total(u), <, (1 << 20) + 100000);
    g_assert_cmpuint(kiln_usage_take_out(u, kiln_usage_get(u, 0)), <, 100000);
    g_assert_cmpuint(kiln_usage_take_out(u, kiln_usage_get(u, 1)), >=, 1 << 20);
}

/* --- What a death in between leaves ---------------------------------------------------------------------- */

static void test_orphans(Place *p, gconstpointer data)
{
    (void)data;
    gint64 gone = make_layer(p, "a"), kept = make_layer(p, "b");
    g_autofree char *digest = NULL, *left = NULL;
    g_assert_true(kiln_blob_put_bytes(p->store, "gone", 4, &digest, NULL));
    reopen(p);
    sql(p, "DELETE FROM layers WHERE id = %" G_GINT64_FORMAT "; DELETE FROM blobs", gone);
    g_autoptr(GError) error = NULL;
    g_assert_true(kiln_store_collect(p->top, G_MAXUINT64, &error));
    g_assert_no_error(error);
    g_assert_false(exists(p, gone));
    g_assert_true(exists(p, kept));
    left = g_build_filename(p->top, "blobs/sha256", digest + strlen(KILN_DIGEST_PREFIX), NULL);
    g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
}

static void test_collect(Place *p, gconstpointer data)
{
    (void)data;
    make_tree(p);
    g_assert_true(kiln_store_collect(p->top, G_GUINT64_CONSTANT(1) << 40, NULL));
    g_assert_cmpint(number(p, "SELECT count(*) FROM layers"), ==, 4);
    g_assert_true(kiln_store_collect(p->top, 1, NULL));
    g_assert_cmpint(number(p, "SELECT count(*) FROM layers"), ==, 0);
    g_autofree char *tmp = g_build_filename(p->top, "tmp", NULL);
    g_autoptr(GDir) d = g_dir_open(tmp, 0, NULL);
    g_assert_null(g_dir_read_name(d));
}

/* --- All at once ----------------------------------------------------------------------------------------- */

#define ROUNDS 60

/* "Builds" one of three steps again and again: what it has found or made must be there until it ends. */
static gpointer build_again(gpointer data)
{
    Place *p = data;
    for (int i = 0; i < ROUNDS; i++) {
        g_autoptr(KilnStore) s = kiln_store_open(p->top, KILN_STORE_SHARED, NULL);
        g_assert_nonnull(s);
        g_autofree char *key = g_strdup_printf("sha256:%d", i % 3);
        KilnRecord r;
        gint64 layer;
        if (i % 2)
            kiln_store_look(s);
        bool cached = kiln_record_lookup(s, key, &r);
        kiln_store_looked(s);
        if (cached) {
            layer = r.layer;
            kiln_record_clear(&r);
        } else {
            layer = make_layer_in(s, "f", key);
            const KilnRecord put = {.key = key, .layer = layer, .name = (char *)"RUN"};
            g_assert_true(kiln_record_put(s, &put, NULL, NULL));
        }
        g_autofree char *digest = NULL;
        g_assert_true(kiln_blob_put_bytes(s, key, strlen(key), &digest, NULL));
        g_assert_true(kiln_image_put(s, digest, NULL, &layer, 1, NULL, NULL));
        g_autoptr(KilnManifest) m = kiln_layer_manifest(s, layer, NULL);
        g_assert_nonnull(m);
        struct stat st;
        g_assert_cmpint(fstatat(kiln_layer_fd(s, layer, NULL), "f", &st, 0), ==, 0);
        g_assert_true(kiln_blob_exists(s, digest));
        g_autoptr(KilnImage) image = kiln_image_lookup(s, digest, NULL);
        g_assert_nonnull(image);
    }
    return NULL;
}

static void test_builds_and_collections_at_once(Place *p, gconstpointer data)
{
    (void)data;
    GThread *builds[2];
    for (int i = 0; i < 2; i++)
        builds[i] = g_thread_new("build", build_again, p);
    for (int i = 0; i < ROUNDS; i++)
        g_free(prune(p, (KilnPruneOptions){.all = true}));
    for (int i = 0; i < 2; i++)
        g_thread_join(builds[i]);
    g_free(prune(p, (KilnPruneOptions){.all = true}));
    g_assert_cmpint(number(p, "SELECT (SELECT count(*) FROM layers) + (SELECT count(*) FROM blobs) +"
                              " (SELECT count(*) FROM records) + (SELECT count(*) FROM images)"),
                    ==, 0);
    g_autofree char *layers = g_build_filename(p->top, "layers", NULL);
    g_autoptr(GDir) d = g_dir_open(layers, 0, NULL);
    g_assert_null(g_dir_read_name(d));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(path, func) g_test_add("/collect/" path, Place, NULL, set_up, func, tear_down)
    TEST("what-is-made-is-leased", test_what_is_made_is_leased);
    TEST("what-is-looked-up-is-leased", test_what_is_looked_up_is_leased);
    TEST("looking", test_looking);
    TEST("looking-beside-a-collector", test_looking_beside_a_collector);
    TEST("looking-and-writing", test_looking_and_writing);
    TEST("images-and-blobs", test_images_and_blobs);
    TEST("killed-process", test_killed_process);
    TEST("use-is-written-to-the-hour", test_use_is_written_to_the_hour);
    TEST("least-recently-used-and-leaves-first", test_least_recently_used_and_leaves_first);
    TEST("limits-and-filters", test_limits_and_filters);
    TEST("merged-layers", test_merged_layers);
    TEST("shared-files-are-counted-once", test_shared_files_are_counted_once);
    TEST("orphans", test_orphans);
    TEST("collect", test_collect);
    TEST("builds-and-collections-at-once", test_builds_and_collections_at_once);
    return g_test_run();
}

/* Opening, refusing, locking, sweeping and removing a store. */
#include "layer.h"
#include "store/database.h"
#include "store/store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *top, *root;
} Place;

static void set_up(Place *p, gconstpointer data)
{
    (void)data;
    p->top = g_dir_make_tmp("kiln-store-XXXXXX", NULL);
    g_assert_nonnull(p->top);
    p->root = g_build_filename(p->top, "a", "store", NULL);
}

static void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *name = g_path_get_basename(p->top);
    g_autofree char *dir = g_path_get_dirname(p->top);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(kiln_remove_tree(fd, name, NULL));
    close(fd);
    g_free(p->top);
    g_free(p->root);
}

static KilnStore *open_store(Place *p)
{
    g_autoptr(GError) error = NULL;
    KilnStore *s = kiln_store_open(p->root, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
    return s;
}

static bool there(Place *p, const char *name)
{
    g_autofree char *path = g_build_filename(p->root, name, NULL);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static guint entries_of(Place *p, const char *name)
{
    g_autofree char *path = g_build_filename(p->root, name, NULL);
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(d) != NULL)
        n++;
    return n;
}

static void write_file(Place *p, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(p->root, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *read_file(Place *p, const char *name)
{
    g_autofree char *path = g_build_filename(p->root, name, NULL);
    char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void sql(Place *p, const char *statement)
{
    g_autofree char *path = g_build_filename(p->root, "store.db", NULL);
    sqlite3 *db;
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, statement, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void test_create_and_open_again(Place *p, gconstpointer data)
{
    (void)data;
    KilnStore *s = open_store(p);
    struct stat st;
    g_assert_cmpint(fstat(kiln_store_fd(s), &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0700);
    g_assert_true(g_str_has_suffix(kiln_store_root(s), "/a/store"));
    g_assert_true(g_str_has_suffix(kiln_blob_directory(s), "/a/store/blobs/sha256"));
    g_assert_cmpint(fstatat(kiln_store_stub_fd(s), "etc/hosts", &st, 0), ==, 0);
    g_assert_cmpint(st.st_mode, ==, S_IFREG | 0644);
    g_assert_cmpint(kiln_store_owners(s), ==,
                    geteuid() == 0 ? kiln_store_owners(s) : KILN_OWNERS_RECORDED);
    g_autofree char *version = read_file(p, "version");
    g_assert_true(g_str_has_prefix(version, "kiln-store 1\nowner "));
    kiln_store_close(s);
    s = open_store(p);
    kiln_store_close(s);
}

static void expect_refused(Place *p, KilnStoreError code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_store_open(p->root, KILN_STORE_SHARED, &error));
    g_assert_error(error, KILN_STORE_ERROR, (int)code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
}

static void test_other_owner(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(open_store(p));
    g_autofree char *good = read_file(p, "version");
    g_auto(GStrv) lines = g_strsplit(good, "\n", -1);

    g_autofree char *owner =
        g_strdup_printf("%s\nowner 4242\n%s\n%s\n%s\n", lines[0], lines[2], lines[3], lines[4]);
    write_file(p, "version", owner);
    expect_refused(p, KILN_STORE_ERROR_MISMATCH, "belongs to user id 4242");

    g_autofree char *map = g_strdup_printf("%s\n%s\nuids 0:7:1,1:500:9\n%s\n%s\n", lines[0],
                                           lines[1], lines[3], lines[4]);
    write_file(p, "version", map);
    expect_refused(p, KILN_STORE_ERROR_MISMATCH, "kiln reset");

    g_autofree char *mode =
        g_strdup_printf("%s\n%s\n%s\n%s\nowners strange\n", lines[0], lines[1], lines[2], lines[3]);
    write_file(p, "version", mode);
    expect_refused(p, KILN_STORE_ERROR_MISMATCH, "--root");

    write_file(p, "version", "kiln-store 99\n");
    expect_refused(p, KILN_STORE_ERROR_VERSION, "newer kiln");
    write_file(p, "version", "");
    expect_refused(p, KILN_STORE_ERROR_CORRUPT, "version");
    write_file(p, "version", good);
    kiln_store_close(open_store(p));
}

static void test_not_a_store(Place *p, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(g_mkdir_with_parents(p->root, 0700), ==, 0);
    write_file(p, "thesis.tex", "years of work");
    expect_refused(p, KILN_STORE_ERROR_MISMATCH, "thesis.tex");
    g_autoptr(GError) error = NULL;
    g_assert_false(kiln_store_reset(p->root, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_assert_true(there(p, "thesis.tex"));
}

static void test_newer_schema_and_torn_database(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(open_store(p));
    sql(p, "PRAGMA user_version=77");
    expect_refused(p, KILN_STORE_ERROR_VERSION, "newer kiln");
    g_autofree char *db = g_build_filename(p->root, "store.db", NULL);
    g_autofree char *wal = g_strconcat(db, "-wal", NULL);
    g_unlink(wal);
    g_autofree char *junk = g_strnfill(8192, 'x');
    write_file(p, "store.db", junk);
    expect_refused(p, KILN_STORE_ERROR_CORRUPT, "kiln reset");
}

static void test_older_schema(Place *p, gconstpointer data)
{
    (void)data;
    KilnStore *s = open_store(p);
    g_autofree char *digest = NULL;
    g_assert_true(kiln_blob_put_bytes(s, "old", 3, &digest, NULL));
    kiln_store_close(s);
    sql(p, "DROP TABLE urls; DROP TABLE records; DROP TABLE keys; DROP TABLE caches; DROP TABLE builds;"
           "DROP TABLE build_steps; DROP TABLE build_logs; ALTER TABLE layers DROP COLUMN used;"
           "ALTER TABLE blobs DROP COLUMN used; DROP INDEX image_layers_layer; DROP INDEX layer_blobs_digest;"
           "DROP INDEX tars_diff_id;"
           "CREATE TABLE records (key TEXT);"
           "PRAGMA user_version=1");
    s = open_store(p);
    g_assert_true(kiln_blob_exists(s, digest));
    KilnUrlRecord put = {.digest = digest, .modified = 7}, got;
    g_assert_true(kiln_url_put(s, "http://h/x", &put, NULL));
    g_assert_true(kiln_url_lookup(s, "http://h/x", &got));
    kiln_url_clear(&got);
    kiln_store_close(s);
}

static void test_urls(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(KilnStore) s = open_store(p);
    g_autofree char *digest = NULL;
    KilnUrlRecord got;
    g_assert_false(kiln_url_lookup(s, "http://h/x", &got));
    g_assert_true(kiln_blob_put_bytes(s, "content", 7, &digest, NULL));
    KilnUrlRecord put = {digest, "\"tag\"", "x.tar", 1700000000};
    g_assert_true(kiln_url_put(s, "http://h/x", &put, NULL));
    g_assert_true(kiln_url_lookup(s, "http://h/x", &got));
    g_assert_cmpstr(got.digest, ==, digest);
    g_assert_cmpstr(got.etag, ==, "\"tag\"");
    g_assert_cmpstr(got.name, ==, "x.tar");
    g_assert_cmpint(got.modified, ==, 1700000000);
    kiln_url_clear(&got);
    g_autofree char *blob = g_build_filename("blobs/sha256", strchr(digest, ':') + 1, NULL);
    g_autofree char *path = g_build_filename(p->root, blob, NULL);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_false(kiln_url_lookup(s, "http://h/x", &got)); /* nothing to be had any more */
    g_assert_null(got.digest);
}

static void test_no_permission(Place *p, gconstpointer data)
{
    (void)data;
    if (geteuid() == 0) {
        g_test_skip("root may write everywhere");
        return;
    }
    g_assert_cmpint(g_chmod(p->top, 0500), ==, 0);
    expect_refused(p, KILN_STORE_ERROR_PERMISSION, "--root");
    g_assert_cmpint(g_chmod(p->top, 0700), ==, 0);
}

static void test_shared_and_exclusive(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    KilnStore *one = open_store(p), *two = open_store(p);
    g_assert_null(kiln_store_open(p->root, KILN_STORE_EXCLUSIVE, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_BUSY);
    g_clear_error(&error);
    g_assert_false(kiln_store_reset(p->root, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_BUSY);
    g_clear_error(&error);
    kiln_store_close(one);
    kiln_store_close(two);
    KilnStore *alone = kiln_store_open(p->root, KILN_STORE_EXCLUSIVE, &error);
    g_assert_no_error(error);
    expect_refused(p, KILN_STORE_ERROR_BUSY, "another kiln");
    kiln_store_close(alone);
}

static void test_work_is_removed(Place *p, gconstpointer data)
{
    (void)data;
    KilnStore *s = open_store(p);
    KilnWork *w = kiln_work_new(s, NULL);
    g_assert_cmpint(kiln_work_mkdir(w, "upper", NULL), >=, 0);
    g_autofree char *path = g_strdup(kiln_work_path(w));
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
    kiln_work_free(w);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    kiln_store_close(s);
    g_assert_cmpuint(entries_of(p, "tmp"), ==, 0);
}

/* What a killed process left goes; what a living one works on stays. */
static void test_stale_work_is_cleaned(Place *p, gconstpointer data)
{
    (void)data;
    KilnStore *living = open_store(p);
    g_autoptr(KilnWork) w = kiln_work_new(living, NULL);
    g_autofree char *dead = g_build_filename(p->root, "tmp", "dead0000", "1", "upper", NULL);
    g_autofree char *lockless = g_build_filename(p->root, "tmp", "dead0001", NULL);
    g_assert_cmpint(g_mkdir_with_parents(dead, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(lockless, 0700), ==, 0);
    write_file(p, "tmp/dead0000.lock", "");
    KilnStore *s = open_store(p);
    g_assert_false(there(p, "tmp/dead0000"));
    g_assert_true(there(p, "tmp/dead0000.lock")); /* it may have left files without rows, which wait for who is alone */
    g_assert_false(there(p, "tmp/dead0001"));
    g_assert_true(g_file_test(kiln_work_path(w), G_FILE_TEST_IS_DIR));
    kiln_store_close(s);
    kiln_work_free(g_steal_pointer(&w));
    kiln_store_close(living);
    write_file(p, "layers/77", "");
    write_file(p, "blobs/sha256/77", "");
    kiln_store_close(open_store(p));
    g_assert_false(there(p, "tmp/dead0000.lock"));
    g_assert_false(there(p, "layers/77"));
    g_assert_false(there(p, "blobs/sha256/77"));
}

/* What cannot be removed does not lock its owner out. */
static void test_stale_work_that_stays(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(open_store(p));
    g_autofree char *odd = g_build_filename(p->root, "tmp", "dead0000.lock", "x", NULL);
    g_autofree char *dead = g_build_filename(p->root, "tmp", "dead0001", NULL);
    g_assert_cmpint(g_mkdir_with_parents(odd, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(dead, 0700), ==, 0);
    kiln_store_close(open_store(p));
    g_assert_false(there(p, "tmp/dead0001"));
}

static void test_reset(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    KilnStore *s = open_store(p);
    make_layer_in(s, "f", "content");
    g_assert_cmpint(mkdirat(kiln_store_fd(s), "caches", 0700), ==,
                    0); /* of RUN --mount=type=cache */
    g_assert_cmpint(mkdirat(kiln_store_fd(s), "caches/1", 0), ==, 0);
    kiln_store_close(s);
    g_assert_true(kiln_store_reset(p->root, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(p->root, G_FILE_TEST_EXISTS));

    kiln_store_close(open_store(p));
    write_file(p, "mine", "not kiln's");
    g_assert_true(kiln_store_reset(p->root, &error));
    g_assert_no_error(error);
    g_assert_true(there(p, "mine"));
    g_assert_false(there(p, "version"));
}

/* A symlink in the place of a store, or of something in it, costs nothing but the link. */
static void test_reset_and_symlinks(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *other = g_build_filename(p->top, "other", NULL);
    g_autofree char *file = g_build_filename(other, "file", NULL);
    g_autofree char *layers = g_build_filename(p->root, "layers", NULL);
    g_autofree char *link = g_build_filename(p->top, "link", NULL);
    g_assert_cmpint(g_mkdir(other, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "not kiln's", -1, NULL));
    g_assert_cmpint(symlink(other, link), ==, 0);
    g_assert_false(kiln_store_reset(link, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_clear_error(&error);

    kiln_store_close(open_store(p));
    g_assert_cmpint(g_rmdir(layers), ==, 0);
    g_assert_cmpint(symlink(other, layers), ==, 0);
    expect_refused(p, KILN_STORE_ERROR_IO, "damaged");
    g_assert_true(kiln_store_reset(p->root, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* In a directory for all, a directory that another made is not taken for one's store. */
static void test_foreign_directory(Place *p, gconstpointer data)
{
    (void)data;
    g_autofree char *parent = g_path_get_dirname(p->root);
    if (geteuid() != 0) {
        g_test_skip("only root can give a directory away");
        return;
    }
    g_assert_cmpint(g_mkdir_with_parents(p->root, 0777), ==, 0);
    g_assert_cmpint(g_chmod(p->root, 0777), ==, 0);
    g_assert_cmpint(g_chmod(parent, 01777), ==, 0);
    g_assert_cmpint(chown(p->root, 4242, 4242), ==, 0);
    expect_refused(p, KILN_STORE_ERROR_PERMISSION, "belongs to another user");
    g_assert_cmpuint(entries_of(p, "."), ==, 0);
}

/* Rows of a boot that ended without a confirm, and their files, are gone after the next open. */
static void test_unconfirmed_rows_of_another_boot(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    KilnStore *s = open_store(p);
    gint64 kept = make_layer_in(s, "kept", "1");
    g_autofree char *kept_config = NULL, *lost_config = NULL;
    g_assert_true(kiln_blob_put_bytes(s, "{\"kept\":1}", 10, &kept_config, NULL));
    g_assert_true(
        kiln_image_put(s, kept_config, "docker.io/library/kept:latest", &kept, 1, NULL, NULL));
    g_assert_true(kiln_record_put(s, &(KilnRecord){.key = "sha256:k", .layer = kept}, NULL, NULL));
    g_assert_true(kiln_store_confirm(s, &error));
    g_assert_no_error(error);

    gint64 lost = make_layer_in(s, "lost", "2");
    g_assert_true(kiln_blob_put_bytes(s, "{\"lost\":1}", 10, &lost_config, NULL));
    gint64 chain[] = {kept, lost};
    g_assert_true(
        kiln_image_put(s, lost_config, "docker.io/library/lost:latest", chain, 2, NULL, NULL));
    g_assert_true(kiln_record_put(s, &(KilnRecord){.key = "sha256:l", .layer = lost}, NULL, NULL));
    kiln_store_close(s);

    sql(p, "UPDATE boots SET boot = 'the boot before' WHERE id <> 0");
    /* While somebody else uses the store nothing is removed, and nothing of it believed. */
    s = open_store(p);
    KilnStore *other = open_store(p);
    KilnRecord r;
    g_assert_false(kiln_record_lookup(other, "sha256:l", &r));
    kiln_store_close(other);
    g_assert_true(kiln_record_lookup(s, "sha256:k", &r));
    g_assert_cmpint(r.layer, ==, kept);
    kiln_record_clear(&r);
    g_assert_null(kiln_image_lookup(s, "docker.io/library/lost:latest", NULL));
    g_assert_false(kiln_blob_exists(s, lost_config));
    g_autoptr(KilnImage) image = kiln_image_lookup(s, "docker.io/library/kept:latest", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(image->id, ==, kept_config);
    g_assert_cmpuint(entries_of(p, "layers"), ==, 1);
    g_assert_cmpuint(entries_of(p, "manifests"), ==, 1);
    g_assert_cmpuint(entries_of(p, "blobs/sha256"), ==, 1);
    g_assert_cmpint(make_layer_in(s, "next", "3"), >, lost); /* numbers are never used again */
    kiln_store_close(s);
}

/* What SQLite would do for a statement: rows of EXPLAIN [QUERY PLAN], a line each. */
static char *explain(sqlite3 *db, const char *how, int column, KilnSql sql)
{
    g_autofree char *text = g_strconcat(how, kiln_database_text(sql), NULL);
    g_autoptr(GString) lines = g_string_new(NULL);
    sqlite3_stmt *q = NULL;
    g_assert_cmpint(sqlite3_prepare_v2(db, text, -1, &q, NULL), ==, SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW)
        g_string_append_printf(lines, "%s\n", (const char *)sqlite3_column_text(q, column));
    sqlite3_finalize(q);
    return g_string_free(g_steal_pointer(&lines), FALSE);
}

/* A statement that reads a whole table costs by what the store holds, not by what is built; and a table in memory,
 * which SQLite makes for IN (…, …), costs more than the rest of a query. */
static void test_statements_scale(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(open_store(p));
    g_autofree char *path = g_build_filename(p->root, "store.db", NULL);
    sqlite3 *db = NULL;
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    for (KilnSql sql = 0; sql < SQL_N; sql++) { /* boots are a few rows, builds as many as are kept */
        g_autofree char *plan = explain(db, "EXPLAIN QUERY PLAN ", 3, sql);
        bool lists = sql == SQL_IMAGE_LIST || sql == SQL_IMAGE_BY_SOURCE || /* all images, or pulled ones */
                     (sql >= SQL_USAGE_BLOBS && sql <= SQL_USAGE_BOUND) || (sql >= SQL_URLS_DELETE_OF && sql <= SQL_SETTLE_LAYER_BLOBS);  /* what du and a collector look at */
        for (const char *scan = plan; (scan = strstr(scan, "SCAN ")); scan++)
            if (!lists && !g_str_has_prefix(scan, "SCAN boots") && !g_str_has_prefix(scan, "SCAN builds") &&
                !g_str_has_prefix(scan, "SCAN CONSTANT") && !g_str_has_prefix(scan, "SCAN caches")) /* few, too */
                g_error("%s\n%s", kiln_database_text(sql), plan);
        g_autofree char *code = explain(db, "EXPLAIN ", 1, sql);
        bool once = sql >= SQL_BOOT_INSERT && sql <= SQL_CONFIRM_RECORDS; /* a build, not a step */
        if (!lists && !once && strstr(code, "OpenEphemeral"))
            g_error("%s\n%s", kiln_database_text(sql), code);
    }
    sqlite3_close(db);
}

#define ADD(path, func) g_test_add("/store/" path, Place, NULL, set_up, func, tear_down)

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What the directory holds, and when it was changed. */
static char *snapshot(Place *p, const char *folder)
{
    g_autofree char *path = g_build_filename(p->root, folder, NULL);
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(d))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        GStatBuf st;
        g_assert_cmpint(g_stat(file, &st), ==, 0);
        g_ptr_array_add(lines, g_strdup_printf("%s %ld %ld.%09ld", name, (long)st.st_size, (long)st.st_mtim.tv_sec,
                                               st.st_mtim.tv_nsec));
    }
    g_ptr_array_sort(lines, by_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

/* A reader makes nothing and changes nothing, and goes along with others. */
static void test_read(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_store_open(p->root, KILN_STORE_READ, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    g_assert_false(there(p, ""));
    g_clear_error(&error);

    KilnStore *s = open_store(p);
    g_autofree char *id = NULL;
    g_assert_true(kiln_blob_put_bytes(s, "{}", 2, &id, NULL));
    g_assert_true(kiln_image_put(s, id, "docker.io/library/a:latest", NULL, 0, NULL, NULL));
    for (int other = 1; other >= 0; other--) { /* another has it open, none has */
        g_autofree char *before = snapshot(p, "");
        g_autofree char *tmp = snapshot(p, "tmp");
        KilnStore *reader = kiln_store_open(p->root, KILN_STORE_READ, &error);
        g_assert_no_error(error);
        g_autoptr(KilnImage) image = kiln_image_lookup(reader, "docker.io/library/a:latest", NULL);
        g_assert_cmpstr(image->id, ==, id);
        g_assert_false(kiln_image_tag(reader, id, "docker.io/library/b:latest", NULL));
        kiln_store_close(reader);
        g_autofree char *after = snapshot(p, "");
        g_autofree char *tmp_after = snapshot(p, "tmp");
        g_assert_cmpstr(after, ==, before);
        g_assert_cmpstr(tmp_after, ==, tmp);
        if (other)
            kiln_store_close(s);
    }
    write_file(p, "version", "kiln-store 1\nowner 4294967294\nowners self\n");
    g_assert_null(kiln_store_open(p->root, KILN_STORE_READ, &error));
    g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_PERMISSION);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("create-and-open-again", test_create_and_open_again);
    ADD("other-owner", test_other_owner);
    ADD("not-a-store", test_not_a_store);
    ADD("newer-schema-and-torn-database", test_newer_schema_and_torn_database);
    ADD("older-schema", test_older_schema);
    ADD("urls", test_urls);
    ADD("no-permission", test_no_permission);
    ADD("shared-and-exclusive", test_shared_and_exclusive);
    ADD("work-is-removed", test_work_is_removed);
    ADD("stale-work-is-cleaned", test_stale_work_is_cleaned);
    ADD("stale-work-that-stays", test_stale_work_that_stays);
    ADD("statements-scale", test_statements_scale);
    ADD("reset", test_reset);
    ADD("reset-and-symlinks", test_reset_and_symlinks);
    ADD("foreign-directory", test_foreign_directory);
    ADD("read", test_read);
    ADD("unconfirmed-rows-of-another-boot", test_unconfirmed_rows_of_another_boot);
    return g_test_run();
}

#include "store/fsck.h"

#include "store/state.h"
#include "tree/digest.h"
#include "tree/tar.h"
#include "tree/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many paths of one layer are named; of the rest the number. */
#define NAMED 10

typedef struct {
    KilnStore *store;
    KilnFsckFunc found;
    KilnFsckProgress progress;
    void *data;
    KilnFsck *out;
    GHashTable *bad_layers; /* gint64 */
    GHashTable *bad_blobs;  /* digest */
} Check;

static void problem(Check *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void problem(Check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    c->out->problems++;
    c->found(text, c->data);
}

/* --- The database --- */

typedef bool (*RowFunc)(Check *c, sqlite3_stmt *row, GError **error);

/* Calls func for each row of a query without parameters. Not for what takes long: the database is locked. */
static bool each_row(Check *c, const char *sql, RowFunc func, GError **error)
{
    GError *failed = NULL;
    kiln_database_lock(c->store->db);
    sqlite3_stmt *q = kiln_database_prepare(c->store->db, sql, &failed);
    bool ok = q != NULL;
    while (ok && kiln_query_row(c->store->db, q, &failed))
        ok = func(c, q, &failed);
    sqlite3_finalize(q);
    kiln_database_unlock(c->store->db);
    if (failed)
        g_propagate_error(error, failed);
    return failed == NULL;
}

static bool check_integrity(Check *c, sqlite3_stmt *row, GError **error)
{
    const char *text = (const char *)sqlite3_column_text(row, 0);
    (void)error;
    if (g_strcmp0(text, "ok") != 0)
        problem(c, "the database store.db is damaged: %s", text);
    return true;
}

/* What refers to what is not there. Lookups do not believe such rows. */
static const char dangling[] =
    "SELECT 'the image ' || coalesce((SELECT name FROM names WHERE image = i.image), i.image) || ' needs layer ' ||"
    "    layer || ', which the store does not have'"
    "  FROM image_layers i WHERE layer NOT IN (SELECT id FROM layers)"
    " UNION ALL SELECT 'the image ' || coalesce((SELECT name FROM names WHERE image = id), id) ||"
    "    ' has no configuration in the store' FROM images WHERE id NOT IN (SELECT digest FROM blobs)"
    " UNION ALL SELECT 'the name ' || name || ' is that of no image in the store'"
    "  FROM names WHERE image NOT IN (SELECT id FROM images)"
    " UNION ALL SELECT 'the record of the step ' || coalesce(name, key) || ' needs layer ' || layer ||"
    "    ', which the store does not have'"
    "  FROM records WHERE layer <> 0 AND layer NOT IN (SELECT id FROM layers)";

static bool tell(Check *c, sqlite3_stmt *row, GError **error)
{
    (void)error;
    g_autofree char *shown = kiln_tar_shown((const char *)sqlite3_column_text(row, 0));
    problem(c, "%s", shown);
    return true;
}

static bool take_counts(Check *c, sqlite3_stmt *row, GError **error)
{
    (void)error;
    c->out->layers = (guint64)sqlite3_column_int64(row, 0);
    c->out->blobs = (guint64)sqlite3_column_int64(row, 1);
    c->out->images = (guint64)sqlite3_column_int64(row, 2);
    c->out->records = (guint64)sqlite3_column_int64(row, 3);
    return true;
}

static bool check_database(Check *c, GError **error)
{
    return each_row(c, "PRAGMA integrity_check", check_integrity, error) && each_row(c, dangling, tell, error) &&
           each_row(c,
                    "SELECT (SELECT count(*) FROM layers), (SELECT count(*) FROM blobs),"
                    " (SELECT count(*) FROM images), (SELECT count(*) FROM records)",
                    take_counts, error);
}

/* --- Blobs --- */

typedef struct {
    char *digest;
    gint64 size;
} Blob;

static void blob_clear(gpointer blob)
{
    g_free(((Blob *)blob)->digest);
}

static GArray *list_blobs(Check *c, GError **error)
{
    g_autoptr(GArray) blobs = g_array_new(FALSE, FALSE, sizeof(Blob));
    g_array_set_clear_func(blobs, blob_clear);
    GError *failed = NULL;
    kiln_database_lock(c->store->db);
    sqlite3_stmt *q = kiln_database_prepare(c->store->db, "SELECT digest, size FROM blobs ORDER BY digest", &failed);
    while (q && kiln_query_row(c->store->db, q, &failed)) {
        Blob b = {kiln_query_text(q, 0), sqlite3_column_int64(q, 1)};
        g_array_append_val(blobs, b);
    }
    sqlite3_finalize(q);
    kiln_database_unlock(c->store->db);
    if (!failed)
        return g_steal_pointer(&blobs);
    g_propagate_error(error, failed);
    return NULL;
}

static const char *name_of_blob(const char *digest)
{
    const char *colon = strchr(digest, ':');
    return colon ? colon + 1 : digest;
}

static void bad_blob(Check *c, const Blob *b, const char *why)
{
    problem(c, "the blob %s %s", b->digest, why);
    g_hash_table_add(c->bad_blobs, g_strdup(b->digest));
}

static void check_blob(Check *c, const Blob *b)
{
    uint8_t wanted[KILN_SHA256_SIZE], found[KILN_SHA256_SIZE];
    int fd = openat(c->store->blobs_fd, name_of_blob(b->digest), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        g_autofree char *why = errno == ENOENT ? g_strdup("is missing")
                                               : g_strdup_printf("cannot be read: %s", g_strerror(errno));
        bad_blob(c, b, why);
        return;
    }
    struct stat st = {0};
    int result = fstat(fd, &st) == 0 ? kiln_digest_fd(fd, found, NULL) : -errno;
    close(fd);
    if (result < 0) {
        g_autofree char *why = g_strdup_printf("cannot be read: %s", g_strerror(-result));
        bad_blob(c, b, why);
    } else if (st.st_size != b->size) {
        g_autofree char *why = g_strdup_printf("has %" G_GINT64_FORMAT " bytes in place of %" G_GINT64_FORMAT,
                                               (gint64)st.st_size, b->size);
        bad_blob(c, b, why);
    } else if (!kiln_digest_parse(b->digest, wanted) || memcmp(wanted, found, sizeof found) != 0) {
        bad_blob(c, b, "has another content");
    }
    c->out->bytes += (guint64)st.st_size;
}

/* --- Layers --- */

typedef struct {
    gint64 number, size;
    char *made_by; /* for people */
    char *tar;     /* the diffID of its tar, cut at clamp, or NULL */
    gint64 clamp;
} Layer;

static void layer_clear(gpointer layer)
{
    Layer *l = layer;
    g_free(l->made_by);
    g_free(l->tar);
}

/* A layer that came with an image has its own tar, which kiln cannot write. */
static const char all_layers[] =
    "SELECT id, size, coalesce((SELECT name FROM records WHERE layer = id LIMIT 1),"
    "    (SELECT 'image ' || coalesce((SELECT name FROM names WHERE image = i.image LIMIT 1), image)"
    "     FROM image_layers i WHERE layer = id"
    "     ORDER BY (SELECT max(position) FROM image_layers a WHERE a.image = i.image) LIMIT 1)),"
    "    (SELECT t.diff_id FROM tars t WHERE t.layer = id ORDER BY clamp LIMIT 1),"
    "    (SELECT clamp FROM tars t WHERE t.layer = id ORDER BY clamp LIMIT 1)"
    "  FROM layers ORDER BY id";

static GArray *list_layers(Check *c, GError **error)
{
    g_autoptr(GArray) layers = g_array_new(FALSE, FALSE, sizeof(Layer));
    g_array_set_clear_func(layers, layer_clear);
    GError *failed = NULL;
    kiln_database_lock(c->store->db);
    sqlite3_stmt *q = kiln_database_prepare(c->store->db, all_layers, &failed);
    while (q && kiln_query_row(c->store->db, q, &failed)) {
        Layer l = {.number = sqlite3_column_int64(q, 0),
                   .size = sqlite3_column_int64(q, 1),
                   .made_by = kiln_query_text(q, 2),
                   .tar = kiln_query_text(q, 3),
                   .clamp = sqlite3_column_int64(q, 4)};
        g_array_append_val(layers, l);
    }
    sqlite3_finalize(q);
    kiln_database_unlock(c->store->db);
    if (!failed)
        return g_steal_pointer(&layers);
    g_propagate_error(error, failed);
    return NULL;
}

typedef struct {
    Check *check;
    char *name;
    guint problems;
} LayerCheck;

static char *name_of_layer(const Layer *l)
{
    g_autofree char *by = l->made_by ? kiln_tar_shown(l->made_by) : NULL;
    return g_strdup_printf("layer %" G_GINT64_FORMAT "%s%s%s", l->number, by ? " (" : "", by ? by : "", by ? ")" : "");
}

static void bad_path(const char *path, const char *why, void *data)
{
    LayerCheck *l = data;
    g_autofree char *shown = kiln_tar_shown(path);
    if (l->problems++ < NAMED)
        problem(l->check, "%s: /%s %s", l->name, shown, why);
    else
        l->check->out->problems++;
}

static bool hash_tar(void *hash, const void *bytes, size_t size, GError **error)
{
    (void)error;
    kiln_hash_update(hash, bytes, size);
    return true;
}

/* What a command wrote has no digests in the manifest, but the tar that was made of it has one. */
static void check_tar(LayerCheck *c, const Layer *l, const KilnManifest *m, int fd)
{
    g_autoptr(KilnHash) hash = kiln_hash_new();
    g_autoptr(GError) error = NULL;
    if (!kiln_tar_write(m, fd, l->clamp, hash_tar, hash, &error)) {
        c->problems++;
        problem(c->check, "%s: %s", c->name, error->message);
        return;
    }
    g_autofree char *found = kiln_hash_finish_text(hash);
    if (strcmp(found, l->tar) == 0)
        return;
    c->problems++;
    problem(c->check, "%s: the content of a file has changed (its tar is not the one that it was)", c->name);
}

static void check_files(LayerCheck *c, const Layer *l, const KilnManifest *m)
{
    KilnStore *s = c->check->store;
    char number[24];
    snprintf(number, sizeof number, "%" G_GINT64_FORMAT, l->number);
    int fd = openat(s->layers_fd, number, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        c->problems++;
        problem(c->check, "%s: its directory layers/%s cannot be opened: %s", c->name, number, g_strerror(errno));
        return;
    }
    guint undigested;
    kiln_verify_layer(m, fd, s->owners, bad_path, c, &undigested);
    if (c->problems == 0 && undigested && l->tar)
        check_tar(c, l, m, fd);
    close(fd);
    c->check->out->bytes += kiln_manifest_size(m);
}

static void check_layer(Check *check, const Layer *l)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = name_of_layer(l);
    LayerCheck c = {.check = check, .name = name};
    char number[24];
    snprintf(number, sizeof number, "%" G_GINT64_FORMAT, l->number);
    bool packed = kiln_layer_is_packed(check->store, l->number);
    g_autoptr(KilnManifest) m = packed ? NULL : kiln_manifest_read(check->store->manifests_fd, number, &error);
    if (packed && !kiln_layer_is_usable(check->store, l->number)) {
        c.problems++;
        problem(check, "%s: the blob that it is packed in is not there", name);
    } else if (packed) {
        ; /* its blob has been verified as all are */
    } else if (!m) {
        c.problems++;
        problem(check, "%s: %s", name, error->message);
    } else {
        check_files(&c, l, m);
    }
    if (c.problems > NAMED)
        problem(check, "%s: … and %u paths more", name, c.problems - NAMED);
    if (c.problems)
        g_hash_table_add(check->bad_layers, g_memdup2(&l->number, sizeof l->number));
}

/* --- Files without a row --- */

static void keep(const char *key, gpointer set)
{
    g_hash_table_add(set, g_strdup(name_of_blob(key)));
}

static bool check_strays(Check *c, int dirfd, const char *what, GHashTable *keys, GError **error)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return kiln_store_fail(error, errnum, "cannot read %s/%s", c->store->root, what);
    }
    const struct dirent *e;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !g_hash_table_contains(keys, e->d_name))
            problem(c, "%s/%s belongs to nothing in the store", what, e->d_name);
    closedir(d);
    return true;
}

/* Files are renamed into place within the transaction of their rows: nobody is in between while this one lasts. */
static bool check_files_without_rows(Check *c, GError **error)
{
    KilnStore *s = c->store;
    g_autoptr(GHashTable) layers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok) {
        ok = kiln_database_keys(s->db, "layers", keep, layers, error) &&
             kiln_database_keys(s->db, "blobs", keep, blobs, error) &&
             check_strays(c, s->layers_fd, "layers", layers, error) &&
             check_strays(c, s->manifests_fd, "manifests", layers, error) &&
             check_strays(c, s->blobs_fd, "blobs/sha256", blobs, error);
        kiln_database_rollback(s->db);
    }
    kiln_database_unlock(s->db);
    return ok;
}

/* Opening the store has removed what dead processes left, as far as it could. */
static bool check_work(Check *c, GError **error)
{
    int fd = openat(c->store->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return kiln_store_fail(error, errnum, "cannot read %s/tmp", c->store->root);
    }
    const struct dirent *e;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && kiln_session_is_dead(c->store, e->d_name))
            problem(c, "tmp/%s was left by a kiln that is gone, and cannot be removed", e->d_name);
    closedir(d);
    return true;
}

/* --- Repair --- */

static bool drop_row(Check *c, const char *sql, const char *text, gint64 number, GError **error)
{
    sqlite3_stmt *q = kiln_database_prepare(c->store->db, sql, error);
    if (!q)
        return false;
    if (text)
        sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(q, 1, number);
    GError *failed = NULL;
    kiln_query_row(c->store->db, q, &failed);
    sqlite3_finalize(q);
    if (failed)
        g_propagate_error(error, failed);
    return failed == NULL;
}

static bool drop_rows(Check *c, GError **error)
{
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, c->bad_layers);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!drop_row(c, "DELETE FROM layers WHERE id = ?1", NULL, *(const gint64 *)key, error))
            return false;
    g_hash_table_iter_init(&iter, c->bad_blobs);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        /* a layer that came with an image cannot be written to a blob again */
        if (!drop_row(c,
                      "DELETE FROM layers WHERE diff_id IN (SELECT diff_id FROM layer_blobs WHERE digest = ?1)", key,
                      0, error) ||
            !drop_row(c, "DELETE FROM blobs WHERE digest = ?1", key, 0, error))
            return false;
    return true;
}

/* The sweep takes with them whatever needs them, and files without a row. */
static bool repair_all(Check *c, GError **error)
{
    KilnStore *s = c->store;
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && drop_rows(c, error)) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    if (ok && !kiln_store_sweep(s, error))
        return false;
    guint64 before = c->out->problems;
    if (!ok || !each_row(c, "PRAGMA integrity_check", check_integrity, error))
        return false;
    c->out->repaired = c->out->problems == before;
    return true;
}

static bool is_ended(Check *c, guint64 done, guint64 total, GError **error)
{
    if (!c->progress || c->progress(done, total, c->data))
        return false;
    g_set_error_literal(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "the store was not looked at wholly");
    return true;
}

static bool check_contents(Check *c, GError **error)
{
    g_autoptr(GArray) blobs = list_blobs(c, error);
    g_autoptr(GArray) layers = blobs ? list_layers(c, error) : NULL;
    if (!layers)
        return false;
    guint64 total = 0, done = 0;
    for (guint i = 0; i < blobs->len; i++)
        total += (guint64)g_array_index(blobs, Blob, i).size;
    for (guint i = 0; i < layers->len; i++)
        total += (guint64)g_array_index(layers, Layer, i).size;
    for (guint i = 0; i < blobs->len; i++) {
        const Blob *b = &g_array_index(blobs, Blob, i);
        if (is_ended(c, done, total, error))
            return false;
        check_blob(c, b);
        done += (guint64)b->size;
    }
    for (guint i = 0; i < layers->len; i++) {
        const Layer *l = &g_array_index(layers, Layer, i);
        if (is_ended(c, done, total, error))
            return false;
        check_layer(c, l);
        done += (guint64)l->size;
    }
    return true;
}

bool kiln_store_fsck(KilnStore *s, bool repair, KilnFsckFunc found, KilnFsckProgress progress, void *data,
                     KilnFsck *out, GError **error)
{
    g_autoptr(GHashTable) layers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_autoptr(GHashTable) blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Check c = {s, found, progress, data, out, layers, blobs};
    *out = (KilnFsck){0};
    if (!check_database(&c, error) || !check_contents(&c, error) || !check_files_without_rows(&c, error) ||
        !check_work(&c, error))
        return false;
    return !repair || out->problems == 0 || repair_all(&c, error);
}

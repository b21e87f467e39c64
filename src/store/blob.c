/* Blobs: files named by their SHA-256, each with a row that says its size. */
#include "store/lease.h"
#include "store/state.h"

#include "tree/digest.h"
#include "tree/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file name of a digest, or NULL with an error if it is not one. */
static const char *file_name(const char *digest, GError **error)
{
    uint8_t bytes[KILN_SHA256_SIZE];
    if (digest != NULL && kiln_digest_parse(digest, bytes))
        return digest + strlen(KILN_DIGEST_PREFIX);
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                "\"%s\" is not a sha256 digest (sha256 and 64 lower-case hex digits)",
                digest != NULL ? digest : "");
    return NULL;
}

/* What the records say of a blob's size, -1: nothing. */
static gint64 recorded_size(KilnStore *s, const char *digest)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_BLOB_SIZE, "sb", digest);
    gint64 size = kiln_query_row(s->db, q, NULL) ? sqlite3_column_int64(q, 0) : -1;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return size;
}

static bool put_row(KilnStore *s, const char *digest, gint64 size, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && kiln_database_run(s->db, error, SQL_BLOB_PUT, "sig", digest, size)) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    return ok;
}

/* A file without a row (a process died between rename and commit, or the machine before the row was
 * on disk) is believed once it has been hashed. */
static bool adopt(KilnStore *s, const char *digest, int fd, gint64 size)
{
    uint8_t wanted[KILN_SHA256_SIZE], found[KILN_SHA256_SIZE];
    if (!kiln_digest_parse(digest, wanted) || kiln_digest_fd(fd, found, NULL) != 0 ||
        memcmp(wanted, found, sizeof wanted) != 0)
        return false;
    return put_row(s, digest, size, NULL);
}

int kiln_blob_open(KilnStore *s, const char *digest, guint64 *size, GError **error)
{
    const char *name = file_name(digest, error);
    if (name == NULL)
        return -1;
    if (!kiln_lease_blob(s, digest)) {
        kiln_store_fail(error, errno, "cannot lease a blob of %s", s->root);
        return -1;
    }
    int fd = openat(s->blobs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT) {
        kiln_store_fail(error, errno, "cannot open %s/%s", s->blob_directory, name);
        return -1;
    }
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        gint64 recorded = recorded_size(s, digest);
        if (recorded == st.st_size || (recorded < 0 && adopt(s, digest, fd, st.st_size))) {
            if (size != NULL)
                *size = (guint64)st.st_size;
            return fd;
        }
    }
    if (fd >= 0)
        close(fd);
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND, "the store %s has no blob %s",
                s->root, digest);
    return -1;
}

bool kiln_blob_exists(KilnStore *s, const char *digest)
{
    int fd = kiln_blob_open(s, digest, NULL, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool kiln_blob_commit(KilnStore *s, KilnWork *w, const char *name, const char *digest,
                      GError **error)
{
    const char *target = file_name(digest, error);
    struct stat st;
    if (target == NULL)
        return false;
    if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return kiln_store_fail(error, ENOENT, "cannot open %s/%s", w->path, name);
    if (!kiln_lease_blob(s, digest))
        return kiln_store_fail(error, errno, "cannot lease a blob of %s", s->root);
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok) {
        ok = kiln_database_run(s->db, error, SQL_BLOB_PUT, "sig", digest, (gint64)st.st_size);
        if (ok && renameat(w->fd, name, s->blobs_fd, target) < 0)
            ok = kiln_store_fail(error, errno, "cannot create %s/%s", s->blob_directory, target);
        if (ok)
            ok = kiln_database_commit(s->db, error);
        else
            kiln_database_rollback(s->db);
    }
    kiln_database_unlock(s->db);
    return ok;
}

bool kiln_blob_put_bytes(KilnStore *s, const void *bytes, gsize size, char **digest, GError **error)
{
    g_autofree char *text = kiln_digest_of_bytes(bytes, size);
    if (!kiln_blob_exists(s, text)) {
        g_autoptr(KilnWork) w = kiln_work_new(s, error);
        if (w == NULL)
            return false;
        int fd = openat(w->fd, "blob", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int result = fd >= 0 ? kiln_write_all(fd, bytes, size) : -errno;
        if (fd >= 0)
            close(fd);
        if (result < 0)
            return kiln_store_fail(error, -result, "cannot write %s/blob", w->path);
        if (!kiln_blob_commit(s, w, "blob", text, error))
            return false;
    }
    if (digest != NULL)
        *digest = g_steal_pointer(&text);
    return true;
}

void kiln_layer_blob_clear(KilnLayerBlob *b)
{
    g_clear_pointer(&b->digest, g_free);
    g_clear_pointer(&b->media_type, g_free);
    b->size = 0;
}

bool kiln_layer_blob_lookup(KilnStore *s, const char *diff_id, KilnLayerBlob *out)
{
    *out = (KilnLayerBlob){0};
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_LAYER_BLOB, "s", diff_id);
    if (kiln_query_row(s->db, q, NULL)) {
        out->digest = kiln_query_text(q, 0);
        out->media_type = kiln_query_text(q, 1);
    }
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    int fd = out->digest != NULL ? kiln_blob_open(s, out->digest, &out->size, NULL) : -1;
    if (fd < 0) {
        kiln_layer_blob_clear(out);
        return false;
    }
    close(fd);
    return true;
}

bool kiln_layer_blob_set(KilnStore *s, const char *diff_id, const KilnLayerBlob *b, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_LAYER_BLOB_SET, "sss", diff_id, b->digest,
                                b->media_type);
    kiln_database_unlock(s->db);
    return ok;
}

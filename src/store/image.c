/* Images: a config blob, a chain of layers, and names. */
#include "store/lease.h"
#include "store/state.h"

#include "tree/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SHORTEST_PREFIX 4

void kiln_image_free(KilnImage *i)
{
    if (i == NULL)
        return;
    g_free(i->id);
    g_strfreev(i->names);
    g_free(i->chain);
    g_free(i->source_digest);
    g_free(i);
}

/* All changes below are one transaction: run func in it. */
typedef bool (*ChangeFunc)(KilnStore *s, gconstpointer data, GError **error);

static bool change(KilnStore *s, ChangeFunc func, gconstpointer data, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok) {
        ok = func(s, data, error);
        if (ok)
            ok = kiln_database_commit(s->db, error);
        else
            kiln_database_rollback(s->db);
    }
    kiln_database_unlock(s->db);
    return ok;
}

static bool not_found(GError **error, const char *what)
{
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                "there is no image \"%s\" in the store", what);
    return false;
}

typedef struct {
    const char *id, *name, *source;
    const gint64 *chain;
    guint n;
} Put;

static bool put(KilnStore *s, gconstpointer data, GError **error)
{
    const Put *p = data;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    if (!kiln_database_run(s->db, error, SQL_IMAGE_PUT, "sisg", p->id, now, p->source) ||
        !kiln_database_run(s->db, error, SQL_CHAIN_CLEAR, "s", p->id))
        return false;
    for (guint i = 0; i < p->n; i++)
        if (!kiln_database_run(s->db, error, SQL_CHAIN_ADD, "sii", p->id, (gint64)i, p->chain[i]))
            return false;
    return p->name == NULL || kiln_database_run(s->db, error, SQL_NAME_PUT, "ss", p->name, p->id);
}

/* Whether the records say all this already: then nothing is written, and nothing needs confirming. */
static bool is_recorded(KilnStore *s, const Put *p)
{
    g_autoptr(KilnImage) image = kiln_image_lookup(s, p->name ? p->name : p->id, NULL);
    return image && strcmp(image->id, p->id) == 0 && image->n_chain == p->n &&
           (p->n == 0 || memcmp(image->chain, p->chain, p->n * sizeof *p->chain) == 0) &&
           (p->source == NULL || g_strcmp0(p->source, image->source_digest) == 0);
}

bool kiln_image_put(KilnStore *s, const char *id, const char *name, const gint64 *chain, guint n,
                    const char *source_digest, GError **error)
{
    int fd = kiln_blob_open(s, id, NULL, error);
    if (fd < 0)
        return false;
    close(fd);
    const Put p = {.id = id, .name = name, .source = source_digest, .chain = chain, .n = n};
    return is_recorded(s, &p) || change(s, put, &p, error);
}

static bool exists(KilnStore *s, const char *id, GError **error)
{
    g_autoptr(KilnQuery) q = kiln_database_query(s->db, SQL_IMAGE_EXISTS, "sb", id);
    return kiln_query_row(s->db, q, error);
}

static bool tag(KilnStore *s, gconstpointer data, GError **error)
{
    const Put *p = data;
    g_autoptr(GError) failed = NULL;
    if (!exists(s, p->id, &failed)) {
        if (failed == NULL)
            return not_found(error, p->id);
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    return kiln_database_run(s->db, error, SQL_NAME_PUT, "ss", p->name, p->id);
}

bool kiln_image_tag(KilnStore *s, const char *id, const char *name, GError **error)
{
    const Put p = {.id = id, .name = name};
    g_autoptr(KilnImage) there = kiln_image_lookup(s, name, NULL);
    return (there && strcmp(there->id, id) == 0) || change(s, tag, &p, error);
}

static bool untag(KilnStore *s, gconstpointer name, GError **error)
{
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_NAME_GET, "s", (const char *)name);
    bool found = kiln_query_row(s->db, q, NULL);
    kiln_query_end(q);
    return found ? kiln_database_run(s->db, error, SQL_NAME_DELETE, "s", (const char *)name)
                 : not_found(error, name);
}

bool kiln_image_untag(KilnStore *s, const char *name, GError **error)
{
    return change(s, untag, name, error);
}

static bool remove_rows(KilnStore *s, gconstpointer data, GError **error)
{
    const char *id = data;
    g_autoptr(GError) failed = NULL;
    if (!exists(s, id, &failed))
        return not_found(error, id);
    return kiln_database_run(s->db, error, SQL_NAMES_DELETE_OF, "s", id) &&
           kiln_database_run(s->db, error, SQL_CHAIN_CLEAR, "s", id) &&
           kiln_database_run(s->db, error, SQL_IMAGE_DELETE, "s", id) &&
           kiln_database_run(s->db, error, SQL_BLOB_DELETE, "s", id);
}

bool kiln_image_remove(KilnStore *s, const char *id, GError **error)
{
    if (!change(s, remove_rows, id, error))
        return false;
    /* The row is gone; a file that stays behind is no harm. */
    unlinkat(s->blobs_fd, id + strlen(KILN_DIGEST_PREFIX), 0);
    return true;
}

/* Reads an image by its full ID, with the lock held; NULL if there is none (error unset) or on
 * error. */
static KilnImage *get(KilnStore *s, const char *id, GError **error)
{
    g_autoptr(KilnImage) image = g_new0(KilnImage, 1);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_IMAGE_GET, "sb", id);
    bool found = kiln_query_row(s->db, q, error);
    if (found) {
        image->id = kiln_query_text(q, 0);
        image->created = sqlite3_column_int64(q, 1);
        image->source_digest = kiln_query_text(q, 2);
    }
    kiln_query_end(q);
    if (!found)
        return NULL;

    g_autoptr(GPtrArray) names = g_ptr_array_new();
    q = kiln_database_query(s->db, SQL_NAMES_OF, "s", id);
    while (kiln_query_row(s->db, q, NULL))
        g_ptr_array_add(names, kiln_query_text(q, 0));
    kiln_query_end(q);
    g_ptr_array_add(names, NULL);
    image->names = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);

    g_autoptr(GArray) chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    q = kiln_database_query(s->db, SQL_CHAIN_GET, "s", id);
    while (kiln_query_row(s->db, q, NULL)) {
        gint64 layer = sqlite3_column_int64(q, 0);
        g_array_append_val(chain, layer);
    }
    kiln_query_end(q);
    image->n_chain = chain->len;
    image->chain = (gint64 *)(void *)g_array_free(g_steal_pointer(&chain), FALSE);
    return g_steal_pointer(&image);
}

/* The one ID that begins with these hex digits: NULL if none does, or with an error if several do.
 */
static char *id_by_prefix(KilnStore *s, const char *text, GError **error)
{
    const char *hex =
        g_str_has_prefix(text, KILN_DIGEST_PREFIX) ? text + strlen(KILN_DIGEST_PREFIX) : text;
    size_t length = strlen(hex);
    if (length < SHORTEST_PREFIX || length > 64 || strspn(hex, "0123456789abcdef") != length)
        return NULL;
    g_autofree char *low = g_strconcat(KILN_DIGEST_PREFIX, hex, NULL);
    g_autofree char *high = g_strconcat(low, "g", NULL); /* sorts after every hex digit */
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_IMAGE_RANGE, "ssb", low, high);
    g_autofree char *id = kiln_query_row(s->db, q, error) ? kiln_query_text(q, 0) : NULL;
    bool several = id != NULL && kiln_query_row(s->db, q, NULL);
    kiln_query_end(q);
    if (several) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "several images have IDs that begin with \"%s\"; give more digits", text);
        return NULL;
    }
    return g_steal_pointer(&id);
}

/* Leases an image that was looked up. False if it has been removed meanwhile. */
static bool lease(KilnStore *s, const KilnImage *image)
{
    if (!kiln_layer_lease(s, image->chain, image->n_chain) || !kiln_lease_blob(s, image->id))
        return false;
    kiln_database_lock(s->db);
    bool there = exists(s, image->id, NULL);
    kiln_database_unlock(s->db);
    return there;
}

KilnImage *kiln_image_lookup(KilnStore *s, const char *name_or_id, GError **error)
{
    g_autoptr(GError) failed = NULL;
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_NAME_GET, "s", name_or_id);
    g_autofree char *id = kiln_query_row(s->db, q, &failed) ? kiln_query_text(q, 0) : NULL;
    kiln_query_end(q);
    KilnImage *image = id != NULL ? get(s, id, &failed) : NULL;
    if (image == NULL && failed == NULL) { /* a name may be all hex digits: names first */
        g_free(id);
        id = id_by_prefix(s, name_or_id, &failed);
        image = id != NULL ? get(s, id, &failed) : NULL;
    }
    kiln_database_unlock(s->db);
    if (image != NULL && !lease(s, image))
        g_clear_pointer(&image, kiln_image_free);
    if (image == NULL && failed == NULL)
        not_found(error, name_or_id);
    else if (image == NULL)
        g_propagate_error(error, g_steal_pointer(&failed));
    return image;
}

KilnImage *kiln_image_by_source(KilnStore *s, const char *digest)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_IMAGE_BY_SOURCE, "sb", digest);
    g_autofree char *id = kiln_query_row(s->db, q, NULL) ? kiln_query_text(q, 0) : NULL;
    kiln_query_end(q);
    KilnImage *image = id != NULL ? get(s, id, NULL) : NULL;
    kiln_database_unlock(s->db);
    if (image != NULL && !lease(s, image))
        g_clear_pointer(&image, kiln_image_free);
    return image;
}

GPtrArray *kiln_image_list(KilnStore *s, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_image_free);
    g_autoptr(GError) failed = NULL;
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_IMAGE_LIST, "b");
    while (kiln_query_row(s->db, q, &failed))
        g_ptr_array_add(ids, kiln_query_text(q, 0));
    kiln_query_end(q);
    for (guint i = 0; i < ids->len && failed == NULL; i++) {
        KilnImage *image = get(s, ids->pdata[i], &failed);
        if (image != NULL)
            g_ptr_array_add(images, image);
    }
    kiln_database_unlock(s->db);
    if (failed != NULL) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return NULL;
    }
    return g_steal_pointer(&images);
}

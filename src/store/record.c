/* Step records: what a step with this key made, when, and what the key was made of. docs/store.md, "Records". */
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

void kiln_record_clear(KilnRecord *r)
{
    g_free(r->key);
    g_free(r->operation);
    g_free(r->inputs);
    g_free(r->same_as);
    g_free(r->name);
    *r = (KilnRecord){0};
}

static void read_row(sqlite3_stmt *q, KilnRecord *out)
{
    *out = (KilnRecord){
        .key = kiln_query_text(q, 0),
        .operation = kiln_query_text(q, 1),
        .inputs = kiln_query_text(q, 2),
        .same_as = kiln_query_text(q, 3),
        .layer = sqlite3_column_int64(q, 4),
        .created = sqlite3_column_int64(q, 5),
        .duration = sqlite3_column_int64(q, 6),
        .name = kiln_query_text(q, 7),
    };
}

static bool is_usable(KilnStore *s, const KilnRecord *r)
{
    return r->layer == 0 || kiln_layer_is_usable(s, r->layer);
}

bool kiln_record_lookup(KilnStore *s, const char *key, KilnRecord *out)
{
    *out = (KilnRecord){0};
    kiln_database_lock(s->db);
    g_autofree char *other = NULL;
    for (int follow = 0; follow < 2 && key; follow++, key = other) {
        kiln_record_clear(out);
        sqlite3_stmt *q = kiln_database_query(s->db, SQL_RECORD_GET, "sb", key);
        if (kiln_query_row(s->db, q, NULL))
            read_row(q, out);
        kiln_query_end(q);
        g_free(other);
        other = g_strdup(out->same_as);
    }
    kiln_database_unlock(s->db);
    bool found = out->key && !out->same_as && (!out->layer || kiln_layer_lease(s, &out->layer, 1)) && is_usable(s, out);
    if (!found)
        kiln_record_clear(out);
    return found;
}

static void record_free(gpointer record)
{
    kiln_record_clear(record);
    g_free(record);
}

GPtrArray *kiln_records_of(KilnStore *s, const char *operation, guint most)
{
    GPtrArray *records = g_ptr_array_new_with_free_func(record_free);
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_RECORDS_OF, "sbi", operation, (gint64)most);
    while (kiln_query_row(s->db, q, NULL)) {
        KilnRecord *r = g_new0(KilnRecord, 1);
        read_row(q, r);
        g_ptr_array_add(records, r);
    }
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    for (guint i = records->len; i > 0; i--) {
        const KilnRecord *r = records->pdata[i - 1];
        if ((r->layer && !kiln_layer_lease(s, &r->layer, 1)) || !is_usable(s, r))
            g_ptr_array_remove_index(records, i - 1);
    }
    return records;
}

GArray *kiln_record_layers_named(KilnStore *s, const char *name, guint files, guint most)
{
    GArray *layers = g_array_new(FALSE, FALSE, sizeof(gint64));
    kiln_database_lock(s->db);
    sqlite3_stmt *q =
        kiln_database_query(s->db, SQL_RECORD_LAYERS_NAMED, "siib", name, (gint64)files, (gint64)most);
    while (kiln_query_row(s->db, q, NULL)) {
        gint64 layer = sqlite3_column_int64(q, 0);
        g_array_append_val(layers, layer);
    }
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return layers;
}

bool kiln_record_put(KilnStore *s, const KilnRecord *r, GBytes *parts, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && kiln_database_run(s->db, error, SQL_RECORD_PUT, "ssssiiisg", r->key, r->operation, r->inputs,
                                r->same_as, r->layer, r->created, r->duration, r->name) &&
        (!parts || kiln_database_run(s->db, error, SQL_KEY_PUT, "sB", r->key, parts))) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    return ok;
}

bool kiln_key_parts_put(KilnStore *s, const char *key, GBytes *parts, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_KEY_PUT, "sB", key, parts);
    kiln_database_unlock(s->db);
    return ok;
}

GBytes *kiln_key_parts(KilnStore *s, const char *key)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_KEY_GET, "s", key);
    GBytes *parts = kiln_query_row(s->db, q, NULL)
                        ? g_bytes_new(sqlite3_column_blob(q, 0), (gsize)sqlite3_column_bytes(q, 0))
                        : NULL;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return parts;
}

static int lock_step(KilnStore *s, const char *key, short kind)
{
    const char *colon = strchr(key, ':');
    g_autofree char *first = g_strndup(colon ? colon + 1 : key, 15); /* 60 bits */
    return kiln_lock_set(s->lock_fd, KILN_LOCK_STEPS + (gint64)g_ascii_strtoull(first, NULL, 16), kind, false);
}

bool kiln_record_lock(KilnStore *s, const char *key, GError **error)
{
    int result = lock_step(s, key, F_WRLCK);
    if (result < 0 && result != -EAGAIN)
        kiln_store_fail(error, -result, "cannot lock %s/lock", s->root);
    return result == 0;
}

void kiln_record_unlock(KilnStore *s, const char *key)
{
    lock_step(s, key, F_UNLCK);
}

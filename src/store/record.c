/* Step records: what a step with this key made, when, and what the key was made of. */
#include "store/state.h"

void kiln_record_clear(KilnRecord *r)
{
    g_free(r->key);
    g_free(r->content_key);
    g_free(r->name);
    g_free(r->parts);
    *r = (KilnRecord){0};
}

static bool lookup(KilnStore *s, KilnSql sql, const char *key, KilnRecord *out)
{
    *out = (KilnRecord){0};
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, sql, "sb", key);
    bool found = kiln_query_row(s->db, q, NULL);
    if (found) {
        out->key = kiln_query_text(q, 0);
        out->content_key = kiln_query_text(q, 1);
        out->layer = sqlite3_column_int64(q, 2);
        out->created = sqlite3_column_int64(q, 3);
        out->duration = sqlite3_column_int64(q, 4);
        out->name = kiln_query_text(q, 5);
        out->parts = kiln_query_text(q, 6);
    }
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return found;
}

bool kiln_record_lookup(KilnStore *s, const char *key, KilnRecord *out)
{
    return lookup(s, SQL_RECORD_GET, key, out);
}

bool kiln_record_by_content(KilnStore *s, const char *content_key, KilnRecord *out)
{
    return lookup(s, SQL_RECORD_BY_CONTENT, content_key, out);
}

bool kiln_record_put(KilnStore *s, const KilnRecord *r, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && kiln_database_run(s->db, error, SQL_RECORD_PUT, "ssiiissg", r->key, r->content_key,
                                r->layer, r->created, r->duration, r->name, r->parts)) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    return ok;
}

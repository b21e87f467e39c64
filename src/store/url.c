/* What URLs gave when they were last fetched, so that the server can say that nothing has changed. */
#include "store/state.h"

#include "tree/digest.h"

#include <string.h>

void kiln_url_clear(KilnUrlRecord *r)
{
    g_free(r->digest);
    g_free(r->etag);
    g_free(r->name);
    *r = (KilnUrlRecord){.modified = -1};
}

/* URLs may hold passwords: only their digests are kept. g_free(). */
static char *key_of(const char *url)
{
    return kiln_digest_of_bytes(url, strlen(url));
}

bool kiln_url_lookup(KilnStore *s, const char *url, KilnUrlRecord *out)
{
    g_autofree char *key = key_of(url);
    *out = (KilnUrlRecord){.modified = -1};
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_URL_GET, "s", key);
    if (kiln_query_row(s->db, q, NULL)) {
        out->digest = kiln_query_text(q, 0);
        out->etag = kiln_query_text(q, 1);
        out->modified = sqlite3_column_int64(q, 2);
        out->name = kiln_query_text(q, 3);
    }
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    if (out->digest && kiln_blob_exists(s, out->digest))
        return true;
    kiln_url_clear(out);
    return false;
}

bool kiln_url_put(KilnStore *s, const char *url, const KilnUrlRecord *r, GError **error)
{
    g_autofree char *key = key_of(url);
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_URL_PUT, "sssis", key, r->digest, r->etag, r->modified,
                                r->name);
    kiln_database_unlock(s->db);
    return ok;
}

#include "store/database.h"

#include "store/error.h"

#include <errno.h>
#include <string.h>

#define SCHEMA_VERSION 4
#define BUSY_TIMEOUT 30000 /* milliseconds */
#define CHECKPOINT_PAGES                                                                           \
    8000 /* of 4 KiB; checkpoints are made when confirming, this is only a limit */

/* The few rows that a build has made and confirms: found without reading all others. */
#define PROVISIONAL(table) "CREATE INDEX IF NOT EXISTS " table "_boot ON " table " (boot) WHERE boot <> 0;"

/* What each schema has and the one before had not. A new store goes through all of them.
 *
 * 4: layers may have -1 entries: packed ones, which a kiln of schema 3 would take for damaged. */
#define SCHEMA_4 "CREATE INDEX IF NOT EXISTS tars_diff_id ON tars (diff_id);"

/* 3: records of older kilns have keys that no step asks for any more. */
#define SCHEMA_3                                                                                   \
    "DROP TABLE records;"                                                                          \
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"                     \
    "    operation TEXT NOT NULL, inputs TEXT NOT NULL, same_as TEXT, layer INTEGER NOT NULL,"     \
    "    created INTEGER NOT NULL, duration INTEGER NOT NULL, name TEXT, boot INTEGER NOT NULL);"  \
    "CREATE INDEX records_operation ON records (operation);"                                       \
    "CREATE INDEX records_layer ON records (layer);"                                               \
    PROVISIONAL("layers") PROVISIONAL("blobs") PROVISIONAL("images") PROVISIONAL("records")        \
    "CREATE TABLE keys (key TEXT PRIMARY KEY, parts BLOB NOT NULL) WITHOUT ROWID;"                 \
    "ALTER TABLE layers ADD COLUMN used INTEGER NOT NULL DEFAULT 0;"                               \
    "ALTER TABLE blobs ADD COLUMN used INTEGER NOT NULL DEFAULT 0;"                                \
    "CREATE INDEX image_layers_layer ON image_layers (layer);"                                     \
    "CREATE INDEX layer_blobs_digest ON layer_blobs (digest);"                                     \
    "CREATE INDEX IF NOT EXISTS layers_diff_id ON layers (diff_id) WHERE diff_id IS NOT NULL;"                   \
    "CREATE TABLE caches (name TEXT PRIMARY KEY, id TEXT NOT NULL, used INTEGER NOT NULL,"         \
    "    size INTEGER NOT NULL) WITHOUT ROWID;"                                                    \
    "CREATE TABLE builds (id INTEGER PRIMARY KEY AUTOINCREMENT, started INTEGER NOT NULL,"         \
    "    duration INTEGER, status TEXT NOT NULL, project TEXT NOT NULL, context TEXT,"             \
    "    dockerfile TEXT, target TEXT, names TEXT, image TEXT, error TEXT);"                       \
    "CREATE INDEX builds_project ON builds (project, id);"                                         \
    "CREATE TABLE build_steps (build INTEGER NOT NULL, position INTEGER NOT NULL,"                 \
    "    stage TEXT, name TEXT NOT NULL, line INTEGER, verdict TEXT NOT NULL, key TEXT,"           \
    "    layer INTEGER, started INTEGER, duration INTEGER, cause TEXT,"                            \
    "    PRIMARY KEY (build, position)) WITHOUT ROWID;"                                            \
    "CREATE TABLE build_logs (build INTEGER PRIMARY KEY, log BLOB NOT NULL);"

#define SCHEMA_2                                                                                   \
    "CREATE TABLE urls (url TEXT PRIMARY KEY, digest TEXT NOT NULL, etag TEXT, modified INTEGER,"  \
    "    name TEXT) WITHOUT ROWID;"

static const char schema[] =
    "CREATE TABLE boots (id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL);"
    "INSERT INTO boots (id, boot) VALUES (0, '');"
    "CREATE TABLE layers (id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL,"
    "    created INTEGER NOT NULL, size INTEGER NOT NULL, entries INTEGER NOT NULL,"
    "    diff_id TEXT, chain_id TEXT);"
    "CREATE INDEX layers_chain ON layers (chain_id) WHERE chain_id IS NOT NULL;"
    "CREATE TABLE tars (layer INTEGER NOT NULL, clamp INTEGER NOT NULL, diff_id TEXT NOT NULL,"
    "    PRIMARY KEY (layer, clamp)) WITHOUT ROWID;"
    "CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, boot INTEGER NOT NULL)"
    "    WITHOUT ROWID;"
    "CREATE TABLE layer_blobs (diff_id TEXT PRIMARY KEY, digest TEXT NOT NULL,"
    "    media_type TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE images (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT "
    "NULL,"
    "    source_digest TEXT, boot INTEGER NOT NULL);"
    "CREATE TABLE image_layers (image TEXT NOT NULL, position INTEGER NOT NULL,"
    "    layer INTEGER NOT NULL, PRIMARY KEY (image, position)) WITHOUT ROWID;"
    "CREATE TABLE names (name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX names_image ON names (image);"
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, content_key TEXT,"
    "    layer INTEGER NOT NULL, created INTEGER NOT NULL, duration INTEGER NOT NULL, name TEXT,"
    "    parts TEXT, boot INTEGER NOT NULL);"
    "CREATE INDEX records_content ON records (content_key) WHERE content_key IS NOT NULL;"
    SCHEMA_2 SCHEMA_3 SCHEMA_4;

/* What other boots left provisional goes, with the images and records that need it. */
static const char sweep[] =
    "DELETE FROM records WHERE boot <> 0 AND boot IN (SELECT id FROM boots WHERE boot NOT IN ('', ?1));"
    "DELETE FROM images WHERE boot <> 0 AND boot IN (SELECT id FROM boots WHERE boot NOT IN ('', ?1));"
    "DELETE FROM blobs WHERE boot <> 0 AND boot IN (SELECT id FROM boots WHERE boot NOT IN ('', ?1));"
    "DELETE FROM layers WHERE boot <> 0 AND boot IN (SELECT id FROM boots WHERE boot NOT IN ('', ?1));"
    "DELETE FROM records WHERE layer NOT IN (SELECT id FROM layers) AND layer <> 0;"
    "DELETE FROM records WHERE same_as NOT IN (SELECT key FROM records);"
    "DELETE FROM tars WHERE layer NOT IN (SELECT id FROM layers);"
    "DELETE FROM layer_blobs WHERE digest NOT IN (SELECT digest FROM blobs);"
    "DELETE FROM images WHERE id NOT IN (SELECT digest FROM blobs) OR id IN"
    "    (SELECT image FROM image_layers WHERE layer NOT IN (SELECT id FROM layers));"
    "DELETE FROM image_layers WHERE image NOT IN (SELECT id FROM images);"
    "DELETE FROM names WHERE image NOT IN (SELECT id FROM images);"
    "DELETE FROM boots WHERE boot NOT IN ('', ?1);";

/* What a read may believe: confirmed rows and those of this boot. Not by IN, for which SQLite makes a table in memory
 * each time: that would cost ten times what the query does. */
#define VISIBLE(table, n)                                                                          \
    "(" table ".boot = 0 OR EXISTS (SELECT 1 FROM boots WHERE boots.id = " table ".boot AND boots.boot = ?" #n "))"
#define CONFIRM(table)                                                                             \
    "UPDATE " table                                                                                \
    " SET boot = 0 WHERE boot <> 0 AND boot IN (SELECT id FROM boots WHERE boot = ?1 AND id <= ?2)"
/* "<> 0" is the index's own condition, "> 0" what it is searched by. */
#define ANY_PROVISIONAL(table) "EXISTS (SELECT 1 FROM " table " WHERE boot <> 0 AND boot > 0)"
#define URL_FIELDS "digest, etag, modified, name"
#define RECORD "key, operation, inputs, same_as, layer, created, duration, name"
#define BUILD "id, started, duration, status, project, context, dockerfile, target, names, image, error"
#define BUILD_STEP "position, stage, name, line, verdict, key, layer, started, duration, cause"
/* The newest build that is too many, if there is one. */
#define BUILDS_BEYOND "(SELECT id FROM builds ORDER BY id DESC LIMIT 1 OFFSET ?1)"
#define RECORD_LAYER                                                                               \
    " AND (layer = 0 OR EXISTS (SELECT 1 FROM layers WHERE layers.id = layer AND " VISIBLE(        \
        "layers", 2) "))"

static const char *const statements[SQL_N] = {
    [SQL_BOOT_INSERT] = "INSERT INTO boots (boot) VALUES (?1)",
    [SQL_BOOT_LAST] = "SELECT coalesce(max(id), 0) FROM boots WHERE boot = ?1",
    [SQL_BOOT_STALE] = "SELECT 1 FROM boots WHERE boot NOT IN ('', ?1)",
    [SQL_BOOT_DELETE] = "DELETE FROM boots WHERE boot = ?1 AND id <= ?2",
    [SQL_CONFIRM_LAYERS] = CONFIRM("layers"),
    [SQL_CONFIRM_BLOBS] = CONFIRM("blobs"),
    [SQL_CONFIRM_IMAGES] = CONFIRM("images"),
    [SQL_CONFIRM_RECORDS] = CONFIRM("records"),
    [SQL_PROVISIONAL] = "SELECT 1 WHERE " ANY_PROVISIONAL("layers") " OR " ANY_PROVISIONAL("blobs") " OR "
        ANY_PROVISIONAL("images") " OR " ANY_PROVISIONAL("records"),
    [SQL_LAYER_INSERT] =
        "INSERT INTO layers (boot, created, used, size, entries) VALUES (?1, ?2, ?2, ?3, ?4)",
    [SQL_LAYER_PUT] = "INSERT INTO layers (id, boot, created, used, size, entries) VALUES (?1, ?2, ?3, ?3, ?4, ?5)"
                      " ON CONFLICT (id) DO UPDATE SET boot = ?2, size = ?4, entries = ?5",
    [SQL_LAYER_ENTRIES] = "SELECT entries FROM layers WHERE id = ?1",
    [SQL_LAYER_EXISTS] = "SELECT 1 FROM layers WHERE id = ?1 AND " VISIBLE("layers", 2),
    [SQL_LAYER_DIFF_ID] = "SELECT diff_id FROM layers WHERE id = ?1",
    [SQL_LAYER_IDS] = "SELECT coalesce(layers.diff_id, tars.diff_id), chain_id FROM layers"
                      " LEFT JOIN tars ON tars.layer = layers.id AND clamp = ?2 WHERE id = ?1",
    [SQL_LAYER_SET_DIFF_ID] = "UPDATE layers SET diff_id = ?2 WHERE id = ?1",
    [SQL_LAYER_BY_CHAIN] = "SELECT id FROM layers WHERE chain_id = ?1 AND " VISIBLE(
        "layers", 2) " ORDER BY id LIMIT 1",
    [SQL_LAYER_SET_CHAIN] = "UPDATE layers SET chain_id = ?2 WHERE id = ?1",
    [SQL_LAYER_USED] = "SELECT used FROM layers WHERE id = ?1",
    [SQL_LAYER_TOUCH] = "UPDATE layers SET used = ?2 WHERE id = ?1",
    [SQL_BLOB_USED] = "SELECT used FROM blobs WHERE digest = ?1",
    [SQL_BLOB_TOUCH] = "UPDATE blobs SET used = ?2 WHERE digest = ?1",
    [SQL_CACHE_TOUCH] = "INSERT INTO caches (name, id, used, size) VALUES (?1, ?2, ?3, -1)"
                        " ON CONFLICT (name) DO UPDATE SET id = ?2, used = ?3, size = -1",
    [SQL_TAR_SET] = "INSERT OR REPLACE INTO tars (layer, clamp, diff_id) VALUES (?1, ?2, ?3)",
    [SQL_TAR_DIFF_ID] = "SELECT diff_id FROM tars WHERE layer = ?1 AND clamp = ?2",
    [SQL_TAR_CLAMP] =
        "SELECT clamp FROM tars WHERE layer = ?1 AND diff_id = ?2 ORDER BY clamp LIMIT 1",
    [SQL_TAR_ANY] = "SELECT diff_id FROM tars WHERE layer = ?1 ORDER BY clamp LIMIT 1",
    [SQL_BLOB_PUT] = "INSERT OR REPLACE INTO blobs (digest, size, boot, used)"
                     " VALUES (?1, ?2, ?3, CAST(strftime('%s') AS INTEGER))",
    [SQL_BLOB_SIZE] = "SELECT size FROM blobs WHERE digest = ?1 AND " VISIBLE("blobs", 2),
    [SQL_BLOB_DELETE] = "DELETE FROM blobs WHERE digest = ?1",
    [SQL_LAYER_BLOB] = "SELECT digest, media_type FROM layer_blobs WHERE diff_id = ?1",
    [SQL_LAYER_BLOB_SET] =
        "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, media_type) VALUES (?1, ?2, ?3)",
    [SQL_IMAGE_PUT] =
        "INSERT INTO images (id, created, source_digest, boot) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (id) DO UPDATE SET created = ?2, boot = ?4,"
        " source_digest = coalesce(?3, source_digest)",
    [SQL_IMAGE_EXISTS] = "SELECT 1 FROM images WHERE id = ?1 AND " VISIBLE("images", 2),
    [SQL_IMAGE_GET] =
        "SELECT id, created, source_digest FROM images WHERE id = ?1 AND " VISIBLE("images", 2),
    [SQL_IMAGE_RANGE] =
        "SELECT id FROM images WHERE id >= ?1 AND id < ?2 AND " VISIBLE("images", 3) " LIMIT 2",
    [SQL_IMAGE_BY_SOURCE] = "SELECT id FROM images WHERE source_digest = ?1 AND " VISIBLE(
        "images", 2) " ORDER BY created DESC, seq DESC LIMIT 1",
    [SQL_IMAGE_LIST] =
        "SELECT id FROM images WHERE " VISIBLE("images", 1) " ORDER BY created DESC, seq DESC",
    [SQL_IMAGE_DELETE] = "DELETE FROM images WHERE id = ?1",
    [SQL_CHAIN_CLEAR] = "DELETE FROM image_layers WHERE image = ?1",
    [SQL_CHAIN_ADD] = "INSERT INTO image_layers (image, position, layer) VALUES (?1, ?2, ?3)",
    [SQL_CHAIN_GET] = "SELECT layer FROM image_layers WHERE image = ?1 ORDER BY position",
    [SQL_NAME_PUT] = "INSERT OR REPLACE INTO names (name, image) VALUES (?1, ?2)",
    [SQL_NAME_GET] = "SELECT image FROM names WHERE name = ?1",
    [SQL_NAME_DELETE] = "DELETE FROM names WHERE name = ?1",
    [SQL_NAMES_OF] = "SELECT name FROM names WHERE image = ?1 ORDER BY name",
    [SQL_NAMES_DELETE_OF] = "DELETE FROM names WHERE image = ?1",
    [SQL_RECORD_PUT] = "INSERT OR REPLACE INTO records (" RECORD ", boot)"
                       " VALUES (?1, coalesce(?2, ''), coalesce(?3, ''), ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_RECORD_GET] =
        "SELECT " RECORD " FROM records WHERE key = ?1 AND " VISIBLE("records", 2) RECORD_LAYER,
    [SQL_RECORDS_OF] = "SELECT " RECORD " FROM records WHERE operation = ?1 AND same_as IS NULL AND " VISIBLE(
        "records", 2) RECORD_LAYER " ORDER BY seq DESC LIMIT ?3",
    [SQL_RECORD_LAYERS_NAMED] =
        "SELECT layers.id FROM records JOIN layers ON layers.id = records.layer"
        " WHERE records.seq > (SELECT max(seq) FROM records) - 10000 AND records.name = ?1"
        " AND layers.entries BETWEEN ?2 / 2 AND ?2 * 4 + 100 AND " VISIBLE("layers", 4)
        " ORDER BY records.seq DESC LIMIT ?3",
    [SQL_KEY_PUT] = "INSERT OR IGNORE INTO keys (key, parts) VALUES (?1, ?2)",
    [SQL_KEY_GET] = "SELECT parts FROM keys WHERE key = ?1",
    [SQL_BUILD_PUT] = "INSERT INTO builds (" BUILD ") VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_BUILD_STEP_PUT] =
        "INSERT INTO build_steps (build, " BUILD_STEP ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_BUILD_LOG_PUT] = "INSERT INTO build_logs (build, log) VALUES (?1, ?2)",
    [SQL_BUILD_STEPS_BEYOND] = "DELETE FROM build_steps WHERE build <= " BUILDS_BEYOND,
    [SQL_BUILD_LOGS_BEYOND] = "DELETE FROM build_logs WHERE build <= " BUILDS_BEYOND,
    [SQL_BUILDS_BEYOND] = "DELETE FROM builds WHERE id <= " BUILDS_BEYOND,
    [SQL_BUILD_LIST] = "SELECT " BUILD " FROM builds ORDER BY id DESC LIMIT ?1",
    [SQL_BUILD_LIST_OF] = "SELECT " BUILD " FROM builds WHERE project = ?1 ORDER BY id DESC LIMIT ?2",
    [SQL_BUILD_GET] = "SELECT " BUILD " FROM builds WHERE id = ?1",
    [SQL_BUILD_NTH] = "SELECT " BUILD " FROM builds ORDER BY id DESC LIMIT 1 OFFSET ?1",
    [SQL_BUILD_STEPS] = "SELECT " BUILD_STEP ", (SELECT size FROM layers WHERE id = layer)"
                        " FROM build_steps WHERE build = ?1 ORDER BY position",
    [SQL_BUILD_LOG] = "SELECT log FROM build_logs WHERE build = ?1",
    [SQL_BUILD_DELETE] = "DELETE FROM builds WHERE id = ?1",
    [SQL_BUILD_STEPS_DELETE] = "DELETE FROM build_steps WHERE build = ?1",
    [SQL_BUILD_LOG_DELETE] = "DELETE FROM build_logs WHERE build = ?1",
    [SQL_URL_PUT] = "INSERT OR REPLACE INTO urls (" URL_FIELDS ", url) VALUES (?2, ?3, ?4, ?5, ?1)",
    [SQL_URL_GET] = "SELECT " URL_FIELDS " FROM urls WHERE url = ?1",
    /* usage.c */
    [SQL_USAGE_BLOBS] = "SELECT digest, size, used FROM blobs",
    [SQL_USAGE_LAYERS] = "SELECT id, created, used, chain_id FROM layers ORDER BY id",
    [SQL_USAGE_RECORDS] = "SELECT layer, name, inputs FROM records ORDER BY seq",
    [SQL_USAGE_IMAGES] = "SELECT id, created, name FROM images LEFT JOIN names ON image = id ORDER BY seq",
    [SQL_USAGE_CHAINS] = "SELECT image, layer FROM image_layers JOIN images ON id = image ORDER BY seq",
    [SQL_USAGE_LAYER_BLOBS] =
        "SELECT digest, layers.id, 1 FROM layer_blobs JOIN layers USING (diff_id)"
        " UNION SELECT digest, layer, 0 FROM layer_blobs JOIN tars USING (diff_id)",
    [SQL_USAGE_URLS] = "SELECT digest, name FROM urls",
    [SQL_USAGE_CACHES] = "SELECT name, id, used FROM caches",
    /* collect.c. A file takes a block of 4 KiB at least, more than half of which is lost by one in two. */
    [SQL_USAGE_BOUND] =
        "SELECT coalesce((SELECT sum(size + 4096 * max(entries, 0)) FROM layers), 0) +"
        " coalesce((SELECT sum(size) FROM blobs), 0) + coalesce((SELECT sum(max(size, 0)) FROM caches), 0)",
    [SQL_CACHE_UNMEASURED] = "SELECT name FROM caches WHERE size < 0",
    [SQL_CACHE_SET_SIZE] = "UPDATE caches SET size = ?2 WHERE name = ?1",
    [SQL_COLLECT_LAYER] = "SELECT 1 FROM layers WHERE id = ?1 AND used <= ?2"
                          " AND NOT EXISTS (SELECT 1 FROM image_layers WHERE layer = ?1)",
    [SQL_COLLECT_IMAGE] =
        "SELECT 1 FROM images WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM names WHERE image = ?1)",
    [SQL_COLLECT_BLOB] = "SELECT 1 FROM blobs WHERE digest = ?1 AND used <= ?2"
                         " AND NOT EXISTS (SELECT 1 FROM images WHERE id = ?1) AND NOT EXISTS"
                         " (SELECT 1 FROM layer_blobs JOIN layers USING (diff_id) WHERE digest = ?1)"
                         /* all that there is of a packed layer */
                         " AND NOT EXISTS (SELECT 1 FROM layer_blobs JOIN tars USING (diff_id)"
                         " JOIN layers ON layers.id = layer WHERE digest = ?1 AND entries < 0)",
    [SQL_LAYER_DELETE] = "DELETE FROM layers WHERE id = ?1",
    [SQL_TARS_DELETE_OF] = "DELETE FROM tars WHERE layer = ?1",
    [SQL_RECORDS_DELETE_OF] = "DELETE FROM records WHERE layer = ?1",
    [SQL_LAYER_BLOBS_DELETE_OF] = "DELETE FROM layer_blobs WHERE digest = ?1",
    [SQL_URLS_DELETE_OF] = "DELETE FROM urls WHERE digest = ?1",
    [SQL_CACHE_DELETE] = "DELETE FROM caches WHERE name = ?1",
    [SQL_SETTLE_RECORDS] =
        "DELETE FROM records WHERE same_as IS NOT NULL AND same_as NOT IN (SELECT key FROM records)",
    [SQL_SETTLE_KEYS] = "DELETE FROM keys WHERE key NOT IN (SELECT key FROM records)"
                        " AND key NOT IN (SELECT key FROM build_steps WHERE key IS NOT NULL)",
    [SQL_SETTLE_LAYER_BLOBS] = "DELETE FROM layer_blobs WHERE digest NOT IN (SELECT digest FROM blobs)",
    [SQL_ROW_LAYER] = "SELECT 1 FROM layers WHERE id = ?1",
    [SQL_ROW_BLOB] = "SELECT 1 FROM blobs WHERE digest = ?1",
};

struct KilnDatabase {
    GMutex mutex;
    sqlite3 *db;
    sqlite3_stmt *prepared[SQL_N];
    char *path;
    char *boot;        /* the kernel's boot id */
    gint64 generation; /* number in boots for rows of the current transaction */
    bool network;      /* with a rollback journal, so that who reads keeps others from writing */
    bool reading;      /* in a transaction that only reads */
};

static bool fail(KilnDatabase *d, GError **error)
{
    int code = sqlite3_errcode(d->db), number = sqlite3_system_errno(d->db);
    KilnStoreError kind = KILN_STORE_ERROR_IO;
    const char *hint = "";
    switch (code & 0xff) {
    case SQLITE_FULL:
        return kiln_store_fail(error, ENOSPC, "cannot write %s", d->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return kiln_store_fail(error, EACCES, "cannot write %s", d->path);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (number != 0)
            return kiln_store_fail(error, number, "cannot use %s", d->path);
        break;
    case SQLITE_BUSY:
        kind = KILN_STORE_ERROR_BUSY;
        hint = "; another kiln keeps it locked";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        kind = KILN_STORE_ERROR_CORRUPT;
        hint = "; remove the store with \"kiln reset\"";
        break;
    default:
        break;
    }
    g_set_error(error, KILN_STORE_ERROR, kind, "%s: %s%s", d->path, sqlite3_errmsg(d->db), hint);
    return false;
}

static bool exec(KilnDatabase *d, const char *sql, GError **error)
{
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(d, error);
}

/* The first column of the first row of a query without parameters. */
static bool one_number(KilnDatabase *d, const char *sql, gint64 *out, GError **error)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_int64(statement, 0);
    else
        fail(d, error);
    sqlite3_finalize(statement);
    return ok;
}

static char *read_boot_id(void)
{
    char *text = NULL;
    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
        return g_strdup("unknown");
    return g_strstrip(text);
}

static bool create_schema(KilnDatabase *d, bool network, GError **error)
{
    /* Nothing is lost if power fails now (user_version 0 is made anew), so do not wait for the
     * disk. */
    if (!exec(d, "PRAGMA synchronous=OFF", error))
        return false;
    if (!network && sqlite3_exec(d->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK &&
        (sqlite3_errcode(d->db) & 0xff) != SQLITE_BUSY)
        return fail(d, error);
    if (!exec(d, "BEGIN IMMEDIATE", error))
        return false;
    gint64 version = 0;
    bool ok = one_number(d, "PRAGMA user_version", &version, error);
    if (ok && version == 0)
        ok = exec(d, schema, error) &&
             exec(d, "PRAGMA user_version=" G_STRINGIFY(SCHEMA_VERSION), error);
    if (!ok) {
        kiln_database_rollback(d);
        return false;
    }
    return exec(d, "COMMIT", error);
}

/* From an older schema that holds data to this one. */
static bool migrate(KilnDatabase *d, GError **error)
{
    gint64 version = 0;
    if (!exec(d, "BEGIN IMMEDIATE", error))
        return false;
    bool ok = one_number(d, "PRAGMA user_version", &version, error);
    static const char *const steps[SCHEMA_VERSION] = {[1] = SCHEMA_2, [2] = SCHEMA_3, [3] = SCHEMA_4};
    for (; ok && version < SCHEMA_VERSION; version++) /* none: another process has just done it */
        ok = exec(d, steps[version], error);
    ok = ok && exec(d, "PRAGMA user_version=" G_STRINGIFY(SCHEMA_VERSION), error);
    if (!ok) {
        kiln_database_rollback(d);
        return false;
    }
    return exec(d, "COMMIT", error);
}

static bool set_up(KilnDatabase *d, bool network, GError **error)
{
    if (sqlite3_open_v2(d->path, &d->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return fail(d, error);
    sqlite3_busy_timeout(d->db, BUSY_TIMEOUT);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (network && !exec(d, "PRAGMA journal_mode=TRUNCATE", error))
        return false;
    gint64 version = 0;
    if (!one_number(d, "PRAGMA user_version", &version, error))
        return false;
    if (version > SCHEMA_VERSION) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_VERSION,
                    "%s was made by a newer kiln (schema %" G_GINT64_FORMAT
                    ", this one knows %d); upgrade kiln, or use another --root",
                    d->path, version, SCHEMA_VERSION);
        return false;
    }
    if (version == 0 && !create_schema(d, network, error))
        return false;
    if (version > 0 && version < SCHEMA_VERSION && !migrate(d, error))
        return false;
    return exec(
        d, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=" G_STRINGIFY(CHECKPOINT_PAGES),
        error);
}

/* readonly_shm (sqlite.org/walformat.html, "Read-only WAL-mode databases"): even the shared memory of the WAL is only
 * read, or replaced by memory of this process. */
static bool set_up_reader(KilnDatabase *d, GError **error)
{
    g_autofree char *escaped = g_uri_escape_string(d->path, "/", false);
    g_autofree char *uri = g_strdup_printf("file:%s?mode=ro&readonly_shm=1", escaped);
    gint64 version = 0;
    if (sqlite3_open_v2(uri, &d->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return fail(d, error);
    sqlite3_busy_timeout(d->db, BUSY_TIMEOUT);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!one_number(d, "PRAGMA user_version", &version, error))
        return false;
    if (version == SCHEMA_VERSION)
        return true;
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_VERSION, "%s was made by another version of kiln", d->path);
    return false;
}

KilnDatabase *kiln_database_open(const char *root, bool network, bool reads, GError **error)
{
    g_autoptr(KilnDatabase) d = g_new0(KilnDatabase, 1);
    g_mutex_init(&d->mutex);
    d->path = g_build_filename(root, "store.db", NULL);
    d->network = network;
    d->boot = read_boot_id();
    if (reads ? !set_up_reader(d, error) : !set_up(d, network, error))
        return NULL;
    return g_steal_pointer(&d);
}

void kiln_database_close(KilnDatabase *d)
{
    if (d == NULL)
        return;
    for (int i = 0; i < SQL_N; i++)
        sqlite3_finalize(d->prepared[i]);
    sqlite3_close(d->db);
    g_mutex_clear(&d->mutex);
    g_free(d->path);
    g_free(d->boot);
    g_free(d);
}

void kiln_database_lock(KilnDatabase *d)
{
    g_mutex_lock(&d->mutex);
}

void kiln_database_unlock(KilnDatabase *d)
{
    g_mutex_unlock(&d->mutex);
}

/* The newest generation of this boot, read anew in each transaction: another process may have
 * confirmed and begun the next one (kiln_database_mark()). */
static bool find_generation(KilnDatabase *d, GError **error)
{
    g_autoptr(KilnQuery) q = kiln_database_query(d, SQL_BOOT_LAST, "b");
    if (!kiln_query_row(d, q, error))
        return false;
    d->generation = sqlite3_column_int64(q, 0);
    if (d->generation != 0)
        return true;
    if (!kiln_database_run(d, error, SQL_BOOT_INSERT, "b"))
        return false;
    d->generation = kiln_database_last_id(d);
    return true;
}

bool kiln_database_begin(KilnDatabase *d, GError **error)
{
    kiln_database_end_reading(d);
    if (!exec(d, "BEGIN IMMEDIATE", error))
        return false;
    if (find_generation(d, error))
        return true;
    kiln_database_rollback(d);
    return false;
}

void kiln_database_begin_reading(KilnDatabase *d)
{
    /* else each query is one of its own */
    if (!d->network && !d->reading)
        d->reading = sqlite3_exec(d->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
}

void kiln_database_end_reading(KilnDatabase *d)
{
    if (d->reading)
        kiln_database_rollback(d);
    d->reading = false;
}

bool kiln_database_make_durable(KilnDatabase *d, GError **error)
{
    return exec(d, "PRAGMA synchronous=FULL", error);
}

bool kiln_database_commit(KilnDatabase *d, GError **error)
{
    if (exec(d, "COMMIT", error))
        return true;
    kiln_database_rollback(d);
    return false;
}

void kiln_database_rollback(KilnDatabase *d)
{
    /* SQLite rolls back by itself after some errors; a second one is no error to anybody. */
    if (!sqlite3_get_autocommit(d->db))
        sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
}

static sqlite3_stmt *bind(KilnDatabase *d, KilnSql sql, const char *types, va_list args)
{
    sqlite3_stmt *statement = d->prepared[sql];
    if (statement == NULL) {
        if (sqlite3_prepare_v3(d->db, statements[sql], -1, SQLITE_PREPARE_PERSISTENT, &statement,
                               NULL) != SQLITE_OK)
            return NULL; /* seen by whoever steps it */
        d->prepared[sql] = statement;
    }
    for (int i = 1; *types != '\0'; types++, i++) {
        switch (*types) {
        case 's': {
            const char *text = va_arg(args, const char *);
            sqlite3_bind_text(statement, i, text, -1, SQLITE_TRANSIENT);
            break;
        }
        case 'B': {
            gsize size;
            const void *bytes = g_bytes_get_data(va_arg(args, GBytes *), &size);
            sqlite3_bind_blob64(statement, i, bytes, size, SQLITE_TRANSIENT);
            break;
        }
        case 'i':
            sqlite3_bind_int64(statement, i, va_arg(args, gint64));
            break;
        case 'b':
            sqlite3_bind_text(statement, i, d->boot, -1, SQLITE_STATIC);
            break;
        case 'g':
            sqlite3_bind_int64(statement, i, d->generation);
            break;
        default:
            g_assert_not_reached();
        }
    }
    return statement;
}

const char *kiln_database_text(KilnSql sql)
{
    return statements[sql];
}

sqlite3_stmt *kiln_database_query(KilnDatabase *d, KilnSql sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = bind(d, sql, types, args);
    va_end(args);
    return statement;
}

void kiln_query_end(sqlite3_stmt *statement)
{
    if (statement != NULL)
        sqlite3_reset(statement);
}

bool kiln_query_row(KilnDatabase *d, sqlite3_stmt *statement, GError **error)
{
    int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail(d, error);
    return code == SQLITE_ROW;
}

char *kiln_query_text(sqlite3_stmt *statement, int column)
{
    return g_strdup((const char *)sqlite3_column_text(statement, column));
}

bool kiln_database_run(KilnDatabase *d, GError **error, KilnSql sql, const char *types, ...)
{
    va_list args;
    kiln_database_end_reading(d);
    va_start(args, types);
    g_autoptr(KilnQuery) statement = bind(d, sql, types, args);
    va_end(args);
    return (statement != NULL && sqlite3_step(statement) == SQLITE_DONE) || fail(d, error);
}

gint64 kiln_database_last_id(const KilnDatabase *d)
{
    return sqlite3_last_insert_rowid(d->db);
}

bool kiln_database_has_stale(KilnDatabase *d)
{
    g_autoptr(KilnQuery) q = kiln_database_query(d, SQL_BOOT_STALE, "b");
    return kiln_query_row(d, q, NULL);
}

/* Runs several statements, each with text as its ?1. */
static bool run_script(KilnDatabase *d, const char *script, const char *text, GError **error)
{
    while (*script != '\0') {
        sqlite3_stmt *statement = NULL;
        bool ok = sqlite3_prepare_v2(d->db, script, -1, &statement, &script) == SQLITE_OK;
        if (ok && sqlite3_bind_parameter_count(statement) > 0)
            sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
        ok = ok && sqlite3_step(statement) == SQLITE_DONE;
        if (!ok)
            fail(d, error);
        sqlite3_finalize(statement);
        if (!ok)
            return false;
    }
    return true;
}

bool kiln_database_sweep(KilnDatabase *d, GError **error)
{
    if (!exec(d, "BEGIN IMMEDIATE", error))
        return false;
    if (!run_script(d, sweep, d->boot, error)) {
        kiln_database_rollback(d);
        return false;
    }
    return kiln_database_commit(d, error);
}

bool kiln_database_keys(KilnDatabase *d, const char *table, KilnKeyFunc func, gpointer data,
                        GError **error)
{
    const char *sql =
        strcmp(table, "layers") == 0 ? "SELECT id FROM layers" : "SELECT digest FROM blobs";
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            func((const char *)sqlite3_column_text(statement, 0), data);
    if (code != SQLITE_DONE)
        fail(d, error);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
}

bool kiln_database_written(const KilnDatabase *d)
{
    return d->generation != 0;
}

bool kiln_database_has_provisional(KilnDatabase *d)
{
    g_autoptr(KilnQuery) q = kiln_database_query(d, SQL_PROVISIONAL, "");
    return kiln_query_row(d, q, NULL);
}

gint64 kiln_database_mark(KilnDatabase *d, GError **error)
{
    if (!kiln_database_begin(d, error))
        return 0;
    gint64 mark = d->generation;
    if (kiln_database_run(d, error, SQL_BOOT_INSERT, "b"))
        return kiln_database_commit(d, error) ? mark : 0;
    kiln_database_rollback(d);
    return 0;
}

bool kiln_database_confirm(KilnDatabase *d, gint64 mark, GError **error)
{
    static const KilnSql updates[] = {SQL_CONFIRM_LAYERS, SQL_CONFIRM_BLOBS, SQL_CONFIRM_IMAGES,
                                      SQL_CONFIRM_RECORDS, SQL_BOOT_DELETE};
    if (!kiln_database_begin(d, error))
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS(updates); i++) {
        if (!kiln_database_run(d, error, updates[i], "bi", mark)) {
            kiln_database_rollback(d);
            return false;
        }
    }
    if (!kiln_database_commit(d, error))
        return false;
    /* Emptying the WAL keeps the next open fast. Another kiln's reader may hold it: then it does
     * so. */
    sqlite3_busy_timeout(d->db, 0);
    sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(d->db, BUSY_TIMEOUT);
    return true;
}

sqlite3_stmt *kiln_database_prepare(KilnDatabase *d, const char *sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail(d, error);
    return statement;
}

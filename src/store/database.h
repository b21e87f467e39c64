/* The store's SQLite database: one connection behind a mutex, its schema, and every statement,
 * prepared once. docs/store.md, "Tables" and "Durability". */
#pragma once

#include <glib.h>
#include <sqlite3.h>
#include <stdbool.h>

typedef enum {
    SQL_BOOT_INSERT,
    SQL_BOOT_LAST,
    SQL_BOOT_STALE,
    SQL_BOOT_DELETE,
    SQL_CONFIRM_LAYERS,
    SQL_CONFIRM_BLOBS,
    SQL_CONFIRM_IMAGES,
    SQL_CONFIRM_RECORDS,
    SQL_PROVISIONAL,
    SQL_LAYER_INSERT,
    SQL_LAYER_PUT,
    SQL_LAYER_ENTRIES,
    SQL_LAYER_EXISTS,
    SQL_LAYER_DIFF_ID,
    SQL_LAYER_IDS,
    SQL_LAYER_SET_DIFF_ID,
    SQL_LAYER_BY_CHAIN,
    SQL_LAYER_SET_CHAIN,
    SQL_LAYER_USED,
    SQL_LAYER_TOUCH,
    SQL_BLOB_USED,
    SQL_BLOB_TOUCH,
    SQL_CACHE_TOUCH,
    SQL_TAR_SET,
    SQL_TAR_DIFF_ID,
    SQL_TAR_CLAMP,
    SQL_TAR_ANY,
    SQL_BLOB_PUT,
    SQL_BLOB_SIZE,
    SQL_BLOB_DELETE,
    SQL_LAYER_BLOB,
    SQL_LAYER_BLOB_SET,
    SQL_IMAGE_PUT,
    SQL_IMAGE_EXISTS,
    SQL_IMAGE_GET,
    SQL_IMAGE_RANGE,
    SQL_IMAGE_BY_SOURCE,
    SQL_IMAGE_LIST,
    SQL_IMAGE_DELETE,
    SQL_CHAIN_CLEAR,
    SQL_CHAIN_ADD,
    SQL_CHAIN_GET,
    SQL_NAME_PUT,
    SQL_NAME_GET,
    SQL_NAME_DELETE,
    SQL_NAMES_OF,
    SQL_NAMES_DELETE_OF,
    SQL_RECORD_PUT,
    SQL_RECORD_GET,
    SQL_RECORDS_OF,
    SQL_RECORD_LAYERS_NAMED,
    SQL_KEY_PUT,
    SQL_KEY_GET,
    SQL_BUILD_PUT,
    SQL_BUILD_STEP_PUT,
    SQL_BUILD_LOG_PUT,
    SQL_BUILD_STEPS_BEYOND,
    SQL_BUILD_LOGS_BEYOND,
    SQL_BUILDS_BEYOND,
    SQL_BUILD_LIST,
    SQL_BUILD_LIST_OF,
    SQL_BUILD_GET,
    SQL_BUILD_NTH,
    SQL_BUILD_STEPS,
    SQL_BUILD_LOG,
    SQL_BUILD_DELETE,
    SQL_BUILD_STEPS_DELETE,
    SQL_BUILD_LOG_DELETE,
    SQL_URL_PUT,
    SQL_URL_GET,
    SQL_USAGE_BLOBS,
    SQL_USAGE_LAYERS,
    SQL_USAGE_RECORDS,
    SQL_USAGE_IMAGES,
    SQL_USAGE_CHAINS,
    SQL_USAGE_LAYER_BLOBS,
    SQL_USAGE_URLS,
    SQL_USAGE_CACHES,
    SQL_USAGE_BOUND,
    SQL_CACHE_UNMEASURED,
    SQL_CACHE_SET_SIZE,
    SQL_COLLECT_LAYER,
    SQL_COLLECT_IMAGE,
    SQL_COLLECT_BLOB,
    SQL_LAYER_DELETE,
    SQL_TARS_DELETE_OF,
    SQL_RECORDS_DELETE_OF,
    SQL_LAYER_BLOBS_DELETE_OF,
    SQL_URLS_DELETE_OF,
    SQL_CACHE_DELETE,
    SQL_SETTLE_RECORDS,
    SQL_SETTLE_KEYS,
    SQL_SETTLE_LAYER_BLOBS,
    SQL_ROW_LAYER,
    SQL_ROW_BLOB,
    SQL_N
} KilnSql;

typedef struct KilnDatabase KilnDatabase;

/* Opens or creates `store.db` in the directory root. network: no WAL. reads: opens it for reading alone,
 * without touching any file of the directory. */
KilnDatabase *kiln_database_open(const char *root, bool network, bool reads, GError **error);
void kiln_database_close(KilnDatabase *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnDatabase, kiln_database_close)

/* All calls below are made with the lock held. */
void kiln_database_lock(KilnDatabase *d);
void kiln_database_unlock(KilnDatabase *d);

/* A write transaction (BEGIN IMMEDIATE). Exactly one of commit and rollback must follow; a commit
 * that fails has rolled back. */
bool kiln_database_begin(KilnDatabase *d, GError **error);
/* From now on a commit is on the disk when it returns: for rows whose files are deleted next. */
bool kiln_database_make_durable(KilnDatabase *d, GError **error);
bool kiln_database_commit(KilnDatabase *d, GError **error);
void kiln_database_rollback(KilnDatabase *d);

/* A read transaction: the queries up to its end see one state, and lock the files once. What writes ends it before. On
 * a network file system, where it would keep others from writing, there is none. */
void kiln_database_begin_reading(KilnDatabase *d);
void kiln_database_end_reading(KilnDatabase *d);

/* Binds the arguments and returns the statement for stepping; kiln_query_end() resets it. One
 * letter of `types` for each parameter, in order: s text (NULL allowed), i gint64, B GBytes; without an
 * argument: b this boot's id, g its generation, which a written row carries (in a transaction
 * only). */
sqlite3_stmt *kiln_database_query(KilnDatabase *d, KilnSql sql, const char *types, ...);
void kiln_query_end(sqlite3_stmt *statement);
typedef sqlite3_stmt KilnQuery;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnQuery, kiln_query_end)
/* Steps: true if there is a row. An error counts as none; *error is set then (may be NULL). */
bool kiln_query_row(KilnDatabase *d, sqlite3_stmt *statement, GError **error);
/* A text column, NULL if NULL; g_free(). */
char *kiln_query_text(sqlite3_stmt *statement, int column);

/* Runs a statement that gives no rows. */
bool kiln_database_run(KilnDatabase *d, GError **error, KilnSql sql, const char *types, ...);
/* The statement's text, for tests. */
const char *kiln_database_text(KilnSql sql);
gint64 kiln_database_last_id(const KilnDatabase *d);

/* Whether a boot other than this one has left provisional rows. */
bool kiln_database_has_stale(KilnDatabase *d);
/* Deletes them, and what depends on them. */
bool kiln_database_sweep(KilnDatabase *d, GError **error);
/* Calls func for the number or digest of every row of a table ("layers", "blobs"): what a sweep
 * keeps. */
typedef void (*KilnKeyFunc)(const char *key, gpointer data);
bool kiln_database_keys(KilnDatabase *d, const char *table, KilnKeyFunc func, gpointer data,
                        GError **error);
/* Whether this process has begun a transaction; locked. */
bool kiln_database_written(const KilnDatabase *d);
/* Whether there are rows to confirm, be they of another process; locked. */
bool kiln_database_has_provisional(KilnDatabase *d);
/* Ends a generation of provisional rows: what is committed later belongs to the next. Returns its
 * number, 0 on error. After a syncfs, confirm() confirms it and those before. */
gint64 kiln_database_mark(KilnDatabase *d, GError **error);
bool kiln_database_confirm(KilnDatabase *d, gint64 mark, GError **error);

/* A statement that is needed once or seldom; sqlite3_finalize() it before the lock is given up. NULL on error. */
sqlite3_stmt *kiln_database_prepare(KilnDatabase *d, const char *sql, GError **error);

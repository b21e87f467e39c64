/* Kept builds: what was built when, and what became of each step. docs/store.md, "Builds". */
#include "store/state.h"

#include <string.h>

void kiln_build_row_free(KilnBuildRow *b)
{
    if (!b)
        return;
    g_free(b->status);
    g_free(b->project);
    g_free(b->context);
    g_free(b->dockerfile);
    g_free(b->target);
    g_free(b->names);
    g_free(b->image);
    g_free(b->error);
    g_free(b);
}

void kiln_build_step_row_free(KilnBuildStepRow *s)
{
    if (!s)
        return;
    g_free(s->stage);
    g_free(s->name);
    g_free(s->verdict);
    g_free(s->key);
    g_free(s->cause);
    g_free(s);
}

static gint64 insert(KilnDatabase *d, const KilnBuildRow *b, const KilnBuildStepRow *steps, guint n, GBytes *log,
                     GError **error)
{
    if (!kiln_database_run(d, error, SQL_BUILD_PUT, "iissssssss", b->started, b->duration, b->status, b->project,
                           b->context, b->dockerfile, b->target, b->names, b->image, b->error))
        return 0;
    gint64 id = kiln_database_last_id(d);
    for (guint i = 0; i < n; i++) {
        const KilnBuildStepRow *s = &steps[i];
        if (!kiln_database_run(d, error, SQL_BUILD_STEP_PUT, "iississiiis", id, s->position, s->stage, s->name,
                               s->line, s->verdict, s->key, s->layer, s->started, s->duration, s->cause))
            return 0;
    }
    return !log || kiln_database_run(d, error, SQL_BUILD_LOG_PUT, "iB", id, log) ? id : 0;
}

/* Runs statements with one number in a transaction that has been begun, and ends it. */
static bool finish(KilnDatabase *d, const KilnSql *statements, guint n, gint64 number, GError **error)
{
    for (guint i = 0; i < n; i++) {
        if (!kiln_database_run(d, error, statements[i], "i", number)) {
            kiln_database_rollback(d);
            return false;
        }
    }
    return kiln_database_commit(d, error);
}

gint64 kiln_build_put(KilnStore *s, const KilnBuildRow *b, const KilnBuildStepRow *steps, guint n, GBytes *log,
                      guint keep, GError **error)
{
    /* builds last: the others ask it which ones go */
    static const KilnSql drop[] = {SQL_BUILD_STEPS_BEYOND, SQL_BUILD_LOGS_BEYOND, SQL_BUILDS_BEYOND};
    gint64 id = 0;
    kiln_database_lock(s->db);
    if (kiln_database_begin(s->db, error)) {
        id = insert(s->db, b, steps, n, log, error);
        if (!id)
            kiln_database_rollback(s->db);
        else if (!finish(s->db, drop, G_N_ELEMENTS(drop), keep, error))
            id = 0;
    }
    kiln_database_unlock(s->db);
    return id;
}

bool kiln_build_remove(KilnStore *s, gint64 build, GError **error)
{
    static const KilnSql all[] = {SQL_BUILD_DELETE, SQL_BUILD_STEPS_DELETE, SQL_BUILD_LOG_DELETE};
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error) && finish(s->db, all, G_N_ELEMENTS(all), build, error);
    kiln_database_unlock(s->db);
    return ok;
}

static gpointer read_build(sqlite3_stmt *q)
{
    KilnBuildRow *b = g_new0(KilnBuildRow, 1);
    *b = (KilnBuildRow){
        .id = sqlite3_column_int64(q, 0),
        .started = sqlite3_column_int64(q, 1),
        .duration = sqlite3_column_int64(q, 2),
        .status = kiln_query_text(q, 3),
        .project = kiln_query_text(q, 4),
        .context = kiln_query_text(q, 5),
        .dockerfile = kiln_query_text(q, 6),
        .target = kiln_query_text(q, 7),
        .names = kiln_query_text(q, 8),
        .image = kiln_query_text(q, 9),
        .error = kiln_query_text(q, 10),
    };
    return b;
}

static gpointer read_step(sqlite3_stmt *q)
{
    KilnBuildStepRow *s = g_new0(KilnBuildStepRow, 1);
    *s = (KilnBuildStepRow){
        .position = sqlite3_column_int64(q, 0),
        .stage = kiln_query_text(q, 1),
        .name = kiln_query_text(q, 2),
        .line = sqlite3_column_int64(q, 3),
        .verdict = kiln_query_text(q, 4),
        .key = kiln_query_text(q, 5),
        .layer = sqlite3_column_int64(q, 6),
        .started = sqlite3_column_int64(q, 7),
        .duration = sqlite3_column_int64(q, 8),
        .cause = kiln_query_text(q, 9),
        .size = sqlite3_column_type(q, 10) == SQLITE_NULL ? -1 : sqlite3_column_int64(q, 10),
    };
    return s;
}

static void free_build(gpointer build)
{
    kiln_build_row_free(build);
}

static void free_step(gpointer step)
{
    kiln_build_step_row_free(step);
}

/* All rows; NULL on error. */
static GPtrArray *gather(KilnDatabase *d, sqlite3_stmt *q, gpointer (*read)(sqlite3_stmt *), GDestroyNotify free_row,
                         GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);
    GError *failure = NULL;
    while (kiln_query_row(d, q, &failure))
        g_ptr_array_add(rows, read(q));
    if (!failure)
        return g_steal_pointer(&rows);
    g_propagate_error(error, failure);
    return NULL;
}

GPtrArray *kiln_builds_list(KilnStore *s, const char *project, guint limit, GError **error)
{
    gint64 most = limit ? (gint64)limit : -1; /* no limit to SQLite */
    kiln_database_lock(s->db);
    sqlite3_stmt *q = project ? kiln_database_query(s->db, SQL_BUILD_LIST_OF, "si", project, most)
                              : kiln_database_query(s->db, SQL_BUILD_LIST, "i", most);
    GPtrArray *builds = gather(s->db, q, read_build, free_build, error);
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return builds;
}

KilnBuildRow *kiln_build_get(KilnStore *s, const char *which, GError **error)
{
    bool back = *which == '^', last = strcmp(which, "last") == 0;
    guint64 number = 0;
    if (!last && !g_ascii_string_to_unsigned(which + back, 10, 0, G_MAXINT64, &number, NULL)) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "\"%s\" is no build: give its number, \"last\", or \"^N\" for the Nth before it", which);
        return NULL;
    }
    kiln_database_lock(s->db);
    sqlite3_stmt *q =
        kiln_database_query(s->db, last || back ? SQL_BUILD_NTH : SQL_BUILD_GET, "i", (gint64)number);
    GError *failure = NULL;
    KilnBuildRow *build = kiln_query_row(s->db, q, &failure) ? read_build(q) : NULL;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    if (failure)
        g_propagate_error(error, failure);
    else if (!build && last)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND, "no build is kept in %s", s->root);
    else if (!build)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "build %s is not kept (any more): \"kiln history\" lists those that are", which);
    return build;
}

GPtrArray *kiln_build_steps(KilnStore *s, gint64 build, GError **error)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_BUILD_STEPS, "i", build);
    GPtrArray *steps = gather(s->db, q, read_step, free_step, error);
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return steps;
}

GBytes *kiln_build_log(KilnStore *s, gint64 build)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_BUILD_LOG, "i", build);
    GBytes *log = kiln_query_row(s->db, q, NULL)
                      ? g_bytes_new(sqlite3_column_blob(q, 0), (gsize)sqlite3_column_bytes(q, 0))
                      : NULL;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return log;
}

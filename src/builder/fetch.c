#include "builder/fetch.h"

#include <string.h>

struct KilnFetch {
    KilnOperation *op;
    GMutex lock;
    GCond changed;
    GHashTable *busy;    /* questions that a thread is asking */
    GHashTable *urls;    /* URL and checksum → KilnUrlRecord */
    GHashTable *commits; /* remote, ref and checksum → KilnGitCommit */
};

static void record_free(gpointer data)
{
    kiln_url_clear(data);
    g_free(data);
}

static void commit_free(gpointer data)
{
    kiln_git_commit_clear(data);
    g_free(data);
}

KilnFetch *kiln_fetch_new(KilnOperation *op)
{
    KilnFetch *f = g_new0(KilnFetch, 1);
    f->op = op;
    g_mutex_init(&f->lock);
    g_cond_init(&f->changed);
    f->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    f->urls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, record_free);
    f->commits = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, commit_free);
    return f;
}

void kiln_fetch_free(KilnFetch *f)
{
    g_hash_table_unref(f->busy);
    g_hash_table_unref(f->urls);
    g_hash_table_unref(f->commits);
    g_cond_clear(&f->changed);
    g_mutex_clear(&f->lock);
    g_free(f);
}

/* The answer in `answers`; NULL if there is none, and then the caller is the one to ask. */
static gpointer claim(KilnFetch *f, GHashTable *answers, const char *question)
{
    g_mutex_lock(&f->lock);
    while (g_hash_table_contains(f->busy, question))
        g_cond_wait(&f->changed, &f->lock);
    gpointer answer = g_hash_table_lookup(answers, question);
    if (!answer)
        g_hash_table_add(f->busy, g_strdup(question));
    g_mutex_unlock(&f->lock);
    return answer;
}

/* Ends a claim; answer NULL: it failed. */
static void settle(KilnFetch *f, GHashTable *answers, const char *question, gpointer answer)
{
    g_mutex_lock(&f->lock);
    if (answer)
        g_hash_table_insert(answers, g_strdup(question), answer);
    g_hash_table_remove(f->busy, question);
    g_cond_broadcast(&f->changed);
    g_mutex_unlock(&f->lock);
}

static const char *text_of(json_object *object, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static void show_progress(const char *what, gint64 done, gint64 total, void *data)
{
    kiln_task_progress(data, what, done, total);
}

/* The URL as a task's name: without a password. g_free(). */
static char *shown(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *authority = scheme ? scheme + strlen("://") : NULL;
    gsize length = authority ? strcspn(authority, "/?#") : 0;
    const char *at = authority ? memrchr(authority, '@', length) : NULL;
    return at ? g_strdup_printf("%.*s%s", (int)(authority - url), url, at + 1) : g_strdup(url);
}

/* Runs kiln-remote as a task of this name. The task goes on if `task` is given, and is ended otherwise. */
static json_object *ask(KilnFetch *f, const char *what, const char *url, GPtrArray *argv, KilnTask **task,
                        GError **error)
{
    g_autofree char *public = shown(url);
    g_autofree char *name = g_strdup_printf("[internal] %s %s", what, public);
    KilnTask *own = kiln_task_start(f->op->emitter, name);
    GError *failure = NULL;
    json_object *done = NULL;
    g_ptr_array_add(argv, NULL);
    if (!kiln_cancel_check(f->op->cancel, &failure))
        done = kiln_remote_run(f->op->remote, (const char *const *)argv->pdata, show_progress, own, &failure);
    if (done && task) {
        *task = own;
        return done;
    }
    kiln_task_end(own, done ? KILN_VERDICT_DONE : KILN_VERDICT_ERROR, failure ? failure->message : NULL);
    if (failure)
        g_propagate_error(error, failure);
    return done;
}

static void add(GPtrArray *argv, const char *option, const char *value)
{
    g_ptr_array_add(argv, value ? g_strdup_printf("%s=%s", option, value) : g_strdup(option));
}

static void add_operand(GPtrArray *argv, const char *operand)
{
    g_ptr_array_add(argv, g_strdup(operand));
}

/* --- URLs --------------------------------------------------------------------------------------------- */

static KilnUrlRecord copy_record(const KilnUrlRecord *r)
{
    return (KilnUrlRecord){g_strdup(r->digest), g_strdup(r->etag), g_strdup(r->name), r->modified};
}

/* What the server answers: the blob is put into the store, or `known` still holds. */
static bool take_answer(KilnFetch *f, const char *url, json_object *done, KilnWork *work,
                        const KilnUrlRecord *known, KilnUrlRecord *out, GError **error)
{
    json_object *value;
    if (json_object_object_get_ex(done, "unchanged", &value) && json_object_get_boolean(value)) {
        *out = copy_record(known);
        return true;
    }
    *out = (KilnUrlRecord){g_strdup(text_of(done, "digest")), g_strdup(text_of(done, "etag")),
                           g_strdup(text_of(done, "name")), -1};
    if (json_object_object_get_ex(done, "lastModified", &value))
        out->modified = json_object_get_int64(value);
    return kiln_blob_commit(f->op->store, work, "file", out->digest, error) &&
           kiln_url_put(f->op->store, url, out, error);
}

static bool download(KilnFetch *f, const char *url, const char *checksum, const KilnUrlRecord *known,
                     KilnUrlRecord *out, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(f->op->store, error);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    if (!work)
        return false;
    g_autofree char *file = g_build_filename(kiln_work_path(work), "file", NULL);
    g_autofree char *modified = g_strdup_printf("%" G_GINT64_FORMAT, known->modified);
    add_operand(argv, "get");
    if (checksum)
        add(argv, "--checksum", checksum);
    if (known->digest && known->etag)
        add(argv, "--etag", known->etag);
    if (known->digest && known->modified >= 0)
        add(argv, "--last-modified", modified);
    add_operand(argv, "--");
    add_operand(argv, url);
    add_operand(argv, file);
    KilnTask *task;
    json_object *done = ask(f, "fetch", url, argv, &task, error);
    if (!done)
        return false;
    GError *failure = NULL;
    bool ok = take_answer(f, url, done, work, known, out, &failure);
    bool same = ok && known->digest && strcmp(known->digest, out->digest) == 0;
    kiln_task_end(task, !ok ? KILN_VERDICT_ERROR : same ? KILN_VERDICT_CACHED : KILN_VERDICT_DONE,
                  failure ? failure->message : NULL);
    json_object_put(done);
    if (failure)
        g_propagate_error(error, failure);
    return ok;
}

static bool get(KilnFetch *f, const char *url, const char *checksum, KilnUrlRecord *out, GError **error)
{
    KilnUrlRecord known;
    bool usable = kiln_url_lookup(f->op->store, url, &known);
    if (usable && checksum && strcmp(known.digest, checksum) == 0) {
        *out = known;
        return true;
    }
    if (usable && checksum) /* an answer that nothing has changed would be no help */
        kiln_url_clear(&known);
    bool ok = download(f, url, checksum, &known, out, error);
    kiln_url_clear(&known);
    return ok;
}

bool kiln_fetch_url(KilnFetch *f, const char *url, const char *checksum, KilnUrlRecord *out, GError **error)
{
    g_autofree char *question = g_strconcat(url, " ", checksum, NULL);
    KilnUrlRecord *answer = claim(f, f->urls, question);
    if (!answer) {
        answer = g_new0(KilnUrlRecord, 1);
        if (!get(f, url, checksum, answer, error))
            g_clear_pointer(&answer, record_free);
        settle(f, f->urls, question, answer);
    }
    *out = answer ? copy_record(answer) : (KilnUrlRecord){.modified = -1};
    return answer != NULL;
}

/* --- Git ---------------------------------------------------------------------------------------------- */

static bool ask_commit(KilnFetch *f, const KilnGitReference *r, KilnGitCommit *out, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    add_operand(argv, "git-commit");
    if (r->ref)
        add(argv, "--ref", r->ref);
    if (r->checksum)
        add(argv, "--checksum", r->checksum);
    if (r->fetch_by_commit)
        add(argv, "--fetch-by-commit", NULL);
    add_operand(argv, "--");
    add_operand(argv, r->remote);
    json_object *done = ask(f, "git resolve", r->remote, argv, NULL, error);
    if (!done)
        return false;
    *out = (KilnGitCommit){g_strdup(text_of(done, "commit")), g_strdup(text_of(done, "object")),
                           g_strdup(text_of(done, "ref"))};
    json_object_put(done);
    if (out->commit && out->object && kiln_git_is_commit(out->commit) && kiln_git_is_commit(out->object))
        return true;
    g_set_error(error, KILN_REMOTE_ERROR, 0, "kiln-remote found no commit of %s", r->remote);
    return false;
}

bool kiln_fetch_git_commit(KilnFetch *f, const KilnGitReference *r, KilnGitCommit *out, GError **error)
{
    g_autofree char *question = g_strdup_printf("%s %s %s %d", r->remote, r->ref ? r->ref : "",
                                                r->checksum ? r->checksum : "", r->fetch_by_commit);
    KilnGitCommit *answer = claim(f, f->commits, question);
    if (!answer) {
        answer = g_new0(KilnGitCommit, 1);
        if (!ask_commit(f, r, answer, error))
            g_clear_pointer(&answer, commit_free);
        settle(f, f->commits, question, answer);
    }
    *out = answer ? (KilnGitCommit){g_strdup(answer->commit), g_strdup(answer->object), g_strdup(answer->ref)}
                  : (KilnGitCommit){0};
    return answer != NULL;
}

char *kiln_fetch_git_tree(KilnFetch *f, const KilnGitReference *r, const KilnGitCommit *commit,
                          bool keep_git_dir, KilnWork *work, const char *name, GError **error)
{
    g_autofree char *dest = g_build_filename(kiln_work_path(work), name, NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    add_operand(argv, "git");
    add(argv, "--commit", commit->commit);
    if (commit->ref)
        add(argv, "--ref", commit->ref);
    if (r->subdir)
        add(argv, "--subdir", r->subdir);
    if (keep_git_dir)
        add(argv, "--keep-git-dir", NULL);
    if (r->submodules == KILN_GIT_NO)
        add(argv, "--skip-submodules", NULL);
    if (r->mtime_commit)
        add(argv, "--mtime-commit", NULL);
    add_operand(argv, "--");
    add_operand(argv, r->remote);
    add_operand(argv, dest);
    json_object *done = ask(f, "git fetch", r->remote, argv, NULL, error);
    json_object_put(done);
    return done ? g_build_filename(dest, "tree", NULL) : NULL;
}

/* --- For the engine ------------------------------------------------------------------------------------- */

static bool fetcher_url(void *data, const char *url, const char *checksum, KilnUrlRecord *out, GError **error)
{
    return kiln_fetch_url(data, url, checksum, out, error);
}

static bool fetcher_git_commit(void *data, const KilnGitReference *r, KilnGitCommit *out, GError **error)
{
    return kiln_fetch_git_commit(data, r, out, error);
}

static char *fetcher_git_tree(void *data, const KilnGitReference *r, const KilnGitCommit *commit,
                              bool keep_git_dir, KilnWork *work, const char *name, GError **error)
{
    return kiln_fetch_git_tree(data, r, commit, keep_git_dir, work, name, error);
}

KilnFetcher kiln_fetch_fetcher(KilnFetch *f)
{
    return (KilnFetcher){fetcher_url, fetcher_git_commit, fetcher_git_tree, f};
}

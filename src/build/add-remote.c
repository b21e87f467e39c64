#include "build/add-remote.h"
#include "build/copy-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Of a file that was downloaded: BuildKit's source/http. */
enum { FILE_MODE = 0600, NO_TIME = 0 };

struct KilnAddRemote {
    const KilnStep *step;
    const KilnRemoteSource *source;
    const char *url;
    guint number;         /* of the source */
    KilnUrlRecord record; /* of a URL, once it is known */
    KilnGitCommit commit; /* of a repository */
};

bool kiln_step_fetches(const KilnStep *step, guint source)
{
    return step->remotes && source < step->remotes->len && step->remotes->pdata[source];
}

void kiln_add_remote_free(KilnAddRemote *r)
{
    kiln_url_clear(&r->record);
    kiln_git_commit_clear(&r->commit);
    g_free(r);
}

bool kiln_add_remote_is_file(const KilnAddRemote *r)
{
    return !r->source->git;
}

/* What is known without a fetcher. */
static bool recall(KilnEngine *e, KilnAddRemote *r)
{
    const KilnRemoteSource *s = r->source;
    if (!s->git)
        return s->checksum || kiln_url_lookup(e->options->store, r->url, &r->record);
    const char *commit = s->git->fetch_by_commit ? s->git->checksum : s->git->ref;
    if (!commit || !kiln_git_is_commit(commit) || (s->keep_git_dir && s->git->fetch_by_commit))
        return false;
    r->commit.commit = g_strdup(commit);
    r->commit.object = g_strdup(commit);
    return true;
}

static bool ask(const KilnFetcher *fetcher, KilnAddRemote *r, GError **error)
{
    if (r->source->git)
        return fetcher->git_commit(fetcher->data, r->source->git, &r->commit, error);
    return r->source->checksum || fetcher->url(fetcher->data, r->url, NULL, &r->record, error);
}

static KilnAddRemote *remote_new(const KilnStep *step, guint source)
{
    KilnAddRemote *r = g_new0(KilnAddRemote, 1);
    r->step = step;
    r->source = step->remotes->pdata[source];
    r->url = step->sources[source];
    r->number = source;
    r->record.modified = -1;
    return r;
}

bool kiln_step_must_ask(KilnEngine *e, const KilnStep *step)
{
    bool known = true;
    for (guint i = 0; step->remotes && i < step->remotes->len && known; i++) {
        KilnAddRemote *r = step->remotes->pdata[i] ? remote_new(step, i) : NULL;
        known = !r || recall(e, r);
        g_clear_pointer(&r, kiln_add_remote_free);
    }
    return !known;
}

KilnAddRemote *kiln_add_remote_new(KilnEngine *e, const KilnStep *step, guint source, GError **error)
{
    const KilnFetcher *fetcher = e->options->fetcher;
    KilnAddRemote *r = remote_new(step, source);
    bool ok = fetcher ? ask(fetcher, r, error) : recall(e, r);
    if (!ok && !fetcher)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "nothing can be fetched here");
    if (!ok)
        g_clear_pointer(&r, kiln_add_remote_free);
    return r;
}

static void feed_git(const KilnAddRemote *r, KilnKey *key)
{
    const KilnRemoteSource *s = r->source;
    bool keep = s->keep_git_dir && !s->git->subdir;
    kiln_key_text(key, "git commit", NULL, keep ? r->commit.object : r->commit.commit);
    kiln_key_text(key, "git ref", NULL, keep ? r->commit.ref : NULL); /* .git says what it is called */
    kiln_key_text(key, "git remote", NULL, keep ? s->git->remote : NULL);
    kiln_key_text(key, "git subdirectory", NULL, s->git->subdir);
    kiln_key_number(key, "git directory", NULL, keep);
    kiln_key_number(key, "git submodules", NULL, s->git->submodules != KILN_GIT_NO);
    kiln_key_number(key, "git mtime", NULL, s->git->mtime_commit);
}

/* A checksum stands for the content; then the time is whatever the server says when it is fetched. The URL is no
 * part of the key, and its name in parts the file's: it may hold a password. */
static void feed_url(const KilnAddRemote *r, KilnKey *key)
{
    const KilnRemoteSource *s = r->source;
    kiln_key_text(key, "URL", s->name, s->checksum ? s->checksum : r->record.digest);
    kiln_key_number(key, "URL's time", s->name, r->record.modified);
    kiln_key_number(key, "--unpack", NULL, r->step->unpack_fetched);
}

void kiln_add_remote_feed(const KilnAddRemote *r, KilnKey *key)
{
    if (r->source->git)
        feed_git(r, key);
    else
        feed_url(r, key);
    kiln_key_list(key, "--exclude", r->step->excludes);
}

static KilnCopySource *fetch_tree(KilnAddRemote *r, KilnEngine *e, KilnStep *step, KilnWork *work,
                                  GError **error)
{
    const KilnFetcher *fetcher = e->options->fetcher;
    g_autofree char *name = g_strdup_printf("git-%u", r->number);
    g_autofree char *path = fetcher->git_tree(fetcher->data, r->source->git, &r->commit,
                                              r->source->keep_git_dir, work, name, error);
    if (!path)
        return NULL;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    return kiln_copy_source_new_directory(e, step, fd, error);
}

static KilnCopySource *fetch_file(KilnAddRemote *r, KilnEngine *e, KilnStep *step, GError **error)
{
    const KilnFetcher *fetcher = e->options->fetcher;
    KilnStore *store = e->options->store;
    guint64 size;
    if (!r->record.digest &&
        !fetcher->url(fetcher->data, r->url, r->source->checksum, &r->record, error))
        return NULL;
    int fd = kiln_blob_open(store, r->record.digest, &size, error);
    if (fd < 0)
        return NULL;
    close(fd);
    KilnEntry entry = {.path = r->source->name,
                       .type = KILN_TYPE_FILE,
                       .mode = FILE_MODE,
                       .size = size,
                       .mtime = r->record.modified >= 0 ? r->record.modified : NO_TIME};
    entry.has_digest = kiln_digest_parse(r->record.digest, entry.digest);
    return kiln_copy_source_new_blob(e, step, &entry, r->record.digest, error);
}

KilnCopySource *kiln_add_remote_fetch(KilnAddRemote *r, KilnEngine *e, KilnStep *step, KilnWork *work,
                                      GError **error)
{
    if (!e->options->fetcher) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "nothing can be fetched here");
        return NULL;
    }
    return r->source->git ? fetch_tree(r, e, step, work, error) : fetch_file(r, e, step, error);
}

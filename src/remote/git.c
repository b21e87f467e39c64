#include "remote/git.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "remote/arguments.h"
#include "remote/error.h"
#include "remote/git-reference.h"
#include "remote/git-run.h"
#include "remote/json.h"
#include "remote/url.h"

#define COMMIT_USAGE "git-commit [--ref R] [--checksum C] [--fetch-by-commit] URL"
#define USAGE                                                                                      \
    "git --commit HEX [--ref FULL] [--subdir S] [--keep-git-dir] [--skip-submodules] "             \
    "[--mtime-commit] URL DEST"
#define RUN(g, failure, error, ...)                                                                \
    remote_git_command(g, (const char *const[]){__VA_ARGS__, NULL}, NULL, failure, error)
#define ASK(g, output, error, ...)                                                                 \
    remote_git_command(g, (const char *const[]){__VA_ARGS__, NULL}, output, NULL, error)

static bool refuse(GError **error, RemoteError kind, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool refuse(GError **error, RemoteError kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, REMOTE_ERROR, kind, message);
    return false;
}

/* The builder has parsed them; that what reaches git is harmless does not hang on that. */
static bool check_arguments(const char *url, const char *ref, const char *hex, GError **error)
{
    g_autoptr(GError) invalid = NULL;
    g_autoptr(KilnGitReference) r = kiln_git_reference_parse(url, false, &invalid);
    bool https = g_str_has_prefix(url, "https://") && !strpbrk(url, "?# \n"); /* github.com/… */
    if ((!r && !https) || (ref && !kiln_git_is_ref(ref)) || (hex && !kiln_git_is_checksum(hex))) {
        g_autofree char *shown = remote_url_shown(url);
        return refuse(error, REMOTE_ERROR_USAGE, "not a git repository, ref and commit: %s, %s, %s",
                      shown, ref ? ref : "-", hex ? hex : "-");
    }
    return true;
}

static void add(json_object *event, const char *key, const char *value)
{
    if (value) {
        json_object_object_add(event, key, json_object_new_string(value));
    }
}

/* --- Which commit --------------------------------------------------------------------------------- */

typedef struct {
    const char *url, *ref, *checksum;
    bool by_commit;
    char *full, *commit, *object; /* the answer */
} Resolve;

/* The value of "VALUE\tNAME" in lines of ls-remote, NULL if the name is not there. g_free(). */
static char *find_line(char **lines, const char *name)
{
    for (; *lines; lines++) {
        const char *tab = strchr(*lines, '\t');
        g_autofree char *value = tab ? g_strndup(*lines, (gsize)(tab - *lines)) : NULL;
        if (value && strcmp(tab + 1, name) == 0 && kiln_git_is_commit(value)) {
            return g_steal_pointer(&value);
        }
    }
    return NULL;
}

/* HEAD: "ref: refs/heads/main\tHEAD". */
static bool default_branch(const RemoteGit *g, Resolve *r, GError **error)
{
    g_autofree char *output = NULL;
    if (!ASK(g, &output, error, "ls-remote", "--symref", "--", r->url, "HEAD")) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
    r->object = find_line(lines, "HEAD");
    const char *name = g_str_has_prefix(output, "ref: ") ? output + strlen("ref: ") : "";
    g_autofree char *full = g_strndup(name, strcspn(name, "\t\n"));
    if (g_str_has_prefix(full, "refs/heads/") && kiln_git_is_ref(full)) {
        r->full = g_steal_pointer(&full);
    }
    if (!r->object) {
        return refuse(error, REMOTE_ERROR_NOT_FOUND,
                      "the git repository %s has no default branch: it is empty, or a ref must be named",
                      g->url);
    }
    return true;
}

/* A branch before a tag of the same name, as git-checkout(1) has it. */
static bool named_ref(const RemoteGit *g, Resolve *r, GError **error)
{
    static const char *const prefixes[] = {"refs/", "refs/heads/", "refs/tags/"};
    g_autofree char *output = NULL;
    g_autofree char *peeled_name = g_strconcat(r->ref, "^{}", NULL);
    if (!ASK(g, &output, error, "ls-remote", "--", r->url, r->ref, peeled_name)) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes) && !r->object; i++) {
        bool there = g_str_has_prefix(r->ref, prefixes[i]);
        g_autofree char *name = there ? g_strdup(r->ref) : g_strconcat(prefixes[i], r->ref, NULL);
        r->object = find_line(lines, name);
        if (r->object) {
            g_autofree char *peeled = g_strconcat(name, "^{}", NULL);
            r->commit = find_line(lines, peeled);
            r->full = g_steal_pointer(&name);
        }
    }
    if (!r->object) {
        return refuse(error, REMOTE_ERROR_NOT_FOUND,
                      "the git repository %s has no branch or tag \"%s\"", g->url, r->ref);
    }
    return true;
}

static bool verify(const RemoteGit *g, const Resolve *r, GError **error)
{
    g_autofree char *wanted = r->checksum ? g_ascii_strdown(r->checksum, -1) : NULL;
    if (!wanted || g_str_has_prefix(r->commit, wanted) || g_str_has_prefix(r->object, wanted)) {
        return true;
    }
    bool tag = strcmp(r->commit, r->object) != 0;
    return refuse(error, REMOTE_ERROR_DIGEST,
                  "%s%s%s is at commit %s%s%s, but the checksum %s is expected", g->url,
                  r->ref ? "#" : "", r->ref ? r->ref : "", r->commit, tag ? ", a tag whose own hash is " : "",
                  tag ? r->object : "", wanted);
}

static bool resolve(const RemoteGit *g, Resolve *r, GError **error)
{
    if (r->ref && kiln_git_is_commit(r->ref)) {
        r->object = g_strdup(r->ref);
    } else if (r->by_commit) {
        if (!r->checksum || !kiln_git_is_commit(r->checksum)) {
            return refuse(error, REMOTE_ERROR_USAGE,
                          "%s: fetch-by-commit needs a whole commit for its checksum", g->url);
        }
        r->object = g_strdup(r->checksum);
        r->full = !r->ref ? NULL
                  : g_str_has_prefix(r->ref, "refs/") ? g_strdup(r->ref)
                                                      : g_strconcat("refs/heads/", r->ref, NULL);
    } else if (!(r->ref ? named_ref(g, r, error) : default_branch(g, r, error))) {
        return false;
    }
    if (!r->commit) {
        r->commit = g_strdup(r->object);
    }
    return verify(g, r, error);
}

bool remote_git_commit_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error)
{
    Resolve r = {0};
    const RemoteOption options[] = {
        {"--ref", &r.ref, NULL},
        {"--checksum", &r.checksum, NULL},
        {"--fetch-by-commit", NULL, &r.by_commit},
        {NULL},
    };
    if (!remote_arguments_parse(argc, argv, options, &r.url, 1, COMMIT_USAGE, error) ||
        !check_arguments(r.url, r.ref, r.checksum, error)) {
        return false;
    }
    g_autofree char *shown = remote_url_shown(r.url), *public = remote_url_without_login(r.url);
    const RemoteGit g = {.url = shown, .remote = r.url, .folder = "/", .events = events, .cancelled = cancelled};
    r.url = public;
    bool ok = resolve(&g, &r, error);
    if (ok) {
        json_object *event = json_object_new_object();
        add(event, "event", "done");
        add(event, "ref", r.full);
        add(event, "commit", r.commit);
        add(event, "object", r.object);
        remote_events_send(events, event);
    }
    g_free(r.full);
    g_free(r.commit);
    g_free(r.object);
    return ok;
}

/* --- The files ------------------------------------------------------------------------------------ */

typedef struct {
    RemoteGit git; /* its folder is DEST/checkout */
    const char *url, *commit, *ref, *subdir, *dest;
    bool keep, skip_submodules, mtime_commit;
} Fetch;

/* One ref or commit without its history, or with it where the server has only that. */
static bool fetch_shallow(const Fetch *f, const char *what, RemoteGitFailure *failure, GError **error)
{
    g_autoptr(GError) first = NULL;
    if (RUN(&f->git, failure, &first, "fetch", "--progress", "--update-head-ok", "--no-tags", "--force",
            "--depth=1", "--", "origin", what)) {
        return true;
    }
    if (*failure == REMOTE_GIT_SHALLOW) {
        return RUN(&f->git, failure, error, "fetch", "--progress", "--update-head-ok", "--no-tags",
                   "--force", "--", "origin", what);
    }
    g_propagate_error(error, g_steal_pointer(&first));
    return false;
}

/* Whether the commit (or tag) that is asked for is here now. */
static bool is_here(const Fetch *f)
{
    g_autofree char *name = g_strconcat(f->commit, "^{commit}", NULL);
    return RUN(&f->git, NULL, NULL, "cat-file", "-e", name);
}

/* By its ref, under which .git then has it; if that has moved on, or there is none, by its hash; from a
 * server that does not give out any commit, with everything that branches and tags name. */
static bool fetch_commit(const Fetch *f, GError **error)
{
    RemoteGitFailure failure;
    if (f->ref) {
        bool kept = g_str_has_prefix(f->ref, "refs/heads/") || g_str_has_prefix(f->ref, "refs/tags/");
        g_autofree char *spec = kept ? g_strconcat(f->ref, ":", f->ref, NULL) : g_strdup(f->ref);
        if (!fetch_shallow(f, spec, &failure, error)) {
            return false;
        }
        if (is_here(f)) {
            return true;
        }
    }
    g_autoptr(GError) refused = NULL;
    if (fetch_shallow(f, f->commit, &failure, &refused) && is_here(f)) {
        return true;
    }
    if (refused && failure != REMOTE_GIT_NOT_OURS && failure != REMOTE_GIT_NO_REF) {
        g_propagate_error(error, g_steal_pointer(&refused));
        return false;
    }
    if (!RUN(&f->git, NULL, error, "fetch", "--progress", "--tags", "--force", "--", "origin",
             "+refs/heads/*:refs/remotes/origin/*")) {
        return false;
    }
    return is_here(f) || refuse(error, REMOTE_ERROR_NOT_FOUND, "the git repository %s has no commit %s",
                                f->git.url, f->commit);
}

static bool update_submodules(const Fetch *f, GError **error)
{
    g_autofree char *modules = g_build_filename(f->git.folder, ".gitmodules", NULL);
    struct stat st;
    if (f->skip_submodules || lstat(modules, &st) < 0) {
        return true;
    }
    RemoteGitFailure failure;
    g_autoptr(GError) first = NULL;
    bool ok = RUN(&f->git, &failure, &first, "submodule", "update", "--init", "--recursive", "--depth=1");
    if (!ok && (failure == REMOTE_GIT_SHALLOW || failure == REMOTE_GIT_NOT_OURS)) {
        return RUN(&f->git, NULL, error, "submodule", "update", "--init", "--recursive");
    }
    if (!ok) {
        g_propagate_prefixed_error(error, g_steal_pointer(&first), "submodules: ");
    }
    return ok;
}

static bool io_error(const Fetch *f, const char *what, GError **error)
{
    return refuse(error, REMOTE_ERROR_IO, "cannot %s the files of %s: %s", what, f->git.url,
                  g_strerror(errno));
}

/* What of .git stays says nothing about this machine. */
static bool tidy_git_dir(const Fetch *f, GError **error)
{
    g_autofree char *fetch_head = g_build_filename(f->git.folder, ".git/FETCH_HEAD", NULL);
    return unlink(fetch_head) == 0 || errno == ENOENT || io_error(f, "arrange", error);
}

/* Puts .git away, and the files by which submodules name theirs. */
static bool drop_git_dir(const Fetch *f, GError **error)
{
    g_autofree char *from = g_build_filename(f->git.folder, ".git", NULL);
    g_autofree char *to = g_build_filename(f->dest, "git", NULL);
    return rename(from, to) == 0 || io_error(f, "arrange", error);
}

static bool commit_time(const Fetch *f, struct timespec *time, GError **error)
{
    g_autofree char *name = g_strconcat(f->commit, "^{commit}", NULL);
    g_autofree char *text = NULL;
    if (!ASK(&f->git, &text, error, "log", "-1", "--format=%ct", name)) {
        return false;
    }
    *time = (struct timespec){.tv_sec = g_ascii_strtoll(text, NULL, 10)};
    return true;
}

/* The walk: removes what is called .git (git puts no other file of that name), sets times; both if asked. */
static bool walk(const Fetch *f, const char *root, bool strip, const struct timespec *time, GError **error)
{
    char *const roots[] = {(char *)root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    const struct timespec times[2] = {time ? *time : (struct timespec){0}, time ? *time : (struct timespec){0}};
    bool ok = fts != NULL;
    for (FTSENT *e; ok && (e = fts_read(fts));) {
        bool file = e->fts_info == FTS_F || e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE;
        if (strip && file && strcmp(e->fts_name, ".git") == 0) {
            ok = unlink(e->fts_accpath) == 0;
        } else if (time && (file || e->fts_info == FTS_DP)) {
            ok = utimensat(AT_FDCWD, e->fts_accpath, times, AT_SYMLINK_NOFOLLOW) == 0;
        } else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            errno = e->fts_errno;
            ok = false;
        }
    }
    if (!ok) {
        io_error(f, "arrange", error);
    }
    if (fts) {
        fts_close(fts);
    }
    return ok;
}

/* DEST/checkout, or the directory that is wanted of it, becomes DEST/tree. */
static bool place_tree(const Fetch *f, GError **error)
{
    g_autofree char *tree = g_build_filename(f->dest, "tree", NULL);
    g_autofree char *from = g_build_filename(f->git.folder, f->subdir ? f->subdir : "", NULL);
    if (f->subdir) {
        struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
        int top = open(f->git.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = (int)syscall(SYS_openat2, top, f->subdir, &how, sizeof how);
        int problem = errno;
        close(top);
        if (fd < 0) {
            g_autofree char *shown = remote_printable(f->subdir, 200);
            return refuse(error, REMOTE_ERROR_NOT_FOUND,
                          "the git repository %s has no directory \"%s\" at commit %s (%s)", f->git.url,
                          shown, f->commit,
                          problem == ELOOP ? "a symbolic link is no directory" : g_strerror(problem));
        }
        close(fd);
    }
    return rename(from, tree) == 0 || io_error(f, "arrange", error);
}

static bool checkout(const Fetch *f, GError **error)
{
    bool keep = f->keep && !f->subdir;
    bool sha256 = strlen(f->commit) == 64;
    struct timespec time;
    g_autofree char *tree = g_build_filename(f->dest, "tree", NULL);
    return RUN(&f->git, NULL, error, "init", "-q", sha256 ? "--object-format=sha256" : "--object-format=sha1") &&
           RUN(&f->git, NULL, error, "remote", "add", "--", "origin", f->url) && fetch_commit(f, error) &&
           RUN(&f->git, NULL, error, "checkout", "-q", "--force", "--detach", f->commit) &&
           update_submodules(f, error) && (!f->mtime_commit || commit_time(f, &time, error)) &&
           (keep ? tidy_git_dir(f, error) : drop_git_dir(f, error)) && place_tree(f, error) &&
           walk(f, tree, !keep, f->mtime_commit ? &time : NULL, error);
}

bool remote_git_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error)
{
    Fetch f = {0};
    const char *operands[2];
    const RemoteOption options[] = {
        {"--commit", &f.commit, NULL},
        {"--ref", &f.ref, NULL},
        {"--subdir", &f.subdir, NULL},
        {"--keep-git-dir", NULL, &f.keep},
        {"--skip-submodules", NULL, &f.skip_submodules},
        {"--mtime-commit", NULL, &f.mtime_commit},
        {NULL},
    };
    if (!remote_arguments_parse(argc, argv, options, operands, 2, USAGE, error) ||
        !check_arguments(operands[0], f.ref, f.commit, error)) {
        return false;
    }
    if (!f.commit || !kiln_git_is_commit(f.commit)) {
        return refuse(error, REMOTE_ERROR_USAGE, "a whole commit is missing; usage: kiln-remote %s", USAGE);
    }
    g_autofree char *public = remote_url_without_login(operands[0]);
    f.url = public;
    f.dest = operands[1];
    g_autofree char *folder = g_build_filename(f.dest, "checkout", NULL);
    g_autofree char *shown = remote_url_shown(operands[0]);
    f.git = (RemoteGit){.url = shown, .remote = operands[0], .folder = folder, .events = events,
                        .cancelled = cancelled};
    if (mkdir(f.dest, 0755) < 0 || mkdir(folder, 0755) < 0) {
        return refuse(error, REMOTE_ERROR_IO, "cannot create %s: %s", folder, g_strerror(errno));
    }
    if (!checkout(&f, error)) {
        return false;
    }
    json_object *event = json_object_new_object();
    add(event, "event", "done");
    add(event, "commit", f.commit);
    remote_events_send(events, event);
    return true;
}

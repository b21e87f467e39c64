/* What ADD fetches from elsewhere. The engine knows nothing of networks: whoever runs it says how. */
#pragma once

#include "remote/git-reference.h"
#include "store/store.h"

/* What a ref of a git repository names. */
typedef struct {
    char *commit;
    char *object; /* that of an annotated tag, else the commit */
    char *ref;    /* full ("refs/heads/main"), NULL if none is known */
} KilnGitCommit;
void kiln_git_commit_clear(KilnGitCommit *c);

/* All may be called by several threads. Within a build the same question has the same answer. Errors say
 * what was fetched and why it failed, not for which step. */
typedef struct {
    /* The URL's content becomes a blob of the store; *out is to be cleared. With a checksum ("sha256:…", also
     * sha384 and sha512; or NULL) it is compared, and a blob that is known to come from there and to have it
     * is taken without asking. */
    bool (*url)(void *data, const char *url, const char *checksum, KilnUrlRecord *out, GError **error);
    /* Asks for the commit; *out is to be cleared. The reference's checksum is compared. */
    bool (*git_commit)(void *data, const KilnGitReference *r, KilnGitCommit *out, GError **error);
    /* Puts the files of the commit into a new directory `name` of the work folder, and returns the absolute
     * path of the directory in it that holds them (r->subdir, if there is one); g_free(). NULL on error. */
    char *(*git_tree)(void *data, const KilnGitReference *r, const KilnGitCommit *commit, bool keep_git_dir,
                      KilnWork *work, const char *name, GError **error);
    void *data;
} KilnFetcher;

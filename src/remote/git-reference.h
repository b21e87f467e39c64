/* References to git repositories, in every form that BuildKit takes: where the repository is, and what
 * of it is wanted. Only text is looked at here.
 *
 *     https://host/path.git#REF:SUBDIR     also http://, only with ".git" at the end of the path
 *     ssh://user@host/path, git://host/path
 *     user@host:path                       ssh, as scp(1) writes it
 *     github.com/owner/name                for build contexts alone
 *
 * and behind any of them `?ref=…&tag=…&branch=…&subdir=…&checksum=…&keep-git-dir&submodules=false&
 * mtime=commit&fetch-by-commit`. Source: BuildKit's frontend/dockerfile/dfgitutil/git_ref.go. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define KILN_GIT_ERROR (kiln_git_error_quark())
GQuark kiln_git_error_quark(void); /* one code, 0 */

typedef enum { KILN_GIT_UNSAID = -1, KILN_GIT_NO, KILN_GIT_YES } KilnGitSwitch;

typedef struct {
    char *remote;   /* what git is given: no query, no fragment; never begins with "-" */
    char *ref;      /* branch, tag, "refs/…" or commit; NULL: the default branch */
    char *subdir;   /* relative, without "." and ".."; NULL: all of it */
    char *checksum; /* a commit, or the beginning of one, as written; NULL if none is asked for */
    KilnGitSwitch keep_git_dir, submodules;
    bool fetch_by_commit; /* the checksum is the commit: the ref is not asked about */
    bool mtime_commit;    /* mtime=commit: files get the time of the commit */
} KilnGitReference;

/* Whether the text is meant as a git repository; `shorthand`: "github.com/…" is one too. Then it is
 * parsed; NULL with an error if it is one but malformed (a query that is unknown or contradicts, a ref
 * that no ref can be called), NULL without one if it is something else. */
KilnGitReference *kiln_git_reference_parse(const char *text, bool shorthand, GError **error);
void kiln_git_reference_free(KilnGitReference *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnGitReference, kiln_git_reference_free)

/* Whether it is a whole commit: 40 or 64 hexadecimal digits. */
bool kiln_git_is_commit(const char *text);
/* Whether it is a commit or the beginning of one: hexadecimal digits alone. */
bool kiln_git_is_checksum(const char *text);
/* Whether something in a repository can be called by it (git-check-ref-format(1)): then it is also safe as
 * an argument of git and as a part of a refspec. */
bool kiln_git_is_ref(const char *text);

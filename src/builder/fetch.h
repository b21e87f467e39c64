/* Fetching files by HTTP and git repositories, by kiln-remote, for ADD and for build contexts. */
#pragma once

#include "build/fetcher.h"
#include "builder/operation.h"

/* Remembers for one operation what was answered, so that a URL or a ref means the same in all of it, and is
 * asked for once. Usable by several threads. op is borrowed. */
typedef struct KilnFetch KilnFetch;
KilnFetch *kiln_fetch_new(KilnOperation *op);
void kiln_fetch_free(KilnFetch *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnFetch, kiln_fetch_free)

/* The functions of a KilnFetcher (build/fetcher.h says what they do). Each is seen as a task of its own,
 * "[internal] fetch URL". */
bool kiln_fetch_url(KilnFetch *f, const char *url, const char *checksum, KilnUrlRecord *out,
                    GError **error);
bool kiln_fetch_git_commit(KilnFetch *f, const KilnGitReference *r, KilnGitCommit *out, GError **error);
char *kiln_fetch_git_tree(KilnFetch *f, const KilnGitReference *r, const KilnGitCommit *commit,
                          bool keep_git_dir, KilnWork *work, const char *name, GError **error);

/* What the engine gets; `f` must outlive it. */
KilnFetcher kiln_fetch_fetcher(KilnFetch *f);

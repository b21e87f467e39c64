/* A build context: the files that COPY, ADD and bind mounts read. Either a directory, where everything counts
 * as root's, or the tree of an archive, which keeps the owners and xattrs that the archive says. */
#pragma once

#include "store/store.h"
#include "tree/ignore.h"
#include "tree/source.h"

typedef struct KilnContext KilnContext;

/* A directory: one of the host, or one that was filled for this build in `work` (taken over, else NULL). fd is
 * taken over. `name` is what messages call it ("the build context"). */
KilnContext *kiln_context_new_directory(const char *name, int fd, KilnWork *work);
/* What kiln_untar() made in fd, a directory that `work` owns. work and manifest are taken over. */
KilnContext *kiln_context_new_tree(const char *name, int fd, KilnWork *work, KilnManifest *manifest);
/* One without anything in it. store NULL: there is no directory behind it that could be mounted. NULL on error. */
KilnContext *kiln_context_new_empty(const char *name, KilnStore *store, GError **error);
void kiln_context_free(KilnContext *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnContext, kiln_context_free)

/* Leaves out what the patterns say (taken over). For a directory only: BuildKit reads no .dockerignore of an
 * archive or repository (frontend/dockerui/config.go, MainContext). */
void kiln_context_set_ignore(KilnContext *c, KilnIgnore *ignore);
/* These patterns; NULL: there are none. Borrowed. */
const KilnIgnore *kiln_context_ignore(const KilnContext *c);

const char *kiln_context_name(const KilnContext *c);
/* The directory that holds all of its files, also those that are left out; borrowed. */
int kiln_context_fd(const KilnContext *c);
/* What is not left out, to be listed and copied. The context must outlive it; index (may be NULL) is used
 * where files can be the same in the next build. Thread-safe. */
KilnSource *kiln_context_source(const KilnContext *c, KilnStatIndex *index, GError **error);
/* Whether there is something at the path, if only left out; symlinks are followed within the context. */
bool kiln_context_has(const KilnContext *c, const char *path);
/* Opens a file, also one that is left out, for reading; symlinks are followed within the context. -1 with an
 * errno in *error's code (KILN_SOURCE_ERROR). */
int kiln_context_open(const KilnContext *c, const char *path, GError **error);

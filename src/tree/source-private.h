/* The inside of a source, for source.c, source-read.c, source-match.c and source-digest.c only. */
#pragma once

#include <sys/stat.h>

#include "tree/place.h"
#include "tree/source.h"

struct KilnSource {
    char *name; /* for messages */
    /* A host directory … */
    int fd;               /* -1 for layers */
    struct timespec made; /* when this source was, by the clock that file times are taken from */
    const KilnIgnore *ignore;
    KilnStatIndex *index;
    /* … or layers. */
    const KilnView *view;
    const int *layer_fds;
    GHashTable *groups; /* (layer, link group) → link group in what is listed */
    bool endpoints;     /* see kiln_source_has_endpoints() */
};

/* A file whose digest is missing. */
typedef struct {
    KilnEntry *entry;
    struct stat st; /* as listed; for a host directory only */
    guint layer;    /* for layers only */
} KilnPending;

/* Digests the n files of a list, by several threads where that pays. */
bool kiln_source_digest(KilnSource *s, const KilnPending *files, guint n, GError **error);

/* Sets an error "cannot DOING “PATH” in SOURCE: …"; returns false. */
bool kiln_source_fail(KilnSource *s, GError **error, int code, const char *doing, const char *path);

/* Whether the ignore file excludes the path of a host directory. */
bool kiln_source_ignores(const KilnSource *s, const char *path);

/* Whether an ignored directory holds something that is not. */
bool kiln_source_any_below(KilnSource *s, const char *dir, bool *any, GError **error);

/* --- Reading a host directory (source-read.c) --- */

typedef struct {
    char *name;
    char *target; /* of a symlink, else NULL */
    struct stat st;
} KilnSourceItem;
void kiln_source_item_free(gpointer item);

/* dir/name; dir may be "". */
GString *kiln_source_path_in(const char *dir, const char *name);
/* *out: NULL if it is not there (any more). 0 or a negative errno. */
int kiln_source_read_item(int dirfd, const char *name, KilnSourceItem **out);
/* The items of a directory that are not excluded, and excluded directories where something below may not be. Sorted.
 * The directory is closed again: the depth of a context is no matter of fds. Safe in any thread. */
GPtrArray *kiln_source_read_dir(KilnSource *s, const char *path, GError **error);

/* Reads directories in other threads before they are asked for. */
typedef struct KilnSourceAhead KilnSourceAhead;
KilnSourceAhead *kiln_source_ahead_new(KilnSource *s);
void kiln_source_ahead_free(KilnSourceAhead *a);
/* The directory will be asked for, soon and once. Starts the threads when several have been. */
void kiln_source_ahead_expect(KilnSourceAhead *a, const char *path);
/* kiln_source_read_dir(), perhaps done already. */
GPtrArray *kiln_source_ahead_take(KilnSourceAhead *a, const char *path, GError **error);

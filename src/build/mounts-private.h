/* Inside RUN --mount: what the files of its types share. */
#pragma once

#include "build/mounts.h"

struct KilnStepMounts {
    KilnEngine *engine;
    const KilnStep *step;
    KilnWork *work;
    GArray *binds;     /* struct kilnrun_bind; the source_fds are ours */
    GPtrArray *names;  /* GPtrArray*: lists of names that binds point to */
    GPtrArray *env;    /* char*: "NAME=value" of secrets */
    GPtrArray *caches; /* KilnCache* */
    GPtrArray *agents; /* KilnAgentProxy* */
};

/* A name in the work folder for what mount m needs there: "PREFIX3". g_free(). */
char *kiln_mounts_name(const KilnStepMounts *s, const KilnMount *m, const char *prefix);

/* bind-mount.c */
bool kiln_bind_mount_feed(KilnEngine *e, const KilnStep *step, const KilnMount *m, KilnKey *key, GError **error);
bool kiln_bind_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error);
/* Copies what a mount's `from` and `source` name into a directory of the work folder; a single file,
 * which *file says, as "file" in it. */
bool kiln_bind_mount_copy(KilnStepMounts *s, const KilnMount *m, int into, bool *file, GError **error);

/* cache-mount.c */
/* The name of the mount's directory in the store; g_free(). */
char *kiln_cache_mount_name(const KilnMount *m);
/* Takes the locks of all cache mounts of the step, then makes the directories that are not there. */
bool kiln_cache_mounts_take(KilnStepMounts *s, GError **error);
bool kiln_cache_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error);
void kiln_cache_free(gpointer cache);

/* secret-mount.c */
bool kiln_secret_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error);

/* ssh-mount.c */
bool kiln_ssh_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error);

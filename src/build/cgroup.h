/* Cgroups of steps: a directory for each step in every hierarchy that keeps one of its limits, gone with it.
 *
 * They are made below kiln's own cgroup, or below --cgroup-parent: in v2 where that is delegated to this user,
 * in v1 where its directories are writable. Each is locked (flock) by the builder as long as it is used, so that
 * the next builder finds those of one that was killed. */
#pragma once

#include "limits/limits.h"

typedef enum {
    KILN_CONTROLLER_MEMORY,
    KILN_CONTROLLER_PIDS,
    KILN_CONTROLLER_CPU,
    KILN_CONTROLLER_CPUSET,
    KILN_N_CONTROLLERS
} KilnController;

const char *kiln_controller_name(KilnController c);

/* The hierarchy that a controller is in. */
typedef struct {
    int version; /* 0: none is mounted; 1; 2 (which may lack the controller all the same) */
    char *mount; /* its mount point */
    char *own;   /* kiln's own cgroup, from there: "/…" */
} KilnCgroupPlace;

/* Finds them in the text of /proc/self/cgroup and /proc/self/mountinfo. */
void kiln_cgroup_places(const char *cgroups, const char *mountinfo,
                        KilnCgroupPlace places[KILN_N_CONTROLLERS]);
void kiln_cgroup_places_clear(KilnCgroupPlace places[KILN_N_CONTROLLERS]);

/* Whether limits need the controller. */
bool kiln_cgroup_wants(const KilnLimits *l, KilnController c);

typedef struct {
    const char *file;
    char *value;
    bool optional; /* the kernel may have no such file */
} KilnCgroupSetting;
/* What is written for the limits, in order: KilnCgroupSetting; g_array_unref(). */
GArray *kiln_cgroup_settings(const KilnLimits *l, KilnController c, int version);

/* The number in a line "NAME NUMBER" of a file such as memory.events; 0: there is none. */
guint64 kiln_cgroup_count(const char *text, const char *name);

/* --- What a build can use ------------------------------------------------------------------------------ */

typedef struct KilnCgroups KilnCgroups;

/* Finds out by trying what the limits can be kept with, and removes what killed builders left there. What cannot
 * be used has a reason (kiln_cgroups_reason). NULL with an error: --cgroup-parent cannot be used. The limits are
 * borrowed. */
KilnCgroups *kiln_cgroups_new(const KilnLimits *limits, GError **error);
void kiln_cgroups_free(KilnCgroups *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCgroups, kiln_cgroups_free)
/* Why a controller cannot keep its limits; NULL: it can. */
const char *kiln_cgroups_reason(const KilnCgroups *c, KilnController controller);

/* --- A step's ------------------------------------------------------------------------------------------- */

typedef struct KilnCgroup KilnCgroup;

/* Makes them, with the limits set. Thread-safe. */
KilnCgroup *kiln_cgroup_new(KilnCgroups *c, GError **error);
/* Removes them; all processes must be gone. */
void kiln_cgroup_free(KilnCgroup *g);
/* Files that a process writes "0" to, to be in them. */
const int *kiln_cgroup_procs(const KilnCgroup *g, gsize *n);
/* How many processes in it the kernel killed for memory. */
guint64 kiln_cgroup_oom_kills(const KilnCgroup *g);

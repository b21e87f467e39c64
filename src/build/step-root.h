/* The rootfs of one RUN, by the snapshotter that the build has. */
#pragma once

#include "build/etc.h"
#include "build/mounts.h"
#include "tree/diff.h"

typedef struct KilnStepRoot KilnStepRoot;

/* Chooses the snapshotter with the first RUN. upperfd: the empty "upper" of the work folder, for the changes. */
KilnStepRoot *kiln_step_root_new(KilnEngine *e, const KilnStep *step, KilnWork *work, int upperfd, GError **error);
/* Where what kiln itself adds to the layer is made before the command runs. */
int kiln_step_root_fd(const KilnStepRoot *r);
/* Fills the layers of a kilnrun_spec: called once, when nothing is added any more. They point into r. */
bool kiln_step_root_mount(KilnStepRoot *r, struct kilnrun_layers *out, GError **error);
/* Puts what the step's spec mounts in its place, where nothing can be mounted (isolation.h), and leaves in the spec
 * what the sandbox still has to know of it. Otherwise does nothing. */
bool kiln_step_root_cover(KilnStepRoot *r, const KilnView *below, const KilnEtc *etc, const KilnStepMounts *mounts,
                          struct kilnrun_spec *spec, GError **error);
/* When the command has ended: brings what it changed to the upper directory and makes a manifest of it. */
KilnManifest *kiln_step_root_diff(KilnStepRoot *r, const KilnView *below, const char *const *stubs,
                                  const KilnDiffRecords *records, GError **error);
/* NULL is allowed. */
void kiln_step_root_free(KilnStepRoot *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnStepRoot, kiln_step_root_free)

/* The build's snapshotter; never AUTO. */
KilnSnapshotter kiln_engine_snapshotter(KilnEngine *e);

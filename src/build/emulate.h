/* What RUNs are made to believe of owners and devices (--emulate), what the sandbox needs to know of the layers
 * below for that, and what it recorded. */
#pragma once

#include "build/engine.h"
#include "runtime/kilnrun.h"
#include "tree/diff.h"

/* How RUNs of this build are emulated: what was asked for, as far as the store's owners need it. */
enum kilnrun_emulate kiln_emulation(const KilnEngine *e);
/* Adds it to a key, where files come out otherwise than by default. With real owners and with those that are recorded
 * they come out the same: what the one made is the other's. */
void kiln_emulation_feed(const KilnEngine *e, KilnKey *key);

/* kilnrun_spec's below_fd for a step on `parent`, whose view is given: a new fd in *fd, or -1 if there is nothing to
 * tell. */
bool kiln_emulation_below(KilnEngine *e, const KilnStep *parent, const KilnView *view, int *fd, GError **error);

/* What a command's result has recorded, for the diff. Free it; the result must outlive it. */
typedef struct KilnRecorded KilnRecorded;
KilnRecorded *kiln_recorded_new(enum kilnrun_emulate emulate, const struct kilnrun_result *result);
const KilnDiffRecords *kiln_recorded_records(const KilnRecorded *r);
void kiln_recorded_free(KilnRecorded *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnRecorded, kiln_recorded_free)

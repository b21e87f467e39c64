/* Inside the diff: files that may be more than the disk tells (a device, a symlink of another owner),
 * but nothing at the same path below says so. They are if the step has moved them there. */
#pragma once

#include "tree/place.h"
#include "tree/view.h"

typedef struct {
    KilnEntry *entry; /* of the manifest that is being made, as the disk tells */
    KilnEntry record; /* what it may be: type, owner, device, target, time */
} KilnClaim;

static inline bool kiln_type_is_device(KilnType type)
{
    return type == KILN_TYPE_CHAR || type == KILN_TYPE_BLOCK;
}

/* Makes the entry of a placeholder that of the device; owner and mode stay the file's. */
void kiln_claim_take_device(KilnEntry *e, const KilnEntry *device);

/* Settles the claims (of KilnClaim) once the manifest is sorted: one is met if the layers below have
 * such a file that this layer hides, or if a hard link in this layer is such a file. Others stay as
 * the disk tells. */
void kiln_claims_settle(const GArray *claims, const KilnManifest *out, const KilnView *below,
                        KilnOwners owners);

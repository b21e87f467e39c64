/* Whose store it is: the text of the `version` file (docs/store.md, "One owner"). */
#pragma once

#include "store/store.h"

#define KILN_STORE_FORMAT 1
#define KILN_VERSION_MAGIC "kiln-store "

typedef struct {
    KilnOwners owners;
    char *text; /* what `version` must hold for the calling process */
} KilnOwner;

/* Finds the calling process's owner, id maps and ownership mode (/proc/self/uid_map,
 * user_namespaces(7)). */
bool kiln_owner_find(KilnOwner *owner, GError **error);
void kiln_owner_clear(KilnOwner *owner);

/* Whether a store whose `version` file holds `found` is the owner's; else VERSION, MISMATCH or
 * CORRUPT with what to do. */
bool kiln_owner_check(const KilnOwner *owner, const char *found, const char *root, GError **error);

/* For a reader, whose own map may be any: whether the format is known and the store the calling
 * user's. *owners: the store's mode. */
bool kiln_owner_check_reader(const char *found, const char *root, KilnOwners *owners,
                             GError **error);

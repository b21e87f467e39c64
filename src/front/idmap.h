/* Which ids of the host a user namespace of this user may hold. Private to kiln's own programs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Subordinate ids: `count` of them from `start` (subuid(5)). */
typedef struct {
    uint32_t start, count;
} KilnIdRange;

/* The user's range in the text of /etc/subuid or /etc/subgid: lines "NAME:START:COUNT" or
 * "UID:START:COUNT" (name may be NULL). Malformed lines and ranges that do not fit into 32 bits are
 * passed over, as newuidmap does. Of several the first of 65536 ids or more is taken, else the
 * largest: a range that is added later does not change the map of a store. False if
 * there is none. */
bool kiln_idmap_parse(const char *text, const char *name, uid_t uid, KilnIdRange *out);

/* The output of `getsubids NAME`: lines "0: NAME START COUNT". */
bool kiln_idmap_parse_getsubids(const char *text, KilnIdRange *out);

/* The user's subordinate ids: the files, else getsubids if nsswitch.conf names another source of
 * them. */
bool kiln_idmap_find(const char *name, uid_t uid, KilnIdRange *uids, KilnIdRange *gids);

/* Maps 0 to the caller's own ids and 1… to the ranges for a process in a new user namespace, by
 * newuidmap and newgidmap, both at once. On failure *why gets what they said; g_free(). The process
 * is then of no use: its maps may be half written. */
bool kiln_idmap_write(pid_t pid, KilnIdRange uids, KilnIdRange gids, char **why);

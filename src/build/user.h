/* USER and --chown: names to numbers by the image's /etc/passwd and /etc/group. */
#pragma once

#include "build/engine.h"

typedef struct {
    guint32 uid, gid;
    GArray *groups; /* guint32: gid, then the supplementary groups of the user's name */
    char *home;     /* NULL if the user has no passwd entry */
} KilnUser;
void kiln_user_clear(KilnUser *u);

/* "name", "uid", "name:group", "uid:gid" … NULL or "" is root. Docker's rules: a name must exist; a uid
 * without group has the group of its passwd entry, else `uid_is_gid` decides between the uid (--chown) and
 * 0 (USER). "name:" is the same but with --chown: group 0. */
bool kiln_user_lookup(KilnEngine *e, const KilnStep *step, const KilnView *view, const char *text,
                      bool uid_is_gid, KilnUser *out, GError **error);

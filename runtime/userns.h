/* The nested user namespace that commands run in. It repeats the builder's id map, so ids mean the
 * same, but all mounts belong to the builder's namespace: the command has no power over them. */
#pragma once

#include "failure.h"

/* Makes one, returns an fd of it (close-on-exec) that keeps it, or a negative errno. single_id:
 * deny setgroups first, without which user_namespaces(7) lets nobody map a group. */
int userns_make(bool single_id, struct kilnrun_failure *failure);

/* Where a step has no pid namespace: a process that stays behind the command and ends what that
 * leaves running, as the kernel does with a namespace. */
#pragma once

#include "kilnrun.h"

/* Forks. Returns 0 in the child, which becomes the command; the caller itself becomes the reaper,
 * and ends as the command ended: by its exit code or its signal. Everything that descends from the
 * command is killed and waited for when the command ends, at SIGTERM, and when `launcher`, the
 * caller's parent, is gone. Then the files of KILNRUN_SECRET binds are emptied, wherever the
 * command may have moved them. traced: the child becomes proot, the command a child of it. Negative
 * errno. */
int reaper_fork(pid_t launcher, bool traced, const struct kilnrun_spec *spec);

/* Kills all children of the calling process, and what becomes its children by that (it must be a
 * subreaper, see prctl(2)), until none is left. */
void reaper_end_all(void);

/* The ways into a rootfs without namespaces: see enum kilnrun_isolation. */
#pragma once

#include "failure.h"

/* chroot(2) into a directory. */
int chroot_enter(int directory, struct kilnrun_failure *failure);

/* Makes the spec's argv that of proot with the old one as its arguments, its cwd "/", and takes out
 * of its environment what would be taken for proot's own. The memory is never freed. */
int chroot_use_proot(const char *proot, struct kilnrun_spec *spec, struct kilnrun_failure *failure);

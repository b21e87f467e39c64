/* Docker's default capabilities (moby, daemon/pkg/oci/caps/defaults.go): mask a80425fb. */
#pragma once

#include <sys/types.h>

/* Cuts the bounding set to the default; needs CAP_SETPCAP. 0 or a negative errno. */
int caps_cut_bounding(void);
/* Sets effective and permitted to the default for uid 0, to none for another, inheritable and
 * ambient to none. 0 or a negative errno. */
int caps_set(uid_t uid);

/* Both for a process that may lack some of them: what is not in the set goes, after the change of
 * the user. */
int caps_limit(uid_t uid);

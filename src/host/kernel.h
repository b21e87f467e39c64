/* What kiln needs of newer kernels, call by call: why it is not there, and from which version on it
 * is. */
#pragma once

#include <glib.h>

typedef enum {
    KILN_KERNEL_FILES,  /* what everything needs */
    KILN_KERNEL_MOUNTS, /* what a sandbox of namespaces needs besides, with CAP_SYS_ADMIN */
} KilnKernelUse;

/* Tries each call, in a way that does nothing. NULL if all are there; else which is not, why, and
 * what to try: "openat2(2) is not in this kernel: Linux 5.6 or newer is needed". g_free(). */
char *kiln_kernel_missing(KilnKernelUse use);

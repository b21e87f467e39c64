/* What stands between a RUN and the host. Private to kiln's own programs. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    KILN_ISOLATION_AUTO,   /* the first of these that this host allows */
    KILN_ISOLATION_USERNS, /* namespaces: of real root those that need no user namespace */
    KILN_ISOLATION_CHROOT, /* root who may make no namespace, as in a stock container */
    KILN_ISOLATION_PROOT,  /* not even root */
} KilnIsolation;

/* "userns" …, as --isolation has them. */
const char *kiln_isolation_name(KilnIsolation i);
/* "default", "", NULL are AUTO (docker build has "default"). False if there is none by that name. */
bool kiln_isolation_parse(const char *name, KilnIsolation *out);
/* "auto, userns, chroot, proot" */
#define KILN_ISOLATION_NAMES "auto, userns, chroot, proot"

/* What can be done without namespaces: CHROOT or PROOT; AUTO if neither, and then *why (g_free()) says what is
 * missing. */
KilnIsolation kiln_isolation_without_namespaces(char **why);
/* The same for one that was asked for. */
bool kiln_isolation_check(KilnIsolation i, char **why);

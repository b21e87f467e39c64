/* New files of a caller: where they come to lie and who will own them. */
#pragma once

#include "paths.h"
#include "supervisor.h"

struct new_node {
    int directory; /* O_PATH; the caller of node_begin() closes it */
    char name[NAME_MAX + 1];
    mode_t umask;
    struct owned owned; /* ids only */
};

/* Whether the kernel can make it: it will belong to 0:0. The parent may be anything then, also
 * absent. */
bool node_is_ordinary(struct call *c, const struct place *place, const struct user *user);
/* Finds its directory, in which the user may make it (-EACCES). */
int node_begin(struct call *c, const struct place *place, const struct user *user,
               struct new_node *out);
/* Records the owner of what has been made. */
int node_record(struct call *c, int fd, const struct owned *owned);

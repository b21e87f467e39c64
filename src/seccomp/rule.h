/* One entry of a profile's "syscalls": what is done with some calls, and when. Private to this
 * folder. */
#pragma once

#include "seccomp/profile.h"

#include <json-c/json.h>
#include <seccomp.h>
#include <stdbool.h>

typedef struct {
    json_object *names; /* strings, borrowed; NULL: `name` */
    const char *name;   /* the older form has one */
    uint32_t action;    /* SCMP_ACT_*; the values are those of SECCOMP_RET_* (seccomp(2)) */
    struct scmp_arg_cmp args[6];
    guint n_args;
    bool separate; /* two conditions on one argument: each is a rule of its own, as in runc */
    bool applies;  /* "includes" and "excludes" let it, on this host */
} KilnSeccompRule;

/* The action "SCMP_ACT_…", which with ERRNO takes `errno_ret` (an integer, or NULL: EPERM). `where`
 * is for the error. */
bool kiln_seccomp_action(const char *where, const char *name, json_object *errno_ret,
                         uint32_t *action, GError **error);

/* Reads entry `index`. */
bool kiln_seccomp_rule_read(json_object *entry, guint index, const KilnSeccompHost *host,
                            KilnSeccompRule *rule, GError **error);

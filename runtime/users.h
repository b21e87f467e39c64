/* The make-believe users of a step's processes: what they believe to be since their last call that
 * changed it. Each thread has its own, as in the kernel.
 *
 * Which a thread has is kept where the kernel hands it on to all that the thread starts, and
 * through execve: in its timer slack, a number of nanoseconds that nobody minds being a few more. A
 * process can write that number itself, through /proc/self. It then takes another one of the users
 * of this step; which gives it no more than the power over files that all processes of the step
 * have for the kernel anyway. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call;

struct user {
    uid_t ruid, euid, suid, fsuid;
    gid_t rgid, egid, sgid, fsgid;
    uint64_t permitted, effective, inheritable; /* capabilities */
    uint32_t keep_caps;
    uint32_t n_groups;
    const gid_t *groups; /* one address for equal lists */
    /* What it becomes if an execve that was let through succeeds: user number `next`, if not 0,
     * once the program is this file. */
    uint64_t program_device, program_inode;
    uint32_t next, padding;
};

struct users {
    struct user *all; /* by number; 0 is what the step begins with */
    size_t n, room;
    bool changed; /* a thread has another than number 0 */
    size_t n_group_lists, n_group_ids;
    struct group_list {
        size_t n;
        gid_t *ids;
    } * group_lists;
};

#define USER_MAX_GROUPS 65536 /* NGROUPS_MAX */

/* Makes number 0. -ENOMEM. */
int users_init(struct users *u, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);

/* The caller's user; a copy. */
struct user users_of(struct call *c);
/* Makes it the caller's. -EAGAIN when the step has had too many. */
int users_become(struct call *c, const struct user *user);
/* Has the caller become *after when it executes the file. */
int users_become_by(struct call *c, const struct user *now, const struct user *after,
                    uint64_t device, uint64_t inode);

bool user_can(const struct user *user, unsigned capability);
bool user_in_group(const struct user *user, gid_t gid);
/* Whether the mode bits of a file let it be used so (bits of 4 read, 2 write, 1 execute). */
bool user_may(const struct user *user, uint32_t mode, uid_t uid, gid_t gid, unsigned want);
/* Changes of ids, with all that follows for capabilities (capabilities(7)). (uid_t)-1 leaves one.
 */
void user_set_uids(struct user *user, uid_t ruid, uid_t euid, uid_t suid);
/* What execve makes of it, of a program with the owner ids given if set-id bits count. */
void user_execute(struct user *user, uint32_t mode, uid_t uid, gid_t gid);

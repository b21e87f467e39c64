#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"

#define SLACK 50000 /* ns, of all processes of Linux; user number 0 */
#define MAX_USERS 4096
#define MAX_GROUP_IDS (1024 * 1024) /* of all lists together */

#define CAP(name) (UINT64_C(1) << (name))
/* Docker's default set, as in caps.c. */
#define ROOT_CAPABILITIES                                                                          \
    (CAP(CAP_AUDIT_WRITE) | CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) |             \
     CAP(CAP_FSETID) | CAP(CAP_KILL) | CAP(CAP_MKNOD) | CAP(CAP_NET_BIND_SERVICE) |                \
     CAP(CAP_NET_RAW) | CAP(CAP_SETFCAP) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP) | CAP(CAP_SETUID) |  \
     CAP(CAP_SYS_CHROOT))

/* --- The table --- */

/* The one list of these groups. */
static int intern_groups(struct users *u, const gid_t *ids, size_t n, const gid_t **out)
{
    struct group_list *grown;
    gid_t *copy;

    *out = NULL;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < u->n_group_lists; i++) {
        const struct group_list *l = &u->group_lists[i];
        if (l->n == n && memcmp(l->ids, ids, n * sizeof *ids) == 0) {
            *out = l->ids;
            return 0;
        }
    }
    if (u->n_group_lists >= MAX_USERS || u->n_group_ids + n > MAX_GROUP_IDS)
        return -EAGAIN;
    grown = realloc(u->group_lists, (u->n_group_lists + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    u->group_lists = grown;
    copy = malloc(n * sizeof *copy);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, ids, n * sizeof *ids);
    grown[u->n_group_lists++] = (struct group_list){n, copy};
    u->n_group_ids += n;
    *out = copy;
    return 0;
}

/* The number of this user, a new one if need be, or a negative errno. */
static int intern(struct users *u, const struct user *user)
{
    struct user exact;

    memset(&exact, 0, sizeof exact); /* so that memcmp() can compare */
    exact = *user;
    exact.padding = 0;
    int rc = intern_groups(u, user->groups, user->n_groups, &exact.groups);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < u->n; i++)
        if (memcmp(&u->all[i], &exact, sizeof exact) == 0)
            return (int)i;
    if (u->n == u->room) {
        size_t room = u->room * 2 + 8;
        struct user *grown = u->n < MAX_USERS ? realloc(u->all, room * sizeof *grown) : NULL;
        if (!grown)
            return -EAGAIN;
        u->all = grown;
        u->room = room;
    }
    u->all[u->n] = exact;
    return (int)u->n++;
}

int users_init(struct users *u, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups)
{
    uint64_t capabilities = uid == 0 ? ROOT_CAPABILITIES : 0;
    struct user first;
    int rc;

    memset(&first, 0, sizeof first);
    first.ruid = first.euid = first.suid = first.fsuid = uid;
    first.rgid = first.egid = first.sgid = first.fsgid = gid;
    first.permitted = first.effective = capabilities;
    first.groups = groups;
    first.n_groups = (uint32_t)n_groups;
    rc = intern(u, &first);
    return rc < 0 ? rc : 0;
}

/* --- Which one a thread is --- */

static int open_slack(const struct call *c, int flags)
{
    char name[48];

    snprintf(name, sizeof name, "%d/timerslack_ns", (int)c->tid);
    return openat(c->s->proc, name, flags | O_CLOEXEC);
}

static size_t number_of(const struct call *c)
{
    const struct users *u = &c->s->users;
    char text[32];
    unsigned long value = SLACK;
    ssize_t n;
    int fd;

    if (!u->changed || (fd = open_slack(c, O_RDONLY)) < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n > 0) {
        text[n] = 0;
        value = strtoul(text, NULL, 10);
    }
    return value >= SLACK && value - SLACK < u->n ? value - SLACK : 0;
}

static int set_number(struct call *c, size_t number)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%zu", SLACK + number);
    int fd = open_slack(c, O_WRONLY), rc = 0;

    if (fd < 0)
        return -errno;
    if (!call_alive(c))
        rc = -ESRCH;
    else if (write(fd, text, (size_t)size) < 0)
        rc = -errno;
    close(fd);
    c->s->users.changed = true;
    return rc;
}

/* Whether the caller runs the program that was waited for. */
static bool runs(const struct call *c, const struct user *user)
{
    char name[32];
    struct stat st;

    snprintf(name, sizeof name, "%d/exe", (int)c->tid);
    return fstatat(c->s->proc, name, &st, 0) == 0 && st.st_dev == user->program_device &&
           st.st_ino == user->program_inode;
}

struct user users_of(struct call *c)
{
    struct user user = c->s->users.all[number_of(c)];

    if (user.next == 0)
        return user;
    if (runs(c, &user)) {
        user = c->s->users.all[user.next];
    } else {
        user.next = 0;
        user.program_device = user.program_inode = 0;
    }
    users_become(c, &user);
    return user;
}

int users_become(struct call *c, const struct user *user)
{
    int number = intern(&c->s->users, user);

    return number < 0 ? number : set_number(c, (size_t)number);
}

int users_become_by(struct call *c, const struct user *now, const struct user *after,
                    uint64_t device, uint64_t inode)
{
    int number = intern(&c->s->users, after);
    struct user waiting = *now;

    if (number <= 0) /* number 0 cannot be waited for; it is become at once, being root */
        return number < 0 ? number : set_number(c, 0);
    waiting.next = (uint32_t)number;
    waiting.program_device = device;
    waiting.program_inode = inode;
    return users_become(c, &waiting);
}

/* --- What a user may --- */

bool user_can(const struct user *user, unsigned capability)
{
    return user->effective & CAP(capability);
}

bool user_in_group(const struct user *user, gid_t gid)
{
    for (size_t i = 0; i < user->n_groups; i++)
        if (user->groups[i] == gid)
            return true;
    return user->fsgid == gid;
}

bool user_may(const struct user *user, uint32_t mode, uid_t uid, gid_t gid, unsigned want)
{
    unsigned shift = user->fsuid == uid ? 6 : user_in_group(user, gid) ? 3 : 0;

    return user_can(user, CAP_DAC_OVERRIDE) || (mode >> shift & want) == want;
}

/* --- Changes --- */

/* capabilities(7), "Effect of user ID changes on capabilities". */
void user_set_uids(struct user *user, uid_t ruid, uid_t euid, uid_t suid)
{
    bool had_root = user->ruid == 0 || user->euid == 0 || user->suid == 0;
    bool was_root = user->euid == 0;

    if (ruid != (uid_t)-1)
        user->ruid = ruid;
    if (euid != (uid_t)-1)
        user->euid = euid;
    if (suid != (uid_t)-1)
        user->suid = suid;
    user->fsuid = user->euid;
    if (had_root && user->ruid != 0 && user->euid != 0 && user->suid != 0 && !user->keep_caps)
        user->permitted = user->effective = 0;
    if (was_root && user->euid != 0)
        user->effective = 0;
    if (!was_root && user->euid == 0)
        user->effective = user->permitted;
}

/* capabilities(7), "Transformation of capabilities during execve()" and "Capabilities and execution
 * of programs by root"; file capabilities give nothing here. */
void user_execute(struct user *user, uint32_t mode, uid_t uid, gid_t gid)
{
    if (mode & S_ISUID)
        user->euid = uid;
    if ((mode & S_ISGID) && (mode & S_IXGRP))
        user->egid = gid;
    user->suid = user->fsuid = user->euid;
    user->sgid = user->fsgid = user->egid;
    user->permitted = user->ruid == 0 || user->euid == 0 ? ROOT_CAPABILITIES : 0;
    user->effective = user->euid == 0 ? user->permitted : 0;
    user->keep_caps = 0;
}

/* The calls that ask for and change users; see users.h. Each as its man page has it. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "caller.h"
#include "supervisor.h"

#define LEAVE ((uid_t)-1)

/* An id argument; in 16 bits all ones mean the same. */
static uid_t id_arg(const struct call *c, unsigned n)
{
    uid_t id = (uid_t)c->args[n];

    return c->narrow && (id & 0xffff) == 0xffff ? LEAVE : c->narrow ? id & 0xffff : id;
}

static bool among(uid_t id, uid_t a, uid_t b, uid_t c)
{
    return id == LEAVE || id == a || id == b || id == c;
}

static long finish(struct call *c, const struct user *before, const struct user *after)
{
    return memcmp(before, after, sizeof *before) == 0 ? 0 : users_become(c, after);
}

/* --- User ids --- */

long users_setuid(struct call *c)
{
    struct user before = users_of(c), user = before;
    uid_t uid = id_arg(c, 0);

    if (uid == LEAVE)
        return -EINVAL;
    if (user_can(&user, CAP_SETUID))
        user_set_uids(&user, uid, uid, uid);
    else if (uid == user.ruid || uid == user.suid)
        user_set_uids(&user, LEAVE, uid, LEAVE);
    else
        return -EPERM;
    return finish(c, &before, &user);
}

long users_setreuid(struct call *c)
{
    struct user before = users_of(c), user = before;
    uid_t ruid = id_arg(c, 0), euid = id_arg(c, 1), suid = LEAVE;

    if (!user_can(&user, CAP_SETUID) && (!among(ruid, user.ruid, user.euid, user.ruid) ||
                                         !among(euid, user.ruid, user.euid, user.suid)))
        return -EPERM;
    if (ruid != LEAVE || (euid != LEAVE && euid != user.ruid))
        suid = euid != LEAVE ? euid : user.euid;
    user_set_uids(&user, ruid, euid, suid);
    return finish(c, &before, &user);
}

long users_setresuid(struct call *c)
{
    struct user before = users_of(c), user = before;
    uid_t ids[3] = {id_arg(c, 0), id_arg(c, 1), id_arg(c, 2)};

    for (int i = 0; i < 3; i++)
        if (!user_can(&user, CAP_SETUID) && !among(ids[i], user.ruid, user.euid, user.suid))
            return -EPERM;
    user_set_uids(&user, ids[0], ids[1], ids[2]);
    return finish(c, &before, &user);
}

/* Returns what it was, whether it could be changed or not. Capabilities over files follow. */
long users_setfsuid(struct call *c)
{
    const uint64_t over_files = UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE |
                                UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_FSETID |
                                UINT64_C(1) << CAP_MKNOD;
    struct user before = users_of(c), user = before;
    uid_t uid = id_arg(c, 0);

    if (uid == LEAVE || (!user_can(&user, CAP_SETUID) && uid != user.fsuid &&
                         !among(uid, user.ruid, user.euid, user.suid)))
        return before.fsuid;
    user.fsuid = uid;
    if (before.fsuid == 0 && uid != 0)
        user.effective &= ~over_files;
    else if (before.fsuid != 0 && uid == 0)
        user.effective |= user.permitted & over_files;
    finish(c, &before, &user);
    return before.fsuid;
}

/* --- Group ids --- */

static void set_gids(struct user *user, gid_t rgid, gid_t egid, gid_t sgid)
{
    if (rgid != LEAVE)
        user->rgid = rgid;
    if (egid != LEAVE)
        user->egid = egid;
    if (sgid != LEAVE)
        user->sgid = sgid;
    user->fsgid = user->egid;
}

long users_setgid(struct call *c)
{
    struct user before = users_of(c), user = before;
    gid_t gid = id_arg(c, 0);

    if (gid == LEAVE)
        return -EINVAL;
    if (user_can(&user, CAP_SETGID))
        set_gids(&user, gid, gid, gid);
    else if (gid == user.rgid || gid == user.sgid)
        set_gids(&user, LEAVE, gid, LEAVE);
    else
        return -EPERM;
    return finish(c, &before, &user);
}

long users_setregid(struct call *c)
{
    struct user before = users_of(c), user = before;
    gid_t rgid = id_arg(c, 0), egid = id_arg(c, 1), sgid = LEAVE;

    if (!user_can(&user, CAP_SETGID) && (!among(rgid, user.rgid, user.egid, user.rgid) ||
                                         !among(egid, user.rgid, user.egid, user.sgid)))
        return -EPERM;
    if (rgid != LEAVE || (egid != LEAVE && egid != user.rgid))
        sgid = egid != LEAVE ? egid : user.egid;
    set_gids(&user, rgid, egid, sgid);
    return finish(c, &before, &user);
}

long users_setresgid(struct call *c)
{
    struct user before = users_of(c), user = before;
    gid_t ids[3] = {id_arg(c, 0), id_arg(c, 1), id_arg(c, 2)};

    for (int i = 0; i < 3; i++)
        if (!user_can(&user, CAP_SETGID) && !among(ids[i], user.rgid, user.egid, user.sgid))
            return -EPERM;
    set_gids(&user, ids[0], ids[1], ids[2]);
    return finish(c, &before, &user);
}

long users_setfsgid(struct call *c)
{
    struct user before = users_of(c), user = before;
    gid_t gid = id_arg(c, 0);

    if (gid == LEAVE || (!user_can(&user, CAP_SETGID) && gid != user.fsgid &&
                         !among(gid, user.rgid, user.egid, user.sgid)))
        return before.fsgid;
    user.fsgid = gid;
    finish(c, &before, &user);
    return before.fsgid;
}

static int compare_ids(const void *a, const void *b)
{
    gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

    return x < y ? -1 : x > y;
}

long users_setgroups(struct call *c)
{
    struct user before = users_of(c), user = before;
    size_t n = (uint32_t)c->args[0], size = c->narrow ? sizeof(uint16_t) : sizeof(gid_t);
    gid_t *ids;
    long rc;

    if (!user_can(&user, CAP_SETGID))
        return -EPERM;
    if (n > USER_MAX_GROUPS)
        return -EINVAL;
    ids = calloc(n + 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    rc = caller_read(c, c->args[1], ids, n * size);
    for (size_t i = n; c->narrow && i-- > 0;) /* widened in place, from the end */
        ids[i] = ((uint16_t *)ids)[i];
    if (rc == 0) {
        qsort(ids, n, sizeof *ids, compare_ids); /* as the kernel keeps them */
        user.groups = ids;
        user.n_groups = (uint32_t)n;
        rc = users_become(c, &user);
    }
    free(ids);
    return rc;
}

/* --- Asking --- */

/* In 16 bits what does not fit is 65534, the overflow id. */
static long id_result(const struct call *c, uid_t id)
{
    return c->narrow && id > 0xffff ? 65534 : (long)id;
}

static int put_id(const struct call *c, uint64_t address, uid_t id)
{
    uint16_t narrow = (uint16_t)id_result(c, id);

    return c->narrow ? caller_write(c, address, &narrow, sizeof narrow)
                     : caller_write(c, address, &id, sizeof id);
}

static long put_three(const struct call *c, uid_t a, uid_t b, uid_t d)
{
    int rc = put_id(c, c->args[0], a);

    if (rc == 0)
        rc = put_id(c, c->args[1], b);
    return rc == 0 ? put_id(c, c->args[2], d) : rc;
}

long users_getuid(struct call *c)
{
    return id_result(c, users_of(c).ruid);
}

long users_geteuid(struct call *c)
{
    return id_result(c, users_of(c).euid);
}

long users_getgid(struct call *c)
{
    return id_result(c, users_of(c).rgid);
}

long users_getegid(struct call *c)
{
    return id_result(c, users_of(c).egid);
}

long users_getresuid(struct call *c)
{
    struct user user = users_of(c);

    return put_three(c, user.ruid, user.euid, user.suid);
}

long users_getresgid(struct call *c)
{
    struct user user = users_of(c);

    return put_three(c, user.rgid, user.egid, user.sgid);
}

long users_getgroups(struct call *c)
{
    struct user user = users_of(c);
    int room = (int)c->args[0], rc = 0;
    size_t step = c->narrow ? sizeof(uint16_t) : sizeof(gid_t);

    if (room < 0 || (room > 0 && (uint32_t)room < user.n_groups))
        return -EINVAL;
    if (room > 0 && !c->narrow)
        rc = caller_write(c, c->args[1], user.groups, user.n_groups * sizeof(gid_t));
    else if (room > 0)
        for (size_t i = 0; rc == 0 && i < user.n_groups; i++)
            rc = put_id(c, c->args[1] + i * step, user.groups[i]);
    return rc < 0 ? rc : (long)user.n_groups;
}

/* --- Capabilities --- */

/* The header of capget and capset: how many 32-bit words a set has, or a negative errno. An unknown
 * version is answered with the one to use. */
static int read_header(const struct call *c, struct __user_cap_header_struct *header)
{
    int rc = caller_read(c, c->args[0], header, sizeof *header);

    if (rc < 0)
        return rc;
    if (header->version == _LINUX_CAPABILITY_VERSION_1)
        return _LINUX_CAPABILITY_U32S_1;
    if (header->version == _LINUX_CAPABILITY_VERSION_2 ||
        header->version == _LINUX_CAPABILITY_VERSION_3)
        return _LINUX_CAPABILITY_U32S_3;
    header->version = _LINUX_CAPABILITY_VERSION_3;
    rc = caller_write(c, c->args[0], &header->version, sizeof header->version);
    return rc < 0 ? rc : -EINVAL;
}

/* Of another process the kernel tells what it knows; nothing else was made up about it. */
static bool is_own(const struct call *c, int pid)
{
    return pid == 0 || pid == caller_status(c, "NSpid", 10);
}

long users_capget(struct call *c)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    int words = c->s->executed ? read_header(c, &header) : 0;
    struct user user;

    if (!c->s->executed)
        return ANSWER_CONTINUE;
    if (words < 0)
        return words == -EINVAL && c->args[1] == 0 ? 0 : words;
    if (!is_own(c, header.pid))
        return ANSWER_CONTINUE;
    if (c->args[1] == 0)
        return 0;
    user = users_of(c);
    for (int i = 0; i < words; i++)
        data[i] =
            (struct __user_cap_data_struct){.effective = (uint32_t)(user.effective >> 32 * i),
                                            .permitted = (uint32_t)(user.permitted >> 32 * i),
                                            .inheritable = (uint32_t)(user.inheritable >> 32 * i)};
    return caller_write(c, c->args[1], data, (size_t)words * sizeof data[0]);
}

long users_capset(struct call *c)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    int words = c->s->executed ? read_header(c, &header) : 0, rc;
    struct user before, user;

    if (!c->s->executed) /* the step cuts the command's real capabilities */
        return ANSWER_CONTINUE;
    if (words < 0)
        return words;
    if (!is_own(c, header.pid))
        return -EPERM;
    rc = caller_read(c, c->args[1], data, (size_t)words * sizeof data[0]);
    if (rc < 0)
        return rc;
    before = user = users_of(c);
    user.effective = data[0].effective | (uint64_t)data[1].effective << 32;
    user.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    user.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    if (user.permitted & ~before.permitted || user.effective & ~user.permitted ||
        user.inheritable & ~(before.inheritable | before.permitted))
        return -EPERM;
    return finish(c, &before, &user);
}

/* The slack is where users are kept (users.h): set to whatever, it stays. */
long users_prctl(struct call *c)
{
    struct user before = users_of(c), user = before;

    switch ((int)c->args[0]) {
    case PR_GET_KEEPCAPS:
        return user.keep_caps;
    case PR_SET_KEEPCAPS:
        if (c->args[1] > 1)
            return -EINVAL;
        user.keep_caps = (uint32_t)c->args[1];
        return finish(c, &before, &user);
    case PR_GET_TIMERSLACK:
        return 50000;
    default:
        return 0;
    }
}

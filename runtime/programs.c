/* execve: what it makes of the caller's user; and chroot. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caller.h"
#include "paths.h"
#include "supervisor.h"

/* Which set-id bits count, and whose the program is. */
static void find_set_id(struct call *c, const struct place *place, bool follow,
                        const struct stat *st, struct owned *out)
{
    int fd;

    *out = (struct owned){.mode = 0};
    if (!(st->st_mode & (S_ISUID | S_ISGID)) || caller_status(c, "NoNewPrivs", 10) != 0)
        return;
    fd = place_open(c, place, follow);
    if (fd >= 0 && owners_get(c->s, fd, st, out) < 0)
        out->mode = 0;
    if (fd >= 0)
        close(fd);
}

/* The kernel executes it in any case. The user changes when that has succeeded: which is so when
 * the caller is seen to run this very file, at its next call. An interpreter is another file; of
 * scripts set-id bits do not count anyway. */
static long note_execution(struct call *c, uint64_t dirfd, uint64_t path, unsigned flags)
{
    bool follow = !(flags & AT_SYMLINK_NOFOLLOW);
    struct user now = users_of(c), after = now;
    struct place_name name;
    struct place place;
    struct owned owned;
    struct stat st;

    if (place_read(c, dirfd, path, flags, &place) < 0 || place_name(c, &place, &name) < 0 ||
        fstatat(c->s->proc, name.text, &st, follow || place.is_fd ? 0 : AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode))
        return ANSWER_CONTINUE;
    find_set_id(c, &place, follow, &st, &owned);
    user_execute(&after, owned.mode, owned.uid, owned.gid);
    if (memcmp(&now, &after, sizeof now) != 0)
        users_become_by(c, &now, &after, st.st_dev, st.st_ino);
    return ANSWER_CONTINUE;
}

/* The first one is ours, of a process whose memory only the builder's power can read. */
static long execute(struct call *c, uint64_t dirfd, uint64_t path, unsigned flags)
{
    long rc = note_execution(c, dirfd, path, flags);

    c->s->executed = true;
    supervisor_confine(c->s);
    return rc;
}

long programs_execve(struct call *c)
{
    return execute(c, (uint64_t)AT_FDCWD, c->args[0], 0);
}

long programs_execveat(struct call *c)
{
    return execute(c, c->args[0], c->args[1], (unsigned)c->args[4]);
}

long programs_chroot(struct call *c)
{
    struct user user = users_of(c);

    if (!user_can(&user, CAP_SYS_CHROOT))
        return -EPERM;
    c->s->chrooted = true;
    return ANSWER_CONTINUE;
}

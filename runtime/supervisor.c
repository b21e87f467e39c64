#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "close.h"
#include "emulate.bpf.h"
#include "sys.h"
#include "wire.h"

/* Of newer headers than Debian 12's. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

#if defined(__x86_64__)
#include <linux/audit.h>
#define IS_COMPAT(architecture) ((architecture) == AUDIT_ARCH_I386)
#elif defined(__aarch64__)
#include <linux/audit.h>
#define IS_COMPAT(architecture) ((architecture) == AUDIT_ARCH_ARM)
#elif defined(__s390x__)
#include <linux/audit.h>
#define IS_COMPAT(architecture) ((architecture) == AUDIT_ARCH_S390)
#else
#define IS_COMPAT(architecture) false
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

bool call_alive(const struct call *c)
{
    return ioctl(c->s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) == 0;
}

long call_answer_with(const struct call *c, int fd, bool cloexec)
{
    struct seccomp_notif_addfd add = {.id = c->id,
                                      .flags = SECCOMP_ADDFD_FLAG_SEND,
                                      .srcfd = (uint32_t)fd,
                                      .newfd_flags = cloexec ? O_CLOEXEC : 0};
    int result = ioctl(c->s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

    if (result >= 0)
        return ANSWER_SENT;
    if (errno != EINVAL) /* a Linux before 5.14 cannot do both at once */
        return -errno;
    add.flags = 0;
    result = ioctl(c->s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    return result < 0 ? -errno : result;
}

static void fail(const char *what)
{
    fprintf(stderr, "kiln: supervisor of a step: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* --- Starting --- */

/* Everything is closed but what is listed (the proc first), which comes to lie from 3 on. */
static void keep_only(int *const keep[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (*keep[i] >= 0 && (*keep[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, 200)) < 0)
            fail("keep a descriptor");
    for (int fd = 3; fd < 200; fd++)
        close(fd);
    for (size_t i = 0; i < n; i++) {
        int low = *keep[i] < 0 ? -1 : fcntl(*keep[i], F_DUPFD_CLOEXEC, 3);
        if (*keep[i] >= 0 && low < 0)
            fail("keep a descriptor");
        *keep[i] = low;
    }
    if (close_from(200, *keep[0]) < 0)
        fail("close the launcher's descriptors");
}

int supervisor_receive(int step, int *listener, int *root)
{
    static struct wire_message message; /* large */
    size_t size, n = 2;
    int fds[2], rc = wire_receive(step, &message, &size, fds, &n);

    if (rc < 0)
        return rc;
    if (message.type != WIRE_LISTENER || n != 2)
        return -EPROTO;
    *listener = fds[0];
    *root = fds[1];
    return 0;
}

static void enter_root(struct supervisor *s)
{
    uint64_t sync = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    struct statx st;

    if (statx(s->root, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
        fail("examine the root of the step");
    s->root_mount = st.stx_mnt_id;
    if (fchdir(s->root) < 0 || chroot(".") < 0 || fchdir(s->proc) < 0)
        fail("enter the root of the step");
    ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, sync); /* Linux 6.6; only faster */
}

void supervisor_confine(struct supervisor *s)
{
    if (s->user_ns < 0)
        return;
    /* There a command with all capabilities could trace it, and have its root, mounts and files. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setns(s->user_ns, CLONE_NEWUSER) < 0)
        fail("enter the nested user namespace");
    close(s->user_ns);
    s->user_ns = -1;
}

/* --- Answering --- */

static long answer(struct supervisor *s, const struct seccomp_notif *request)
{
    bool compat = IS_COMPAT(request->data.arch);
    const struct emulate_answer *table = compat ? compat_answers : native_answers;
    size_t n = compat ? COUNT(compat_answers) : COUNT(native_answers);
    unsigned number = (unsigned)request->data.nr;
    struct call c = {.s = s,
                     .id = request->id,
                     .tid = (pid_t)request->pid,
                     .args = (const uint64_t *)request->data.args,
                     .compat = compat};

    if (number >= n || !table[number].answer)
        return -ENOSYS;
    c.narrow = compat && !table[number].wide;
    return table[number].answer(&c);
}

/* One notification; false when no process is left that could make one. */
static bool turn(struct supervisor *s, struct seccomp_notif *request, size_t request_size,
                 struct seccomp_notif_resp *response, size_t response_size)
{
    struct pollfd poll_listener = {.fd = s->listener, .events = POLLIN};
    long result;

    if (poll(&poll_listener, 1, -1) < 0)
        return errno == EINTR;
    if (!(poll_listener.revents & POLLIN))
        return false;
    memset(request, 0, request_size);
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, request) < 0)
        return errno == EINTR || errno == ENOENT; /* the caller was killed meanwhile */
    result = answer(s, request);
    if (result == ANSWER_SENT)
        return true;
    memset(response, 0, response_size);
    response->id = request->id;
    if (result == ANSWER_CONTINUE)
        response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (result < 0)
        response->error = (int)result;
    else
        response->val = result;
    ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, response); /* fails if it was killed */
    return true;
}

static void serve(struct supervisor *s)
{
    struct seccomp_notif_sizes sizes;
    struct seccomp_notif *request;
    struct seccomp_notif_resp *response;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        fail("ask for the size of a notification");
    if (sizes.seccomp_notif < sizeof *request)
        sizes.seccomp_notif = sizeof *request;
    if (sizes.seccomp_notif_resp < sizeof *response)
        sizes.seccomp_notif_resp = sizeof *response;
    request = malloc(sizes.seccomp_notif);
    response = malloc(sizes.seccomp_notif_resp);
    if (!request || !response)
        fail("allocate");
    while (turn(s, request, sizes.seccomp_notif, response, sizes.seccomp_notif_resp))
        ;
}

static void report(const struct supervisor *s)
{
    int file, rc;

    if (s->owners.n == 0)
        return;
    file = memfd_create("kiln-records", MFD_CLOEXEC);
    if (file < 0)
        fail("make a memory file of the records");
    rc = owners_save(&s->owners, file);
    if (rc == 0)
        rc = wire_send(s->builder, WIRE_RECORDS, 0, NULL, 0, &file, 1);
    if (rc < 0) {
        errno = -rc;
        fail("hand the records over");
    }
}

__attribute__((noreturn)) static void run(struct supervisor *s)
{
    enter_root(s);
    serve(s);
    report(s);
    _exit(0);
}

void supervisor_run_devices(const struct supervisor_setup *setup)
{
    /* Nobody says there when a process calls chroot. */
    struct supervisor s = {.mode = KILNRUN_EMULATE_DEVICES,
                           .builder = setup->builder,
                           .upper = setup->upper,
                           .proc = setup->proc,
                           .listener = setup->listener,
                           .root = setup->root,
                           .user_ns = setup->user_ns,
                           .in_sight = setup->in_sight,
                           .chrooted = true};
    int *const keep[] = {&s.proc, &s.builder, &s.upper, &s.listener, &s.root, &s.user_ns};

    prctl(PR_SET_NAME, "kiln-supervisor");
    umask(0);
    keep_only(keep, COUNT(keep));
    supervisor_confine(&s);
    run(&s);
}

void supervisor_run(const struct supervisor_setup *setup, int spec_fd, const struct spec_fds *fds)
{
    struct kilnrun_spec spec;
    struct supervisor s = {.builder = setup->builder,
                           .proc = setup->proc,
                           .user_ns = setup->user_ns,
                           .in_sight = setup->in_sight};
    int step = setup->step;
    int *const keep[] = {&s.proc, &s.builder, &step, &s.upper, &spec.below_fd, &s.user_ns};
    int rc = spec_read(spec_fd, fds, &spec);

    prctl(PR_SET_NAME, "kiln-supervisor");
    umask(0);
    if (rc == 0) {
        s.mode = spec.emulate;
        s.upper = spec.root.upper_fd;
        s.chrooted = spec.insecure; /* with a mount namespace of its own it may move its root */
        keep_only(keep, COUNT(keep));
        rc = users_init(&s.users, spec.uid, spec.gid, spec.groups, spec.n_groups);
    }
    if (rc == 0)
        rc = owners_init(&s.owners, spec.below_fd);
    if (rc == 0)
        rc = supervisor_receive(step, &s.listener, &s.root);
    if (rc == -EPIPE) /* the step could not begin */
        _exit(0);
    if (rc < 0) {
        errno = -rc;
        fail("start");
    }
    close(step);
    run(&s);
}

#include "wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE offsetof(struct wire_message, body)

int wire_send(int socket, enum wire_type type, int value, const void *body, size_t size,
              const int *fds, size_t n_fds)
{
    uint32_t head[2] = {(uint32_t)type, (uint32_t)value};
    struct iovec parts[] = {{head, sizeof head}, {(void *)body, size}};
    union {
        char bytes[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};

    if (size > WIRE_MAX_BODY || n_fds > WIRE_MAX_FDS)
        return -EMSGSIZE;
    if (n_fds > 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    while (sendmsg(socket, &m, MSG_NOSIGNAL) < 0) {
        /* unix(7): fds in flight are limited by RLIMIT_NOFILE; the launcher is taking them out. */
        if (errno == ETOOMANYREFS)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* Takes the fds out of a received message. All of them are closed when it does not fit. */
static int take_fds(struct msghdr *m, int *fds, size_t *n_fds)
{
    size_t room = fds ? *n_fds : 0, n = 0;
    bool fits = !(m->msg_flags & (MSG_CTRUNC | MSG_TRUNC));
    int received[WIRE_MAX_FDS];

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || count > WIRE_MAX_FDS)
            continue;
        memcpy(received, CMSG_DATA(c), count * sizeof(int));
        n = count;
    }
    if (!fits || n > room) {
        close_all(received, n);
        return m->msg_flags & MSG_CTRUNC ? -EMFILE : -EPROTO;
    }
    if (n > 0)
        memcpy(fds, received, n * sizeof(int));
    if (n_fds)
        *n_fds = n;
    return 0;
}

int wire_receive(int socket, struct wire_message *message, size_t *body_size, int *fds,
                 size_t *n_fds)
{
    struct iovec part = {message, sizeof *message};
    union {
        char bytes[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t size;
    int rc;

    /* ECONNRESET is said once, when the other end closed with something of ours unread; what it had
     * sent before is still there. */
    do
        size = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size <= 0)
        return size < 0 ? -errno : -EPIPE;
    rc = take_fds(&m, fds, n_fds);
    if (rc < 0)
        return rc;
    if ((size_t)size < HEAD_SIZE) {
        if (fds)
            close_all(fds, *n_fds);
        return -EPROTO;
    }
    *body_size = (size_t)size - HEAD_SIZE;
    return 0;
}

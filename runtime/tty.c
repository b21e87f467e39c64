#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"
#include "wire.h"

/* TIOCGPTPEER (Linux 4.13) finds the slave without a path that the image could have a say in. */
static int open_pair(int *slave)
{
    int master = sys_openat2(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC,
                             RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    int unlock = 0;

    if (master < 0)
        return -errno;
    *slave = ioctl(master, TIOCSPTLCK, &unlock) < 0
                 ? -1
                 : ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave < 0) {
        int error = -errno;
        close(master);
        return error;
    }
    return master;
}

/* Returns when the other side has set the terminal up; if it is gone, the command soon is. */
static int hand_over(int socket, int master)
{
    char answer;
    int rc = wire_send(socket, WIRE_FDS, 0, NULL, 0, &master, 1);

    while (rc == 0 && recv(socket, &answer, sizeof answer, 0) < 0)
        rc = errno == EINTR ? 0 : -errno;
    return rc;
}

int tty_open(int socket, uid_t uid, struct kilnrun_failure *failure)
{
    int slave = -1, master = open_pair(&slave), rc;

    if (master < 0)
        return failure_set(failure, master, "terminal", "make a pty in /dev/pts");
    /* programs open /dev/tty or what ttyname(3) says; an id that is not mapped cannot */
    (void)!fchown(slave, uid, (gid_t)-1);
    rc = dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0 ? -errno : 0;
    if (rc == 0)
        rc = hand_over(socket, master);
    close(slave);
    close(master);
    return rc < 0 ? failure_set(failure, rc, "terminal", "hand the terminal over") : 0;
}

int tty_control(struct kilnrun_failure *failure)
{
    if (ioctl(0, TIOCSCTTY, 0) < 0)
        return failure_set(failure, -errno, "terminal", "take the terminal");
    return 0;
}

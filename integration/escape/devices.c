/* Devices: new nodes, those that are there, and terminals. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* "DIRECTORY TYPE MAJOR MINOR". That a node can be made is no harm (an emulation may show one),
 * what it opens is. */
static struct verdict make_node(const char *argument)
{
    char directory[64], path[96], type;
    unsigned major, minor;
    struct stat st;
    int fd;

    if (sscanf(argument, "%63s %c %u %u", directory, &type, &major, &minor) != 4)
        abort();
    snprintf(path, sizeof path, "%s/escape-node", directory);
    unlink(path);
    if (mknod(path, (type == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major, minor)) < 0)
        return refused(errno);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    unlink(path);
    if (fd < 0 && (errno == ENXIO || errno == ENODEV))
        return escaped("the driver was asked");
    if (fd < 0)
        return refused(errno);
    if (lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO) /* an empty file, whatever stat is made to say */
        return harmless("it is a file");
    return fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
               ? escaped("the device is open")
               : harmless("it is a file");
}

/* The host's nodes must keep their mode, owner and times; a node of the sandbox's own may change.
 */
static struct verdict change_node(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return refused(errno);
    if (chmod(path, st.st_mode & 07777) < 0)
        return refused(errno);
    return getenv("ESCAPE_OWN_DEVICES") ? harmless("it is a node of its own")
                                        : escaped("its mode can be changed");
}

static struct verdict open_node(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && (errno == ENXIO || errno == ENODEV || errno == EBUSY))
        return escaped("the driver was asked");
    return judge(fd, "open");
}

/* Pushes a character into the input of whoever has that terminal. */
static struct verdict type_in(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return refused(errno);
    ioctl(fd, TIOCSTI, "\n"); /* a kernel may refuse that much (dev.tty.legacy_tiocsti) */
    return isatty(fd) ? escaped("the terminal is open") : harmless("it is no terminal");
}

static struct verdict select_text(const char *unused)
{
    char request[16] = {2 /* TIOCL_SETSEL */};

    (void)unused;
    for (int fd = 0; fd < 3; fd++)
        if (ioctl(fd, TIOCLINUX, request) == 0 || errno != ENOTTY || isatty(fd))
            return escaped("descriptor %d is a terminal", fd);
    return harmless("0, 1 and 2 are no terminals");
}

const struct attack device_attacks[] = {
    {"mknod", make_node, "/tmp c 1 1"},       {"mknod", make_node, "/tmp c 1 3"},
    {"mknod", make_node, "/tmp c 1 11"},      {"mknod", make_node, "/tmp c 5 1"},
    {"mknod", make_node, "/tmp c 10 200"},    {"mknod", make_node, "/tmp c 10 229"},
    {"mknod", make_node, "/dev c 1 1"},       {"mknod", make_node, "/dev/shm c 1 1"},
    {"mknod", make_node, "/tmp b 7 0"},       {"mknod", make_node, "/tmp b 254 0"},
    {"mknod", make_node, "/tmp b 8 0"},       {"mknod", make_node, "/tmp b 259 0"},
    {"chmod-node", change_node, "/dev/null"}, {"chmod-node", change_node, "/dev/full"},
    {"open", open_node, "/dev/mem"},          {"open", open_node, "/dev/kmsg"},
    {"open", open_node, "/dev/fuse"},         {"open", open_node, "/dev/net/tun"},
    {"open", open_node, "/dev/kvm"},          {"open", open_node, "/dev/console"},
    {"open", open_node, "/dev/tty0"},         {"open", open_node, "/dev/vda"},
    {"open", open_node, "/dev/sda"},          {"tiocsti", type_in, "/dev/tty"},
    {"tiocsti", type_in, "/proc/self/fd/0"},  {"tiocsti", type_in, "/proc/self/fd/1"},
    {"tioclinux", select_text, NULL},         {NULL, NULL, NULL},
};

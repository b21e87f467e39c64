/* Mounts: what lies over something else must stay, what is read-only too, and nothing new comes. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's sys/mount.h does not go with linux/mount.h, which has the structs of the new calls. */
static int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
                     const char *data)
{
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}

static const char *place(void)
{
    mkdir("/tmp/escape-mount", 0700);
    return "/tmp/escape-mount";
}

static struct verdict mount_type(const char *type)
{
    const char *data = strcmp(type, "overlay") == 0 ? "lowerdir=/bin:/etc" : NULL;
    const char *target = place();

    return judge(sys_mount("none", target, type, 0, data), "mounted");
}

static struct verdict mount_fuse(const char *unused)
{
    char data[64];
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    (void)unused;
    if (fd < 0)
        return refused(errno);
    snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
    return judge(sys_mount("none", place(), "fuse", 0, data), "mounted");
}

static struct verdict bind_root(const char *unused)
{
    (void)unused;
    return judge(sys_mount("/", place(), NULL, MS_BIND | MS_REC, NULL), "mounted");
}

/* A copy of /proc without what lies over parts of it. */
static struct verdict bind_alone(const char *path)
{
    return judge(sys_mount(path, place(), NULL, MS_BIND, NULL),
                 "mounted without what covers parts of it");
}

static struct verdict remount(const char *path)
{
    return judge(sys_mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL), "it is writable");
}

static struct verdict remount_fs(const char *path)
{
    return judge(sys_mount(NULL, path, NULL, MS_REMOUNT, NULL), "remounted");
}

static struct verdict move(const char *path)
{
    return judge(sys_mount(path, place(), NULL, MS_MOVE, NULL), "moved");
}

static struct verdict share(const char *path)
{
    return judge(sys_mount(NULL, path, NULL, MS_SHARED | MS_REC, NULL), "shared");
}

static struct verdict unmount(const char *path)
{
    return judge(syscall(SYS_umount2, path, 2 /* MNT_DETACH */), "unmounted");
}

static struct verdict new_fs(const char *type)
{
    int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), mount;

    if (fs < 0)
        return refused(errno);
    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    return judge(
        mount < 0 ? -1
                  : syscall(SYS_move_mount, mount, "", AT_FDCWD, place(), MOVE_MOUNT_F_EMPTY_PATH),
        "mounted");
}

static struct verdict clone_tree(const char *path)
{
    return judge(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
                 "a copy of the mount");
}

static struct verdict move_new(const char *path)
{
    return judge(syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, place(), 0), "moved");
}

static struct verdict pick(const char *path)
{
    return judge(syscall(SYS_fspick, AT_FDCWD, path, 0), "picked for reconfiguration");
}

static struct verdict set_attributes(const char *path)
{
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

    return judge(syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attr, sizeof attr),
                 "it is writable");
}

static struct verdict pivot(const char *unused)
{
    (void)unused;
    return judge_gate(syscall(SYS_pivot_root, place(), place()));
}

/* The arguments are what the sandbox has mounted; outside, where they are not mount points, the
 * test makes them ones. */
const struct attack mount_attacks[] = {
    {"mount", mount_type, "tmpfs"},
    {"mount", mount_type, "ramfs"},
    {"mount", mount_type, "proc"},
    {"mount", mount_type, "sysfs"},
    {"mount", mount_type, "overlay"},
    {"mount", mount_type, "cgroup2"},
    {"mount", mount_type, "devpts"},
    {"mount", mount_type, "mqueue"},
    {"mount", mount_type, "binfmt_misc"},
    {"mount", mount_type, "debugfs"},
    {"mount", mount_type, "devtmpfs"},
    {"mount-fuse", mount_fuse, NULL},
    {"bind-root", bind_root, NULL},
    {"bind-alone", bind_alone, "/proc"},
    {"bind-alone", bind_alone, "/sys"},
    {"remount-rw", remount, "/proc/sys"},
    {"remount-rw", remount, "/sys"},
    {"remount-rw", remount, "/"},
    {"remount-fs", remount_fs, "/sys"},
    {"move-mount", move, "/proc/sys"},
    {"share", share, "/"},
    {"unmount", unmount, "/proc/sys"},
    {"unmount", unmount, "/proc/timer_list"},
    {"unmount", unmount, "/sys/firmware"},
    {"unmount", unmount, "/sys/fs/cgroup"},
    {"unmount", unmount, "/etc/hosts"},
    {"unmount", unmount, "/dev"},
    {"fsopen", new_fs, "tmpfs"},
    {"fsopen", new_fs, "proc"},
    {"open-tree", clone_tree, "/proc"},
    {"open-tree", clone_tree, "/"},
    {"move-mount-new", move_new, "/proc/sys"},
    {"fspick", pick, "/sys"},
    {"mount-setattr", set_attributes, "/proc/sys"},
    {"mount-setattr", set_attributes, "/sys"},
    {"pivot-root", pivot, NULL},
    {NULL, NULL, NULL},
};

#include "host/file-system.h"

#include <glib.h>

#include <sys/vfs.h>

/* statfs(2) */
const char *kiln_file_system_name(int fd)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } names[] = {{0xEF53, "ext4"},      {0x58465342, "xfs"},     {0x9123683E, "btrfs"},
                 {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x6969, "nfs"},
                 {0x65735546, "fuse"},  {0x2fc12fc1, "zfs"},     {0xF2F52010, "f2fs"},
                 {0xFF534D42, "cifs"}};
    struct statfs st;
    if (fstatfs(fd, &st) == 0)
        for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
            if ((unsigned long)st.f_type == names[i].magic)
                return names[i].name;
    return "other";
}

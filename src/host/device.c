#include "host/device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool kiln_device_usable(const char *path, const char *module, char **cause, char **remedy)
{
    *cause = *remedy = NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int error = errno;
    struct stat st;
    if (fd >= 0) {
        bool good = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
        close(fd);
        if (good) {
            return true;
        }
        error = ENODEV;
    }
    if (error == ENOENT || error == ENOTDIR) {
        *cause = g_strdup_printf("%s is not there", path);
        *remedy = g_strdup_printf("sudo modprobe %s; in a container: --device %s", module, path);
    } else if (error == ENXIO || error == ENODEV) {
        *cause = g_strdup_printf("%s is there, but no driver behind it", path);
        *remedy = g_strdup_printf("sudo modprobe %s", module);
    } else if (error == EPERM) { /* what the devices controller answers with */
        *cause = g_strdup_printf("the container's device rules refuse %s", path);
        *remedy = g_strdup_printf("start the container with --device %s", path);
    } else {
        *cause = g_strdup_printf("%s: %s", path, g_strerror(error));
        *remedy = g_strdup_printf("sudo chmod 666 %s", path);
    }
    return false;
}

#include "image/piece.h"

#include "image/config.h"

#include <errno.h>
#include <unistd.h>

ssize_t kiln_piece_read(int fd, uint8_t *buffer, const char *what, GError **error)
{
    size_t n = 0;
    while (n < KILN_PIECE) {
        ssize_t part = read(fd, buffer + n, KILN_PIECE - n);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0) {
            g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "cannot read %s: %s", what,
                        g_strerror(errno));
            return -1;
        }
        if (part == 0)
            break;
        n += (size_t)part;
    }
    return (ssize_t)n;
}

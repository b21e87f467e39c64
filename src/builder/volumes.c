#include "builder/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void clear_volume(gpointer volume)
{
    KilnVolume *v = volume;
    close(v->fd);
    g_free(v->target);
}

/* The builder has the user's rights, and where it has more (files of his subordinate ids) he could have them,
 * too. */
bool kiln_volumes_open(json_object *request, GArray **out, GError **error)
{
    g_autofree const char **list = kiln_request_list(request, "volumes");
    *out = g_array_new(FALSE, FALSE, sizeof(KilnVolume));
    g_array_set_clear_func(*out, clear_volume);
    for (const char **text = list; *text; text++) {
        g_auto(GStrv) parts = g_strsplit(*text, ":", 3);
        if (g_strv_length(parts) != 3 || *parts[2] != '/') {
            g_set_error(error, KILN_OPERATION_ERROR, 2, "the request's volume \"%s\" is malformed", *text);
            return false;
        }
        KilnVolume v = {.fd = open(parts[1], O_PATH | O_CLOEXEC), .readonly = strcmp(parts[0], "ro") == 0};
        if (v.fd < 0) {
            g_set_error(error, KILN_OPERATION_ERROR, 1, "the volume %s: %s", parts[1], g_strerror(errno));
            return false;
        }
        v.target = g_strdup(parts[2]);
        g_array_append_val(*out, v);
    }
    return true;
}

/* Devices that a host may not give. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether a character device can be opened for reading and writing. If not, *cause and *remedy
 * (g_free()) say why, as far as one can see. module: what makes it ("tun"). */
bool kiln_device_usable(const char *path, const char *module, char **cause, char **remedy);

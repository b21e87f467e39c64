/* kiln run --volume: files of the user's that a command sees. */
#pragma once

#include "build/run-settings.h"
#include "builder/operation.h"

/* Opens those of the request ("volumes", kiln.h): KilnVolume; g_array_unref(), also after an error. */
bool kiln_volumes_open(json_object *request, GArray **out, GError **error);

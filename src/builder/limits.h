/* Limits of RUN, from the request. */
#pragma once

#include "builder/operation.h"
#include "limits/limits.h"

/* Also checks that this process could set the ulimits. */
bool kiln_request_limits(json_object *request, KilnLimits *out, GError **error);

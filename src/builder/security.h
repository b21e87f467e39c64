/* --security-opt: the system call filter and no_new_privs of RUNs, as the request asks for them. */
#pragma once

#include "build/run-settings.h"
#include "builder/operation.h"

/* Sets what `out` has of it. False with KILN_OPERATION_ERROR if a profile cannot be read or
 * compiled. */
bool kiln_security_read(KilnOperation *op, KilnRunSettings *out, GError **error);

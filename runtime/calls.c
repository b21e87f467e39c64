#include "calls.h"

#include <string.h>

#include "default.calls.h"

const struct kilnrun_call *kilnrun_calls(size_t *n)
{
    *n = sizeof default_calls / sizeof default_calls[0];
    return default_calls;
}

const char *kilnrun_native_arch(void)
{
    return native_arch;
}

unsigned kilnrun_newest_call(void)
{
    return newest_call;
}

int kilnrun_new_call(const char *name)
{
    for (size_t i = 0; i < sizeof new_calls / sizeof new_calls[0]; i++)
        if (strcmp(new_calls[i].name, name) == 0)
            return new_calls[i].number;
    return -1;
}

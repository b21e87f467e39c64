#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int failure_set(struct kilnrun_failure *f, int error, const char *stage, const char *format, ...)
{
    va_list ap;

    if (f->error != 0)
        return f->error;
    f->error = error;
    snprintf(f->stage, sizeof f->stage, "%s", stage);
    va_start(ap, format);
    vsnprintf(f->detail, sizeof f->detail, format, ap);
    va_end(ap);
    return error;
}

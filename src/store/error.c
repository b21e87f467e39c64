#include "store/error.h"

#include <errno.h>

G_DEFINE_QUARK(kiln - store - error - quark, kiln_store_error)

bool kiln_store_fail(GError **error, int errnum, const char *format, ...)
{
    KilnStoreError code = KILN_STORE_ERROR_IO;
    const char *hint = "";
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        code = KILN_STORE_ERROR_SPACE;
        hint = "; free some space, or put the store on another disk with --root or KILN_ROOT";
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        code = KILN_STORE_ERROR_PERMISSION;
        hint = "; choose a directory that you may write to with --root or KILN_ROOT";
        break;
    case ENOENT:
        code = KILN_STORE_ERROR_NOT_FOUND;
        break;
    default:
        break;
    }
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_STORE_ERROR, code, "%s: %s%s", text, g_strerror(errnum), hint);
    return false;
}

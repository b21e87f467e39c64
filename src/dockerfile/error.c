#include "dockerfile/dockerfile.h"

#include <stdarg.h>

#include "dockerfile/excerpt.h"

G_DEFINE_QUARK(kiln_dockerfile_error, kiln_dockerfile_error)

void kiln_dockerfile_error(GError **error, const KilnDockerfile *d, const KilnPlace *place,
                           KilnDockerfileError code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_autofree char *excerpt = kiln_excerpt_line(d, place);
    g_set_error(error, KILN_DOCKERFILE_ERROR, (int)code, "%s:%u:%u: %s%s%s", d->name, place->line,
                place->column, message, excerpt ? "\n" : "", excerpt ? excerpt : "");
}

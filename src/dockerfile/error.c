#include "dockerfile/dockerfile.h"

#include <stdarg.h>

#include "dockerfile/excerpt.h"

/* What an error keeps besides its message, for those who show it in another form. */
typedef struct {
    char *text;
    KilnPlace place;
} KilnDockerfileErrorPrivate;

static void kiln_dockerfile_error_private_init(KilnDockerfileErrorPrivate *e)
{
    *e = (KilnDockerfileErrorPrivate){0};
}

static void kiln_dockerfile_error_private_copy(const KilnDockerfileErrorPrivate *from,
                                               KilnDockerfileErrorPrivate *to)
{
    *to = (KilnDockerfileErrorPrivate){g_strdup(from->text), from->place};
}

static void kiln_dockerfile_error_private_clear(KilnDockerfileErrorPrivate *e)
{
    g_free(e->text);
}

G_DEFINE_EXTENDED_ERROR(KilnDockerfileError, kiln_dockerfile_error)

const char *kiln_dockerfile_error_text(const GError *error, KilnPlace *place)
{
    const KilnDockerfileErrorPrivate *e = kiln_dockerfile_error_get_private(error);
    *place = e->place;
    return e->text;
}

void kiln_dockerfile_error(GError **error, const KilnDockerfile *d, const KilnPlace *place,
                           KilnDockerfileError code, const char *format, ...)
{
    if (!error)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_autofree char *excerpt = kiln_excerpt_line(d, place);
    g_set_error(error, KILN_DOCKERFILE_ERROR, (int)code, "%s:%u:%u: %s%s%s", d->name, place->line,
                place->column, message, excerpt ? "\n" : "", excerpt ? excerpt : "");
    KilnDockerfileErrorPrivate *e = kiln_dockerfile_error_get_private(*error);
    *e = (KilnDockerfileErrorPrivate){g_steal_pointer(&message), *place};
}

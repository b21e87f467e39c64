/* Reading the file system that a step left, and where a step stands in its Dockerfile. */
#include "build/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* passwd and group files of an image: more is not read. */
#define SMALL_FILE_MAX (4 * 1024 * 1024)

KilnView *kiln_step_view(KilnEngine *e, const KilnStep *step, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(step));
    return kiln_layer_view(e->options->store, (const gint64 *)(void *)chain->data, chain->len, error);
}

GArray *kiln_state_lowers(KilnEngine *e, const KilnState *state, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(state);
    return kiln_layer_lowers(e->options->store, (const gint64 *)(void *)chain->data, chain->len, error);
}

char *kiln_step_read_file(KilnEngine *e, const KilnStep *step, const KilnView *view, const char *path,
                          GError **error)
{
    guint layer;
    g_autofree char *resolved = kiln_view_resolve(view, path, true, NULL);
    const KilnEntry *entry = resolved ? kiln_view_lookup(view, resolved, &layer) : NULL;
    if (!entry || entry->type != KILN_TYPE_FILE || entry->size > SMALL_FILE_MAX)
        return NULL;
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(step));
    int dirfd = kiln_layer_fd(e->options->store, g_array_index(chain, gint64, layer), error);
    if (dirfd < 0)
        return NULL;
    int fd = kiln_open_beneath(dirfd, resolved, O_RDONLY);
    if (fd < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "cannot read /%s of the image: %s",
                    resolved, g_strerror(-fd));
        return NULL;
    }
    g_autofree char *text = g_malloc(entry->size + 1);
    gsize got = 0;
    ssize_t n = 1;
    while (got < entry->size && (n = read(fd, text + got, entry->size - got)) > 0)
        got += (gsize)n;
    int error_number = n < 0 ? errno : 0;
    text[got] = '\0';
    close(fd);
    if (got == entry->size)
        return g_steal_pointer(&text);
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "cannot read /%s of the image: %s", resolved,
                error_number ? g_strerror(error_number) : "it ends too early; the store is damaged");
    return NULL;
}

void kiln_step_prefix_error(const KilnStep *step, const KilnPlace *place, GError **error)
{
    if (!error || !*error || (*error)->domain == KILN_CANCEL_ERROR)
        return;
    g_autoptr(GError) inner = g_steal_pointer(error), outer = NULL;
    if (step->file)
        kiln_dockerfile_error(&outer, step->file, place, KILN_DOCKERFILE_ERROR_ARGUMENT, "%s",
                              inner->message);
    else
        g_set_error(&outer, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "ONBUILD trigger %s: %s",
                    step->name, inner->message);
    if (g_error_matches(inner, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST)) /* the exit code is the host's */
        g_set_error_literal(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST, outer->message);
    else
        g_propagate_error(error, g_steal_pointer(&outer));
}

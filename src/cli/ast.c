/* kiln ast: a Dockerfile as kiln reads it. Nothing but the file is needed, so no builder is started. */
#include "cli/ast.h"

#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SIZE_MAXIMUM ((gsize)16 << 20) /* the parser refuses what is larger, and says so */

/* Reads to the end, or a byte more than a Dockerfile can have. False with errno. */
static bool read_all(int fd, GString *text)
{
    char buffer[64 * 1024];
    while (text->len <= SIZE_MAXIMUM) {
        ssize_t n = read(fd, buffer, MIN(sizeof buffer, SIZE_MAXIMUM + 1 - text->len));
        if (n == 0)
            return true;
        if (n > 0)
            g_string_append_len(text, buffer, n);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static GString *read_file(const char *path, GError **error)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    g_autoptr(GString) text = g_string_new(NULL);
    bool ok = fd >= 0 && read_all(fd, text);
    int failure = errno;
    if (fd >= 0 && !standard)
        close(fd);
    if (ok)
        return g_steal_pointer(&text);
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(failure), "cannot read %s: %s",
                standard ? "standard input" : path, g_strerror(failure));
    return NULL;
}

static int print(const char *path, bool json, GError **error)
{
    g_autoptr(GString) text = read_file(path, error);
    const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
    return text && kiln_ast_print(text->str, text->len, name, json, stdout, stderr) ? 0 : 1;
}

int kiln_command_ast(KilnCall *call, GError **error)
{
    g_autofree char *format = NULL;
    const KilnFlag flags[] = {
        {0, "format", KILN_FLAG_STRING, &format, "text|json", "A table, or everything as JSON"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error))
        return 0;
    bool json = g_strcmp0(format, "json") == 0;
    if (format && !json && strcmp(format, "text") != 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "--format %s is not supported; there are text and json", format);
        return 0;
    }
    return print(g_ptr_array_index(call->arguments, 0), json, error);
}

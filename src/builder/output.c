#include "builder/output.h"
#include "build/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool usage(GError **error, const char *text, const char *why)
{
    g_set_error(error, KILN_OPERATION_ERROR, 2, "--output %s: %s; write type=oci,dest=FILE", text, why);
    return false;
}

static bool apply(KilnOutput *out, const char *text, const char *key, const char *value, GError **error)
{
    if (strcmp(key, "dest") == 0 && *value) {
        g_free(out->path);
        out->path = strcmp(value, "-") == 0 ? g_strdup(value) : g_canonicalize_filename(value, NULL);
    } else if (strcmp(key, "type") == 0) {
        out->docker = strcmp(value, "docker") == 0;
        if (!out->docker && strcmp(value, "oci") != 0)
            return usage(error, text, "only the types oci and docker are supported yet");
    } else {
        return usage(error, text, *value ? "only type and dest are supported yet" : "a value is missing");
    }
    return true;
}

bool kiln_output_parse(const char *text, KilnOutput *out, GError **error)
{
    *out = (KilnOutput){0};
    if (!text || !*text)
        return true;
    g_auto(GStrv) fields = g_strsplit(text, ",", -1);
    for (char **f = fields; *f; f++) {
        char *equals = strchr(*f, '=');
        if (!equals)
            return usage(error, text, "each part is KEY=VALUE");
        *equals = '\0';
        if (!apply(out, text, *f, equals + 1, error))
            return false;
    }
    return out->path || usage(error, text, "dest is missing");
}

void kiln_output_clear(KilnOutput *out)
{
    g_clear_pointer(&out->path, g_free);
}

static bool fail(GError **error, const char *path, int error_number)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_OUTPUT, "writing %s: %s", path,
                g_strerror(error_number));
    return false;
}

/* A file in the directory of the path: without a name where the file system has such files (open(2),
 * O_TMPFILE), so that a kiln that is killed leaves nothing behind; else *temporary is its name. */
static int open_temporary(const char *path, char **temporary)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    *temporary = g_strconcat(path, ".XXXXXX", NULL);
    return g_mkstemp_full(*temporary, O_RDWR | O_CLOEXEC, 0600);
}

/* Gives a file without a name one, beside its final one: a link replaces nothing, only a rename does. */
static bool give_name(int fd, const char *path, char **temporary)
{
    g_autofree char *file = g_strdup_printf("/proc/self/fd/%d", fd);
    int linked = -1;
    for (int attempt = 0; linked < 0 && attempt < 100; attempt++) {
        g_free(*temporary);
        *temporary = g_strdup_printf("%s.%06x", path, g_random_int() & 0xffffff);
        linked = linkat(AT_FDCWD, file, AT_FDCWD, *temporary, AT_SYMLINK_FOLLOW);
        if (linked < 0 && errno != EEXIST)
            break;
    }
    if (linked < 0)
        g_clear_pointer(temporary, g_free);
    return linked == 0;
}

/* Next to its final name, so that the rename stays within one file system. */
static bool write_file(KilnOperation *op, const KilnOutput *out, const KilnExport *images, guint n,
                       char **digest, GError **error)
{
    g_autofree char *temporary = NULL;
    int fd = open_temporary(out->path, &temporary);
    if (fd < 0)
        return fail(error, out->path, errno);
    bool ok = kiln_export(op->store, images, n, out->docker, fd, digest, error);
    if (!ok)
        g_prefix_error(error, "writing %s: ", out->path);
    ok = ok && !kiln_cancel_check(op->cancel, error);
    if (ok && (fchmod(fd, 0666 & ~op->umask) < 0 || (!temporary && !give_name(fd, out->path, &temporary))))
        ok = fail(error, out->path, errno);
    if (close(fd) < 0 && ok)
        ok = fail(error, out->path, errno);
    if (ok && rename(temporary, out->path) < 0)
        ok = fail(error, out->path, errno);
    if (!ok && temporary)
        unlink(temporary);
    return ok;
}

static bool write_stream(KilnOperation *op, const KilnOutput *out, int fd, const KilnExport *images,
                         guint n, char **digest, GError **error)
{
    if (fd < 0)
        return fail(error, out->path, errno);
    bool ok = kiln_export(op->store, images, n, out->docker, fd, digest, error);
    close(fd);
    return ok;
}

bool kiln_output_write(KilnOperation *op, const KilnOutput *out, const KilnExport *images, guint n,
                       char **digest, GError **error)
{
    g_autofree char *title = g_strdup_printf("exporting to %s archive %s", out->docker ? "docker" : "OCI",
                                             out->path);
    KilnTask *task = kiln_task_start(op->emitter, title);
    struct stat st;
    GError *failure = NULL;
    bool ok;
    if (strcmp(out->path, "-") == 0)
        ok = write_stream(op, out, fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), images, n, digest, &failure);
    else if (stat(out->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        ok = write_stream(op, out, open(out->path, O_WRONLY | O_CLOEXEC), images, n, digest, &failure);
    else
        ok = write_file(op, out, images, n, digest, &failure);
    kiln_task_end(task, kiln_verdict_of(failure), ok ? NULL : failure->message);
    if (!ok)
        g_propagate_error(error, failure);
    return ok;
}

/* RUN --mount=type=secret. A secret's bytes are never written to the store: they come over the wire and go
 * to the launcher in a file of memory, which puts them in the sandbox. */
#include "build/mounts-private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The bytes in a file without a place on any disk; -1 on error. */
static int memory_file(const void *bytes, gsize size, GError **error)
{
    int fd = memfd_create("kiln-secret", MFD_CLOEXEC);
    const char *p = bytes;
    ssize_t n = 0;
    for (gsize done = 0; fd >= 0 && done < size; done += (gsize)n) {
        n = write(fd, p + done, size - done);
        if (n < 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "keeping a secret in memory: %s",
                    g_strerror(errno));
    return fd;
}

static bool add_file(KilnStepMounts *s, const KilnMount *m, GBytes *secret, GError **error)
{
    gsize size;
    const void *bytes = g_bytes_get_data(secret, &size);
    struct kilnrun_bind bind = {.target = m->target,
                                .kind = KILNRUN_SECRET,
                                .readonly = true,
                                .source_fd = memory_file(bytes, size, error),
                                .mode = (mode_t)m->mode,
                                .uid = m->uid >= 0 ? (uid_t)m->uid : 0,
                                .gid = m->gid >= 0 ? (gid_t)m->gid : 0};
    if (bind.source_fd < 0)
        return false;
    g_array_append_val(s->binds, bind);
    return true;
}

static void add_variable(KilnStepMounts *s, const KilnMount *m, GBytes *secret)
{
    gsize size = 0;
    const char *bytes = secret ? g_bytes_get_data(secret, &size) : "";
    g_ptr_array_add(s->env, g_strdup_printf("%s=%.*s", m->env, (int)size, size ? bytes : ""));
}

bool kiln_secret_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    const KilnRunSettings *o = &s->engine->options->run_settings;
    GError *failure = NULL;
    GBytes *secret = o->secret ? o->secret(m->id, o->secret_data, &failure) : NULL;
    if (!secret && !failure && m->required)
        g_set_error(&failure, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "the secret \"%s\" is required here, and was not given: add --secret id=%s,src=FILE or "
                    "--secret id=%s,env=VARIABLE",
                    m->id, m->id, m->id);
    if (failure) {
        g_propagate_error(error, failure);
        return false;
    }
    bool ok = !secret || !m->target || add_file(s, m, secret, error);
    if (ok && m->env) /* empty if there is none: BuildKit's loadSecretEnv */
        add_variable(s, m, secret);
    g_clear_pointer(&secret, g_bytes_unref);
    return ok;
}

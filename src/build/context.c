#include "build/context.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct KilnContext {
    char *name;
    int fd;
    KilnIgnore *ignore; /* NULL: nothing is left out */
    KilnWork *work;     /* that it lies in; NULL: a directory of the host */
    KilnView *view;     /* of an archive's tree */
};

KilnContext *kiln_context_new_directory(const char *name, int fd, KilnWork *work)
{
    KilnContext *c = g_new0(KilnContext, 1);
    c->name = g_strdup(name);
    c->fd = fd;
    c->work = work;
    return c;
}

KilnContext *kiln_context_new_tree(const char *name, int fd, KilnWork *work, KilnManifest *manifest)
{
    KilnContext *c = kiln_context_new_directory(name, fcntl(fd, F_DUPFD_CLOEXEC, 3), work);
    c->view = kiln_view_new(&manifest, 1);
    kiln_manifest_unref(manifest);
    return c;
}

KilnContext *kiln_context_new_empty(const char *name, KilnStore *store, GError **error)
{
    if (!store) {
        KilnContext *c = kiln_context_new_directory(name, -1, NULL);
        c->view = kiln_view_new(NULL, 0);
        return c;
    }
    g_autoptr(KilnWork) work = kiln_work_new(store, error);
    int fd = work ? kiln_work_mkdir(work, "context", error) : -1;
    if (fd < 0)
        return NULL;
    return kiln_context_new_directory(name, fcntl(fd, F_DUPFD_CLOEXEC, 3), g_steal_pointer(&work));
}

void kiln_context_free(KilnContext *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    g_clear_pointer(&c->view, kiln_view_free);
    g_clear_pointer(&c->ignore, kiln_ignore_free);
    kiln_work_free(c->work);
    g_free(c->name);
    g_free(c);
}

void kiln_context_set_ignore(KilnContext *c, KilnIgnore *ignore)
{
    g_assert(!c->view);
    g_clear_pointer(&c->ignore, kiln_ignore_free);
    c->ignore = ignore;
}

const KilnIgnore *kiln_context_ignore(const KilnContext *c)
{
    return c->ignore;
}

const char *kiln_context_name(const KilnContext *c)
{
    return c->name;
}

int kiln_context_fd(const KilnContext *c)
{
    return c->fd;
}

static KilnSource *open_source(const KilnContext *c, const KilnIgnore *ignore, KilnStatIndex *index,
                               GError **error)
{
    if (c->view)
        return kiln_source_new_view(c->view, &c->fd, c->name);
    int fd = openat(c->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, KILN_SOURCE_ERROR, errno, "cannot open %s: %s", c->name, g_strerror(errno));
        return NULL;
    }
    return kiln_source_new_dir(fd, c->name, ignore, c->work ? NULL : index);
}

KilnSource *kiln_context_source(const KilnContext *c, KilnStatIndex *index, GError **error)
{
    return open_source(c, c->ignore, index, error);
}

bool kiln_context_has(const KilnContext *c, const char *path)
{
    g_autoptr(KilnSource) all = open_source(c, NULL, NULL, NULL);
    g_autoptr(GPtrArray) found = all ? kiln_source_match(all, path, false, NULL) : NULL;
    return found && found->len > 0;
}

int kiln_context_open(const KilnContext *c, const char *path, GError **error)
{
    g_autoptr(KilnSource) all = open_source(c, NULL, NULL, error);
    g_autoptr(GPtrArray) found = all ? kiln_source_match(all, path, false, error) : NULL;
    if (!found)
        return -1;
    int fd = found->len ? kiln_open_beneath(c->fd, found->pdata[0], O_RDONLY | O_NONBLOCK) : -ENOENT;
    if (fd >= 0)
        return fd;
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_set_error(error, KILN_SOURCE_ERROR, -fd, "cannot open %s within %s: %s", shown, c->name,
                g_strerror(-fd));
    return -1;
}

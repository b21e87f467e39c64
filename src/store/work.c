/* Work in progress: tmp/ID/M, where tmp/ID.lock says whether the process of ID lives. */
#include "store/lease.h"
#include "store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_SUFFIX ".lock"

/* Creates and locks tmp/ID.lock for a fresh ID. The lock comes before the folder, so that a cleaner
 * never sees a folder whose lock it could have. It may catch the file in between: then the name is
 * gone. */
static bool make_session(KilnStore *s, GError **error)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        g_autofree char *name = g_strdup_printf("%08x", g_random_int());
        g_autofree char *lock = g_strconcat(name, LOCK_SUFFIX, NULL);
        int fd = openat(s->tmp_fd, lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return kiln_store_fail(error, errno, "cannot create %s/tmp/%s", s->root, lock);
        struct stat st;
        if (kiln_lock_set(fd, KILN_LOCK_USE, F_WRLCK, false) < 0 || fstat(fd, &st) < 0 ||
            st.st_nlink == 0) {
            close(fd);
            continue;
        }
        if (mkdirat(s->tmp_fd, name, KILN_STORE_MODE) < 0) {
            kiln_store_fail(error, errno, "cannot create %s/tmp/%s", s->root, name);
            unlinkat(s->tmp_fd, lock, 0);
            close(fd);
            return false;
        }
        s->session_lock_fd = fd;
        s->session = g_steal_pointer(&name);
        s->session_fd =
            openat(s->tmp_fd, s->session, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return s->session_fd >= 0 ||
               kiln_store_fail(error, errno, "cannot open %s/tmp/%s", s->root, s->session);
    }
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "cannot create a folder in %s/tmp",
                s->root);
    return false;
}

/* The folder first, then its lock. A failure is left to the next cleaner. */
static void remove_session(KilnStore *s, const char *name)
{
    g_autofree char *lock = g_strconcat(name, LOCK_SUFFIX, NULL);
    if (kiln_remove_tree(s->tmp_fd, name, NULL))
        unlinkat(s->tmp_fd, lock, 0);
}

void kiln_session_close(KilnStore *s)
{
    if (s->session_fd >= 0)
        close(s->session_fd);
    if (s->session != NULL)
        remove_session(s, s->session);
    if (s->session_lock_fd >= 0)
        close(s->session_lock_fd);
    s->session_fd = s->session_lock_fd = -1;
    g_clear_pointer(&s->session, g_free);
}

void kiln_store_tidy(KilnStore *s)
{
    g_mutex_lock(&s->session_mutex);
    kiln_session_close(s);
    g_mutex_unlock(&s->session_mutex);
    kiln_leases_release(s);
}

/* Whether the lock can be had: then *fd holds it, -1 if there is none, and whoever made it is gone. */
static bool is_dead(KilnStore *s, const char *name, int *fd)
{
    g_autofree char *lock = g_strconcat(name, LOCK_SUFFIX, NULL);
    *fd = openat(s->tmp_fd, lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0)
        return errno == ENOENT;
    if (kiln_lock_set(*fd, KILN_LOCK_USE, F_WRLCK, false) == 0)
        return true;
    close(*fd);
    *fd = -1;
    return false;
}

bool kiln_session_is_dead(KilnStore *s, const char *name)
{
    int fd;
    bool dead = !g_str_has_suffix(name, LOCK_SUFFIX) && is_dead(s, name, &fd);
    if (dead && fd >= 0)
        close(fd);
    return dead;
}

/* Removes a dead process's folder; leaves it if the lock is held. What cannot be removed (commands of a builder
 * that was just killed may still write to it) is left to the next cleaner: it is no reason to refuse the store.
 * The lock stays, as the sign that somebody was killed, until kiln_session_forget(). */
static bool clean_one(KilnStore *s, const char *name)
{
    int fd;
    if (!is_dead(s, name, &fd))
        return false;
    kiln_remove_tree(s->tmp_fd, name, NULL);
    if (fd >= 0)
        close(fd);
    return true;
}

/* The lock of a dead process, if its folder is gone. */
static bool forget_one(KilnStore *s, const char *name)
{
    g_autofree char *lock = g_strconcat(name, LOCK_SUFFIX, NULL);
    int fd;
    if (!is_dead(s, name, &fd) || fd < 0)
        return false;
    if (faccessat(s->tmp_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        unlinkat(s->tmp_fd, lock, 0);
    close(fd);
    return true;
}

/* Calls func for the name of every process's folder; *any tells whether it was true once. */
static bool each_session(KilnStore *s, bool (*func)(KilnStore *, const char *), bool *any, GError **error)
{
    int fd = openat(s->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return kiln_store_fail(error, errnum, "cannot read %s/tmp", s->root);
    }
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        g_autofree char *name = g_strdup(e->d_name);
        if (g_str_has_suffix(name, LOCK_SUFFIX))
            name[strlen(name) - strlen(LOCK_SUFFIX)] = '\0';
        if (func(s, name))
            *any = true;
    }
    closedir(d);
    return true;
}

bool kiln_session_clean(KilnStore *s, bool *killed, GError **error)
{
    *killed = false;
    return each_session(s, clean_one, killed, error);
}

bool kiln_session_forget(KilnStore *s, GError **error)
{
    bool any;
    return each_session(s, forget_one, &any, error);
}

KilnWork *kiln_work_new(KilnStore *s, GError **error)
{
    g_mutex_lock(&s->session_mutex);
    bool ok = s->session_fd >= 0 || make_session(s, error);
    guint number = ++s->next_work;
    g_mutex_unlock(&s->session_mutex);
    if (!ok)
        return NULL;
    g_autofree char *name = g_strdup_printf("%u", number);
    g_autofree char *path = g_strdup_printf("%s/tmp/%s/%s", s->root, s->session, name);
    int fd = -1;
    if (mkdirat(s->session_fd, name, KILN_STORE_MODE) < 0 ||
        (fd = openat(s->session_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
        kiln_store_fail(error, errno, "cannot create %s", path);
        return NULL;
    }
    KilnWork *w = g_new0(KilnWork, 1);
    w->store = s;
    w->name = g_steal_pointer(&name);
    w->path = g_steal_pointer(&path);
    w->fd = fd;
    w->fds = g_array_new(FALSE, FALSE, sizeof(int));
    return w;
}

void kiln_work_free(KilnWork *w)
{
    if (w == NULL)
        return;
    for (guint i = 0; i < w->fds->len; i++)
        close(g_array_index(w->fds, int, i));
    g_array_unref(w->fds);
    close(w->fd);
    kiln_remove_tree(w->store->session_fd, w->name, NULL); /* else removed with the session */
    g_free(w->name);
    g_free(w->path);
    g_free(w);
}

int kiln_work_fd(const KilnWork *w)
{
    return w->fd;
}

const char *kiln_work_path(const KilnWork *w)
{
    return w->path;
}

int kiln_work_mkdir(KilnWork *w, const char *name, GError **error)
{
    int fd = -1;
    if (mkdirat(w->fd, name, 0755) < 0 ||
        (fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 ||
        fchmod(fd, 0755) < 0) { /* whatever the umask says: it may become a layer's root */
        kiln_store_fail(error, errno, "cannot create %s/%s", w->path, name);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    g_array_append_val(w->fds, fd);
    return fd;
}

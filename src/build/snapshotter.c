#include "build/snapshotter.h"

#include "build/fuse-overlay.h"
#include "runtime/kilnrun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY "snapshotter" /* a file of the store: docs/store.md */

static const char *const names[] = {
    [KILN_SNAPSHOTTER_AUTO] = "auto",
    [KILN_SNAPSHOTTER_OVERLAY] = "overlay",
    [KILN_SNAPSHOTTER_FUSE_OVERLAYFS] = "fuse-overlayfs",
    [KILN_SNAPSHOTTER_COPY] = "copy",
};

const char *kiln_snapshotter_name(KilnSnapshotter s)
{
    return names[s];
}

bool kiln_snapshotter_parse(const char *name, KilnSnapshotter *out)
{
    *out = KILN_SNAPSHOTTER_AUTO;
    if (!name || !*name)
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (KilnSnapshotter)i;
            return true;
        }
    return false;
}

/* --- Trying -------------------------------------------------------------------------------------- */

/* *full: it failed for want of space. */
static char *try_overlay(KilnWork *work, bool *full)
{
    int r = kilnrun_probe_overlay(kiln_work_fd(work));
    *full = r == -ENOSPC || r == -EDQUOT;
    return r == 0          ? NULL
           : r == -ENOTSUP ? g_strdup("the file system cannot hold whiteouts or the xattr user.overlay.opaque")
           : r == -EINVAL  ? g_strdup("the file system cannot be an overlay's upper directory")
                           : g_strdup_printf("mounting one here: %s", g_strerror(-r));
}

static char *try(KilnSnapshotter s, KilnStore *store, bool *full)
{
    g_autoptr(GError) error = NULL;
    *full = false;
    if (s != KILN_SNAPSHOTTER_OVERLAY && s != KILN_SNAPSHOTTER_FUSE_OVERLAYFS)
        return NULL;
    g_autoptr(KilnWork) work = kiln_work_new(store, &error);
    if (!work) {
        *full = g_error_matches(error, KILN_STORE_ERROR, KILN_STORE_ERROR_SPACE);
        return g_strdup(error->message);
    }
    if (s == KILN_SNAPSHOTTER_OVERLAY)
        return try_overlay(work, full);
    return kiln_fuse_overlay_try(work, &error) ? NULL : g_strdup(error->message);
}

char *kiln_snapshotter_try(KilnSnapshotter s, KilnStore *store)
{
    bool full;
    return try(s, store, &full);
}

/* --- Remembering --------------------------------------------------------------------------------- */

/* What an answer is good for: this boot and this file system. Whether it is root's overlay or a user's is
 * settled by the store, which has one id map. */
static char *circumstances(KilnStore *store)
{
    struct stat st;
    char boot[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, boot, sizeof boot - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || fstat(kiln_store_fd(store), &st) < 0)
        return NULL;
    g_strchomp(boot);
    return g_strdup_printf("%s %" G_GINT64_MODIFIER "x", boot, (guint64)st.st_dev);
}

static bool recall(KilnStore *store, const char *where, KilnSnapshotter *out)
{
    char text[128] = "";
    int fd = openat(kiln_store_fd(store), MEMORY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    gsize length = strlen(where);
    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(text, where, length) == 0 && text[length] == ' ' &&
           kiln_snapshotter_parse(g_strchomp(text + length + 1), out) && *out != KILN_SNAPSHOTTER_AUTO;
}

/* Best effort. */
static void remember(KilnStore *store, const char *where, KilnSnapshotter s)
{
    g_autofree char *text = g_strdup_printf("%s %s\n", where, names[s]);
    int dirfd = kiln_store_fd(store);
    int fd = openat(dirfd, MEMORY ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool ok = write(fd, text, strlen(text)) == (gssize)strlen(text);
    close(fd);
    if (ok)
        (void)renameat(dirfd, MEMORY ".new", dirfd, MEMORY);
}

KilnSnapshotter kiln_snapshotter_choose(KilnStore *store)
{
    g_autofree char *where = circumstances(store);
    KilnSnapshotter s;
    if (where && recall(store, where, &s))
        return s;
    for (s = KILN_SNAPSHOTTER_OVERLAY; s < KILN_SNAPSHOTTER_COPY; s++) {
        bool full;
        g_autofree char *problem = try(s, store, &full);
        if (full) /* the step will fail for that, and there is nothing to remember */
            return s;
        if (!problem)
            break;
    }
    if (where)
        remember(store, where, s);
    return s;
}

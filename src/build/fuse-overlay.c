#include "build/fuse-overlay.h"

#include "build/build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "fuse-overlayfs"
#define FUSE_MAGIC 0x65735546 /* statfs(2) */

enum { READY_TRIES = 5000, READY_US = 2000 };

struct KilnFuseOverlay {
    GPid pid;
    char *mountpoint;
    int fd;
};

static bool fail(GError **error, const char *what)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "%s", what);
    return false;
}

static bool usable(GError **error)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);
    if (!program)
        return fail(error, "not installed (sudo apt-get install fuse-overlayfs)");
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        g_autofree char *text = g_strdup_printf("/dev/fuse: %s", g_strerror(errno));
        return fail(error, text);
    }
    close(fd);
    return true;
}

/* Between fork and exec: nobody shall be left who holds the mount namespace. */
static void die_with_builder(gpointer data)
{
    (void)data;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Names are relative to `directory`: its path may hold commas and colons. */
static bool spawn(KilnFuseOverlay *f, const char *directory, const char *lowers, const char *work, GError **error)
{
    g_autofree char *options =
        g_strdup_printf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,allow_other,suid,volatile", lowers, work, work);
    char *argv[] = {(char *)PROGRAM, (char *)"-f", (char *)"-o", options, f->mountpoint, NULL};
    g_autoptr(GError) failure = NULL;
    if (g_spawn_async(directory, argv, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                          G_SPAWN_STDERR_TO_DEV_NULL,
                      die_with_builder, NULL, &f->pid, &failure))
        return true;
    return fail(error, failure->message);
}

/* It says nowhere that it serves: its file system appears. */
static bool await(KilnFuseOverlay *f, GError **error)
{
    struct statfs st;
    for (int i = 0; i < READY_TRIES; i++) {
        if (waitpid(f->pid, NULL, WNOHANG) == f->pid) {
            f->pid = 0;
            return fail(error, "it ended without mounting anything");
        }
        if (statfs(f->mountpoint, &st) == 0 && st.f_type == FUSE_MAGIC) {
            f->fd = open(f->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
            return f->fd >= 0 || fail(error, g_strerror(errno));
        }
        g_usleep(READY_US);
    }
    return fail(error, "it has not mounted anything in ten seconds");
}

/* The places are in the work folder already. */
static KilnFuseOverlay *mount_in(KilnWork *work, const char *directory, const char *lowers, const char *relative,
                                 GError **error)
{
    KilnFuseOverlay *f = g_new0(KilnFuseOverlay, 1);
    f->fd = -1;
    f->mountpoint = g_build_filename(kiln_work_path(work), "merged", NULL);
    if (kiln_work_mkdir(work, "merged", error) < 0 || !usable(error) ||
        !spawn(f, directory, lowers, relative, error) || !await(f, error))
        g_clear_pointer(&f, kiln_fuse_overlay_free);
    return f;
}

KilnFuseOverlay *kiln_fuse_overlay_new(KilnStore *store, KilnWork *work, const GArray *lowers, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *root = kiln_store_root(store), *path = kiln_work_path(work);
    g_autofree char *relative = g_strconcat("..", path + strlen(root), NULL);
    g_autofree char *directory = g_build_filename(root, "layers", NULL);
    for (guint i = lowers->len; i-- > 0;) /* the top one first */
        g_string_append_printf(text, "%" G_GINT64_FORMAT ":", g_array_index(lowers, gint64, i));
    g_string_append(text, "../stub");
    if (kiln_work_mkdir(work, "work", error) < 0)
        return NULL;
    return mount_in(work, directory, text->str, relative, error);
}

int kiln_fuse_overlay_fd(const KilnFuseOverlay *f)
{
    return f->fd;
}

void kiln_fuse_overlay_free(KilnFuseOverlay *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->pid > 0) {
        if (umount2(f->mountpoint, 0) < 0) {
            umount2(f->mountpoint, MNT_DETACH);
            kill(f->pid, SIGTERM);
        }
        while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        g_spawn_close_pid(f->pid);
    }
    g_free(f->mountpoint);
    g_free(f);
}

bool kiln_fuse_overlay_try(KilnWork *work, GError **error)
{
    int lower = kiln_work_mkdir(work, "lower", error);
    if (lower < 0 || kiln_work_mkdir(work, "upper", error) < 0 || kiln_work_mkdir(work, "work", error) < 0)
        return false;
    int fd = openat(lower, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    KilnFuseOverlay *f = mount_in(work, kiln_work_path(work), "lower", ".", error);
    if (!f)
        return false;
    bool ok = (unlinkat(f->fd, "file", 0) == 0 &&
               faccessat(lower, "file", F_OK, 0) == 0) ||
              fail(error, "a file of a lower directory cannot be deleted");
    kiln_fuse_overlay_free(f);
    return ok;
}

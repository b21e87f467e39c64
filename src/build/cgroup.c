#include "build/cgroup.h"

#include "build/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "kiln-step-"
/* Where kiln's own processes go when cgroup v2 wants their cgroup to have none. */
#define MAIN_NAME "kiln.main"
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* A directory that steps' cgroups are made in; several controllers may share one. */
typedef struct {
    int fd;
    int version;
    char *path;       /* for messages */
    guint controllers; /* 1 << KilnController */
} Base;

struct KilnCgroups {
    const KilnLimits *limits;
    KilnCgroupPlace places[KILN_N_CONTROLLERS];
    char *reasons[KILN_N_CONTROLLERS];
    GArray *bases; /* Base */
    gint serial;   /* atomic */
};

typedef struct {
    const Base *base;
    int fd; /* locked */
    char *name;
} Made;

struct KilnCgroup {
    GArray *made;  /* Made */
    GArray *procs; /* int */
};

/* --- Files ------------------------------------------------------------------------------------------- */

static int write_text(int dirfd, const char *file, const char *text)
{
    int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC), error = 0;
    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) < 0)
        error = errno;
    close(fd);
    return error;
}

static char *read_text(int dirfd, const char *file)
{
    char buffer[16 * 1024];
    int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    if (fd >= 0)
        close(fd);
    return n < 0 ? g_strdup("") : g_strndup(buffer, (gsize)n);
}

static bool has_word(int dirfd, const char *file, const char *word)
{
    g_autofree char *text = read_text(dirfd, file);
    g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
    return g_strv_contains((const char *const *)words, word);
}

/* The kernel lets go of a cgroup shortly after the last process in it was waited for. */
static void remove_directory(int basefd, const char *name)
{
    struct timespec pause = {.tv_nsec = 500000};
    for (int i = 0; i < 12 && unlinkat(basefd, name, AT_REMOVEDIR) < 0 && errno == EBUSY; i++) {
        nanosleep(&pause, NULL);
        pause.tv_nsec = MIN(pause.tv_nsec * 2, 200000000);
    }
}

/* --- A directory --------------------------------------------------------------------------------------- */

/* cpuset of v1 takes no process before it has CPUs and memory nodes: those of the parent. */
static int inherit_cpuset(int basefd, int fd)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    int error = 0;
    for (guint i = 0; i < G_N_ELEMENTS(files) && !error; i++) {
        g_autofree char *text = read_text(basefd, files[i]);
        error = write_text(fd, files[i], text);
    }
    return error;
}

static int apply(const KilnLimits *limits, const Base *base, int fd, KilnController c, const char **file)
{
    if (c == KILN_CONTROLLER_CPUSET && base->version == 1) {
        int error = inherit_cpuset(base->fd, fd);
        *file = "cpuset.cpus";
        if (error)
            return error;
    }
    g_autoptr(GArray) settings = kiln_cgroup_settings(limits, c, base->version);
    for (guint i = 0; i < settings->len; i++) {
        const KilnCgroupSetting *s = &g_array_index(settings, KilnCgroupSetting, i);
        int error = write_text(fd, s->file, s->value);
        *file = s->file;
        if (error && !(s->optional && error == ENOENT))
            return error;
    }
    return 0;
}

/* A new locked directory. Another builder that sweeps may take one for a left-over before it is locked. */
static int make_directory(KilnCgroups *c, const Base *base, Made *made)
{
    struct stat st;
    for (int tries = 0; tries < 100; tries++) {
        g_autofree char *name =
            g_strdup_printf(PREFIX "%d-%d", (int)getpid(), g_atomic_int_add(&c->serial, 1));
        if (mkdirat(base->fd, name, 0755) < 0) {
            if (errno == EEXIST)
                continue;
            return errno;
        }
        int fd = openat(base->fd, name, DIRECTORY);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstatat(base->fd, name, &st, 0) == 0) {
            *made = (Made){.base = base, .fd = fd, .name = g_steal_pointer(&name)};
            return 0;
        }
        if (fd >= 0)
            close(fd);
    }
    return EEXIST;
}

static void unmake(Made *made)
{
    remove_directory(made->base->fd, made->name);
    close(made->fd);
    g_free(made->name);
}

/* Of builders that are gone: nobody holds the lock. */
static void sweep(const Base *base)
{
    int listing = openat(base->fd, ".", DIRECTORY);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    DIR *dir = listing >= 0 ? fdopendir(listing) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (g_str_has_prefix(entry->d_name, PREFIX))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    if (dir)
        closedir(dir);
    for (guint i = 0; i < names->len; i++) {
        int fd = openat(base->fd, names->pdata[i], DIRECTORY);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(base->fd, names->pdata[i], AT_REMOVEDIR);
        if (fd >= 0)
            close(fd);
    }
}

/* --- v2: controllers must be handed down, by a cgroup without processes ----------------------------------- */

static pid_t parent_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid), *text = NULL;
    int parent;
    const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
    return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* The builder, the front, and what these started: nobody else's processes are moved. */
static void move_kiln(int own)
{
    g_autofree char *text = read_text(own, "cgroup.procs");
    g_auto(GStrv) pids = g_strsplit(text, "\n", -1);
    int leaf = mkdirat(own, MAIN_NAME, 0755) == 0 || errno == EEXIST ? openat(own, MAIN_NAME, DIRECTORY) : -1;
    pid_t builder = getpid(), front = getppid();
    for (char **p = pids; leaf >= 0 && *p; p++) {
        pid_t pid = (pid_t)g_ascii_strtoll(*p, NULL, 10), parent = pid ? parent_of(pid) : 0;
        if (pid == builder || pid == front || parent == builder || parent == front)
            write_text(leaf, "cgroup.procs", *p);
    }
    if (leaf >= 0)
        close(leaf);
}

/* 0, or why not. */
static int hand_down(const Base *base, KilnController c, bool own)
{
    g_autofree char *word = g_strconcat("+", kiln_controller_name(c), NULL);
    if (has_word(base->fd, "cgroup.subtree_control", word + 1))
        return 0;
    int error = write_text(base->fd, "cgroup.subtree_control", word);
    if (error == EBUSY && own) {
        move_kiln(base->fd);
        error = write_text(base->fd, "cgroup.subtree_control", word);
    }
    return error;
}

/* --- What can be used ------------------------------------------------------------------------------------- */

static const char delegation[] = "a user gets one with \"systemd-run --user --scope -p Delegate=yes kiln build …\"";

static const char *advice(int version)
{
    return version == 2 ? delegation : "--cgroup-parent can name one that is yours";
}

static void refuse(KilnCgroups *c, KilnController controller, char *reason)
{
    g_free(c->reasons[controller]);
    c->reasons[controller] = reason;
}

/* The directory that steps' cgroups are to be made in. */
static char *base_path(const KilnCgroupPlace *place, const char *parent)
{
    g_autofree char *own = g_str_has_suffix(place->own, "/" MAIN_NAME) ? g_path_get_dirname(place->own)
                                                                         : g_strdup(place->own);
    g_autofree char *path = !parent          ? g_build_filename(place->mount, own, NULL)
                            : *parent == '/' ? g_build_filename(place->mount, parent, NULL)
                                             : g_build_filename(place->mount, own, parent, NULL);
    return g_canonicalize_filename(path, "/"); /* no "/" at its end; there is no ".." in it */
}

static Base *find_base(KilnCgroups *c, const char *path)
{
    for (guint i = 0; i < c->bases->len; i++)
        if (strcmp(g_array_index(c->bases, Base, i).path, path) == 0)
            return &g_array_index(c->bases, Base, i);
    return NULL;
}

/* A cgroup as a step's, that nothing runs in. */
static void try_controller(KilnCgroups *c, const Base *base, KilnController controller)
{
    const char *file = "mkdir";
    Made made;
    int error = make_directory(c, base, &made);
    if (!error) {
        error = apply(c->limits, base, made.fd, controller, &file);
        if (!error && faccessat(made.fd, "cgroup.procs", W_OK, AT_EACCESS) < 0)
            error = errno;
        unmake(&made);
    }
    if (error)
        refuse(c, controller,
               g_strdup_printf("the cgroup %s cannot be used (%s: %s)%s%s", base->path, file,
                               g_strerror(error), error == EACCES || error == EPERM ? "; " : "",
                               error == EACCES || error == EPERM ? advice(base->version) : ""));
}

static bool open_base(KilnCgroups *c, KilnController controller, const char *path)
{
    const KilnCgroupPlace *place = &c->places[controller];
    Base *base = find_base(c, path);
    if (!base) {
        Base new = {.fd = open(path, DIRECTORY), .version = place->version, .path = g_strdup(path)};
        if (new.fd < 0) {
            refuse(c, controller, g_strdup_printf("the cgroup %s: %s", path, g_strerror(errno)));
            g_free(new.path);
            return false;
        }
        g_array_append_val(c->bases, new);
        base = &g_array_index(c->bases, Base, c->bases->len - 1);
        sweep(base);
    }
    base->controllers |= 1u << controller;
    return true;
}

static void use_controller(KilnCgroups *c, KilnController controller)
{
    const KilnCgroupPlace *place = &c->places[controller];
    const char *name = kiln_controller_name(controller);
    if (!place->version) {
        refuse(c, controller, g_strdup_printf("this host shows no cgroups with the %s controller", name));
        return;
    }
    g_autofree char *path = base_path(place, c->limits->cgroup_parent);
    if (!open_base(c, controller, path))
        return;
    Base *base = find_base(c, path);
    if (base->version == 2 && !has_word(base->fd, "cgroup.controllers", name)) {
        refuse(c, controller,
               g_strdup_printf("the cgroup %s has no %s controller delegated to it; %s", path, name, delegation));
    } else if (base->version == 2) {
        int error = hand_down(base, controller, !c->limits->cgroup_parent);
        if (error)
            refuse(c, controller,
                   error == EBUSY
                       ? g_strdup_printf("the cgroup %s has other processes in it; kiln needs one of its own: %s",
                                         path, delegation)
                       : g_strdup_printf("the cgroup %s is not delegated to this user (%s); %s", path,
                                         g_strerror(error), delegation));
    }
    if (!c->reasons[controller])
        try_controller(c, base, controller);
    if (c->reasons[controller])
        base->controllers &= ~(1u << controller);
}

/* A parent that was named is not done without. */
static bool check_parent(const KilnCgroups *c, GError **error)
{
    const char *parent = c->limits->cgroup_parent;
    guint used = 0;
    for (guint i = 0; i < KILN_N_CONTROLLERS; i++) {
        used += !c->reasons[i];
        if (parent && c->reasons[i] && kiln_cgroup_wants(c->limits, i)) {
            g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "--cgroup-parent %s: %s", parent,
                        c->reasons[i]);
            return false;
        }
    }
    if (parent && !used)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED, "--cgroup-parent %s: %s", parent,
                    c->reasons[0]);
    return !parent || used;
}

KilnCgroups *kiln_cgroups_new(const KilnLimits *limits, GError **error)
{
    g_autoptr(KilnCgroups) c = g_new0(KilnCgroups, 1);
    g_autofree char *cgroups = NULL, *mounts = NULL;
    c->limits = limits;
    c->bases = g_array_new(FALSE, FALSE, sizeof(Base));
    if (g_file_get_contents("/proc/self/cgroup", &cgroups, NULL, NULL) &&
        g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL))
        kiln_cgroup_places(cgroups, mounts, c->places);
    for (guint i = 0; i < KILN_N_CONTROLLERS; i++)
        if (limits->cgroup_parent || kiln_cgroup_wants(limits, i))
            use_controller(c, i);
    return check_parent(c, error) ? g_steal_pointer(&c) : NULL;
}

void kiln_cgroups_free(KilnCgroups *c)
{
    for (guint i = 0; i < c->bases->len; i++) {
        Base *base = &g_array_index(c->bases, Base, i);
        close(base->fd);
        g_free(base->path);
    }
    g_array_unref(c->bases);
    for (guint i = 0; i < KILN_N_CONTROLLERS; i++)
        g_free(c->reasons[i]);
    kiln_cgroup_places_clear(c->places);
    g_free(c);
}

const char *kiln_cgroups_reason(const KilnCgroups *c, KilnController controller)
{
    return c->reasons[controller];
}

/* --- A step's ------------------------------------------------------------------------------------------- */

static bool make_in(KilnCgroups *c, KilnCgroup *g, const Base *base, GError **error)
{
    const char *file = "mkdir";
    Made made;
    int failed = make_directory(c, base, &made);
    if (!failed)
        g_array_append_val(g->made, made);
    for (guint i = 0; !failed && i < KILN_N_CONTROLLERS; i++)
        if (base->controllers & 1u << i)
            failed = apply(c->limits, base, made.fd, i, &file);
    int procs = -1;
    if (!failed) {
        file = "cgroup.procs";
        procs = openat(made.fd, file, O_WRONLY | O_CLOEXEC);
        failed = procs < 0 ? errno : 0;
    }
    if (failed) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "making a cgroup in %s: %s: %s", base->path,
                    file, g_strerror(failed));
        return false;
    }
    g_array_append_val(g->procs, procs);
    return true;
}

KilnCgroup *kiln_cgroup_new(KilnCgroups *c, GError **error)
{
    KilnCgroup *g = g_new0(KilnCgroup, 1);
    g->made = g_array_new(FALSE, FALSE, sizeof(Made));
    g->procs = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; i < c->bases->len; i++) {
        const Base *base = &g_array_index(c->bases, Base, i);
        if (base->controllers && !make_in(c, g, base, error)) {
            kiln_cgroup_free(g);
            return NULL;
        }
    }
    return g;
}

void kiln_cgroup_free(KilnCgroup *g)
{
    for (guint i = 0; i < g->procs->len; i++)
        close(g_array_index(g->procs, int, i));
    for (guint i = 0; i < g->made->len; i++)
        unmake(&g_array_index(g->made, Made, i));
    g_array_unref(g->procs);
    g_array_unref(g->made);
    g_free(g);
}

const int *kiln_cgroup_procs(const KilnCgroup *g, gsize *n)
{
    *n = g->procs->len;
    return (const int *)(void *)g->procs->data;
}

guint64 kiln_cgroup_oom_kills(const KilnCgroup *g)
{
    guint64 kills = 0;
    for (guint i = 0; i < g->made->len; i++) {
        const Made *made = &g_array_index(g->made, Made, i);
        bool v1 = made->base->version == 1;
        g_autofree char *text = read_text(made->fd, v1 ? "memory.oom_control" : "memory.events");
        kills += kiln_cgroup_count(text, "oom_kill");
    }
    return kills;
}

#include "front/root.h"

#include <kiln/kiln.h>

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#ifndef KILN_LIBEXECDIR
#define KILN_LIBEXECDIR "/usr/local/libexec/kiln"
#endif

/* A field of the caller's passwd entry. */
static char *passwd_field(bool name)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || !found) {
        return NULL;
    }
    return g_strdup(name ? found->pw_name : found->pw_dir);
}

char *kiln_user_name(void)
{
    return passwd_field(true);
}

static bool is_home(const char *path)
{
    return path && path[0] == '/' && strcmp(path, "/") != 0;
}

static char *passwd_home(void)
{
    g_autofree char *home = passwd_field(false);
    return is_home(home) ? g_steal_pointer(&home) : NULL;
}

char *kiln_home_directory(void)
{
    const char *home = g_getenv("HOME");
    return is_home(home) ? g_strdup(home) : passwd_home();
}

/* ~/.local/share/kiln if it can be written or made; NULL otherwise. Takes `home`. */
static char *store_below(char *home)
{
    static const char *const parts[] = {".local", "share", "kiln"};
    g_autofree char *path = home;
    bool exists = path && access(path, W_OK | X_OK) == 0;
    bool writable = exists;
    for (guint i = 0; path && i < G_N_ELEMENTS(parts); i++) {
        char *below = g_build_filename(path, parts[i], NULL);
        g_free(path);
        path = below;
        if (access(path, F_OK) == 0) {
            writable = access(path, W_OK | X_OK) == 0;
        }
    }
    return writable ? g_steal_pointer(&path) : NULL;
}

static char *absolute(const char *path)
{
    if (g_path_is_absolute(path)) {
        return g_strdup(path);
    }
    g_autofree char *directory = g_get_current_dir();
    return g_build_filename(directory, path, NULL);
}

char *kiln_default_root(void)
{
    const char *root = g_getenv("KILN_ROOT");
    if (root && *root) {
        return absolute(root);
    }
    /* Root of a user namespace may be a plain user who cannot write here. */
    if (geteuid() == 0 && access("/var/lib", W_OK) == 0) {
        return g_strdup("/var/lib/kiln");
    }
    const char *data = g_getenv("XDG_DATA_HOME");
    if (data && g_path_is_absolute(data)) {
        return g_build_filename(data, "kiln", NULL);
    }
    char *store = store_below(kiln_home_directory());
    if (!store) {
        store = store_below(passwd_home()); /* HOME is set to what cannot be written */
    }
    return store ? store : g_strdup_printf("/var/tmp/kiln-%u", (unsigned)geteuid());
}

static char *program_in(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    return access(path, X_OK) == 0 ? absolute(path) : NULL;
}

static char *program_near_self(const char *name)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        return NULL;
    }
    self[n] = 0;
    g_autofree char *directory = g_path_get_dirname(self);
    char *found = program_in(directory, name);
    if (found) {
        return found;
    }
    g_autofree char *prefix = g_path_get_dirname(directory);
    g_autofree char *libexec = g_build_filename(prefix, "libexec", "kiln", NULL);
    return program_in(libexec, name);
}

char *kiln_program_find(const char *libexec, const char *name)
{
    if (!libexec) {
        libexec = g_getenv("KILN_LIBEXEC");
    }
    if (libexec && *libexec) {
        return program_in(libexec, name);
    }
    char *found = program_near_self(name);
    return found ? found : program_in(KILN_LIBEXECDIR, name);
}

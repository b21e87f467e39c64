#include "front/host.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

/* A directory that looks like /proc of a host with one file. */
static char *make_proc(const char *file, const char *text)
{
    char *proc = g_dir_make_tmp("kiln-proc-XXXXXX", NULL);
    g_assert_nonnull(proc);
    if (file) {
        g_autofree char *path = g_build_filename(proc, file, NULL);
        g_autofree char *directory = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    }
    return proc;
}

static void remove_proc(const char *proc, const char *file)
{
    g_autofree char *path = g_build_filename(proc, file, NULL);
    while (file && strlen(path) > strlen(proc)) {
        g_assert_cmpint(g_remove(path), ==, 0);
        char *parent = g_path_get_dirname(path);
        g_free(path);
        path = parent;
    }
    g_rmdir(proc);
}

static void test_causes(void)
{
    static const struct {
        const char *file, *text;
        int error;
        const char *cause, *remedy; /* parts; remedy NULL: there is none */
    } cases[] = {
        {"sys/kernel/unprivileged_userns_clone", "0\n", EPERM, "kernel.unprivileged_userns_clone",
         "sysctl -w kernel.unprivileged_userns_clone=1"},
        {"sys/user/max_user_namespaces", "0\n", ENOSPC, "user.max_user_namespaces is 0",
         "sysctl -w user.max_user_namespaces=15000"},
        {"sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", EPERM, "AppArmor",
         "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
        {"sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", EPERM, "AppArmor",
         "apparmor_parser -r /etc/apparmor.d/kiln"},
        {"self/attr/current", "docker-default (enforce)\n", EPERM, "AppArmor profile docker-default",
         "apparmor=unconfined"},
        {"self/attr/apparmor/current", "kiln (unconfined)\n", EPERM, "does not say why", NULL},
        {"self/attr/current", "unconfined\n", EPERM, "does not say why", NULL},
        {"self/status", "Name:\tkiln\nSeccomp:\t2\n", EPERM, "seccomp", "seccomp=unconfined"},
        {"self/status", "Name:\tkiln\nSeccomp:\t0\n", EPERM, "does not say why", NULL},
        {"sys/user/max_user_namespaces", "15000\n", ENOSPC, "as many user namespaces", "sysctl"},
        {NULL, NULL, EINVAL, "CONFIG_USER_NS", NULL},
        {NULL, NULL, EPERM, "does not say why", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *proc = make_proc(cases[i].file, cases[i].text);
        KilnHostProblem p = kiln_host_explain_userns(proc, cases[i].error);
        g_assert_nonnull(strstr(p.cause, cases[i].cause));
        if (cases[i].remedy) {
            g_assert_nonnull(p.remedy);
            g_assert_nonnull(strstr(p.remedy, cases[i].remedy));
        } else {
            g_assert_null(p.remedy);
        }
        kiln_host_problem_clear(&p);
        remove_proc(proc, cases[i].file);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/front/host/causes", test_causes);
    return g_test_run();
}

#include "front/host.h"

#include <glib.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void kiln_host_problem_clear(KilnHostProblem *p)
{
    g_clear_pointer(&p->cause, g_free);
    g_clear_pointer(&p->remedy, g_free);
}

static bool has_capability(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) < 0) {
        return false;
    }
    return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

bool kiln_host_is_admin(void)
{
    return has_capability(CAP_SYS_ADMIN);
}

bool kiln_host_can_chroot(void)
{
    return has_capability(CAP_SYS_CHROOT);
}

/* The number in a file below proc; -1 if there is no such file. */
static gint64 read_number(const char *proc, const char *file)
{
    g_autofree char *path = g_build_filename(proc, file, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return -1;
    }
    return g_ascii_strtoll(text, NULL, 10);
}

/* "Seccomp:\t2" in /proc/self/status: a filter is in force (proc_pid_status(5)). */
static bool has_filter(const char *proc)
{
    g_autofree char *path = g_build_filename(proc, "self/status", NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    const char *line = strstr(text, "\nSeccomp:");
    return line && strtol(line + strlen("\nSeccomp:"), NULL, 10) == 2;
}

/* "docker-default (enforce)" in /proc/self/attr: the name of the AppArmor profile that is enforced, or NULL. */
static char *confining_profile(const char *proc)
{
    static const char *const files[] = {"self/attr/apparmor/current", "self/attr/current"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(proc, files[i], NULL);
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL)) {
            char *mode = strstr(text, " (enforce)");
            return mode ? g_strndup(text, (gsize)(mode - text)) : NULL;
        }
    }
    return NULL;
}

static KilnHostProblem problem(const char *cause, const char *remedy)
{
    return (KilnHostProblem){.cause = g_strdup(cause), .remedy = g_strdup(remedy)};
}

KilnHostProblem kiln_host_explain_userns(const char *proc, int error)
{
    if (read_number(proc, "sys/user/max_user_namespaces") == 0) {
        return problem("user.max_user_namespaces is 0 on this host",
                       "sudo sysctl -w user.max_user_namespaces=15000");
    }
    if (read_number(proc, "sys/kernel/unprivileged_userns_clone") == 0) {
        return problem("kernel.unprivileged_userns_clone is 0 on this host",
                       "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if (read_number(proc, "sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
        return problem("AppArmor restricts user namespaces to programs with a profile "
                       "(kernel.apparmor_restrict_unprivileged_userns is 1)",
                       "sudo apparmor_parser -r /etc/apparmor.d/kiln (kiln's package has that profile, for "
                       "/usr/bin/kiln), or sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if (error == ENOSPC || error == EUSERS) {
        return problem(
            "as many user namespaces exist, or lie within each other, as the host allows",
            "sudo sysctl -w user.max_user_namespaces=15000");
    }
    if (error == EINVAL || error == ENOSYS) {
        return problem("the kernel has no user namespaces (CONFIG_USER_NS)", NULL);
    }
    g_autofree char *profile = confining_profile(proc);
    if (profile && !has_filter(proc)) {
        KilnHostProblem p = problem(NULL, "in a container: --security-opt apparmor=unconfined; else load a profile "
                                          "that allows userns and mount");
        p.cause = g_strdup_printf("the AppArmor profile %s, under which kiln runs, forbids it", profile);
        return p;
    }
    if (has_filter(proc)) {
        return problem("a seccomp filter forbids it; this seems to be a container",
                       "start the container with --security-opt seccomp=unconfined "
                       "--security-opt apparmor=unconfined");
    }
    return problem("the host does not say why; a chroot or a security module (SELinux, AppArmor) "
                   "may forbid it",
                   NULL);
}

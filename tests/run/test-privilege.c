/* What a command may do: capabilities, the seccomp filter, ids. */
#include "sandbox.h"

#include <linux/audit.h>
#include <linux/keyctl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "runtime/seccomp.h"

static void test_capabilities_are_dockers(Sandbox *s)
{
    assert_prints(s, "grep ^Cap /proc/self/status",
                  "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\n"
                  "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"
                  "CapAmb:\t0000000000000000\n");
}

static void test_filter_is_on_without_no_new_privs(Sandbox *s)
{
    assert_prints(s, "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status",
                  "NoNewPrivs:\t0\nSeccomp:\t2\n");
}

static void test_no_power_over_mounts(Sandbox *s)
{
    g_auto(Outcome) mounted = run_sh(s, "mount -t tmpfs none /tmp");
    g_auto(Outcome) unmounted = run_sh(s, "umount /proc/kcore || umount /proc");
    g_auto(Outcome) unshared = run_sh(s, "unshare -U true");
    g_auto(Outcome) renamed = run_sh(s, "hostname other");

    assert_ran(&mounted);
    g_assert_cmpint(mounted.result.exit_code, !=, 0);
    g_assert_cmpint(unmounted.result.exit_code, !=, 0);
    g_assert_cmpint(unshared.result.exit_code, !=, 0);
    g_assert_nonnull(strstr(unshared.output, "not permitted"));
    g_assert_cmpint(renamed.result.exit_code, !=, 0);
}

/* Also with all capabilities that a command can get. What is asked for is there: of itself it gets all. */
static void test_the_init_is_out_of_reach(Sandbox *s)
{
    const char *argv[] = {
        "sh", "-c",
        "for p in self 1; do echo $p; for f in mem environ maps auxv; do (: </proc/$p/$f) 2>/dev/null && "
        "echo $f; done; for f in fd fdinfo root/ cwd/ exe ns/user; do ls -L /proc/$p/$f >/dev/null "
        "2>&1 && echo $f; done; done; true",
        NULL};

    for (int insecure = 0; insecure <= 1; insecure++) {
        struct kilnrun_spec spec = sandbox_spec(s, argv);

        spec.insecure = insecure;
        g_auto(Outcome) o = run_spec(s, &spec);
        assert_ran(&o);
        g_assert_cmpstr(o.output, ==,
                        "self\nmem\nenviron\nmaps\nauxv\nfd\nfdinfo\nroot/\ncwd/\nexe\nns/user\n1\n");
    }
}

/* Also where the command is the host's root. */
static void test_device_nodes_are_not_the_hosts(Sandbox *s)
{
    struct stat before, after;

    g_assert_no_errno(stat("/dev/full", &before));
    g_auto(Outcome) o = run_sh(s, "chmod 600 /dev/full; chown 1:1 /dev/full; echo end");
    assert_ran(&o);
    g_assert_no_errno(stat("/dev/full", &after));
    if (before.st_mode != after.st_mode || before.st_uid != after.st_uid)
        g_assert_no_errno(chown("/dev/full", 0, 0) + chmod("/dev/full", 0666));
    g_assert_cmpint(after.st_mode, ==, before.st_mode);
    g_assert_cmpint(after.st_uid, ==, before.st_uid);
}

static void test_root_can_do_what_a_package_manager_does(Sandbox *s)
{
    assert_prints(s, "cd /tmp && echo x > f && chown 7:8 f && stat -c %u:%g f", "7:8\n");
}

static void test_ids(Sandbox *s)
{
    const char *argv[] = {
        "sh", "-c", "id -u; id -g; id -G; grep -E '^Cap(Eff|Prm|Bnd)' /proc/self/status", NULL};
    const gid_t groups[] = {1000, 20, 44};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.uid = 1000;
    spec.gid = 1000;
    spec.groups = groups;
    spec.n_groups = G_N_ELEMENTS(groups);
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==,
                    "1000\n1000\n1000 20 44\nCapPrm:\t0000000000000000\n"
                    "CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n");
}

static void test_user_may_open_its_output(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "echo hello > /dev/stdout", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.uid = spec.gid = 1000;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "hello\n");
}

static void test_setuid_programs_work(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "id -u; su -c 'id -u'", NULL};
    g_autofree char *busybox = sandbox_path(s, "layers/base/bin/busybox");
    struct kilnrun_spec spec;

    sandbox_write(s, "layers/base/etc/passwd", "root::0:0::/:/bin/sh\nu:*:1000:1000::/:/bin/sh\n");
    g_assert_no_errno(chmod(busybox, 04755));
    spec = sandbox_spec(s, argv);
    spec.uid = spec.gid = 1000;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "1000\n0\n");
}

static void test_unmapped_ids_are_named(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    struct kilnrun_spec user = sandbox_spec(s, argv), group = sandbox_spec(s, argv);

    user.uid = 100000;
    g_auto(Outcome) u = run_spec(s, &user);
    assert_fails(&u, "user", -EINVAL);
    g_assert_nonnull(strstr(u.result.failure.detail, "100000"));
    group.gid = 100000;
    g_auto(Outcome) g = run_spec(s, &group);
    assert_fails(&g, "user", -EINVAL);
}

/* The filter itself, installed in a forked child that tries system calls. */

static int error_of(long rc)
{
    return rc < 0 ? errno : 0;
}

#if defined(__x86_64__)
static sigjmp_buf no_gate;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(no_gate, 1);
}

/* getpid as a 32-bit program calls it. A kernel without IA32 emulation says ENOSYS, or has no gate there and
 * sends SIGSEGV. */
static long getpid_i386(void)
{
    long rc;

    signal(SIGSEGV, on_fault);
    if (sigsetjmp(no_gate, 1) != 0)
        return -ENOSYS;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");
    return rc;
}
#endif

static void test_filter(void)
{
    static const struct clone_args_64 {
        unsigned long long words[8];
    } args = {{0}};
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    g_assert_no_errno(pid);
    if (pid > 0) {
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            g_test_skip("this host has no user namespaces for this user");
        else
            g_assert_cmpint(status, ==, 0);
        return;
    }
    if (geteuid() != 0)
        become_single();
    g_assert_cmpint(seccomp_install(NULL, 0), ==, 0);

    /* refused */
    g_assert_cmpint(error_of(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, 0, 0)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_unshare, CLONE_NEWUSER)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_mount, "none", "/", "tmpfs", 0, 0)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_bpf, 0, 0, 0)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_io_uring_setup, 1, 0)), ==, EPERM);
    g_assert_cmpint(error_of(syscall(SYS_open_by_handle_at, -1, 0, 0)), ==, EPERM);
    g_assert_cmpint(error_of(socket(AF_VSOCK, SOCK_STREAM, 0)), ==, EPERM);
    g_assert_cmpint(error_of(socket(AF_ALG, SOCK_SEQPACKET, 0)), ==, EPERM);
    g_assert_cmpint(error_of(personality(ADDR_NO_RANDOMIZE)), ==, EPERM);
    /* said not to exist, so that libc takes the older call */
    g_assert_cmpint(error_of(syscall(SYS_clone3, &args, sizeof args)), ==, ENOSYS);
    g_assert_cmpint(error_of(syscall(9999)), ==, ENOSYS);
    /* allowed, also where the libseccomp of the build does not know the call */
    g_assert_cmpint(error_of(socket(AF_UNIX, SOCK_STREAM, 0)), ==, 0);
    g_assert_cmpint(error_of(personality(0xffffffff)), ==, 0);
    g_assert_cmpint(error_of(ptrace(PTRACE_CONT, -1, 0, 0)), ==, ESRCH);
    g_assert_cmpint(error_of(syscall(SYS_chroot, "/nonexistent")), ==, ENOENT);
    errno = 0;
    syscall(452 /* fchmodat2, Linux 6.6 */, -1, "x", 0, 0);
    g_assert_true(errno == EBADF || errno == ENOSYS);
    g_assert_no_errno(fork() == 0 ? (_exit(0), 0) : 0);
#if defined(__x86_64__)
    long rc = getpid_i386();
    g_assert_true(rc == getpid() || rc == -ENOSYS);
#endif
    _exit(0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/filter", test_filter);
    add_builder_test("capabilities", EVERYWHERE, test_capabilities_are_dockers);
    add_builder_test("seccomp-mode", EVERYWHERE, test_filter_is_on_without_no_new_privs);
    add_builder_test("mounts-refused", EVERYWHERE, test_no_power_over_mounts);
    add_builder_test("init", EVERYWHERE, test_the_init_is_out_of_reach);
    add_builder_test("device-nodes", EVERYWHERE, test_device_nodes_are_not_the_hosts);
    add_builder_test("chown", MANY_IDS, test_root_can_do_what_a_package_manager_does);
    add_builder_test("ids", MANY_IDS, test_ids);
    add_builder_test("own-output", MANY_IDS, test_user_may_open_its_output);
    add_builder_test("setuid", MANY_IDS, test_setuid_programs_work);
    add_builder_test("unmapped", 1u << SINGLE_ID | 1u << RANGED, test_unmapped_ids_are_named);
    return g_test_run();
}

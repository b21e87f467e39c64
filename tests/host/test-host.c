/* What a host refuses: the words for it, devices, handlers of foreign programs, missing calls. */
#include "host/binfmt.h"
#include "host/device.h"
#include "host/kernel.h"
#include "host/refusal.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_explained(void)
{
    static const struct {
        const char *stage;
        int error;
        const char *fs;
        const char *says; /* NULL: not the host's doing */
    } cases[] = {
        {"proc", EPERM, "ext4", "/proc are masked"},
        {"overlay", EINVAL, "overlay", "docker run -v"},
        {"overlay", EINVAL, "ext4", "ext4, xfs, btrfs or tmpfs"},
        {"overlay", EOPNOTSUPP, "nfs", "extended attributes"},
        {"user", ENOSPC, NULL, "user.max_user_namespaces"},
        {"processor", ENOEXEC, NULL, "qemu-user-static"},
        {"exec", ENOEXEC, NULL, NULL},
        {"exec", ENOENT, NULL, NULL},
        {"exec", EACCES, "overlay", NULL},
        {"cwd", ENOTDIR, NULL, NULL},
        {"user", EINVAL, NULL, NULL},
    };
    for (guint i = geteuid() == 0 ? 0 : 1; i < G_N_ELEMENTS(cases);
         i++) { /* EPERM asks the kernel as root */
        g_autofree char *text = kiln_refusal_explain(cases[i].stage, cases[i].error, cases[i].fs);
        if (!cases[i].says) {
            g_assert_null(text);
        } else if (!text || !strstr(text, cases[i].says)) {
            g_error("%s, errno %d: \"%s\" does not say \"%s\"", cases[i].stage, cases[i].error,
                    text ? text : "nothing", cases[i].says);
        }
    }
}

/* A doctor without a remedy is none. */
static void test_all_have_remedies(void)
{
    for (KilnRefusal i = 0; i < KILN_N_REFUSALS; i++) {
        g_assert_nonnull(kiln_refusal_cause(i));
        g_assert_nonnull(kiln_refusal_remedy(i));
    }
}

static void assert_device(const char *path, const char *cause_part)
{
    g_autofree char *cause = NULL, *remedy = NULL;
    bool usable = kiln_device_usable(path, "tun", &cause, &remedy);
    if (!cause_part) {
        g_assert_true(usable);
        g_assert_null(cause);
        return;
    }
    g_assert_false(usable);
    g_assert_nonnull(strstr(cause, cause_part));
    g_assert_nonnull(remedy);
}

static void test_devices(void)
{
    g_autofree char *dir = g_dir_make_tmp("kiln-device-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "file", NULL);
    g_autofree char *below = g_build_filename(file, "tun", NULL);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    assert_device("/dev/null", NULL);
    assert_device("/no/such/device", "is not there");
    assert_device(below, "is not there");
    assert_device(file, "no driver");
    if (geteuid() != 0) {
        g_assert_cmpint(chmod(file, 0), ==, 0);
        assert_device(file, "Permission denied");
    }
    g_remove(file);
    g_rmdir(dir);
}

static void test_binfmt(void)
{
    static const char *const files[][2] = {
        {"register", "enabled\n"},
        {"status", "enabled\n"},
        {"jar", "enabled\ninterpreter /usr/bin/jexec\nflags: \noffset 0\nmagic 504b0304\n"},
        {"qemu-riscv64",
         "enabled\ninterpreter /usr/libexec/q\nflags: POCF\noffset 0\nmagic 7f454c46020101\n"},
        {"qemu-arm",
         "disabled\ninterpreter /usr/libexec/q\nflags: POCF\noffset 0\nmagic 7f454c46010101\n"},
        {"qemu-aarch64",
         "enabled\ninterpreter /usr/libexec/q\nflags: POCF\noffset 0\nmagic 7f454c46020101\n"},
    };
    g_autofree char *proc = g_dir_make_tmp("kiln-proc-XXXXXX", NULL);
    g_autofree char *dir = g_build_filename(proc, "sys", "fs", "binfmt_misc", NULL);
    g_assert_null(kiln_binfmt_handlers(proc));
    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_null(kiln_binfmt_handlers(proc));
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i][0], NULL);
        g_assert_true(g_file_set_contents(path, files[i][1], -1, NULL));
    }
    g_autofree char *handlers = kiln_binfmt_handlers(proc);
    g_assert_cmpstr(handlers, ==, "qemu-aarch64, qemu-riscv64");
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i][0], NULL);
        g_remove(path);
    }
    for (const char *left = "sys/fs/binfmt_misc"; left; left = strlen(left) > 6   ? "sys/fs"
                                                               : strlen(left) > 3 ? "sys"
                                                                                  : NULL) {
        g_autofree char *path = g_build_filename(proc, left, NULL);
        g_rmdir(path);
    }
    g_rmdir(proc);
}

/* The tests' own kernel has all; that each is missed where it is not there,
 * integration/36-kernels.bats shows. */
static void test_nothing_is_missing(void)
{
    g_autofree char *missing = kiln_kernel_missing(KILN_KERNEL_FILES);
    g_assert_cmpstr(missing, ==, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/explained", test_explained);
    g_test_add_func("/host/remedies", test_all_have_remedies);
    g_test_add_func("/host/devices", test_devices);
    g_test_add_func("/host/binfmt", test_binfmt);
    g_test_add_func("/host/kernel", test_nothing_is_missing);
    return g_test_run();
}

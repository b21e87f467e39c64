/* The probe agrees with what the other tests can do, and leaves nothing behind. */
#include "sandbox.h"

static void test_probe(Sandbox *s)
{
    struct kilnrun_probe p;
    int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    memset(&p, 0x55, sizeof p);
    g_assert_cmpint(kilnrun_probe(dir, &p), ==, 0);
    g_assert_cmpint(p.overlay, ==, 0);
    g_assert_cmpint(p.fresh_proc, ==, 0);
    g_assert_cmpint(p.nested_userns, ==, 0);
    g_assert_cmpint(p.seccomp, ==, 0);
    g_assert_true(p.lowerdir_plus == 0 || p.lowerdir_plus == -ENOSYS);
    g_assert_cmpint(faccessat(dir, "kiln-probe", F_OK, 0), ==, -1);
    close(dir);
}

static void test_unusable_directory(Sandbox *s)
{
    struct kilnrun_probe p;
    int file = sandbox_open(s, "layers/base/etc/motd");

    g_assert_cmpint(kilnrun_probe(file, &p), ==, -ENOTDIR);
    close(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("probe", EVERYWHERE, test_probe);
    add_builder_test("probe-unusable", 1u << SINGLE_ID, test_unusable_directory);
    return g_test_run();
}

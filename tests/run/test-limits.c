/* What a command may use. */
#include "sandbox.h"

#include <sys/resource.h>

static void test_rlimits_and_cpus(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "ulimit -Sn; ulimit -Hn; grep ^Cpus_allowed_list /proc/self/status", NULL};
    const struct kilnrun_rlimit rlimits[] = {{RLIMIT_NOFILE, 20, 30}, {RLIMIT_CORE, 0, 0}};
    const unsigned cpus[] = {0};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.limits = (struct kilnrun_limits){
        .rlimits = rlimits, .n_rlimits = 2, .cpus = cpus, .n_cpus = 1};
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "20\n30\nCpus_allowed_list:\t0\n");
    assert_prints(s, "test $(ulimit -Hn) -gt 30", ""); /* the next one has none of it */
}

static void test_limits_that_cannot_be_set_are_named(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    const struct kilnrun_rlimit beyond = {RLIMIT_NOFILE, 5, 1ULL << 40}; /* fs.nr_open */
    const unsigned cpus[] = {1000};
    struct kilnrun_spec high = sandbox_spec(s, argv), nowhere = sandbox_spec(s, argv);

    high.limits = (struct kilnrun_limits){.rlimits = &beyond, .n_rlimits = 1};
    g_auto(Outcome) a = run_spec(s, &high);
    assert_fails(&a, "limits", -EPERM);
    nowhere.limits = (struct kilnrun_limits){.cpus = cpus, .n_cpus = 1};
    g_auto(Outcome) b = run_spec(s, &nowhere);
    assert_fails(&b, "limits", -EINVAL);
}

static void test_shm_size(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "grep -o 'shm.*size=[0-9a-z]*' /proc/mounts | grep -o size=.*", NULL};
    struct kilnrun_spec small = sandbox_spec(s, argv);

    small.limits.shm_size = 1 << 20;
    g_auto(Outcome) o = run_spec(s, &small);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "size=1024k\n");
    assert_prints(s, "grep -o 'shm.*size=[0-9a-z]*' /proc/mounts | grep -o size=.*", "size=65536k\n");
}

/* The one that takes too long is killed, whatever it does about signals and its output; no other is. */
static void test_timeout(Sandbox *s)
{
    const char *slow[] = {"sh", "-c", "trap '' TERM HUP INT; exec >&- 2>&-; sleep 1000; sleep 1000", NULL};
    const char *quick[] = {"true", NULL};
    struct kilnrun_spec a = sandbox_spec(s, slow), b = sandbox_spec(s, quick);

    a.limits.timeout = 200;
    b.limits.timeout = 1000000;
    g_auto(Outcome) stopped = run_spec(s, &a);
    assert_ran(&stopped);
    g_assert_true(stopped.result.timed_out);
    g_assert_cmpint(stopped.result.signal, ==, SIGKILL);
    g_assert_cmpint(stopped.result.exit_code, ==, 128 + SIGKILL);
    g_auto(Outcome) o = run_spec(s, &b);
    assert_ran(&o);
    g_assert_false(o.result.timed_out);
    g_assert_cmpint(o.result.exit_code, ==, 0);
}

/* Of hosts with the hierarchy of v2, even if it has no controllers: where the step is, seen from outside and from
 * inside. Its root is its own cgroup. */
static void test_cgroup_v2(Sandbox *s)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    const char *argv[] = {"sh", "-c", "grep ^0: /proc/self/cgroup; echo up; sleep 1000", NULL};
    g_autofree char *dir = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(roots) && !dir; i++) {
        g_autofree char *controllers = g_build_filename(roots[i], "cgroup.controllers", NULL);
        if (g_file_test(controllers, G_FILE_TEST_EXISTS))
            dir = g_strdup_printf("%s/kiln-test-%d", roots[i], (int)getpid());
    }
    if (!dir || mkdir(dir, 0755) < 0) {
        g_test_message("not tested: no writable cgroup v2 hierarchy here");
        return;
    }
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    g_autofree char *procs = g_build_filename(dir, "cgroup.procs", NULL);
    g_autofree char *inside = NULL;
    g_auto(GStrv) pids = NULL;
    int output, enter = open(procs, O_WRONLY | O_CLOEXEC);

    spec.limits.cgroup_fds = &enter;
    spec.limits.n_cgroups = 1;
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    close(enter);
    g_autofree char *line = read_line(output), *up = read_line(output);
    g_assert_cmpstr(line, ==, "0::/");
    g_assert_cmpstr(up, ==, "up");
    g_assert_true(g_file_get_contents(procs, &inside, NULL, NULL));
    pids = g_strsplit(inside, "\n", -1);
    g_assert_cmpuint(g_strv_length(pids), >=, 3); /* init, sh and the end */
    g_assert_cmpint(kilnrun_step_kill(step, SIGKILL), ==, 0);
    g_autofree char *rest = read_all(output);
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    kilnrun_result_clear(&result);
    for (int i = 0; rmdir(dir) < 0 && i < 1000; i++) /* the kernel lets go a little later */
        g_usleep(1000);
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("rlimits", EVERYWHERE, test_rlimits_and_cpus);
    add_builder_test("limits-refused", EVERYWHERE, test_limits_that_cannot_be_set_are_named);
    add_builder_test("shm", EVERYWHERE, test_shm_size);
    add_builder_test("timeout", EVERYWHERE, test_timeout);
    add_builder_test("cgroup-v2", 1u << REAL_ROOT, test_cgroup_v2);
    return g_test_run();
}

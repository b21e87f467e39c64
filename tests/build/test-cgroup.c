/* Where cgroups are, and what is written to them: on texts of hosts of all kinds. */
#include "build/cgroup.h"

static void find(const char *cgroups, const char *mountinfo, KilnCgroupPlace places[KILN_N_CONTROLLERS])
{
    kiln_cgroup_places(cgroups, mountinfo, places);
}

static void assert_place(const KilnCgroupPlace *p, int version, const char *mount, const char *own)
{
    g_assert_cmpint(p->version, ==, version);
    g_assert_cmpstr(p->mount, ==, mount);
    g_assert_cmpstr(p->own, ==, own);
}

static void test_v2(void)
{
    KilnCgroupPlace p[KILN_N_CONTROLLERS];
    find("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n",
         "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", p);
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++)
        assert_place(&p[c], 2, "/sys/fs/cgroup",
                     "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope");
    kiln_cgroup_places_clear(p);
}

static void test_hybrid(void)
{
    KilnCgroupPlace p[KILN_N_CONTROLLERS];
    find("9:memory:/a/b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/u\n",
         "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
         "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
         "33 30 0:29 / /sys/fs/cgroup/un\\040ified rw - cgroup2 cgroup rw\n",
         p);
    assert_place(&p[KILN_CONTROLLER_MEMORY], 1, "/sys/fs/cgroup/memory", "/a/b");
    assert_place(&p[KILN_CONTROLLER_CPU], 1, "/sys/fs/cgroup/cpu,cpuacct", "/");
    assert_place(&p[KILN_CONTROLLER_PIDS], 2, "/sys/fs/cgroup/un ified", "/u");
    kiln_cgroup_places_clear(p);
}

/* A container: the mount shows a part, the path may be seen from the host or from a cgroup namespace. */
static void test_container(void)
{
    KilnCgroupPlace p[KILN_N_CONTROLLERS];
    find("5:memory:/docker/abc/sub\n6:pids:/docker/abc\n7:cpu:/docker/abcd\n8:cpuset:/../x\n",
         "1 2 0:1 /docker/abc /sys/fs/cgroup/memory ro - cgroup c rw,memory\n"
         "1 2 0:2 /docker/abc /sys/fs/cgroup/pids ro - cgroup c rw,pids\n"
         "1 2 0:3 /docker/abc /sys/fs/cgroup/cpu ro - cgroup c rw,cpu\n"
         "1 2 0:4 / /sys/fs/cgroup/cpuset ro - cgroup c rw,cpuset\n",
         p);
    assert_place(&p[KILN_CONTROLLER_MEMORY], 1, "/sys/fs/cgroup/memory", "/sub");
    assert_place(&p[KILN_CONTROLLER_PIDS], 1, "/sys/fs/cgroup/pids", "/");
    assert_place(&p[KILN_CONTROLLER_CPU], 0, NULL, NULL);    /* not what the mount shows */
    assert_place(&p[KILN_CONTROLLER_CPUSET], 0, NULL, NULL); /* nor this */
    kiln_cgroup_places_clear(p);
}

static void test_nothing(void)
{
    KilnCgroupPlace p[KILN_N_CONTROLLERS];
    find("", "garbage\n1 2 3 - \n - cgroup2\n", p);
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++)
        assert_place(&p[c], 0, NULL, NULL);
    kiln_cgroup_places_clear(p);
}

/* "file=value file=value?" (a "?": may be missing). */
static void assert_settings(const KilnLimits *l, KilnController c, int version, const char *expected)
{
    g_autoptr(GArray) list = kiln_cgroup_settings(l, c, version);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++) {
        const KilnCgroupSetting *s = &g_array_index(list, KilnCgroupSetting, i);
        g_string_append_printf(text, "%s%s=%s%s", i ? " " : "", s->file, s->value, s->optional ? "?" : "");
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_memory(void)
{
    KilnLimits l = {.memory = 1000};
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 1,
                    "memory.limit_in_bytes=1000 memory.memsw.limit_in_bytes=2000?");
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 2, "memory.max=1000 memory.swap.max=1000?");
    l.memory_swap = 1500;
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 1, "memory.limit_in_bytes=1000 memory.memsw.limit_in_bytes=1500");
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 2, "memory.max=1000 memory.swap.max=500");
    l.memory_swap = -1;
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 1, "memory.limit_in_bytes=1000");
    assert_settings(&l, KILN_CONTROLLER_MEMORY, 2, "memory.max=1000 memory.swap.max=max?");
}

static void test_others(void)
{
    KilnLimits l = {.pids = 7, .cpus = 1.5, .cpu_shares = 1024, .cpuset_cpus = (char *)"0-1"};
    assert_settings(&l, KILN_CONTROLLER_PIDS, 2, "pids.max=8");
    assert_settings(&l, KILN_CONTROLLER_CPU, 1,
                    "cpu.cfs_period_us=100000 cpu.cfs_quota_us=150000 cpu.shares=1024");
    assert_settings(&l, KILN_CONTROLLER_CPU, 2, "cpu.max=150000 100000 cpu.weight=39");
    assert_settings(&l, KILN_CONTROLLER_CPUSET, 2, "cpuset.cpus=0-1");
    l = (KilnLimits){.cpu_quota = 5000, .cpu_period = 20000, .cpuset_mems = (char *)"0"};
    assert_settings(&l, KILN_CONTROLLER_CPU, 2, "cpu.max=5000 20000");
    assert_settings(&l, KILN_CONTROLLER_CPUSET, 1, "cpuset.mems=0");
    l = (KilnLimits){.cpus = 0.01, .cpu_shares = 262144};
    assert_settings(&l, KILN_CONTROLLER_CPU, 2, "cpu.max=1000 100000 cpu.weight=10000");
    l.cpu_shares = 2;
    assert_settings(&l, KILN_CONTROLLER_CPU, 2, "cpu.max=1000 100000 cpu.weight=1");
    g_assert_true(kiln_cgroup_wants(&l, KILN_CONTROLLER_CPU));
    g_assert_false(kiln_cgroup_wants(&l, KILN_CONTROLLER_MEMORY));
}

static void test_counts(void)
{
    const char *events = "low 0\nhigh 3\nmax 21\noom 4\noom_kill 2\noom_group_kill 0\n";
    g_assert_cmpuint(kiln_cgroup_count(events, "oom_kill"), ==, 2);
    g_assert_cmpuint(kiln_cgroup_count(events, "oom"), ==, 4);
    g_assert_cmpuint(kiln_cgroup_count("oom_kill_disable 0\nunder_oom 0\noom_kill 1", "oom_kill"), ==, 1);
    g_assert_cmpuint(kiln_cgroup_count("", "oom_kill"), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cgroup/v2", test_v2);
    g_test_add_func("/cgroup/hybrid", test_hybrid);
    g_test_add_func("/cgroup/container", test_container);
    g_test_add_func("/cgroup/nothing", test_nothing);
    g_test_add_func("/cgroup/memory", test_memory);
    g_test_add_func("/cgroup/others", test_others);
    g_test_add_func("/cgroup/counts", test_counts);
    return g_test_run();
}

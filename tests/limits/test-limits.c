/* What --memory, --ulimit and the like say. */
#include "limits/limits.h"

#include <sys/resource.h>

static bool set(KilnLimits *l, const char *name, const char *value)
{
    g_autoptr(GError) error = NULL;
    bool ok = kiln_limits_set(l, name, value, &error);
    if (!ok) {
        g_autofree char *flag = g_strconcat("--", name, NULL);
        g_assert_true(g_error_matches(error, KILN_LIMITS_ERROR, 0));
        g_assert_true(g_str_has_prefix(error->message, flag));
    }
    return ok;
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } good[] = {{"0", 0},         {"1", 1},           {"64m", 64 << 20},   {"64M", 64 << 20},
                {"64mb", 64 << 20}, {"64MiB", 64 << 20}, {"1.5k", 1536},   {"2 g", 2ULL << 30},
                {"7b", 7},        {"1t", 1ULL << 40}, {"1p", 1ULL << 50}};
    static const char *const bad[] = {"", "m", "-1", "1x", "1mm", "1bb", "0x10", "1e400", " 1", "9999999p", "inf", "nan"};
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        guint64 bytes = 0;
        g_assert_true(kiln_size_parse(good[i].text, &bytes));
        g_assert_cmpuint(bytes, ==, good[i].bytes);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint64 bytes;
        if (kiln_size_parse(bad[i], &bytes))
            g_error("%s was taken", bad[i]);
    }
}

static void test_timeouts(void)
{
    guint64 ms = 0;
    g_assert_true(kiln_timeout_parse("5m30s", &ms));
    g_assert_cmpuint(ms, ==, 330000);
    g_assert_true(kiln_timeout_parse("250ms", &ms));
    g_assert_cmpuint(ms, ==, 250);
    g_assert_true(kiln_timeout_parse("1ns", &ms));
    g_assert_cmpuint(ms, ==, 1);
    static const char *const bad[] = {"", "0", "0s", "-1s", "5", "s", "1d"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(kiln_timeout_parse(bad[i], &ms));
}

static void test_lists(void)
{
    static const guint expected[] = {0, 2, 3, 4, 9};
    g_autoptr(GArray) list = kiln_list_parse("9,2-4,0,3");
    g_assert_nonnull(list);
    g_assert_cmpmem(list->data, list->len * sizeof(guint), expected, sizeof expected);
    static const char *const bad[] = {"", ",", "1,", "-1", "3-1", "1-", "1-2-3", "a", "1 2", "8192", "0-99999"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_null(kiln_list_parse(bad[i]));
}

static void test_ulimits(void)
{
    KilnLimits l = {0};
    g_assert_true(set(&l, "ulimit", "nofile=1024"));
    g_assert_true(set(&l, "ulimit", "core=0:-1"));
    g_assert_true(set(&l, "ulimit", "nofile=10:20"));
    g_assert_cmpuint(l.ulimits->len, ==, 2);
    const KilnUlimit *files = &g_array_index(l.ulimits, KilnUlimit, 0), *core = files + 1;
    g_assert_cmpint(files->resource, ==, RLIMIT_NOFILE);
    g_assert_cmpuint(files->soft, ==, 10);
    g_assert_cmpuint(files->hard, ==, 20);
    g_assert_cmpint(core->resource, ==, RLIMIT_CORE);
    g_assert_cmpuint(core->soft, ==, 0);
    g_assert_cmpuint(core->hard, ==, RLIM_INFINITY);
    static const char *const bad[] = {"", "nofile", "nofile=", "nofile=1:", "nofile=:1", "nofile=1:2:3", "=1",
                                      "nofile=2:1", "nofile=-1:5", "nofile=-2", "NOFILE=1", "as=1", "nofile=1k"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(set(&l, "ulimit", bad[i]));
    kiln_limits_clear(&l);
}

static void test_numbers(void)
{
    KilnLimits l = {0};
    g_assert_true(set(&l, "memory", "6m"));
    g_assert_true(set(&l, "memory-swap", "-1"));
    g_assert_true(set(&l, "pids-limit", "100"));
    g_assert_true(set(&l, "cpus", "1.5"));
    g_assert_true(set(&l, "cpuset-cpus", "0-1"));
    g_assert_cmpuint(l.memory, ==, 6 << 20);
    g_assert_cmpint(l.memory_swap, ==, -1);
    g_assert_cmpint(l.pids, ==, 100);
    g_assert_cmpfloat(l.cpus, ==, 1.5);
    g_assert_cmpstr(l.cpuset_cpus, ==, "0-1");
    g_assert_true(kiln_limits_check(&l, NULL));
    g_assert_true(set(&l, "pids-limit", "-1"));
    g_assert_cmpint(l.pids, ==, 0);
    static const char *const bad[][2] = {{"memory", "5m"},     {"memory", "-1"},        {"memory-swap", "x"},
                                         {"cpus", "0.001"},    {"cpus", "0x1"},         {"cpus", "nan"},
                                         {"cpus", "inf"},      {"cpu-quota", "1"},      {"cpu-period", "1"},
                                         {"cpu-shares", "1"},  {"cgroup-parent", "a/../b"}};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(set(&l, bad[i][0], bad[i][1]));
    g_autoptr(GError) error = NULL;
    g_assert_false(kiln_limits_set(&l, "no-such", "1", &error));
    kiln_limits_clear(&l);
}

static void test_together(void)
{
    g_autoptr(GError) swap = NULL, below = NULL, both = NULL;
    KilnLimits l = {.memory_swap = 1};
    g_assert_false(kiln_limits_check(&l, &swap));
    l = (KilnLimits){.memory = 10, .memory_swap = 9};
    g_assert_false(kiln_limits_check(&l, &below));
    l = (KilnLimits){.cpus = 1, .cpu_period = 1000};
    g_assert_false(kiln_limits_check(&l, &both));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/limits/sizes", test_sizes);
    g_test_add_func("/limits/timeouts", test_timeouts);
    g_test_add_func("/limits/lists", test_lists);
    g_test_add_func("/limits/ulimits", test_ulimits);
    g_test_add_func("/limits/numbers", test_numbers);
    g_test_add_func("/limits/together", test_together);
    return g_test_run();
}

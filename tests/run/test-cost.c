/* What a step costs: the median of many runs of /bin/true. Prints it; fails only when it is far
 * off, since a machine may be busy and this build has sanitizers. */
#include "sandbox.h"

#define RUNS 40

static int compare(gconstpointer a, gconstpointer b)
{
    return *(const gint64 *)a < *(const gint64 *)b ? -1 : *(const gint64 *)a > *(const gint64 *)b;
}

static void measure(Sandbox *s, enum kilnrun_emulate emulate, const char *name)
{
    const char *argv[] = {"true", NULL};
    gint64 times[RUNS];

    for (int i = 0; i < RUNS; i++) {
        struct kilnrun_spec spec = sandbox_spec(s, argv);
        gint64 begin = g_get_monotonic_time();

        spec.emulate = emulate;
        g_auto(Outcome) o = run_spec(s, &spec);

        times[i] = g_get_monotonic_time() - begin;
        assert_ran(&o);
    }
    qsort(times, RUNS, sizeof times[0], compare);
    g_test_message("a step%s: median %.2f ms, fastest %.2f, slowest %.2f", name,
                   (double)times[RUNS / 2] / 1e3, (double)times[0] / 1e3,
                   (double)times[RUNS - 1] / 1e3);
    g_assert_cmpint(times[RUNS / 2], <, 250000);
}

static void test_cost(Sandbox *s)
{
    measure(s, KILNRUN_EMULATE_OFF, "");
    measure(s, KILNRUN_EMULATE_DEVICES, ", devices emulated");
    if (s->setup == SINGLE_ID)
        measure(s, KILNRUN_EMULATE_FULL, ", all emulated");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("cost", EVERYWHERE, test_cost);
    return g_test_run();
}

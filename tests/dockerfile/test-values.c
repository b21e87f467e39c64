/* Durations and suggestions. */
#include "dockerfile/duration.h"
#include "dockerfile/suggest.h"

static void test_durations(void)
{
    static const struct {
        const char *text;
        gint64 nanoseconds;
    } good[] = {
        {"0", 0},
        {"5s", 5000000000},
        {"1m30s", 90000000000},
        {"1.5h", 5400000000000},
        {".5s", 500000000},
        {"500ms", 500000000},
        {"1us", 1000},
        {"1µs", 1000},
        {"7ns", 7},
        {"-2s", -2000000000},
        {"+2s", 2000000000},
        {"2562047h", 9223369200000000000},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(good); n++) {
        gint64 value = -1;
        g_assert_true(kiln_duration_parse(good[n].text, &value));
        g_assert_cmpint(value, ==, good[n].nanoseconds);
    }
    static const char *const bad[] = {"",    "5",    "s",     "5 s",      "5d",
                                      "-",   ".s",   "1m30",  "2562048h", "99999999999999999999s",
                                      "1s ", "1.s.", "$TIME", "1S"};
    for (gsize n = 0; n < G_N_ELEMENTS(bad); n++)
        g_assert_false(kiln_duration_parse(bad[n], &(gint64){0}));
}

static void test_suggestions(void)
{
    static const char *const names[] = {"builder", "base", "test", NULL};
    g_assert_cmpstr(kiln_suggest("bulider", names, false), ==, "builder");
    g_assert_cmpstr(kiln_suggest("Base", names, false), ==, "base");
    g_assert_null(kiln_suggest("BASE", names, false));
    g_assert_null(kiln_suggest("BASE", names, true)); /* the same: nothing to suggest */
    g_assert_cmpstr(kiln_suggest("BASSE", names, true), ==, "base");
    g_assert_null(kiln_suggest("production", names, false));
    g_autofree char *word = g_strnfill(100000, 'b');
    g_assert_null(kiln_suggest(word, names, false));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/values/durations", test_durations);
    g_test_add_func("/values/suggestions", test_suggestions);
    return g_test_run();
}

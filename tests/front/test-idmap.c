#include "front/idmap.h"

#include <glib.h>

static void test_files(void)
{
    static const struct {
        const char *text;
        uint32_t start, count; /* 0: none */
    } cases[] = {
        {"me:100000:65536\n", 100000, 65536},
        {"me:100000:65536", 100000, 65536}, /* no newline at the end */
        {"other:100000:65536\nme:165536:65536\n", 165536, 65536},
        {"1000:231072:65536\n", 231072, 65536}, /* by uid */
        {"1000x:1:2\nmee:3:4\n10000:5:6\nm:7:8\n", 0, 0},
        {"", 0, 0},
        {"\n\n", 0, 0},
        {"me:100000:1000\nme:200000:65536\n", 200000, 65536}, /* the first one that is enough */
        {"me:100000:65536\nme:200000:1000000\n", 100000, 65536},
        {"me:100000:10\nme:200000:20\n", 200000, 20}, /* none is: the larger one */
        /* malformed lines are passed over */
        {"me:100000\nme:a:65536\nme:1:b\nme:-5:7\nme:1:2:3\nme::\n", 0, 0},
        {"me:100000:0\n", 0, 0},
        {"me:4294967295:1\n", 0, 0},     /* (uid_t)-1 is no id */
        {"me:4294901760:65536\n", 0, 0}, /* ends with it */
        {"me:4294901759:65536\n", 4294901759u, 65536},
        {"me:99999999999:65536\n", 0, 0},
        {"me:100000:65536 # remark\n", 0, 0},
        {"  me:100000:65536  \n", 100000, 65536},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        KilnIdRange range;
        bool found = kiln_idmap_parse(cases[i].text, "me", 1000, &range);
        g_assert_cmpuint(range.start, ==, cases[i].start);
        g_assert_cmpuint(range.count, ==, cases[i].count);
        g_assert_cmpint(found, ==, cases[i].count > 0);
    }
}

/* A uid without passwd entry has lines by number only. */
static void test_no_name(void)
{
    KilnIdRange range;
    g_assert_true(kiln_idmap_parse("x:1:2\n1234567:100000:65536\n", NULL, 1234567, &range));
    g_assert_cmpuint(range.start, ==, 100000);
    g_assert_false(kiln_idmap_parse(":1:2\n", NULL, 1234567, &range));
}

static void test_getsubids(void)
{
    KilnIdRange range;
    g_assert_true(kiln_idmap_parse_getsubids("0: me 100000 65536\n", &range));
    g_assert_cmpuint(range.start, ==, 100000);
    g_assert_cmpuint(range.count, ==, 65536);
    g_assert_false(kiln_idmap_parse_getsubids("Error fetching ranges\n", &range));
    g_assert_false(kiln_idmap_parse_getsubids("", &range));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/front/idmap/files", test_files);
    g_test_add_func("/front/idmap/no-name", test_no_name);
    g_test_add_func("/front/idmap/getsubids", test_getsubids);
    return g_test_run();
}

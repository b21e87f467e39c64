#include "build/copy-parents.h"

static const struct {
    const char *source, *base;
    bool required;
    const char *copied, *left; /* below the base; "" for none to ask about */
} cases[] = {
    {"a/b", "/", true, "a/b", "a"},
    {"a/b", "/", true, "a/b/c", "b"},
    {"./a/b", "/", true, "a/b", "a/c"},
    {"/a/b/.", "/", true, "a/b/c", "a/bc"},
    {"a/../b", "/", true, "b", "a"},
    {"../b", "/", true, "b", "a"},
    {"a/./b", "a", true, "b/c", "a/b"},
    {"/a/./b/./c", "/a", true, "b/c", "c"},
    {"/./a", "", true, "a", "b"},
    {"a/./*", "a", false, "x/y", ""},
    {"*/./a", "*", false, "a", "b"},
    {"**/x.c", "/", false, "x.c", "x.h"},
    {"**/x.c", "/", false, "a/b/x.c", "a/b/y.c"},
    {"a/**/x", "/", false, "a/b/c/x", "x"},
    {"a\\*", "/", true, "a*", "ab"},
    {"!a", "/", true, "!a", "a"},
    {"#a", "/", true, "#a", "a"},
    {"a/./", "a", true, "", "b"},
    {".", "/", true, "", "b"},
};

static void test_read(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].source);
        g_auto(KilnCopyParents) p = {0};
        GError *error = NULL;
        g_assert_true(kiln_copy_parents_read(cases[i].source, &p, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(p.base, ==, cases[i].base);
        g_assert_cmpint(p.required, ==, cases[i].required);
        if (*cases[i].copied)
            g_assert_false(kiln_ignore_matches(p.others, cases[i].copied));
        if (*cases[i].left)
            g_assert_true(kiln_ignore_matches(p.others, cases[i].left));
    }
}

static void test_malformed(void)
{
    g_auto(KilnCopyParents) p = {0};
    g_autoptr(GError) error = NULL;
    g_assert_false(kiln_copy_parents_read("a/[b-", &p, &error));
    g_assert_true(g_str_has_prefix(error->message, "a/[b-: malformed pattern"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/copy-parents/read", test_read);
    g_test_add_func("/copy-parents/malformed", test_malformed);
    return g_test_run();
}

#include "tree/glob.h"

#include <glib.h>
#include <string.h>

typedef enum { NO, YES, BAD } Verdict;

static const struct {
    const char *pattern, *name;
    Verdict verdict;
} cases[] = {
    {"", "", YES},
    {"", "x", NO},
    {"main.c", "main.c", YES},
    {"main.c", "main.h", NO},
    {"*", "", YES},
    {"*", "anything", YES},
    {"*", "dir/file", NO},
    {"**", "dir/file", NO}, /* "**" is nothing special here */
    {"**", "file", YES},
    {"*.c", "main.c", YES},
    {"*.c", ".c", YES},
    {"*.c", "main.cc", NO},
    {"*.c", "main.c.c", YES},
    {"lib*", "lib", YES},
    {"lib*/x", "lib64/x", YES},
    {"lib*/x", "lib/a/x", NO},
    {"*/*/z", "x/y/z", YES},
    {"a*b*c*d", "a-b-bc-c-d", YES},
    {"a*b*c*d", "a-b-bc-c-", NO},
    {"*ab", "aaab", YES},
    {"f?o", "foo", YES},
    {"f?o", "f/o", NO},
    {"f?o", "fo", NO},
    {"?", "", NO},
    {"?", "\xc3\xa9", YES}, /* one character of two bytes */
    {"??", "\xc3\xa9", NO},
    {"?", "\xe9", YES}, /* not UTF-8: one byte */
    {"x\xe9*", "x\xe9y", YES},
    {"[a-c]x", "bx", YES},
    {"[a-c]x", "dx", NO},
    {"[^a-c]x", "dx", YES},
    {"[^a-c]x", "bx", NO},
    {"[!a]", "!", YES}, /* only '^' negates */
    {"[!a]", "b", NO},
    {"[ac-eg]", "d", YES},
    {"[ac-eg]", "f", NO},
    {"[\xc3\xa0-\xc3\xa9]", "\xc3\xa5", YES},
    {"[a]", "", NO},
    {"[a^]", "^", YES},
    {"[*?]", "*", YES},
    {"[\\]]", "]", YES},
    {"[\\-x]", "-", YES},
    {"[\\^a]", "^", YES},
    {"]", "]", YES},
    {"\\*", "*", YES},
    {"\\*", "x", NO},
    {"a\\bc", "abc", YES},
    {"\\\\", "\\", YES},
    {"[", "[", BAD},
    {"[a", "a", BAD},
    {"[]", "]", BAD},
    {"[]a]", "a", BAD},
    {"[-a]", "a", BAD},
    {"[a-]", "a", BAD},
    {"[^]", "a", BAD},
    {"[a\\", "a", BAD},
    {"abc\\", "abc", BAD},
    {"x[", "completely different", BAD}, /* bad whatever the name is */
    {"*[", "", BAD},
};

static void test_match(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool bad = true;
        bool matched = kiln_glob_match(cases[i].pattern, cases[i].name, &bad);
        g_test_message("\"%s\" on \"%s\"", cases[i].pattern, cases[i].name);
        g_assert_cmpint(matched, ==, cases[i].verdict == YES);
        g_assert_cmpint(bad, ==, cases[i].verdict == BAD);
        g_assert_cmpint(kiln_glob_match(cases[i].pattern, cases[i].name, NULL), ==, matched);
    }
}

static void test_many_stars_are_not_slow(void)
{
    g_autoptr(GString) pattern = g_string_new(NULL), name = g_string_new(NULL);
    for (int i = 0; i < 1000; i++) {
        g_string_append(pattern, "*a");
        g_string_append(name, "aa");
    }
    g_string_append(pattern, "b");
    g_assert_false(kiln_glob_match(pattern->str, name->str, NULL));
}

static void test_has_wildcard(void)
{
    static const char *const with[] = {"*", "a?b", "x[0-9]", "\\\\*", "["};
    static const char *const without[] = {"", "plain", "\\*", "a\\?b\\[", "]", "{a,b}", "end\\"};
    for (guint i = 0; i < G_N_ELEMENTS(with); i++)
        g_assert_true(kiln_glob_has_wildcard(with[i]));
    for (guint i = 0; i < G_N_ELEMENTS(without); i++)
        g_assert_false(kiln_glob_has_wildcard(without[i]));
}

static void test_unescape(void)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"plain", "plain"}, {"a\\*b", "a*b"}, {"\\\\\\[", "\\["}, {"end\\", "end\\"}};
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *plain = kiln_glob_unescape(pairs[i][0]);
        g_assert_cmpstr(plain, ==, pairs[i][1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/glob/match", test_match);
    g_test_add_func("/glob/many-stars-are-not-slow", test_many_stars_are_not_slow);
    g_test_add_func("/glob/has-wildcard", test_has_wildcard);
    g_test_add_func("/glob/unescape", test_unescape);
    return g_test_run();
}

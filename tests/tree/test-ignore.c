#include "tree/ignore.h"

#include <string.h>

/* Patterns are separated by newlines, as in the file. */
static KilnIgnore *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    KilnIgnore *ignore = kiln_ignore_parse(text, strlen(text), ".dockerignore", &error);
    g_assert_no_error(error);
    return ignore;
}

static void check(const char *text, const char *path, bool expected)
{
    g_autoptr(KilnIgnore) ignore = parse(text);
    g_test_message("\"%s\" on \"%s\"", text, path);
    g_assert_cmpint(kiln_ignore_matches(ignore, path), ==, expected);
}

typedef struct {
    const char *patterns, *path;
    bool expected;
} Case;

static void check_all(const Case *cases, gsize n)
{
    for (gsize i = 0; i < n; i++)
        check(cases[i].patterns, cases[i].path, cases[i].expected);
}
#define CHECK_ALL(cases) check_all(cases, G_N_ELEMENTS(cases))

static void test_plain_names(void)
{
    static const Case cases[] = {
        {"", "a", false},
        {"target", "target", true},
        {"target", "targets", false},
        {"target", "sub/target", false}, /* unlike git, only at the root */
        {"target", "target/debug/app", true},
        {"target/debug", "target", false},
        {"node.js", "nodeXjs", false},
        {"a(1)+$x", "a(1)+$x", true},
        {"a^b|{c}", "a^b|{c}", true},
        {"*^b|{c}", "a^b|{c}", true},
    };
    CHECK_ALL(cases);
}

static void test_wildcards(void)
{
    static const Case cases[] = {
        {"*", "file", true},
        {"*", "dir/file", true}, /* its parent matches */
        {"*/x", "x", false},
        {"*/x", "a/x", true},
        {"*/x", "a/b/x", false},
        {"*.log", "a.log", true},
        {"*.log", "logs/a.log", false},
        {"*.log", "old.log/entry", true},
        {".*", ".git/config", true},
        {".*", "a.b", false},
        {"v?.txt", "v1.txt", true},
        {"v?.txt", "v.txt", false},
        {"v?.txt", "v/.txt", false},
        {"v?", "v\xc3\xb6", true},
        {"v?", "v\xf6", true},
        {"[a-c]*/x", "beta/x", true},
        {"[^a-c]*/x", "beta/x", false},
        {"\\*", "*", true},
        {"\\*", "x", false},
        {"\\!x", "!x", true},
        {"\\#x", "#x", true},
    };
    CHECK_ALL(cases);
}

static void test_double_star(void)
{
    static const Case cases[] = {
        {"**", "a", true},
        {"**", "a/b/c", true},
        {"**/", "a/b", true},
        {"**/**", "a", true},
        {"***", "a/b", true},
        {"**/dist", "dist", true},
        {"**/dist", "a/b/dist", true},
        {"**/dist", "a/dist/x", true},
        {"**/dist", "a/redist", false},
        {"**dist", "a/redist", true}, /* a suffix of the text */
        {"**di*", "a/redist", false}, /* but with another wildcard, whole components */
        {"**di*", "a/dist", true},
        {"**/*.o", "x.o", true},
        {"**/*.o", "src/lib/x.o", true},
        {"**/*.o", "src/lib/x.oo", false},
        {"**/a/*", "q/a/b", true},
        {"**/a/*", "q/a", false},
        {"**/a/**", "q/a/b/c", true},
        {"doc/**", "doc", false},
        {"doc/**", "doc/a/b", true},
        {"doc/**", "docs/a", false},
        {"doc**", "docs/a", true},
        {"doc/**/pdf", "doc/pdf", true},
        {"doc/**/pdf", "doc/a/b/pdf", true},
        {"doc/**/pdf", "doc/apdf", false},
        {"doc/**/*.pdf", "doc/a/b.pdf", true},
        {"a**/x", "a/x", true}, /* anything that ends in a slash, or nothing */
        {"a**/x", "ab/x", true},
        {"a**/x", "ax", true},
        {"a**/x", "abx", false},
        {"**/new", "with\nnewline/new", true},
    };
    CHECK_ALL(cases);
}

static void test_exclusions(void)
{
    static const Case cases[] = {
        {"*.md\n!README.md", "README.md", false},
        {"*.md\n!README.md", "NEWS.md", true},
        {"!README.md\n*.md", "README.md", true}, /* the last one decides */
        {"docs\n!docs/api", "docs/api", false},
        {"docs\n!docs/api", "docs/api/x", false},
        {"docs\n!docs/api", "docs/other", true},
        {"docs\n!docs/api\ndocs/api/x", "docs/api/x", true},
        {"docs\n!docs/api\ndocs/api/x", "docs/api/y", false},
        {"**\n!src/*.c", "src/a.c", false},
        {"**\n!src/*.c", "src/a.h", true},
        {"  ! spaced.txt \nspaced*", "spaced.txt", true},
        {"spaced*\n  ! spaced.txt ", "spaced.txt", false},
        {"x\n/!x", "x", false}, /* the slash goes first, and leaves an exclusion */
        {"!!x\nq", "q", true},
    };
    CHECK_ALL(cases);
}

static void test_reading(void)
{
    static const Case cases[] = {
        {"# a\n\n   \n#b\nc", "c", true},
        {"#x", "#x", false},
        {" #x", "#x", true}, /* a comment begins in the first column */
        {"\xef\xbb\xbf#x\ny", "y", true},
        {"\xef\xbb\xbfx", "x", true},
        {"x\r\ny\r\n", "x", true},
        {"x\r\ny\r\n", "y", true},
        {"\tx \t", "x", true},
        {"/x", "x", true},
        {"//x//", "x", true},
        {"./x/", "x", true},
        {"x/./y//z", "x/y/z", true},
        {"x/../y", "y", true},
        {"/../x", "x", true},
        {"../x", "x", false},
        {"a/../../x", "x", false},
        {"/", "x", false},
        {".", "x", false},
        {"!x/../../y\nz", "z", true},
        {"a b", "a b", true},
    };
    CHECK_ALL(cases);
}

static void test_context_itself_is_kept(void)
{
    check("**", "", false);
    check("*", ".", false);
    check(".", ".", false);
}

static void test_malformed(void)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"ok\n[", ".dockerignore:2:"}, {"a[b-]", ".dockerignore:1:"}, {"\n\n!", ".dockerignore:3:"},
        {"!/", ".dockerignore:1:"},    {"x\\", ".dockerignore:1:"},   {"![]", ".dockerignore:1:"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(
            kiln_ignore_parse(cases[i].text, strlen(cases[i].text), ".dockerignore", &error));
        g_assert_error(error, KILN_IGNORE_ERROR, 0);
        g_assert_true(g_str_has_prefix(error->message, cases[i].place));
    }
    g_autoptr(GError) error = NULL; /* UTF-16, as an editor may save it */
    g_assert_null(kiln_ignore_parse("\xff\xfe*\0", 4, "f", &error));
    g_assert_error(error, KILN_IGNORE_ERROR, 0);
}

static void test_prunes(void)
{
    static const Case cases[] = {
        {"node_modules", "node_modules", true},
        {"node_modules", "node_modules/deep/er", true},
        {"node_modules", "src", false}, /* not ignored at all */
        {"node_modules\n!node_modules/keep/x", "node_modules", false},
        {"node_modules\n!node_modules/keep/x", "node_modules/keep", false},
        {"node_modules\n!node_modules/keep/x", "node_modules/other", true},
        {"node_modules\n!node_modules_not", "node_modules", true},
        {"!README\nnode_modules", "node_modules", true},
        {"!node_modules/x\nnode_modules", "node_modules", true}, /* overruled again */
        {"*\n!src", "src", false},
        {"*\n!src", "doc", true},
        {"*\n!*/README", "doc", false},
        {"*\n!*/README", "doc/sub", true},
        {"*\n!**/README", "doc/sub", false},
        {"*\n!do?/sub[12]/x", "doc", false},
        {"*\n!do?/sub[12]/x", "doc/sub1", false},
        {"*\n!do?/sub[12]/x", "doc/sub3", true},
        {"*\n!**x", "doc", false},
        {"*\n!doc**", "doc", false},
        {"**", "", false},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(KilnIgnore) ignore = parse(cases[i].patterns);
        g_test_message("\"%s\" on \"%s\"", cases[i].patterns, cases[i].path);
        g_assert_cmpint(kiln_ignore_prunes(ignore, cases[i].path), ==, cases[i].expected);
    }
}

/* A slow, obvious matcher to compare with: the regular expression that patternmatcher documents for
 * each wildcard, tried on the path and each of its parents. */

static char *to_regex(const char *pattern)
{
    GString *s = g_string_new("^");
    if (g_str_has_prefix(pattern, "**") && pattern[2] && !strpbrk(pattern + 2, "*?[]\\")) {
        g_string_append_printf(s, pattern[2] == '/' ? "(.*/)?%s$" : ".*%s$",
                               pattern + 2 + (pattern[2] == '/'));
        return g_string_free(s, FALSE);
    }
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '*' && p[1] == '*') {
            p += p[2] == '/' ? 2 : 1;
            g_string_append(s, p[1] ? "(.*/)?" : ".*");
        } else if (*p == '*') {
            g_string_append(s, "[^/]*");
        } else if (*p == '?') {
            g_string_append(s, "[^/]");
        } else {
            g_string_append_c(s, *p);
        }
    }
    return g_string_free(g_string_append_c(s, '$'), FALSE);
}

static bool regex_matches(GRegex *regex, const char *path)
{
    for (gsize i = 1; i <= strlen(path); i++) {
        g_autofree char *parent = g_strndup(path, i);
        if ((path[i] == '/' || !path[i]) && g_regex_match(regex, parent, 0, NULL))
            return true;
    }
    return false;
}

/* Pieces without what Clean would change, so that the pattern is its own cleaned form. */
static char *random_text(GRand *rand, const char *const *pieces, guint n_pieces)
{
    GString *s = g_string_new(NULL);
    for (int length = g_rand_int_range(rand, 1, 8); length > 0; length--) {
        const char *piece = pieces[g_rand_int_range(rand, 0, (gint32)n_pieces)];
        if (*piece == '/' && (!s->len || s->str[s->len - 1] == '/'))
            continue;
        g_string_append(s, piece);
    }
    while (s->len && s->str[s->len - 1] == '/')
        g_string_truncate(s, s->len - 1);
    if (!s->len)
        g_string_append_c(s, 'a');
    return g_string_free(s, FALSE);
}

static const char *const path_pieces[] = {"a", "b", "/", "a", "/"};

static void test_agrees_with_regular_expressions(void)
{
    static const char *const pieces[] = {"a", "b", "/", "/", "*", "**", "**/", "?", "[ab]"};
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    for (int i = 0; i < 2000; i++) {
        g_autofree char *pattern = random_text(rand, pieces, G_N_ELEMENTS(pieces));
        g_autofree char *expression = to_regex(pattern);
        g_autoptr(GRegex) regex = g_regex_new(expression, G_REGEX_DOTALL, 0, NULL);
        g_assert_nonnull(regex);
        g_autoptr(KilnIgnore) ignore = parse(pattern);
        for (int j = 0; j < 20; j++) {
            g_autofree char *path = random_text(rand, path_pieces, G_N_ELEMENTS(path_pieces));
            g_test_message("\"%s\" on \"%s\"", pattern, path);
            g_assert_cmpint(kiln_ignore_matches(ignore, path), ==, regex_matches(regex, path));
        }
    }
}

static void test_pruned_holds_nothing(void)
{
    static const char *const pieces[] = {"a", "b", "/", "*", "**/", "?"};
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    guint pruned = 0;
    for (int i = 0; i < 3000; i++) {
        g_autofree char *one = random_text(rand, pieces, G_N_ELEMENTS(pieces));
        g_autofree char *two = random_text(rand, pieces, G_N_ELEMENTS(pieces));
        g_autofree char *text = g_strdup_printf("%s\n!%s", one, two);
        g_autoptr(KilnIgnore) ignore = parse(text);
        g_autofree char *dir = random_text(rand, path_pieces, 3);
        if (!kiln_ignore_prunes(ignore, dir))
            continue;
        pruned++;
        g_assert_true(kiln_ignore_matches(ignore, dir));
        for (int j = 0; j < 30; j++) {
            g_autofree char *below = random_text(rand, path_pieces, G_N_ELEMENTS(path_pieces));
            g_autofree char *path = g_strdup_printf("%s/%s", dir, below);
            g_test_message("\"%s\" on \"%s\"", text, path);
            g_assert_true(kiln_ignore_matches(ignore, path));
        }
    }
    g_assert_cmpuint(pruned, >, 300);
}

static void test_long_and_deep_paths(void)
{
    g_autoptr(GString) deep = g_string_new("top"), long_name = g_string_new(NULL);
    for (int i = 0; i < 2000; i++)
        g_string_append(deep, "/a");
    for (int i = 0; i < 4000; i++)
        g_string_append_c(long_name, 'a');
    g_string_append(deep, "/end.txt");
    check("**/end.txt", deep->str, true);
    check("**/*.txt", deep->str, true);
    check("**/a/**/a/**/*.md", deep->str, false);
    check("top/**/e?d.txt", deep->str, true);
    check("*a*a*a*a*a*a*a*a*b", long_name->str, false);
    check("*a*a*a*a*a*a*a*a", long_name->str, true);
}

/* Run with -m perf. */
static void test_speed(void)
{
    if (!g_test_perf()) {
        g_test_skip("a measurement: run with -m perf");
        return;
    }
    static const char text[] = ".git\n.github\nnode_modules\n**/node_modules\n**/*.log\n*.md\n"
                               "!README.md\n**/.DS_Store\ndist\nbuild/**\n**/__pycache__\n"
                               "**/*.py[cod]\n.env*\nDockerfile*\n**/test/**/*.snap\ncoverage\n"
                               "tmp/*/cache\n**/*~\n!dist/keep\ndocs/**/*.pdf";
    enum { PATHS = 20000 };
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < PATHS; i++)
        g_ptr_array_add(paths, g_strdup_printf("src/packages/module%d/lib/component%d/index%d.js",
                                               i % 50, i % 700, i));
    g_test_timer_start();
    g_autoptr(KilnIgnore) ignore = parse(text);
    guint ignored = 0;
    for (int i = 0; i < PATHS; i++)
        ignored += kiln_ignore_matches(ignore, g_ptr_array_index(paths, i));
    double seconds = g_test_timer_elapsed();
    g_test_minimized_result(seconds, "%d paths on 20 patterns: %.1f ms", PATHS, seconds * 1e3);
    g_assert_cmpuint(ignored, ==, 0);
}

static void test_list(void)
{
    const char *patterns[] = {"#a", " b ", "", "/c", "d\ne", "!d\ne/f", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnIgnore) ignore = kiln_ignore_new(patterns, "--exclude", &error);
    g_assert_no_error(error);
    g_assert_true(kiln_ignore_matches(ignore, "#a"));
    g_assert_true(kiln_ignore_matches(ignore, "b"));
    g_assert_false(kiln_ignore_matches(ignore, "c")); /* "/c" is no relative path */
    g_assert_true(kiln_ignore_matches(ignore, "d\ne/g"));
    g_assert_false(kiln_ignore_matches(ignore, "d\ne/f"));
    g_assert_false(kiln_ignore_matches(ignore, "e"));

    const char *const bad[] = {"[a-", "!"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *one[] = {"x", bad[i], NULL};
        g_assert_null(kiln_ignore_new(one, "--exclude", &error));
        g_assert_true(g_str_has_prefix(error->message, "--exclude: "));
        g_clear_error(&error);
    }
}

static void test_explain(void)
{
    g_autoptr(KilnIgnore) ignore = parse("# comment\n*.o\n\n!keep.o\nbuild/\n");
    g_autofree char *object = kiln_ignore_explain(ignore, "a.o");
    g_assert_cmpstr(object, ==, "the pattern \"*.o\" (.dockerignore:2)");
    g_autofree char *parent = kiln_ignore_explain(ignore, "build/x/y");
    g_assert_cmpstr(parent, ==, "the pattern \"build\" (.dockerignore:5)");
    g_assert_null(kiln_ignore_explain(ignore, "keep.o"));
    g_assert_null(kiln_ignore_explain(ignore, "other"));
    g_assert_null(kiln_ignore_explain(ignore, ""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ignore/plain-names", test_plain_names);
    g_test_add_func("/ignore/wildcards", test_wildcards);
    g_test_add_func("/ignore/double-star", test_double_star);
    g_test_add_func("/ignore/exclusions", test_exclusions);
    g_test_add_func("/ignore/reading", test_reading);
    g_test_add_func("/ignore/context-itself-is-kept", test_context_itself_is_kept);
    g_test_add_func("/ignore/malformed", test_malformed);
    g_test_add_func("/ignore/prunes", test_prunes);
    g_test_add_func("/ignore/agrees-with-regular-expressions",
                    test_agrees_with_regular_expressions);
    g_test_add_func("/ignore/pruned-holds-nothing", test_pruned_holds_nothing);
    g_test_add_func("/ignore/long-and-deep-paths", test_long_and_deep_paths);
    g_test_add_func("/ignore/speed", test_speed);
    g_test_add_func("/ignore/list", test_list);
    g_test_add_func("/ignore/explain", test_explain);
    return g_test_run();
}

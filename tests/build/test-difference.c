/* What is said of two keys that differ; and keys' parts. */
#include "build/difference.h"

typedef void (*Fill)(KilnKey *k);

static KilnKeyParts *parts_of(Fill fill, char **key)
{
    g_autoptr(KilnKey) k = kiln_key_new(true);
    g_autoptr(GBytes) bytes = NULL;
    fill(k);
    *key = kiln_key_finish(k, &bytes);
    g_autoptr(KilnKey) plain = kiln_key_new(false);
    fill(plain);
    g_autofree char *same = kiln_key_finish(plain, NULL);
    g_assert_cmpstr(same, ==, *key); /* whether parts are kept or not */
    KilnKeyParts *parts = kiln_key_parts_read(bytes);
    g_assert_nonnull(parts);
    return parts;
}

static void add_file(KilnKey *k, const char *path, guint16 mode, guint8 first)
{
    KilnEntry e = {.path = path, .type = KILN_TYPE_FILE, .mode = mode, .has_digest = true, .digest = {first}};
    kiln_key_entry(k, &e, "");
}

static void old_copy(KilnKey *k)
{
    kiln_key_number(k, "files", NULL, 4);
    add_file(k, "a", 0644, 1);
    add_file(k, "b", 0644, 1);
    add_file(k, "gone", 0644, 1);
    add_file(k, "same", 0644, 1);
}

static void new_copy(KilnKey *k)
{
    kiln_key_number(k, "files", NULL, 4);
    add_file(k, "a", 0755, 1);
    add_file(k, "b", 0644, 2);
    add_file(k, "new", 0644, 1);
    add_file(k, "same", 0644, 1);
}

static void old_run(KilnKey *k)
{
    char *command[] = {(char *)"/bin/sh", (char *)"-c", (char *)"npm ci --quiet", NULL};
    char *env[] = {(char *)"PATH=/bin", (char *)"A=1", (char *)"LESS=x", NULL};
    kiln_key_list(k, "command", command);
    kiln_key_variables(k, "variable", env);
    kiln_key_note(k, "input", "0", "k@1 [1/2] FROM x");
}

static void new_run(KilnKey *k)
{
    char *command[] = {(char *)"/bin/sh", (char *)"-c", (char *)"npm install --quiet", NULL};
    char *env[] = {(char *)"PATH=/bin", (char *)"A=2", (char *)"MORE=", NULL};
    kiln_key_list(k, "command", command);
    kiln_key_variables(k, "variable", env);
    kiln_key_note(k, "input", "0", "k@2 [1/2] FROM x");
}

static void check(Fill old, Fill now, const char *line)
{
    g_autofree char *key = NULL, *other = NULL;
    g_autoptr(KilnKeyParts) before = parts_of(old, &key), after = parts_of(now, &other);
    g_autoptr(KilnDifferences) d = kiln_differences_new(before, after);
    g_autofree char *text = kiln_differences_line(d);
    g_assert_cmpstr(text, ==, line);
    g_assert_cmpint(g_strcmp0(key, other) == 0, ==, old == now);
}

static void test_lines(void)
{
    check(old_copy, new_copy, "4 of 5 files changed: a, b, new (new), …");
    check(old_run, new_run,
          "command: /bin/sh -c npm [-ci-] {+install+} --quiet; variable A: \"1\" became \"2\"; "
          "variable MORE is new: \"\"; variable LESS is gone");
    check(old_run, old_run, NULL);
}

static void test_files(void)
{
    g_autofree char *key = NULL, *other = NULL;
    g_autoptr(KilnKeyParts) before = parts_of(old_copy, &key), after = parts_of(new_copy, &other);
    g_autoptr(KilnDifferences) d = kiln_differences_new(before, after);
    static const char *const texts[] = {"a: mode 0644 became 0755",
                                        "b: content sha256:010000000000 became sha256:020000000000", "new: is new",
                                        "gone: is gone"};
    g_assert_cmpuint(kiln_differences_length(d), ==, G_N_ELEMENTS(texts));
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = kiln_difference_text(kiln_differences_get(d, i));
        g_assert_cmpstr(text, ==, texts[i]);
    }
}

static void test_word_diff(void)
{
    static const char *const cases[][3] = {
        {"a b c", "a b c", "a b c"},
        {"a b", "a x b", "a {+x+} b"},
        {"a x b", "a b", "a [-x-] b"},
        {"", "a", "[--] {+a+}"},
        {"a b c d", "x y", "[-a b c d-] {+x y+}"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = kiln_word_diff(cases[i][0], cases[i][1]);
        if (*cases[i][0])
            g_assert_cmpstr(text, ==, cases[i][2]);
    }
}

/* What is no list of parts is none, and never read beyond its end. */
static void test_damaged_parts(void)
{
    g_autoptr(KilnKey) k = kiln_key_new(true);
    g_autoptr(GBytes) bytes = NULL;
    new_run(k);
    g_autofree char *key = kiln_key_finish(k, &bytes);
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    for (gsize n = 0; n < size; n++) {
        g_autoptr(GBytes) cut = g_bytes_new(data, n);
        g_assert_null(kiln_key_parts_read(cut));
    }
}

static void test_neighbours(void)
{
    g_autoptr(KilnKey) a = kiln_key_new(false), b = kiln_key_new(false), c = kiln_key_new(false);
    kiln_key_text(a, "x", "ab", "c");
    kiln_key_text(b, "x", "a", "bc");
    kiln_key_text(c, "x", "ab", NULL);
    g_autofree char *one = kiln_key_finish(a, NULL), *two = kiln_key_finish(b, NULL), *three = kiln_key_finish(c, NULL);
    g_assert_cmpstr(one, !=, two);
    g_assert_cmpstr(one, !=, three);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/difference/lines", test_lines);
    g_test_add_func("/difference/files", test_files);
    g_test_add_func("/difference/words", test_word_diff);
    g_test_add_func("/key/damaged-parts", test_damaged_parts);
    g_test_add_func("/key/neighbours", test_neighbours);
    return g_test_run();
}

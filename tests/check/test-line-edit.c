/* Diffs of changed lines: what patch would read. */
#include "check/line-edit.h"

#include <string.h>

static KilnLineEdit *edit_of(const char *text)
{
    return kiln_line_edit_new(text, strlen(text));
}

static void test_move(void)
{
    g_autoptr(KilnLineEdit) e = edit_of("1\n2\n3\n4\n5\n6\n7\n");
    kiln_line_edit_remove(e, 4, 4);
    kiln_line_edit_insert(e, 4, "new");
    kiln_line_edit_copy(e, 5, 4, 4);
    g_autofree char *diff = kiln_line_edit_diff(e, "Dockerfile");
    g_assert_cmpstr(diff, ==,
                    "--- Dockerfile\n+++ Dockerfile\n@@ -1,7 +1,8 @@\n 1\n 2\n 3\n-4\n+new\n 5\n+4\n 6\n 7\n");
}

static void test_nothing(void)
{
    g_autoptr(KilnLineEdit) e = edit_of("1\n");
    g_assert_null(kiln_line_edit_diff(e, "Dockerfile"));
    g_autoptr(KilnLineEdit) empty = edit_of("");
    g_assert_null(kiln_line_edit_diff(empty, "Dockerfile"));
}

static void test_two_hunks(void)
{
    g_autoptr(KilnLineEdit) e = edit_of("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
    kiln_line_edit_insert(e, 1, "a");
    kiln_line_edit_remove(e, 12, 12);
    g_autofree char *diff = kiln_line_edit_diff(e, "a b");
    g_assert_cmpstr(diff, ==,
                    "--- a b\t\n+++ a b\t\n@@ -1,4 +1,5 @@\n 1\n+a\n 2\n 3\n 4\n"
                    "@@ -9,4 +10,3 @@\n 9\n 10\n 11\n-12\n");
}

/* Changes with six lines between them are one hunk, as in diff. */
static void test_near(void)
{
    g_autoptr(KilnLineEdit) e = edit_of("1\n2\n3\n4\n5\n6\n7\n8\n");
    kiln_line_edit_remove(e, 1, 1);
    kiln_line_edit_remove(e, 8, 8);
    g_autofree char *diff = kiln_line_edit_diff(e, "f");
    g_assert_cmpstr(diff, ==, "--- f\n+++ f\n@@ -1,8 +1,6 @@\n-1\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n");
}

static void test_ends(void)
{
    g_autoptr(KilnLineEdit) e = edit_of("1\r\n2\r\n3");
    kiln_line_edit_remove(e, 1, 1);
    kiln_line_edit_insert(e, 1, "new");
    kiln_line_edit_copy(e, 3, 1, 1);
    g_autofree char *diff = kiln_line_edit_diff(e, "f");
    g_assert_cmpstr(diff, ==,
                    "--- f\n+++ f\n@@ -1,3 +1,4 @@\n-1\r\n+new\r\n 2\r\n-3\n\\ No newline at end of file\n"
                    "+3\r\n+1\r\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check/line-edit/move", test_move);
    g_test_add_func("/check/line-edit/nothing", test_nothing);
    g_test_add_func("/check/line-edit/two-hunks", test_two_hunks);
    g_test_add_func("/check/line-edit/near", test_near);
    g_test_add_func("/check/line-edit/ends", test_ends);
    return g_test_run();
}

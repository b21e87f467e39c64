/* The wish to end a build. */
#include "build/cancel.h"

static void test_is_set_once(void)
{
    GError *error = NULL;
    KilnCancel *c = kiln_cancel_new();
    g_assert_false(kiln_cancel_check(c, &error));
    g_assert_no_error(error);
    kiln_cancel_trigger(c);
    kiln_cancel_trigger(c);
    for (int i = 0; i < 2; i++) {
        g_assert_true(kiln_cancel_check(c, &error));
        g_assert_error(error, KILN_CANCEL_ERROR, 0);
        g_clear_error(&error);
    }
    g_assert_true(kiln_cancel_check(c, NULL));
    kiln_cancel_free(c);
}

/* The engine's own wish can be taken back, the user's stays. */
static void test_stop_and_resume(void)
{
    KilnCancel *c = kiln_cancel_new();
    kiln_cancel_stop(c);
    g_assert_true(kiln_cancel_check(c, NULL));
    kiln_cancel_resume(c);
    g_assert_false(kiln_cancel_check(c, NULL));
    kiln_cancel_stop(c);
    kiln_cancel_trigger(c);
    kiln_cancel_resume(c);
    g_assert_true(kiln_cancel_check(c, NULL));
    kiln_cancel_free(c);
}

static gpointer trigger(gpointer c)
{
    kiln_cancel_trigger(c);
    return NULL;
}

static void test_another_thread(void)
{
    KilnCancel *c = kiln_cancel_new();
    GThread *t = g_thread_new("front", trigger, c);
    while (!kiln_cancel_check(c, NULL))
        g_thread_yield();
    g_thread_join(t);
    kiln_cancel_free(c);
}

/* A step that ends because of it has not failed. */
static void test_verdicts(void)
{
    g_autoptr(GError) canceled = g_error_new_literal(KILN_CANCEL_ERROR, 0, "canceled");
    g_autoptr(GError) failed = g_error_new_literal(G_FILE_ERROR, 0, "canceled");
    g_assert_cmpint(kiln_verdict_of(NULL), ==, KILN_VERDICT_DONE);
    g_assert_cmpint(kiln_verdict_of(canceled), ==, KILN_VERDICT_CANCELED);
    g_assert_cmpint(kiln_verdict_of(failed), ==, KILN_VERDICT_ERROR);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cancel/set", test_is_set_once);
    g_test_add_func("/cancel/stop", test_stop_and_resume);
    g_test_add_func("/cancel/thread", test_another_thread);
    g_test_add_func("/cancel/verdicts", test_verdicts);
    return g_test_run();
}

/* Kept builds: what is put is found, old ones go, and who asks for what is not there is told. */
#include "place.h"

static gint64 put(Place *p, const char *project, guint n_steps, GBytes *log, guint keep)
{
    g_autoptr(GError) error = NULL;
    g_autofree KilnBuildStepRow *steps = g_new0(KilnBuildStepRow, n_steps + 1);
    for (guint i = 0; i < n_steps; i++)
        steps[i] = (KilnBuildStepRow){.position = i,
                                      .stage = (char *)"0",
                                      .name = (char *)"RUN true",
                                      .line = i + 2,
                                      .verdict = (char *)(i ? "done" : "cached"),
                                      .key = (char *)"sha256:1",
                                      .layer = 7,
                                      .started = 10 * i,
                                      .duration = 5,
                                      .cause = (char *)(i ? "a file changed" : NULL)};
    KilnBuildRow b = {.started = 1000000,
                      .duration = 2000,
                      .status = (char *)"built",
                      .project = (char *)project,
                      .context = (char *)"/src",
                      .dockerfile = (char *)"Dockerfile",
                      .names = (char *)"a:latest b:latest"};
    gint64 id = kiln_build_put(p->store, &b, steps, n_steps, log, keep, &error);
    g_assert_no_error(error);
    g_assert_cmpint(id, >, 0);
    return id;
}

static void test_put(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) log = g_bytes_new("l\0g", 3);
    gint64 id = put(p, "one", 3, log, 10);
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, id);
    g_autoptr(KilnBuildRow) b = kiln_build_get(p->store, text, &error);
    g_assert_no_error(error);
    g_assert_cmpint(b->id, ==, id);
    g_assert_cmpint(b->started, ==, 1000000);
    g_assert_cmpint(b->duration, ==, 2000);
    g_assert_cmpstr(b->status, ==, "built");
    g_assert_cmpstr(b->project, ==, "one");
    g_assert_cmpstr(b->context, ==, "/src");
    g_assert_cmpstr(b->dockerfile, ==, "Dockerfile");
    g_assert_cmpstr(b->names, ==, "a:latest b:latest");
    g_assert_null(b->target);
    g_assert_null(b->image);
    g_assert_null(b->error);

    g_autoptr(GPtrArray) steps = kiln_build_steps(p->store, id, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(steps->len, ==, 3);
    const KilnBuildStepRow *first = steps->pdata[0], *s = steps->pdata[2];
    g_assert_cmpstr(first->verdict, ==, "cached");
    g_assert_null(first->cause);
    g_assert_cmpint(s->position, ==, 2);
    g_assert_cmpstr(s->stage, ==, "0");
    g_assert_cmpstr(s->name, ==, "RUN true");
    g_assert_cmpint(s->line, ==, 4);
    g_assert_cmpstr(s->verdict, ==, "done");
    g_assert_cmpstr(s->key, ==, "sha256:1");
    g_assert_cmpint(s->layer, ==, 7);
    g_assert_cmpint(s->size, ==, -1);
    g_assert_cmpint(s->started, ==, 20);
    g_assert_cmpint(s->duration, ==, 5);
    g_assert_cmpstr(s->cause, ==, "a file changed");
    g_autoptr(GBytes) kept = kiln_build_log(p->store, id);
    g_assert_true(g_bytes_equal(kept, log));
}

static void test_list(Place *p, gconstpointer data)
{
    (void)data;
    gint64 ids[] = {put(p, "one", 1, NULL, 10), put(p, "two", 1, NULL, 10), put(p, "one", 1, NULL, 10)};
    g_autoptr(GPtrArray) all = kiln_builds_list(p->store, NULL, 0, NULL);
    g_assert_cmpuint(all->len, ==, 3);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(((KilnBuildRow *)all->pdata[i])->id, ==, ids[2 - i]);
    g_autoptr(GPtrArray) one = kiln_builds_list(p->store, "one", 0, NULL);
    g_assert_cmpuint(one->len, ==, 2);
    g_autoptr(GPtrArray) newest = kiln_builds_list(p->store, "one", 1, NULL);
    g_assert_cmpuint(newest->len, ==, 1);
    g_assert_cmpint(((KilnBuildRow *)newest->pdata[0])->id, ==, ids[2]);
}

static void test_old_ones_go(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GBytes) log = g_bytes_new("l", 1);
    gint64 ids[5];
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        ids[i] = put(p, "one", 2, log, 3);
    g_autoptr(GPtrArray) all = kiln_builds_list(p->store, NULL, 0, NULL);
    g_assert_cmpuint(all->len, ==, 3);
    g_assert_cmpint(((KilnBuildRow *)all->pdata[2])->id, ==, ids[2]);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GPtrArray) steps = kiln_build_steps(p->store, ids[i], NULL);
        g_autoptr(GBytes) kept = kiln_build_log(p->store, ids[i]);
        g_assert_cmpuint(steps->len, ==, i < 2 ? 0 : 2);
        g_assert_true((kept != NULL) == (i >= 2));
    }
    put(p, "one", 2, log, 0); /* none is kept */
    g_autoptr(GPtrArray) none = kiln_builds_list(p->store, NULL, 0, NULL);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpint(put(p, "one", 0, NULL, 3), ==, ids[4] + 2); /* numbers are never given again */
}

static void test_which(Place *p, gconstpointer data)
{
    (void)data;
    static const char *const wrong[] = {"", "^", "x", "-1", "1x", "^-1", "last1", "99999999999999999999", "^7", "99"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_build_get(p->store, wrong[i], &error));
        g_assert_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_build_get(p->store, "last", &error));
    g_assert_nonnull(strstr(error->message, "no build is kept"));

    gint64 one = put(p, "one", 0, NULL, 10), two = put(p, "two", 0, NULL, 10);
    g_autoptr(KilnBuildRow) last = kiln_build_get(p->store, "last", NULL);
    g_autoptr(KilnBuildRow) same = kiln_build_get(p->store, "^0", NULL);
    g_autoptr(KilnBuildRow) before = kiln_build_get(p->store, "^1", NULL);
    g_assert_cmpint(last->id, ==, two);
    g_assert_cmpint(same->id, ==, two);
    g_assert_cmpint(before->id, ==, one);
}

static void test_remove(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    gint64 one = put(p, "one", 2, NULL, 10), two = put(p, "one", 2, NULL, 10);
    g_assert_true(kiln_build_remove(p->store, one, &error));
    g_assert_no_error(error);
    g_autoptr(GPtrArray) gone = kiln_build_steps(p->store, one, NULL);
    g_autoptr(GPtrArray) kept = kiln_build_steps(p->store, two, NULL);
    g_assert_cmpuint(gone->len, ==, 0);
    g_assert_cmpuint(kept->len, ==, 2);
    g_assert_null(kiln_build_get(p->store, "^1", NULL));
}

/* A build of which all was cached has nothing that the disk must have. */
static void test_history_alone(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *digest = NULL;
    g_assert_false(kiln_store_needs_confirming(p->store));
    put(p, "one", 1, NULL, 10);
    g_assert_false(kiln_store_needs_confirming(p->store));
    g_assert_true(kiln_blob_put_bytes(p->store, "x", 1, &digest, &error));
    g_assert_true(kiln_store_needs_confirming(p->store));
    g_assert_true(kiln_store_confirm(p->store, &error));
    g_assert_no_error(error);
    g_assert_false(kiln_store_needs_confirming(p->store));
    for (guint i = 0; i < 40; i++) { /* but the log must not grow for ever */
        g_autofree char *noise = g_malloc(60000);
        memset(noise, (int)i, 60000);
        g_autoptr(GBytes) log = g_bytes_new_take(g_steal_pointer(&noise), 60000);
        put(p, "one", 1, log, 100);
    }
    g_assert_true(kiln_store_needs_confirming(p->store));
}

#define ADD(path, func) g_test_add("/store/builds/" path, Place, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("put", test_put);
    ADD("list", test_list);
    ADD("old-ones-go", test_old_ones_go);
    ADD("which", test_which);
    ADD("remove", test_remove);
    ADD("history-alone", test_history_alone);
    return g_test_run();
}

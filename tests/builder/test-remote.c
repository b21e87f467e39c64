/* Asking the front for kiln-remote: the test is the front. */
#include "builder/remote.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    KilnWire *builder, *front;
    KilnRemote *remote;
    json_object *done;
    GError *error;
    GString *progress;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    int ends[2];
    (void)data;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    f->builder = kiln_wire_new(ends[0]);
    f->front = kiln_wire_new(ends[1]);
    f->remote = kiln_remote_new(f->builder);
    f->progress = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    kiln_remote_free(f->remote);
    kiln_wire_free(f->builder);
    kiln_wire_free(f->front);
    json_object_put(f->done);
    g_clear_error(&f->error);
    g_string_free(f->progress, TRUE);
}

static void note(const char *what, gint64 done, gint64 total, void *data)
{
    g_string_append_printf(data, "%s %d/%d;", what, (int)done, (int)total);
}

static gpointer run(gpointer fixture)
{
    Fixture *f = fixture;
    const char *argv[] = {"pull", "name", NULL};
    f->done = kiln_remote_run(f->remote, argv, note, f->progress, &f->error);
    return NULL;
}

/* Runs it in a thread, checks the request and hands `lines` over; %d stands for its id. */
static void answer(Fixture *f, const char *const *lines)
{
    GThread *t = g_thread_new("remote", run, f);
    json_object *request = kiln_wire_receive(f->front), *value;
    g_assert_true(json_object_object_get_ex(request, "argv", &value));
    g_assert_cmpstr(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), ==,
                    "[\"pull\",\"name\"]");
    g_assert_true(json_object_object_get_ex(request, "id", &value));
    for (; *lines; lines++) {
        GString *text = g_string_new(*lines);
        g_string_replace(text, "%d", json_object_get_string(value), 0);
        json_object *message = json_tokener_parse(text->str);
        kiln_remote_message(f->remote, message);
        json_object_put(message);
        g_string_free(text, TRUE);
    }
    json_object_put(request);
    g_thread_join(t);
    g_assert_true((f->done != NULL) == (f->error == NULL));
}

static void test_done(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char *const lines[] = {
        "{\"id\":999,\"line\":{\"event\":\"error\",\"message\":\"another's\"}}",
        "{\"line\":{\"event\":\"error\",\"message\":\"nobody's\"}}",
        "{\"id\":%d,\"line\":{\"event\":\"progress\",\"what\":\"layer\",\"done\":1,\"total\":2}}",
        "{\"id\":%d,\"line\":{\"event\":\"done\",\"digest\":\"sha256:x\"}}",
        "{\"id\":%d,\"exit\":0}",
        NULL};
    answer(f, lines);
    g_assert_no_error(f->error);
    json_object *digest;
    g_assert_true(json_object_object_get_ex(f->done, "digest", &digest));
    g_assert_cmpstr(json_object_get_string(digest), ==, "sha256:x");
    g_assert_cmpstr(f->progress->str, ==, "layer 1/2;");
}

static void test_failures(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char *const said[] = {
        "{\"id\":%d,\"line\":{\"event\":\"error\",\"message\":\"no such image\"}}",
        "{\"id\":%d,\"exit\":1}", NULL};
    static const char *const silent[] = {"{\"id\":%d,\"exit\":3}", NULL};
    static const char *const nothing[] = {"{\"id\":%d,\"exit\":0}", NULL};
    /* what it said before it failed is not the answer */
    static const char *const late[] = {"{\"id\":%d,\"line\":{\"event\":\"done\"}}",
                                       "{\"id\":%d,\"exit\":2}", NULL};
    static const struct {
        const char *const *lines;
        const char *says;
    } cases[] = {{said, "no such image"},
                 {silent, "status 3"},
                 {nothing, "said nothing"},
                 {late, "status 2"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        answer(f, cases[i].lines);
        g_assert_error(f->error, KILN_REMOTE_ERROR, 0);
        g_assert_nonnull(strstr(f->error->message, cases[i].says));
        g_clear_error(&f->error);
    }
}

/* The front is gone: who waits fails, and so does who comes later. */
static void test_abandoned(Fixture *f, gconstpointer data)
{
    (void)data;
    GThread *t = g_thread_new("remote", run, f);
    json_object_put(kiln_wire_receive(f->front));
    kiln_remote_abandon(f->remote);
    g_thread_join(t);
    g_assert_error(f->error, KILN_REMOTE_ERROR, 0);
    g_clear_error(&f->error);
    run(f);
    g_assert_error(f->error, KILN_REMOTE_ERROR, 0);
}

#define ADD(name, function) g_test_add("/remote/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("done", test_done);
    ADD("failures", test_failures);
    ADD("abandoned", test_abandoned);
    return g_test_run();
}

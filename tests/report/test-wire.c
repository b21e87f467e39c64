#include "report/wire.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    KilnWire *a, *b;
    int raw; /* the fd of a */
} Pair;

static void set_up(Pair *p, gconstpointer data)
{
    int fds[2];
    (void)data;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    p->raw = fds[0];
    p->a = kiln_wire_new(fds[0]);
    p->b = kiln_wire_new(fds[1]);
}

static void tear_down(Pair *p, gconstpointer data)
{
    (void)data;
    kiln_wire_free(p->a);
    kiln_wire_free(p->b);
}

static void write_raw(Pair *p, const char *text)
{
    g_assert_cmpint(write(p->raw, text, strlen(text)), ==, (gssize)strlen(text));
}

static void assert_receives(KilnWire *w, const char *expected)
{
    json_object *o = kiln_wire_receive(w);
    g_assert_nonnull(o);
    g_assert_cmpstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), ==, expected);
    json_object_put(o);
}

static void test_objects(Pair *p, gconstpointer data)
{
    (void)data;
    json_object *o = json_object_new_object();
    json_object_object_add(o, "text", json_object_new_string("a\nb"));
    g_assert_true(kiln_wire_send(p->a, o));
    g_assert_true(kiln_wire_send(p->a, o));
    json_object_put(o);
    assert_receives(p->b, "{\"text\":\"a\\nb\"}");
    assert_receives(p->b, "{\"text\":\"a\\nb\"}");
}

/* A path may hold bytes that are no UTF-8; it must arrive as it is. */
static void test_raw_bytes(Pair *p, gconstpointer data)
{
    (void)data;
    json_object *value, *o = json_object_new_object();
    json_object_object_add(o, "context", json_object_new_string("/tmp/caf\xe9"));
    g_assert_true(kiln_wire_send(p->a, o));
    json_object_put(o);
    o = kiln_wire_receive(p->b);
    g_assert_true(json_object_object_get_ex(o, "context", &value));
    g_assert_cmpstr(json_object_get_string(value), ==, "/tmp/caf\xe9");
    json_object_put(o);
}

static void test_pieces(Pair *p, gconstpointer data)
{
    (void)data;
    write_raw(p, "{\"a\":1}\n{\"b\"");
    g_assert_false(kiln_wire_pending(p->b)); /* nothing has been taken in */
    g_assert_true(kiln_wire_fill(p->b));
    g_assert_true(kiln_wire_pending(p->b));
    assert_receives(p->b, "{\"a\":1}");
    g_assert_false(kiln_wire_pending(p->b));
    g_assert_true(kiln_wire_fill(p->b)); /* would wait: nothing changes */
    g_assert_false(kiln_wire_pending(p->b));
    write_raw(p, ":2}\n");
    g_assert_true(kiln_wire_fill(p->b));
    assert_receives(p->b, "{\"b\":2}");
}

static gpointer send_large(gpointer data)
{
    g_autofree char *text = g_strnfill(5 << 20, 'x');
    json_object *o = json_object_new_object();
    json_object_object_add(o, "data", json_object_new_string(text));
    bool sent = kiln_wire_send(data, o);
    json_object_put(o);
    return GINT_TO_POINTER(sent);
}

static void test_large(Pair *p, gconstpointer data)
{
    (void)data;
    GThread *thread = g_thread_new("sender", send_large, p->a);
    json_object *value, *o = kiln_wire_receive(p->b);
    g_assert_true(json_object_object_get_ex(o, "data", &value));
    g_assert_cmpint(json_object_get_string_len(value), ==, 5 << 20);
    json_object_put(o);
    g_assert_true(GPOINTER_TO_INT(g_thread_join(thread)));
}

static gpointer send_endless(gpointer data)
{
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    while (send(*(int *)data, text, 1 << 20, MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

static void test_too_long(Pair *p, gconstpointer data)
{
    (void)data;
    GThread *thread = g_thread_new("sender", send_endless, &p->raw);
    g_assert_null(kiln_wire_receive(p->b));
    shutdown(kiln_wire_fd(p->b), SHUT_RDWR);
    g_thread_join(thread);
}

static void test_malformed(Pair *p, gconstpointer data)
{
    write_raw(p, data);
    write_raw(p, "{\"good\":1}\n");
    g_assert_null(kiln_wire_receive(p->b));
    g_assert_null(kiln_wire_receive(p->b)); /* what follows is not trusted */
    g_assert_false(kiln_wire_fill(p->b));
}

static void test_end(Pair *p, gconstpointer data)
{
    (void)data;
    write_raw(p, "{\"a\":1}\n{\"half");
    shutdown(p->raw, SHUT_WR);
    assert_receives(p->b, "{\"a\":1}");
    g_assert_null(kiln_wire_receive(p->b));
}

/* The other side is gone: an answer, no SIGPIPE. */
static void test_send_to_none(Pair *p, gconstpointer data)
{
    (void)data;
    shutdown(kiln_wire_fd(p->b), SHUT_RDWR);
    json_object *o = json_object_new_object();
    g_assert_false(kiln_wire_send(p->a, o));
    json_object_put(o);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, data, function) g_test_add(name, Pair, data, set_up, function, tear_down)
    ADD("/report/wire/objects", NULL, test_objects);
    ADD("/report/wire/raw-bytes", NULL, test_raw_bytes);
    ADD("/report/wire/pieces", NULL, test_pieces);
    ADD("/report/wire/large", NULL, test_large);
    ADD("/report/wire/too-long", NULL, test_too_long);
    ADD("/report/wire/malformed/text", "hello\n", test_malformed);
    ADD("/report/wire/malformed/array", "[1]\n", test_malformed);
    ADD("/report/wire/malformed/empty", "\n", test_malformed);
    ADD("/report/wire/malformed/two", "{\"a\":1}{\"b\":2}\n", test_malformed);
    ADD("/report/wire/malformed/cut", "{\"a\":\n", test_malformed);
    ADD("/report/wire/end", NULL, test_end);
    ADD("/report/wire/send-to-none", NULL, test_send_to_none);
    return g_test_run();
}

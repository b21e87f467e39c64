/* What a command prints, as events. */
#include "report/emit.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    KilnWire *here, *there; /* the emitter's side, and the reader's */
    KilnEmitter *emitter;
    KilnTask *task;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    int ends[2];
    (void)data;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    /* All that a test prints has to fit: there is no thread that reads meanwhile. */
    int size = 4 << 20;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    f->here = kiln_wire_new(ends[0]);
    f->there = kiln_wire_new(ends[1]);
    f->emitter = kiln_emitter_new(f->here);
    f->task = kiln_task_start(f->emitter, "a task");
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    kiln_emitter_free(f->emitter);
    g_clear_pointer(&f->here, kiln_wire_free);
    kiln_wire_free(f->there);
}

/* Ends the task; its log lines. */
static GPtrArray *lines_of(Fixture *f)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    bool done = false;
    kiln_task_end(f->task, KILN_VERDICT_DONE, NULL);
    while (!done) {
        KilnEvent e;
        json_object *json = kiln_wire_receive(f->there);
        g_assert_nonnull(json);
        g_assert_true(kiln_event_from_json(json, &e));
        if (e.type == KILN_EVENT_STEP_LOG)
            g_ptr_array_add(lines, g_strdup(e.text));
        done = e.type == KILN_EVENT_STEP_DONE;
        json_object_put(json);
    }
    return lines;
}

static void test_lines(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char first[] = "one\ntw", second[] = "o\r\n\nlast";
    kiln_task_output(f->task, first, strlen(first));
    kiln_task_output(f->task, second, strlen(second));
    g_autoptr(GPtrArray) lines = lines_of(f);
    g_assert_cmpuint(lines->len, ==, 4);
    g_assert_cmpstr(lines->pdata[0], ==, "one");
    g_assert_cmpstr(lines->pdata[1], ==, "two");
    g_assert_cmpstr(lines->pdata[2], ==, "");
    g_assert_cmpstr(lines->pdata[3], ==, "last");
}

static void test_bytes_that_are_no_text(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char bytes[] = "a\0b\xff\xfe\n\xc3\n";
    kiln_task_output(f->task, bytes, sizeof bytes - 1);
    g_autoptr(GPtrArray) lines = lines_of(f);
    g_assert_cmpuint(lines->len, ==, 2);
    g_assert_cmpstr(lines->pdata[0], ==,
                    "a\uFFFD"
                    "b\uFFFD\uFFFD");
    g_assert_cmpstr(lines->pdata[1], ==, "\uFFFD");
}

/* Whatever the length of what is read at a time, no character is torn. */
static void test_long_lines_are_cut_between_characters(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GString) text = g_string_new("x");
    while (text->len < 200000)
        g_string_append(text, "\u65e5\u00fc");
    for (gsize at = 0; at < text->len; at += 1009)
        kiln_task_output(f->task, text->str + at, MIN(1009, text->len - at));
    g_autoptr(GPtrArray) lines = lines_of(f);
    g_autoptr(GString) joined = g_string_new(NULL);
    for (guint i = 0; i < lines->len; i++)
        g_string_append(joined, lines->pdata[i]);
    g_assert_cmpuint(lines->len, >, 1);
    g_assert_cmpstr(joined->str, ==, text->str);
}

/* A character that never ends holds nothing up. */
static void test_a_long_line_of_broken_characters(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(100000, '\xe6');
    kiln_task_output(f->task, text, 100000);
    g_autoptr(GPtrArray) lines = lines_of(f);
    gsize length = 0;
    for (guint i = 0; i < lines->len; i++)
        length += (gsize)g_utf8_strlen(lines->pdata[i], -1);
    g_assert_cmpuint(length, ==, 100000);
}

/* What is sent of steps is kept too; lines beyond the limit are counted. */
static void test_kept(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_null(kiln_emitter_kept(f->emitter)); /* nothing was to be */
    kiln_emitter_keep(f->emitter, 100);
    kiln_task_log(f->task, "first");
    kiln_task_progress(f->task, "moment", 1, 1);
    for (int i = 0; i < 10; i++)
        kiln_task_log(f->task, "too much, too much, too much, too much");
    g_autoptr(GPtrArray) lines = lines_of(f);
    g_assert_cmpuint(lines->len, ==, 11); /* all of them are sent */
    g_autoptr(GBytes) kept = kiln_emitter_kept(f->emitter);
    g_autofree char *text = g_strndup(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept));
    g_auto(GStrv) events = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(events), ==, 4);
    g_assert_nonnull(strstr(events[0], "\"first\""));
    g_assert_nonnull(strstr(events[1], "step_done"));
    g_assert_nonnull(strstr(events[2], "10 lines of output are not kept"));
    g_assert_cmpstr(events[3], ==, "");
    g_assert_null(kiln_emitter_kept(f->emitter));
}

#define ADD(name, function) g_test_add("/emit/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("lines", test_lines);
    ADD("no-text", test_bytes_that_are_no_text);
    ADD("long", test_long_lines_are_cut_between_characters);
    ADD("kept", test_kept);
    ADD("long-broken", test_a_long_line_of_broken_characters);
    return g_test_run();
}

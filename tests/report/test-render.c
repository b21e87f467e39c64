#include "report/render.h"
#include "report/renderer.h"

#include <glib.h>
#include <string.h>

/* What a renderer prints for the events. */
static char *render(const char *mode, const KilnEvent *events, guint n)
{
    char *buffer = NULL;
    size_t size;
    FILE *out = open_memstream(&buffer, &size);
    KilnRenderer *r = kiln_renderer_new(mode, out, false);
    g_assert_nonnull(r);
    for (guint i = 0; i < n; i++) {
        kiln_renderer_event(r, &events[i]);
    }
    kiln_renderer_free(r);
    fclose(out);
    char *text = g_strdup(buffer);
    free(buffer);
    return text;
}
#define RENDER(mode, events) render(mode, events, G_N_ELEMENTS(events))

#define START(n, text)                                                                             \
    {                                                                                              \
        .type = KILN_EVENT_STEP_START, .step = n, .name = text                                     \
    }
#define LOG(n, s, line)                                                                            \
    {                                                                                              \
        .type = KILN_EVENT_STEP_LOG, .step = n, .seconds = s, .text = line                         \
    }
#define END(n, v, s)                                                                               \
    {                                                                                              \
        .type = KILN_EVENT_STEP_DONE, .step = n, .verdict = v, .seconds = s                        \
    }
#define RESULT                                                                                     \
    {                                                                                              \
        .type = KILN_EVENT_RESULT, .data = "{}"                                                    \
    }

static void test_plain(void)
{
    const KilnEvent events[] = {
        START(1, "[builder 1/2] FROM node"),
        END(1, KILN_VERDICT_CACHED, 0),
        START(2, "[builder 2/2] RUN npm install"),
        LOG(2, 0.4123, "added 1 package"),
        LOG(2, 12.345, "slow"),
        LOG(2, 123.456, "very"),
        END(2, KILN_VERDICT_DONE, 130.04),
        RESULT,
    };
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==,
                    "#1 [builder 1/2] FROM node\n"
                    "#1 CACHED\n"
                    "\n"
                    "#2 [builder 2/2] RUN npm install\n"
                    "#2 0.412 added 1 package\n"
                    "#2 12.35 slow\n"
                    "#2 123.5 very\n"
                    "#2 DONE 130.0s\n");
}

/* Steps that run at once do not mix: one has the floor until it is done. */
static void test_plain_parallel(void)
{
    const KilnEvent events[] = {
        START(1, "one"),  START(2, "two"),
        LOG(1, 0.1, "a"), LOG(2, 0.1, "x"),
        LOG(1, 0.2, "b"), END(1, KILN_VERDICT_DONE, 0.2),
        LOG(2, 0.3, "y"), END(2, KILN_VERDICT_DONE, 0.4),
    };
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==,
                    "#1 one\n#1 0.100 a\n#1 0.200 b\n#1 DONE 0.2s\n"
                    "\n#2 two\n#2 0.100 x\n#2 0.300 y\n#2 DONE 0.4s\n");
}

/* One that is done speaks at once, though another has the floor; that one then announces itself
 * again. */
static void test_plain_interrupted(void)
{
    const KilnEvent events[] = {
        START(1, "one"),  LOG(1, 0.1, "a"),
        START(2, "two"),  END(2, KILN_VERDICT_CACHED, 0),
        LOG(1, 0.2, "b"), END(1, KILN_VERDICT_DONE, 0.2),
    };
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==,
                    "#1 one\n#1 0.100 a\n#1 ...\n"
                    "\n#2 two\n#2 CACHED\n"
                    "\n#1 one\n#1 0.200 b\n#1 DONE 0.2s\n");
}

static void test_plain_progress(void)
{
    const KilnEvent events[] = {
        START(1, "pull"),
        {.type = KILN_EVENT_STEP_PROGRESS, .step = 1, .text = "sha256:ab", .done = 1, .total = 100},
        {.type = KILN_EVENT_STEP_PROGRESS,
         .step = 1,
         .text = "sha256:ab",
         .done = 20310000,
         .total = 20310000,
         .seconds = 0.31},
        END(1, KILN_VERDICT_DONE, 0.4),
    };
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==, "#1 pull\n#1 sha256:ab 20.31MB 0.3s done\n#1 DONE 0.4s\n");
}

static const KilnEvent failing[] = {
    START(1, "[2/2] RUN false"),
    LOG(1, 0.1, "oh \033[31mno\033[0m"),
    {.type = KILN_EVENT_STEP_DONE,
     .step = 1,
     .verdict = KILN_VERDICT_ERROR,
     .text = "exit code: 1",
     .seconds = 0.2},
    START(2, "other"),
    END(2, KILN_VERDICT_CANCELED, 0.1),
    {.type = KILN_EVENT_WARNING, .text = "careful"},
    {.type = KILN_EVENT_ERROR, .text = "Dockerfile:2:1: failed\n  RUN false\n", .exit_code = 1},
};
#define FAILURE                                                                                    \
    "------\n > [2/2] RUN false:\n0.100 oh no\n------\nERROR: Dockerfile:2:1: failed\n  RUN "      \
    "false\n"

static void test_plain_failure(void)
{
    g_autofree char *text = RENDER("plain", failing);
    g_assert_cmpstr(text, ==,
                    "#1 [2/2] RUN false\n#1 0.100 oh \033[31mno\033[0m\n#1 ERROR: exit code: 1\n"
                    "\n#2 other\n#2 CANCELED\nWARNING: careful\n" FAILURE);
}

static void test_quiet(void)
{
    const KilnEvent good[] = {START(1, "one"), LOG(1, 0.1, "a"), END(1, KILN_VERDICT_DONE, 1),
                              RESULT};
    g_autofree char *nothing = RENDER("quiet", good);
    g_assert_cmpstr(nothing, ==, "");
    g_autofree char *failure = RENDER("quiet", failing);
    g_assert_cmpstr(failure, ==, FAILURE);
}

static void test_rules_at_the_end(void)
{
    const KilnEvent events[] = {
        {.type = KILN_EVENT_WARNING, .rule = "StageNameCasing", .text = "Stage 'A' (line 1)"},
        START(1, "one"),
        END(1, KILN_VERDICT_DONE, 0),
        RESULT,
    };
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==,
                    "#1 one\n#1 DONE 0.0s\n\n 1 warning found:\n"
                    " - StageNameCasing: Stage 'A' (line 1)\n");
}

static void test_rawjson(void)
{
    const KilnEvent events[] = {START(1, "one"), RESULT};
    g_autofree char *text = RENDER("rawjson", events);
    g_assert_cmpstr(text, ==,
                    "{\"event\":\"step_start\",\"step\":1,\"name\":\"one\"}\n"
                    "{\"event\":\"result\",\"data\":{}}\n");
}

/* The last picture of a tty: whole, with a line a step. */
static void test_tty(void)
{
    const KilnEvent events[] = {
        START(1, "[1/2] FROM busybox"),
        END(1, KILN_VERDICT_CACHED, 0),
        START(2,
              "[2/2] RUN a very long command that cannot fit into a line of eighty columns at all"),
        LOG(2, 0.1, "output"),
        END(2, KILN_VERDICT_DONE, 1.25),
        RESULT,
    };
    g_autofree char *text = RENDER("tty", events);
    g_assert_nonnull(strstr(text, "(2/2) FINISHED\033[K\n"));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_true(g_str_has_prefix(lines[1], " => CACHED [1/2] FROM busybox  "));
    g_assert_true(g_str_has_suffix(lines[1], "  0.0s\033[K"));
    g_assert_true(g_str_has_suffix(lines[2], " 1.2s\033[K"));
    for (guint i = 1; i <= 2; i++) {
        g_assert_cmpuint(strlen(lines[i]) - strlen("\033[K"), ==, 79);
    }
    g_assert_null(strstr(text, "output"));
}

/* A step that runs shows its output; the picture never grows beyond the screen (24 rows). */
static void test_tty_running(void)
{
    char *buffer = NULL;
    size_t size;
    FILE *out = open_memstream(&buffer, &size);
    KilnRenderer *r = kiln_renderer_new("tty", out, false);
    for (unsigned i = 1; i <= 60; i++) {
        kiln_renderer_event(r, &(KilnEvent)START(i, "step"));
        if (i <= 50) {
            kiln_renderer_event(r, &(KilnEvent)END(i, KILN_VERDICT_DONE, 0));
        }
    }
    kiln_renderer_event(r, &(KilnEvent)LOG(55, 0.5, "wörking\r\033[2Kbusy"));
    r->painted = 0;
    kiln_renderer_tick(r);
    fflush(out);
    guint newlines = 0;
    for (const char *p = buffer; *p; p++) {
        newlines += *p == '\n';
    }
    g_assert_cmpuint(newlines, >, 12);
    g_assert_cmpuint(newlines, <, 24);
    g_assert_nonnull(strstr(buffer, "(50/60)"));
    g_assert_nonnull(strstr(buffer, " => => # 0.500 busy\033[K"));
    size_t before = size;
    r->painted = 0;
    kiln_renderer_tick(r);
    fflush(out);
    g_autofree char *up = g_strdup_printf("\033[%uA\r", newlines);
    g_assert_nonnull(strstr(buffer + before, up));
    kiln_renderer_free(r);
    fclose(out);
    free(buffer);
}

/* A build without steps (kiln images) leaves a terminal alone. */
static void test_tty_nothing(void)
{
    const KilnEvent events[] = {RESULT};
    g_autofree char *text = RENDER("tty", events);
    g_assert_cmpstr(text, ==, "");
}

static void test_line(void)
{
    static const struct {
        const char *in, *plain, *styled;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"a\tb", "a b", "a\tb"},
        {"two\nlines", "two lines", "two lines"},
        {"\033[1;31mred\033[0m", "red", "\033[1;31mred\033[0m\033[0m"},
        {"\033[2J\033[Hgone", "gone", "gone"},
        {"\033]0;title\atext", "text", "text"},
        {"\033]8;;http://x\033\\link\033]8;;\033\\", "link", "link"},
        {"\033(Bset", "set", "set"},
        {"bell\a\b", "bell", "bell"},
        {"10%\r50%\r100%", "100%", "100%"},
        {"dos\r", "dos", "dos"},
        {"\xc2\x9b"
         "31mC1",
         "31mC1", "31mC1"},
        {"cut \033[", "cut ", "cut "},
        {"cut \033", "cut ", "cut "},
        {"cut \033]0;", "cut ", "cut "},
        {"\033[>4;2mq", "q", "q"},
        {"caf\xe9", "caf\xef\xbf\xbd", "caf\xef\xbf\xbd"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *plain = kiln_render_line(cases[i].in, false);
        g_autofree char *styled = kiln_render_line(cases[i].in, true);
        g_assert_cmpstr(plain, ==, cases[i].plain);
        g_assert_cmpstr(styled, ==, cases[i].styled);
    }
}

static void test_hostile_numbers(void)
{
    const KilnEvent events[] = {START(0, "none"), START(4000000000u, "beyond"),
                                LOG(7, 0.1, "never started"), RESULT};
    g_autofree char *text = RENDER("plain", events);
    g_assert_cmpstr(text, ==, "#7 \n#7 0.100 never started\n");
}

static void test_unknown_mode(void)
{
    g_assert_null(kiln_renderer_new("fancy", stderr, false));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/render/plain", test_plain);
    g_test_add_func("/report/render/plain-parallel", test_plain_parallel);
    g_test_add_func("/report/render/plain-interrupted", test_plain_interrupted);
    g_test_add_func("/report/render/plain-progress", test_plain_progress);
    g_test_add_func("/report/render/plain-failure", test_plain_failure);
    g_test_add_func("/report/render/quiet", test_quiet);
    g_test_add_func("/report/render/rules-at-the-end", test_rules_at_the_end);
    g_test_add_func("/report/render/rawjson", test_rawjson);
    g_test_add_func("/report/render/tty", test_tty);
    g_test_add_func("/report/render/tty-running", test_tty_running);
    g_test_add_func("/report/render/tty-nothing", test_tty_nothing);
    g_test_add_func("/report/render/line", test_line);
    g_test_add_func("/report/render/hostile-numbers", test_hostile_numbers);
    g_test_add_func("/report/render/unknown-mode", test_unknown_mode);
    return g_test_run();
}

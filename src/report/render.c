#include "report/renderer.h"
#include "report/wire.h"

#include <string.h>
#include <unistd.h>

/* Lines of a failed step that are shown again with the error. */
#define TAIL_LINES 20
/* A builder that numbers beyond this has lost count. */
#define STEPS_MAX 1000000u

static void free_progress(gpointer data)
{
    KilnRenderProgress *p = data;
    g_free(p->what);
    g_free(p);
}

static void free_step(gpointer data)
{
    KilnRenderStep *s = data;
    if (!s) {
        return;
    }
    g_free(s->name);
    g_queue_clear_full(&s->tail, g_free);
    g_ptr_array_unref(s->progress);
    g_string_free(s->held, TRUE);
    g_free(s);
}

static KilnRenderStep *step_of(KilnRenderer *r, unsigned number)
{
    if (number == 0 || number > STEPS_MAX) {
        return NULL;
    }
    if (r->steps->len <= number) {
        g_ptr_array_set_size(r->steps, (gint)number + 1);
    }
    KilnRenderStep *s = g_ptr_array_index(r->steps, number);
    if (!s) {
        s = g_new0(KilnRenderStep, 1);
        s->number = number;
        g_queue_init(&s->tail);
        s->progress = g_ptr_array_new_with_free_func(free_progress);
        s->held = g_string_new(NULL);
        s->start = g_get_monotonic_time();
        g_ptr_array_index(r->steps, number) = s;
    }
    return s;
}

static void add_tail(KilnRenderStep *s, const KilnEvent *e)
{
    g_autofree char *line = kiln_render_line(e->text ? e->text : "", false);
    g_queue_push_tail(&s->tail, g_strdup_printf("%.3f %s", e->seconds, line));
    if (g_queue_get_length(&s->tail) > TAIL_LINES) {
        g_free(g_queue_pop_head(&s->tail));
    }
}

static void add_progress(KilnRenderStep *s, const KilnEvent *e)
{
    g_autofree char *what = kiln_render_line(e->text ? e->text : "", false);
    KilnRenderProgress *p = NULL;
    for (guint i = s->progress->len; i > 0 && !p; i--) {
        KilnRenderProgress *candidate = g_ptr_array_index(s->progress, i - 1);
        if (strcmp(candidate->what, what) == 0) {
            p = candidate;
        }
    }
    if (!p) {
        p = g_new0(KilnRenderProgress, 1);
        p->what = g_steal_pointer(&what);
        p->shown = g_get_monotonic_time();
        g_ptr_array_add(s->progress, p);
    }
    p->done = e->done;
    p->total = e->total;
    p->seconds = e->seconds;
}

KilnRenderStep *kiln_render_update(KilnRenderer *r, const KilnEvent *e)
{
    switch (e->type) {
    case KILN_EVENT_STEP_START:
    case KILN_EVENT_STEP_LOG:
    case KILN_EVENT_STEP_PROGRESS:
    case KILN_EVENT_STEP_DONE:
        break;
    default:
        return NULL;
    }
    KilnRenderStep *s = step_of(r, e->step);
    if (!s) {
        return NULL;
    }
    s->started = true;
    if (e->name) {
        g_free(s->name);
        s->name = kiln_render_line(e->name, false);
    } else if (!s->name) {
        s->name = g_strdup("");
    }
    if (e->type == KILN_EVENT_STEP_LOG) {
        add_tail(s, e);
    } else if (e->type == KILN_EVENT_STEP_PROGRESS) {
        add_progress(s, e);
    } else if (e->type == KILN_EVENT_STEP_DONE) {
        s->ended = true;
        s->verdict = e->verdict;
        s->seconds = e->seconds;
    }
    return s;
}

void kiln_render_write(KilnRenderer *r, const GString *text)
{
    fwrite(text->str, 1, text->len, r->out);
    fflush(r->out);
}

/* An error may have several lines, and quotes hostile input. */
static void append_lines(GString *to, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!lines[i + 1] && !*lines[i]) {
            break; /* the newline at its end */
        }
        g_autofree char *line = kiln_render_line(lines[i], false);
        g_string_append(to, line);
        g_string_append_c(to, '\n');
    }
}

static void append_failed_step(GString *to, const KilnRenderStep *s)
{
    g_string_append_printf(to, "------\n > %s:\n", s->name);
    for (const GList *l = s->tail.head; l; l = l->next) {
        g_string_append(to, l->data);
        g_string_append_c(to, '\n');
    }
    g_string_append(to, "------\n");
}

void kiln_render_end(KilnRenderer *r, const KilnEvent *e)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (r->warnings->len > 0) {
        g_string_append_printf(text, "\n %u warning%s found:\n", r->warnings->len,
                               r->warnings->len == 1 ? "" : "s");
    }
    for (guint i = 0; i < r->warnings->len; i++) {
        g_string_append_printf(text, " - %s\n", (char *)g_ptr_array_index(r->warnings, i));
    }
    g_ptr_array_set_size(r->warnings, 0);
    if (e->type == KILN_EVENT_ERROR) {
        for (guint i = 0; i < r->steps->len; i++) {
            const KilnRenderStep *s = g_ptr_array_index(r->steps, i);
            if (s && s->verdict == KILN_VERDICT_ERROR && s->tail.length > 0) {
                append_failed_step(text, s);
            }
        }
        g_string_append(text, r->color ? "\033[31mERROR:\033[0m " : "ERROR: ");
        append_lines(text, e->text ? e->text : "the operation failed");
    }
    kiln_render_write(r, text);
}

void kiln_render_console(KilnRenderer *r, const KilnEvent *e)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (e->text) {
        append_lines(text, e->text);
        kiln_render_write(r, text);
    }
}

/* --- quiet: nothing but an error -------------------------------------------------------------- */

static void quiet_event(KilnRenderer *r, const KilnEvent *e)
{
    kiln_render_update(r, e);
    if (e->type == KILN_EVENT_ERROR) {
        kiln_render_end(r, e);
    } else if (e->type == KILN_EVENT_CONSOLE) {
        kiln_render_console(r, e);
    }
}

/* --- brief: errors, and what went another way than may be expected ------------------------------ */

static void brief_event(KilnRenderer *r, const KilnEvent *e)
{
    if (e->type == KILN_EVENT_WARNING && !e->rule) {
        g_autoptr(GString) text = g_string_new("WARNING: ");
        append_lines(text, e->text ? e->text : "");
        kiln_render_write(r, text);
    }
    quiet_event(r, e);
}

/* --- rawjson: the events as they are ---------------------------------------------------------- */

static void rawjson_event(KilnRenderer *r, const KilnEvent *e)
{
    json_object *json = kiln_event_to_json(e);
    g_autoptr(GString) line = g_string_new(json_object_to_json_string_ext(
        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(json);
    g_string_append_c(line, '\n');
    kiln_render_write(r, line);
}

static void nothing(KilnRenderer *r)
{
    (void)r;
}

KilnRenderer *kiln_renderer_new(const char *mode, FILE *out, bool color)
{
    static const struct {
        const char *mode;
        void (*setup)(KilnRenderer *r);
        void (*event)(KilnRenderer *r, const KilnEvent *e);
    } modes[] = {
        {"tty", kiln_render_tty_setup, NULL},
        {"plain", kiln_render_plain_setup, NULL},
        {"quiet", NULL, quiet_event},
        {"brief", NULL, brief_event},
        {"rawjson", NULL, rawjson_event},
    };
    int fd = fileno(out);
    bool terminal = fd >= 0 && isatty(fd);
    const char *term = g_getenv("TERM");
    if (strcmp(mode, "auto") == 0) {
        mode = terminal && term && strcmp(term, "dumb") != 0 ? "tty" : "plain";
    }
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].mode, mode) != 0) {
            continue;
        }
        KilnRenderer *r = g_new0(KilnRenderer, 1);
        r->out = out;
        r->color = color && (terminal || strcmp(mode, "tty") == 0);
        r->terminal = terminal;
        r->title = "Building";
        r->steps = g_ptr_array_new_with_free_func(free_step);
        r->warnings = g_ptr_array_new_with_free_func(g_free);
        r->start = g_get_monotonic_time();
        r->event = modes[i].event;
        r->tick = r->finish = nothing;
        if (modes[i].setup) {
            modes[i].setup(r);
        }
        return r;
    }
    return NULL;
}

void kiln_renderer_set_title(KilnRenderer *r, const char *title)
{
    r->title = title;
}

void kiln_renderer_event(KilnRenderer *r, const KilnEvent *e)
{
    r->event(r, e);
}

void kiln_renderer_tick(KilnRenderer *r)
{
    r->tick(r);
}

void kiln_renderer_free(KilnRenderer *r)
{
    if (!r) {
        return;
    }
    r->finish(r);
    g_ptr_array_unref(r->steps);
    g_ptr_array_unref(r->warnings);
    g_free(r);
}

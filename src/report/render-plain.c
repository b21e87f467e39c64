/* One step at a time has the floor; what others say is held until it is done, or has had the floor
 * for long while others wait. A step that takes the floor announces itself: "#5 [builder 2/5] RUN
 * …". */
#include "report/renderer.h"

#include <string.h>

/* Others wait at most so long for a step that is silent, and for one that is not. */
#define SILENT_US (1 * G_USEC_PER_SEC)
#define TURN_US (5 * G_USEC_PER_SEC)
/* A transfer that goes on is mentioned so often. */
#define PROGRESS_US (2 * G_USEC_PER_SEC)

static void give_floor(KilnRenderer *r, KilnRenderStep *s, GString *text)
{
    if (r->current == s) {
        return;
    }
    if (r->current) {
        g_string_append_printf(text, "#%u ...\n", r->current->number);
    }
    if (r->printed) {
        g_string_append_c(text, '\n');
    }
    g_string_append_printf(text, "#%u %s\n", s->number, s->name);
    r->printed = true;
    r->current = s;
    r->current_since = g_get_monotonic_time();
}

static void print_held(KilnRenderer *r, KilnRenderStep *s, GString *text)
{
    give_floor(r, s, text);
    g_string_append_len(text, s->held->str, (gssize)s->held->len);
    g_string_truncate(s->held, 0);
    s->held_since = 0;
    r->current_active = g_get_monotonic_time();
    if (s->ended) {
        r->current = NULL;
    }
}

/* The one that has waited longest, or NULL. */
static KilnRenderStep *first_waiting(KilnRenderer *r)
{
    KilnRenderStep *first = NULL;
    for (guint i = 0; i < r->steps->len; i++) {
        KilnRenderStep *s = g_ptr_array_index(r->steps, i);
        if (s && s->held_since && (!first || s->held_since < first->held_since)) {
            first = s;
        }
    }
    return first;
}

static void pass_floor(KilnRenderer *r, GString *text)
{
    KilnRenderStep *next = first_waiting(r);
    if (!next) {
        return;
    }
    gint64 now = g_get_monotonic_time();
    if (!r->current || now - r->current_active > SILENT_US || now - r->current_since > TURN_US) {
        print_held(r, next, text);
    }
}

/* Seconds with as many places as BuildKit gives them. */
static void append_seconds(GString *to, double seconds)
{
    g_string_append_printf(to, "%.*f", seconds < 10 ? 3 : seconds < 100 ? 2 : 1, seconds);
}

static void append_log(KilnRenderer *r, KilnRenderStep *s, const KilnEvent *e)
{
    const char *text = e->text ? e->text : "";
    /* A file or a CI log gets what the command printed; a terminal only what cannot do harm. */
    g_autofree char *safe = r->terminal ? kiln_render_line(text, r->color) : NULL;
    g_string_append_printf(s->held, "#%u ", s->number);
    append_seconds(s->held, e->seconds);
    g_string_append_printf(s->held, " %s\n", safe ? safe : text);
}

/* What is due of the step's transfers; all that was not shown to its end, if the step has ended. */
static void append_progress(KilnRenderStep *s)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = 0; i < s->progress->len; i++) {
        KilnRenderProgress *p = g_ptr_array_index(s->progress, i);
        bool done = p->done == p->total;
        if (p->shown == 0 || (!done && !s->ended && now - p->shown < PROGRESS_US)) {
            continue;
        }
        g_string_append_printf(s->held, "#%u ", s->number);
        kiln_render_progress(s->held, p);
        g_string_append_c(s->held, '\n');
        p->shown = done ? 0 : now;
    }
}

static void append_done(KilnRenderStep *s, const KilnEvent *e)
{
    switch (e->verdict) {
    case KILN_VERDICT_CACHED:
        g_string_append_printf(s->held, "#%u CACHED\n", s->number);
        break;
    case KILN_VERDICT_CANCELED:
        g_string_append_printf(s->held, "#%u CANCELED\n", s->number);
        break;
    case KILN_VERDICT_ERROR: {
        /* its first line: all of it comes at the end */
        g_autofree char *first = e->text ? g_strndup(e->text, strcspn(e->text, "\n")) : g_strdup("failed");
        g_autofree char *line = kiln_render_line(first, false);
        g_string_append_printf(s->held, "#%u ERROR: %s\n", s->number, line);
        break;
    }
    default:
        g_string_append_printf(s->held, "#%u DONE %.1fs\n", s->number, e->seconds);
        break;
    }
}

static void plain_step(KilnRenderer *r, KilnRenderStep *s, const KilnEvent *e)
{
    if (e->type == KILN_EVENT_STEP_LOG) {
        append_log(r, s, e);
    } else if (e->type == KILN_EVENT_STEP_PROGRESS) {
        append_progress(s);
    } else if (e->type == KILN_EVENT_STEP_DONE) {
        append_progress(s);
        append_done(s, e);
    }
    bool speaks = s->held->len > 0 || e->type == KILN_EVENT_STEP_START;
    if (speaks && !s->held_since) {
        s->held_since = g_get_monotonic_time();
    }
    g_autoptr(GString) text = g_string_new(NULL);
    if (speaks && (!r->current || r->current == s || s->ended)) {
        print_held(r, s, text);
    }
    pass_floor(r, text);
    if (text->len > 0) {
        kiln_render_write(r, text);
    }
}

static void plain_warning(KilnRenderer *r, const KilnEvent *e)
{
    g_autofree char *line = kiln_render_line(e->text ? e->text : "", false);
    if (e->rule) {
        g_ptr_array_add(r->warnings, g_strdup_printf("%s: %s", e->rule, line));
        return;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "WARNING: %s\n", line);
    kiln_render_write(r, text);
}

/* Everything that still waits. */
static void plain_finish(KilnRenderer *r)
{
    g_autoptr(GString) text = g_string_new(NULL);
    KilnRenderStep *s;
    while ((s = first_waiting(r))) {
        print_held(r, s, text);
    }
    if (text->len > 0) {
        kiln_render_write(r, text);
    }
}

static void plain_event(KilnRenderer *r, const KilnEvent *e)
{
    KilnRenderStep *s = kiln_render_update(r, e);
    if (s) {
        plain_step(r, s, e);
    } else if (e->type == KILN_EVENT_WARNING) {
        plain_warning(r, e);
    } else if (e->type == KILN_EVENT_CONSOLE) {
        plain_finish(r);
        kiln_render_console(r, e);
    } else if (e->type == KILN_EVENT_ERROR || e->type == KILN_EVENT_RESULT) {
        plain_finish(r);
        kiln_render_end(r, e);
    }
}

static void plain_tick(KilnRenderer *r)
{
    g_autoptr(GString) text = g_string_new(NULL);
    pass_floor(r, text);
    if (text->len > 0) {
        kiln_render_write(r, text);
    }
}

void kiln_render_plain_setup(KilnRenderer *r)
{
    r->event = plain_event;
    r->tick = plain_tick;
    r->finish = plain_finish;
}

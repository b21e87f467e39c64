#include "report/emit.h"

#include <stdarg.h>
#include <string.h>

/* A line longer than this is sent in pieces. */
#define LINE_MAX_BYTES (64 * 1024)
#define PROGRESS_INTERVAL_US 100000

struct KilnEmitter {
    KilnWire *wire;
    int last_step; /* atomic */
    GMutex keeping;
    GString *kept; /* NULL: nothing is kept */
    gsize keep_limit;
    guint left_out; /* lines */
};

struct KilnTask {
    KilnEmitter *emitter;
    unsigned step;
    char *name;
    gint64 start;         /* monotonic, µs */
    gint64 last_progress; /* monotonic, µs */
    GString *line;        /* output without its newline so far */
};

KilnEmitter *kiln_emitter_new(KilnWire *wire)
{
    KilnEmitter *e = g_new0(KilnEmitter, 1);
    e->wire = wire;
    g_mutex_init(&e->keeping);
    return e;
}

void kiln_emitter_free(KilnEmitter *e)
{
    if (!e)
        return;
    if (e->kept)
        g_string_free(e->kept, TRUE);
    g_mutex_clear(&e->keeping);
    g_free(e);
}

/* Progress is of the moment; the end of the operation is told elsewhere. */
static bool is_kept(const KilnEvent *event)
{
    return event->type == KILN_EVENT_STEP_START || event->type == KILN_EVENT_STEP_LOG ||
           event->type == KILN_EVENT_STEP_DONE || event->type == KILN_EVENT_WARNING;
}

static void keep(KilnEmitter *e, const KilnEvent *event, const char *text, gsize length)
{
    g_mutex_lock(&e->keeping);
    bool full = e->kept && event->type == KILN_EVENT_STEP_LOG && e->kept->len + length > e->keep_limit;
    if (full) {
        e->left_out++;
    } else if (e->kept) {
        g_string_append_len(e->kept, text, (gssize)length);
        g_string_append_c(e->kept, '\n');
    }
    g_mutex_unlock(&e->keeping);
}

static void emit(KilnEmitter *e, const KilnEvent *event)
{
    json_object *json = kiln_event_to_json(event);
    gsize length;
    const char *text = kiln_wire_text(json, &length);
    if (event->step) /* there may be thousands, in no time: a cached step takes microseconds */
        kiln_wire_send_soon(e->wire, text, length);
    else
        kiln_wire_send_text(e->wire, text, length);
    if (is_kept(event))
        keep(e, event, text, length);
    json_object_put(json);
}

void kiln_emitter_keep(KilnEmitter *e, gsize limit)
{
    e->kept = g_string_new(NULL);
    e->keep_limit = limit;
}

GBytes *kiln_emitter_kept(KilnEmitter *e)
{
    g_autofree char *text = NULL;
    g_mutex_lock(&e->keeping);
    guint left_out = e->left_out;
    g_mutex_unlock(&e->keeping);
    if (left_out) {
        text = g_strdup_printf("%u lines of output are not kept: they were too many", left_out);
        json_object *json = kiln_event_to_json(&(KilnEvent){.type = KILN_EVENT_WARNING, .text = text});
        gsize length;
        const char *line = kiln_wire_text(json, &length);
        keep(e, &(KilnEvent){.type = KILN_EVENT_WARNING}, line, length);
        json_object_put(json);
    }
    g_mutex_lock(&e->keeping);
    GString *kept = g_steal_pointer(&e->kept);
    g_mutex_unlock(&e->keeping);
    return kept ? g_string_free_to_bytes(kept) : NULL;
}

void kiln_emit_warning(KilnEmitter *e, const char *rule, const char *text)
{
    emit(e, &(KilnEvent){.type = KILN_EVENT_WARNING, .rule = rule, .text = text});
}

void kiln_emit_console(KilnEmitter *e, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
    emit(e, &(KilnEvent){.type = KILN_EVENT_CONSOLE, .text = valid});
}

void kiln_emit_error(KilnEmitter *e, int exit_code, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    emit(e, &(KilnEvent){.type = KILN_EVENT_ERROR, .exit_code = exit_code, .text = valid});
}

void kiln_emit_result(KilnEmitter *e, json_object *document)
{
    const char *data = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
    emit(e, &(KilnEvent){.type = KILN_EVENT_RESULT, .data = data});
}

static double seconds_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

KilnTask *kiln_task_start(KilnEmitter *e, const char *name)
{
    KilnTask *t = g_new0(KilnTask, 1);
    t->emitter = e;
    t->step = (unsigned)g_atomic_int_add(&e->last_step, 1) + 1;
    t->name = g_utf8_make_valid(name, -1);
    t->start = g_get_monotonic_time();
    t->line = g_string_new(NULL);
    emit(e, &(KilnEvent){.type = KILN_EVENT_STEP_START, .step = t->step, .name = t->name});
    return t;
}

/* Sends the first bytes of the line and takes them off it. */
static void send_bytes(KilnTask *t, gsize size)
{
    g_autofree char *valid = g_utf8_make_valid(t->line->str, (gssize)size);
    emit(t->emitter, &(KilnEvent){.type = KILN_EVENT_STEP_LOG,
                                  .step = t->step,
                                  .text = valid,
                                  .seconds = seconds_since(t->start)});
    g_string_erase(t->line, 0, (gssize)size);
}

static void send_line(KilnTask *t)
{
    if (t->line->len && t->line->str[t->line->len - 1] == '\r')
        g_string_truncate(t->line, t->line->len - 1);
    send_bytes(t, t->line->len);
}

/* A line that is too long goes in pieces, cut between characters. */
static void send_piece(KilnTask *t)
{
    const char *start = t->line->str, *end = start + t->line->len;
    const char *last = g_utf8_find_prev_char(start, end);
    if (last && g_utf8_get_char_validated(last, end - last) == (gunichar)-2) /* begun, not ended */
        end = last;
    send_bytes(t, (gsize)(end - start));
}

void kiln_task_output(KilnTask *t, const char *buffer, gsize size)
{
    if (!buffer) {
        if (t->line->len)
            send_line(t);
        return;
    }
    while (size) {
        const char *newline = memchr(buffer, '\n', size);
        gsize n = newline ? (gsize)(newline - buffer) : size;
        g_string_append_len(t->line, buffer, (gssize)n);
        if (newline) {
            send_line(t);
            n++;
        } else if (t->line->len > LINE_MAX_BYTES) {
            send_piece(t);
        }
        buffer += n;
        size -= n;
    }
}

void kiln_task_log(KilnTask *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    kiln_task_output(t, text, strlen(text));
    kiln_task_output(t, "\n", 1);
}

void kiln_task_progress(KilnTask *t, const char *what, gint64 done, gint64 total)
{
    gint64 now = g_get_monotonic_time();
    if (done != total && now - t->last_progress < PROGRESS_INTERVAL_US)
        return;
    t->last_progress = now;
    emit(t->emitter, &(KilnEvent){.type = KILN_EVENT_STEP_PROGRESS,
                                  .step = t->step,
                                  .text = what,
                                  .done = done,
                                  .total = total,
                                  .seconds = seconds_since(t->start)});
}

gint64 kiln_task_elapsed(const KilnTask *t)
{
    return g_get_monotonic_time() - t->start;
}

void kiln_task_end(KilnTask *t, KilnVerdict verdict, const char *text)
{
    kiln_task_output(t, NULL, 0);
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
    emit(t->emitter, &(KilnEvent){.type = KILN_EVENT_STEP_DONE,
                                  .step = t->step,
                                  .name = t->name,
                                  .verdict = verdict,
                                  .text = valid,
                                  .seconds = seconds_since(t->start)});
    g_string_free(t->line, TRUE);
    g_free(t->name);
    g_free(t);
}

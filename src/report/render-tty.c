/* A picture of the running operation, painted over itself about ten times a second:
 *
 *     [+] Building 3.2s (5/9)
 *      => CACHED [builder 2/5] RUN npm install                         0.0s
 *      => [builder 3/5] RUN npm run build                              2.1s
 *      => => # transformed 312 modules
 */
#include "report/renderer.h"

#include <string.h>
#include <sys/ioctl.h>

#define PAINT_US (100 * 1000)
#define LOG_LINES 6
/* The narrowest that a picture makes sense in. */
#define COLUMNS_MIN 20

typedef struct {
    guint columns, rows;
    GPtrArray *lines; /* char *, with the escape sequences of their colour */
} Picture;

static void screen_size(KilnRenderer *r, Picture *p)
{
    struct winsize size;
    int fd = fileno(r->out);
    p->columns = 80;
    p->rows = 24;
    if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        p->columns = MAX(size.ws_col, COLUMNS_MIN);
        p->rows = MAX(size.ws_row, 4);
    }
}

static guint char_columns(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

/* Appends as much of the text as fits into `columns`; returns what it took. */
static guint append_cut(GString *to, const char *text, guint columns)
{
    guint used = 0;
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        guint n = char_columns(g_utf8_get_char(p));
        if (used + n > columns) {
            break;
        }
        g_string_append_len(to, p, g_utf8_next_char(p) - p);
        used += n;
    }
    return used;
}

/* One line: text on the left, cut to make room for the time (may be NULL) on the right. */
static void add_line(KilnRenderer *r, Picture *p, const char *text, const char *time,
                     const char *color)
{
    guint columns = p->columns - 1; /* a full last column makes some terminals wrap */
    guint reserved = time ? (guint)strlen(time) + 1 : 0;
    GString *line = g_string_new(r->color && color ? color : NULL);
    guint used = append_cut(line, text, columns > reserved ? columns - reserved : 0);
    if (time) {
        g_string_append_printf(line, "%*s", (int)(columns > used ? columns - used : 0), time);
    }
    if (r->color && color) {
        g_string_append(line, "\033[0m");
    }
    g_ptr_array_add(p->lines, g_string_free(line, FALSE));
}

static double step_seconds(const KilnRenderStep *s)
{
    return s->ended ? s->seconds
                    : (double)(g_get_monotonic_time() - s->start) / (double)G_USEC_PER_SEC;
}

static void add_step_line(KilnRenderer *r, Picture *p, const KilnRenderStep *s)
{
    static const struct {
        const char *prefix, *color;
    } looks[] = {
        [KILN_VERDICT_NONE] = {"", NULL},
        [KILN_VERDICT_DONE] = {"", "\033[34m"},
        [KILN_VERDICT_CACHED] = {"CACHED ", "\033[34m"},
        [KILN_VERDICT_ERROR] = {"ERROR ", "\033[31m"},
        [KILN_VERDICT_CANCELED] = {"CANCELED ", "\033[33m"},
    };
    g_autofree char *text = g_strconcat(" => ", looks[s->verdict].prefix, s->name, NULL);
    g_autofree char *time = g_strdup_printf("%.1fs", step_seconds(s));
    add_line(r, p, text, time, looks[s->verdict].color);
}

/* What a running step transfers and prints. */
static void add_details(KilnRenderer *r, Picture *p, const KilnRenderStep *s)
{
    for (guint i = 0; i < s->progress->len; i++) {
        g_autoptr(GString) text = g_string_new(" => => ");
        kiln_render_progress(text, g_ptr_array_index(s->progress, i));
        add_line(r, p, text->str, NULL, NULL);
    }
    guint skip = s->tail.length > LOG_LINES ? s->tail.length - LOG_LINES : 0;
    for (const GList *l = g_queue_peek_nth_link((GQueue *)&s->tail, skip); l; l = l->next) {
        g_autofree char *text = g_strconcat(" => => # ", l->data, NULL);
        add_line(r, p, text, NULL, NULL);
    }
}

/* How many of the ended steps' lines must be left out, the oldest first, for the rest to fit. */
static guint hidden_steps(KilnRenderer *r, const Picture *p, guint *ended)
{
    guint running_lines = 0;
    *ended = 0;
    for (guint i = 0; i < r->steps->len; i++) {
        const KilnRenderStep *s = g_ptr_array_index(r->steps, i);
        if (!s) {
            continue;
        }
        if (s->ended) {
            (*ended)++;
        } else {
            running_lines += 1 + s->progress->len + MIN(s->tail.length, LOG_LINES);
        }
    }
    guint room = p->rows > running_lines + 2 ? p->rows - running_lines - 2 : 0;
    return *ended > room ? *ended - room : 0;
}

static void compose(KilnRenderer *r, Picture *p)
{
    guint ended;
    guint hide = hidden_steps(r, p, &ended);
    guint known = 0;
    for (guint i = 0; i < r->steps->len; i++) {
        known += g_ptr_array_index(r->steps, i) != NULL;
    }
    double seconds = (double)(g_get_monotonic_time() - r->start) / (double)G_USEC_PER_SEC;
    g_autofree char *head =
        g_strdup_printf("[+] %s %.1fs (%u/%u)%s", r->title, seconds, ended, known,
                        r->finished && ended == known ? " FINISHED" : "");
    add_line(r, p, head, NULL, NULL);
    for (guint i = 0; i < r->steps->len; i++) {
        const KilnRenderStep *s = g_ptr_array_index(r->steps, i);
        if (!s) {
            continue;
        }
        if (s->ended && hide > 0 && !r->finished) {
            hide--;
            continue;
        }
        add_step_line(r, p, s);
        if (!s->ended && !r->finished) {
            add_details(r, p, s);
        }
    }
    if (!r->finished && p->lines->len > p->rows - 1) {
        /* More steps run than there are rows: the last line has to stay on the screen. */
        g_ptr_array_set_size(p->lines, (gint)p->rows - 1);
    }
}

static void paint(KilnRenderer *r)
{
    if (r->steps->len == 0) {
        return;
    }
    Picture p = {.lines = g_ptr_array_new_with_free_func(g_free)};
    screen_size(r, &p);
    compose(r, &p);
    g_autoptr(GString) text = g_string_new("\033[?25l");
    if (r->drawn > 0) {
        g_string_append_printf(text, "\033[%uA\r", r->drawn);
    }
    for (guint i = 0; i < p.lines->len; i++) {
        g_string_append(text, g_ptr_array_index(p.lines, i));
        g_string_append(text, "\033[K\n");
    }
    g_string_append(text, "\033[J\033[?25h");
    kiln_render_write(r, text);
    r->drawn = p.lines->len;
    r->painted = g_get_monotonic_time();
    g_ptr_array_unref(p.lines);
}

static void tty_tick(KilnRenderer *r)
{
    if (!r->finished && !r->paused && g_get_monotonic_time() - r->painted >= PAINT_US) {
        paint(r);
    }
}

static void tty_finish(KilnRenderer *r)
{
    if (!r->finished) {
        r->finished = true;
        paint(r);
    }
}

/* The picture stays above what the command writes; a later one is painted below that. */
static void tty_console(KilnRenderer *r, const KilnEvent *e)
{
    paint(r);
    r->drawn = 0;
    r->paused = true;
    kiln_render_console(r, e);
}

static void tty_event(KilnRenderer *r, const KilnEvent *e)
{
    r->paused = false;
    if (kiln_render_update(r, e)) {
        tty_tick(r);
    } else if (e->type == KILN_EVENT_WARNING) {
        g_autofree char *line = kiln_render_line(e->text ? e->text : "", false);
        g_ptr_array_add(r->warnings,
                        e->rule ? g_strdup_printf("%s: %s", e->rule, line) : g_strdup(line));
    } else if (e->type == KILN_EVENT_CONSOLE) {
        tty_console(r, e);
    } else if (e->type == KILN_EVENT_ERROR || e->type == KILN_EVENT_RESULT) {
        tty_finish(r);
        kiln_render_end(r, e);
    }
}

void kiln_render_tty_setup(KilnRenderer *r)
{
    r->painted = r->start;
    r->event = tty_event;
    r->tick = tty_tick;
    r->finish = tty_finish;
}

#include "dockerfile/excerpt.h"

#include <string.h>

#define TEXT_LIMIT 60  /* bytes of a text in a message */
#define LINE_BEFORE 60 /* bytes of a line shown before … */
#define LINE_AFTER 60  /* … and from the column on */

/* Length of the printable character at p; 0 if there is none. *width is in terminal cells. */
static gsize printable_at(const char *p, gsize left, guint *width)
{
    gunichar c = g_utf8_get_char_validated(p, (gssize)left);
    if (c >= (gunichar)-2 || !g_unichar_isprint(c))
        return 0;
    *width = g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    return (gsize)g_unichar_to_utf8(c, NULL);
}

char *kiln_excerpt_text(const char *text, gsize length)
{
    GString *out = g_string_new(NULL);
    for (gsize at = 0; at < length;) {
        if (at >= TEXT_LIMIT) {
            g_string_append(out, "…");
            break;
        }
        guint width;
        gsize n = printable_at(text + at, length - at, &width);
        if (n > 0)
            g_string_append_len(out, text + at, (gssize)n);
        else
            g_string_append_printf(out, "\\x%02x", (guchar)text[at]);
        at += n > 0 ? n : 1;
    }
    return g_string_free(out, FALSE);
}

static bool is_continuation_byte(char c)
{
    return ((guchar)c & 0xC0) == 0x80;
}

/* Appends line[from, to) in printable form. Returns its width in cells. */
static guint append_printable(GString *out, const char *line, gsize from, gsize to)
{
    guint cells = 0;
    while (from < to) {
        guint width = 1;
        gsize n = printable_at(line + from, to - from, &width);
        if (n > 0)
            g_string_append_len(out, line + from, (gssize)n);
        else
            g_string_append_c(out, line[from] == '\t' ? ' ' : '?');
        from += n > 0 ? n : 1;
        cells += width;
    }
    return cells;
}

char *kiln_excerpt_line(const KilnDockerfile *d, const KilnPlace *place)
{
    if (!d->lines || place->line == 0 || place->line > d->line_count)
        return NULL;
    const char *line = d->lines[place->line - 1];
    gsize length = strlen(line);
    gsize column = place->column > 0 ? place->column - 1 : 0;
    column = MIN(column, length);
    gsize stop = place->end_line == place->line ? place->end_column : length;
    stop = CLAMP(stop, column, length);

    gsize from = column > LINE_BEFORE ? column - LINE_BEFORE : 0;
    gsize to = MIN(length, column + LINE_AFTER);
    while (from > 0 && from < column && is_continuation_byte(line[from]))
        from++;
    while (to > column && to < length && is_continuation_byte(line[to]))
        to--;
    stop = MIN(stop, to);

    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "%4u | %s", place->line, from > 0 ? "…" : "");
    guint indent = append_printable(out, line, from, column) + (from > 0 ? 1 : 0);
    guint marked = append_printable(out, line, column, stop);
    (void)append_printable(out, line, stop, to);
    g_string_append_printf(out, "%s\n     | %*s^", to < length ? "…" : "", (int)indent, "");
    for (guint n = 1; n < marked; n++)
        g_string_append_c(out, '~');
    return g_string_free(out, FALSE);
}

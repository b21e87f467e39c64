#include "report/renderer.h"

#include <math.h>
#include <string.h>

/* The end of the escape sequence at p (which points to ESC). ECMA-48, 5.4 (control sequences)
 * and 5.6 (command strings). *style: it is SGR, "ESC [ … m". */
static const char *skip_escape(const char *p, bool *style)
{
    *style = false;
    p++;
    if (*p == '[') {
        p++;
        const char *parameters = p;
        while (*p >= 0x30 && *p <= 0x3f) {
            p++;
        }
        bool plain = strspn(parameters, "0123456789;:") >= (size_t)(p - parameters);
        while (*p >= 0x20 && *p <= 0x2f) {
            p++;
            plain = false;
        }
        *style = plain && *p == 'm';
        return *p >= 0x40 && *p <= 0x7e ? p + 1 : p;
    }
    if (*p && strchr("]PX^_", *p)) {
        while (*p && *p != '\a' && !(*p == '\033' && p[1] == '\\')) {
            p++;
        }
        return *p == '\a' ? p + 1 : *p ? p + 2 : p;
    }
    while (*p >= 0x20 && *p <= 0x2f) {
        p++;
    }
    return *p > 0x20 && *p < 0x7f ? p + 1 : p;
}

/* Where the visible part of a line with carriage returns starts. */
static const char *after_return(const char *text)
{
    gsize length = strlen(text);
    while (length > 0 && text[length - 1] == '\r') {
        length--;
    }
    const char *cr = g_strrstr_len(text, (gssize)length, "\r");
    return cr ? cr + 1 : text;
}

char *kiln_render_line(const char *text, bool style)
{
    g_autofree char *valid = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
    GString *line = g_string_new(NULL);
    bool styled = false;
    for (const char *p = after_return(valid ? valid : text); *p;) {
        if (*p == '\033') {
            bool sgr;
            const char *end = skip_escape(p, &sgr);
            if (sgr && style) {
                g_string_append_len(line, p, end - p);
                styled = true;
            }
            p = end;
            continue;
        }
        gunichar c = g_utf8_get_char(p);
        const char *next = g_utf8_next_char(p);
        if (c == '\t' || c == '\n') {
            g_string_append_c(line, c == '\t' && style ? '\t' : ' ');
        } else if (c >= 0x20 && (c < 0x7f || c > 0x9f)) {
            g_string_append_len(line, p, next - p);
        }
        p = next;
    }
    if (styled) {
        g_string_append(line, "\033[0m");
    }
    return g_string_free(line, FALSE);
}

void kiln_render_size(GString *to, int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)MAX(bytes, 0);
    guint unit = 0;
    while (value >= 1000 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1000;
        unit++;
    }
    g_string_append_printf(to, unit ? "%.2f%s" : "%.0f%s", value, units[unit]);
}

void kiln_render_progress(GString *to, const KilnRenderProgress *p)
{
    g_string_append(to, p->what);
    if (p->done || p->total) {
        g_string_append_c(to, ' ');
        kiln_render_size(to, p->done);
    }
    if (p->total > 0 && p->done != p->total) {
        g_string_append(to, " / ");
        kiln_render_size(to, p->total);
    }
    if (p->seconds >= 0.05) {
        g_string_append_printf(to, " %.1fs", p->seconds);
    }
    if (p->done == p->total) {
        g_string_append(to, " done");
    }
}

#include "cli/table.h"

#include <string.h>

struct KilnTable {
    guint columns;
    GPtrArray *cells; /* char *, row after row; the headings first */
};

KilnTable *kiln_table_new(const char *const *headings)
{
    KilnTable *t = g_new0(KilnTable, 1);
    t->columns = g_strv_length((char **)headings);
    t->cells = g_ptr_array_new_with_free_func(g_free);
    kiln_table_add(t, headings);
    return t;
}

void kiln_table_free(KilnTable *t)
{
    g_ptr_array_unref(t->cells);
    g_free(t);
}

void kiln_table_add(KilnTable *t, const char *const *cells)
{
    for (guint i = 0; i < t->columns; i++) {
        g_ptr_array_add(t->cells, kiln_printable(cells[i]));
    }
}

static glong width_of(const char *cell)
{
    return g_utf8_validate(cell, -1, NULL) ? g_utf8_strlen(cell, -1) : (glong)strlen(cell);
}

char *kiln_table_text(const KilnTable *t)
{
    g_autofree glong *widths = g_new0(glong, t->columns);
    for (guint i = 0; i < t->cells->len; i++) {
        glong width = width_of(g_ptr_array_index(t->cells, i));
        widths[i % t->columns] = MAX(widths[i % t->columns], width);
    }
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < t->cells->len; i++) {
        const char *cell = g_ptr_array_index(t->cells, i);
        g_string_append(text, cell);
        if (i % t->columns == t->columns - 1) {
            g_string_append_c(text, '\n');
        } else {
            g_string_append_printf(text, "%*s", (int)(widths[i % t->columns] - width_of(cell)) + 3,
                                   "");
        }
    }
    return g_string_free(text, FALSE);
}

char *kiln_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar u = g_utf8_get_char(c);
        if (g_unichar_isspace(u))
            g_string_append_c(out, ' ');
        else
            g_string_append_unichar(out, g_unichar_isprint(u) ? u : '?');
    }
    return g_string_free(out, FALSE);
}

char *kiln_human_size(gint64 bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)MAX(bytes, 0);
    guint unit = 0;
    /* 999.5 is shown as 1000 by three figures: a case for the next unit. */
    while (value >= 999.5 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1000;
        unit++;
    }
    return g_strdup_printf("%.3g%s", value, units[unit]);
}

char *kiln_human_duration(gint64 seconds)
{
    static const struct {
        gint64 below;  /* seconds */
        gint64 divide; /* 0: `text` stands alone */
        gint64 round;  /* added before the division */
        const char *text;
    } words[] = {
        {1, 0, 0, "Less than a second"},
        {2, 0, 0, "1 second"},
        {60, 1, 0, "seconds"},
        {2 * 60, 0, 0, "About a minute"},
        {60 * 60, 60, 0, "minutes"},
        {90 * 60, 0, 0, "About an hour"},
        {48 * 3600, 3600, 1800, "hours"},
        {2 * 7 * 86400, 86400, 0, "days"},
        {2 * 30 * 86400, 7 * 86400, 0, "weeks"},
        {2 * 365 * 86400, 30 * 86400, 0, "months"},
        {G_MAXINT64, 365 * 86400, 0, "years"},
    };
    guint i = 0;
    while (i + 1 < G_N_ELEMENTS(words) && seconds >= words[i].below) {
        i++;
    }
    return words[i].divide
               ? g_strdup_printf("%" G_GINT64_FORMAT " %s",
                                 (seconds + words[i].round) / words[i].divide, words[i].text)
               : g_strdup(words[i].text);
}

#include "check/line-edit.h"

#include <string.h>

#define AROUND 3

/* A line of the old text, the new, or both, with its end. */
typedef struct {
    char kind; /* ' ', '-', '+' */
    GString *text;
} Line;

struct KilnLineEdit {
    const char *end;   /* of a line: "\n" or "\r\n" */
    GPtrArray *lines;  /* GString*, of the text */
    bool *removed;     /* by index */
    GPtrArray **behind; /* by index: GString* that come behind it; NULL: none */
};

static void free_string(gpointer s)
{
    g_string_free(s, TRUE);
}

KilnLineEdit *kiln_line_edit_new(const char *text, gsize size)
{
    KilnLineEdit *e = g_new0(KilnLineEdit, 1);
    e->lines = g_ptr_array_new_with_free_func(free_string);
    for (const char *at = text, *stop = text + size; at < stop;) {
        const char *newline = memchr(at, '\n', (gsize)(stop - at));
        gsize n = newline ? (gsize)(newline - at) + 1 : (gsize)(stop - at);
        g_ptr_array_add(e->lines, g_string_new_len(at, (gssize)n));
        at += n;
    }
    const GString *first = e->lines->len ? e->lines->pdata[0] : NULL;
    e->end = first && g_str_has_suffix(first->str, "\r\n") ? "\r\n" : "\n";
    e->removed = g_new0(bool, e->lines->len + 1);
    e->behind = g_new0(GPtrArray *, e->lines->len + 1);
    return e;
}

void kiln_line_edit_free(KilnLineEdit *e)
{
    for (guint i = 0; i < e->lines->len; i++)
        if (e->behind[i])
            g_ptr_array_unref(e->behind[i]);
    g_ptr_array_unref(e->lines);
    g_free(e->removed);
    g_free(e->behind);
    g_free(e);
}

void kiln_line_edit_remove(KilnLineEdit *e, guint first, guint last)
{
    g_assert(first > 0 && last <= e->lines->len);
    for (guint i = first; i <= last; i++) {
        g_assert(!e->removed[i - 1]);
        e->removed[i - 1] = true;
    }
}

static void add(KilnLineEdit *e, guint behind, GString *line)
{
    g_assert(behind > 0 && behind <= e->lines->len);
    if (!e->behind[behind - 1])
        e->behind[behind - 1] = g_ptr_array_new_with_free_func(free_string);
    g_ptr_array_add(e->behind[behind - 1], line);
}

void kiln_line_edit_insert(KilnLineEdit *e, guint behind, const char *line)
{
    GString *text = g_string_new(line);
    add(e, behind, g_string_append(text, e->end));
}

void kiln_line_edit_copy(KilnLineEdit *e, guint behind, guint first, guint last)
{
    g_assert(first > 0 && last <= e->lines->len);
    for (guint i = first; i <= last; i++) {
        const GString *line = e->lines->pdata[i - 1];
        add(e, behind, g_string_new_len(line->str, (gssize)line->len));
    }
}

static bool is_ended(const GString *line)
{
    return line->len > 0 && line->str[line->len - 1] == '\n';
}

static void push(GArray *script, char kind, const GString *text)
{
    const Line line = {kind, g_string_new_len(text->str, (gssize)text->len)};
    g_array_append_val(script, line);
}

static void clear_line(gpointer line)
{
    g_string_free(((Line *)line)->text, TRUE);
}

/* Every line of both texts, in order. A last line without an end gets one if something comes behind it. */
static GArray *make_script(const KilnLineEdit *e)
{
    GArray *script = g_array_new(FALSE, FALSE, sizeof(Line));
    g_array_set_clear_func(script, clear_line);
    for (guint i = 0; i < e->lines->len; i++) {
        const GString *line = e->lines->pdata[i];
        bool mend = e->behind[i] && !is_ended(line) && !e->removed[i];
        push(script, e->removed[i] || mend ? '-' : ' ', line);
        if (mend) {
            push(script, '+', line);
            g_string_append(g_array_index(script, Line, script->len - 1).text, e->end);
        }
        for (guint k = 0; e->behind[i] && k < e->behind[i]->len; k++)
            push(script, '+', e->behind[i]->pdata[k]);
    }
    return script;
}

static void write_line(GString *to, const Line *line)
{
    g_string_append_c(to, line->kind);
    g_string_append_len(to, line->text->str, (gssize)line->text->len);
    if (!is_ended(line->text))
        g_string_append(to, "\n\\ No newline at end of file\n");
}

/* A hunk of script[from … to); the lines before it are `old` and `new` many. */
static void write_hunk(GString *diff, const GArray *script, guint from, guint to, guint old, guint new)
{
    guint n_old = 0, n_new = 0;
    for (guint i = from; i < to; i++) {
        char kind = g_array_index(script, Line, i).kind;
        n_old += kind != '+';
        n_new += kind != '-';
    }
    /* of an empty range the line before it is told: POSIX, diff, "Diff -u Output Format" */
    g_string_append_printf(diff, "@@ -%u,%u +%u,%u @@\n", n_old ? old + 1 : old, n_old, n_new ? new + 1 : new, n_new);
    for (guint i = from; i < to; i++)
        write_line(diff, &g_array_index(script, Line, i));
}

/* The end of the hunk whose first change is at `at`: changes that are near go into one. */
static guint hunk_end(const GArray *script, guint at)
{
    guint last = at;
    for (guint i = at; i < script->len && i <= last + 2 * AROUND + 1; i++)
        if (g_array_index(script, Line, i).kind != ' ')
            last = i;
    return MIN(last + 1 + AROUND, script->len);
}

char *kiln_line_edit_diff(const KilnLineEdit *e, const char *name)
{
    g_autoptr(GArray) script = make_script(e);
    g_autoptr(GString) diff = g_string_new(NULL);
    /* a tab ends a name that has a blank */
    const char *mark = strchr(name, ' ') ? "\t" : "";
    g_string_printf(diff, "--- %s%s\n+++ %s%s\n", name, mark, name, mark);
    gsize header = diff->len;
    guint old = 0, new = 0, done = 0; /* lines of the two texts, and of the script, that lie behind */
    for (guint i = 0; i < script->len; i++) {
        if (g_array_index(script, Line, i).kind == ' ')
            continue;
        guint from = i > done + AROUND ? i - AROUND : done, to = hunk_end(script, i);
        old += from - done; /* all of them unchanged */
        new += from - done;
        write_hunk(diff, script, from, to, old, new);
        for (guint k = from; k < to; k++) {
            old += g_array_index(script, Line, k).kind != '+';
            new += g_array_index(script, Line, k).kind != '-';
        }
        done = to;
        i = to - 1;
    }
    return diff->len > header ? g_string_free(g_steal_pointer(&diff), FALSE) : NULL;
}

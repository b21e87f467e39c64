#include "build/difference.h"

#include <string.h>

/* Names of files that a line lists. */
#define LINE_FILES 3
/* Beyond that many words two texts are shown one after the other. */
#define MOST_WORDS 500
#define SHORT_DIGEST (sizeof KILN_DIGEST_PREFIX - 1 + 12)

struct KilnDifferences {
    GArray *list;         /* KilnDifference */
    GPtrArray *strings;   /* the values that the list points to */
    guint n_files;
};

/* --- Finding them ---------------------------------------------------------------------------------------------- */

/* Numbers of things that are parts themselves. */
static bool is_count(const char *what)
{
    static const char *const counts[] = {"files", "heredocs", "files of mount", "from", "format", NULL};
    return g_strv_contains(counts, what);
}

static int compare_names(const KilnKeyPart *a, const KilnKeyPart *b)
{
    int order = strcmp(a->what, b->what);
    return order ? order : g_strcmp0(a->name, b->name);
}

/* Parts lie in the order in which they were fed. */
static gint by_name(gconstpointer a, gconstpointer b)
{
    const KilnKeyPart *x = *(KilnKeyPart *const *)a, *y = *(KilnKeyPart *const *)b;
    int order = compare_names(x, y);
    return order ? order : (x > y) - (x < y);
}

static GPtrArray *sort_parts(const KilnKeyParts *parts)
{
    GPtrArray *sorted = g_ptr_array_sized_new(kiln_key_parts_length(parts));
    for (guint i = 0; i < kiln_key_parts_length(parts); i++)
        if (!is_count(kiln_key_parts_get(parts, i)->what))
            g_ptr_array_add(sorted, (gpointer)kiln_key_parts_get(parts, i));
    g_ptr_array_sort(sorted, by_name);
    return sorted;
}

/* Parts of one kind and name: those from `from` up to `to`. */
typedef struct {
    const GPtrArray *parts;
    guint from, to;
} Group;

static const KilnKeyPart *first_of(const Group *g)
{
    return g->from < g->parts->len ? g->parts->pdata[g->from] : NULL;
}

static void next_group(Group *g)
{
    g->from = g->to;
    const KilnKeyPart *first = first_of(g);
    while (g->to < g->parts->len && compare_names(first, g->parts->pdata[g->to]) == 0)
        g->to++;
}

static bool same_values(const Group *a, const Group *b)
{
    if (a->to - a->from != b->to - b->from)
        return false;
    for (guint i = 0; i < a->to - a->from; i++)
        if (g_strcmp0(((const KilnKeyPart *)a->parts->pdata[a->from + i])->value,
                      ((const KilnKeyPart *)b->parts->pdata[b->from + i])->value) != 0)
            return false;
    return true;
}

/* With spaces between them; the list's. NULL: there are none. */
static const char *join_values(KilnDifferences *d, const Group *g)
{
    if (!g)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = g->from; i < g->to; i++) {
        const KilnKeyPart *part = g->parts->pdata[i];
        g_string_append_printf(text, "%s%s", i > g->from ? " " : "", part->value ? part->value : "");
    }
    char *joined = g_string_free(text, FALSE);
    g_ptr_array_add(d->strings, joined);
    return joined;
}

static void add(KilnDifferences *d, const Group *before, const Group *after)
{
    const KilnKeyPart *part = first_of(after ? after : before);
    const KilnDifference difference = {part->what, part->name, join_values(d, before), join_values(d, after)};
    g_array_append_val(d->list, difference);
}

/* What people look for first comes first: what the Dockerfile says before the files that it reads. */
static gint files_last(gconstpointer a, gconstpointer b)
{
    const KilnDifference *x = a, *y = b;
    int file = strcmp(x->what, "file") == 0, other = strcmp(y->what, "file") == 0;
    int order = file - other;
    order = order ? order : (x->after == NULL) - (y->after == NULL);
    order = order ? order : strcmp(x->what, y->what);
    return order ? order : g_strcmp0(x->name, y->name);
}

KilnDifferences *kiln_differences_new(const KilnKeyParts *before, const KilnKeyParts *after)
{
    KilnDifferences *d = g_new0(KilnDifferences, 1);
    d->list = g_array_new(FALSE, FALSE, sizeof(KilnDifference));
    d->strings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) old = sort_parts(before), now = sort_parts(after);
    Group a = {.parts = old}, b = {.parts = now};
    next_group(&a);
    next_group(&b);
    while (first_of(&a) || first_of(&b)) {
        int order = !first_of(&a) ? 1 : !first_of(&b) ? -1 : compare_names(first_of(&a), first_of(&b));
        if (order != 0 || !same_values(&a, &b))
            add(d, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL);
        d->n_files += order >= 0 && strcmp(first_of(&b)->what, "file") == 0;
        if (order <= 0)
            next_group(&a);
        if (order >= 0)
            next_group(&b);
    }
    g_array_sort(d->list, files_last);
    return d;
}

void kiln_differences_free(KilnDifferences *d)
{
    g_array_unref(d->list);
    g_ptr_array_unref(d->strings);
    g_free(d);
}

guint kiln_differences_length(const KilnDifferences *d)
{
    return d->list->len;
}

const KilnDifference *kiln_differences_get(const KilnDifferences *d, guint index)
{
    return &g_array_index(d->list, KilnDifference, index);
}

guint kiln_differences_n_files(const KilnDifferences *d)
{
    return d->n_files;
}

/* --- In words -------------------------------------------------------------------------------------------------- */

static bool is_file(const KilnDifference *d)
{
    return strcmp(d->what, "file") == 0;
}

/* Of "f 0644 0:0 sha256:…" and the like the field; g_free(). */
static char *field(const char *value, guint index)
{
    g_auto(GStrv) fields = g_strsplit(value, " ", 4);
    if (index >= g_strv_length(fields))
        return g_strdup("");
    return g_strndup(fields[index], g_str_has_prefix(fields[index], KILN_DIGEST_PREFIX) ? SHORT_DIGEST
                                                                                         : strlen(fields[index]));
}

/* What of a file that is there before and after is another: content or target, mode, owner, type. */
static char *file_change(const KilnDifference *d)
{
    static const char *const names[] = {"type", "mode", "owner", "content"};
    GString *text = g_string_new(NULL);
    for (guint i = G_N_ELEMENTS(names); i > 0; i--) {
        g_autofree char *was = field(d->before, i - 1), *is = field(d->after, i - 1);
        if (strcmp(was, is) != 0)
            g_string_append_printf(text, "%s%s %s became %s", text->len ? ", " : "", names[i - 1], was, is);
    }
    return g_string_free(text, FALSE);
}

static char *file_text(const KilnDifference *d)
{
    g_autofree char *change = d->before && d->after ? file_change(d)
                              : d->after            ? g_strdup("is new")
                                                    : g_strdup("is gone");
    return g_strdup_printf("%s: %s", d->name, change);
}

char *kiln_difference_text(const KilnDifference *d)
{
    if (is_file(d))
        return file_text(d);
    bool words = strcmp(d->what, "command") == 0 || strcmp(d->what, "script") == 0;
    g_autofree char *what = d->name ? g_strconcat(d->what, " ", d->name, NULL) : g_strdup(d->what);
    if (words && d->before && d->after) {
        g_autofree char *both = kiln_word_diff(d->before, d->after);
        return g_strdup_printf("%s: %s", what, both);
    }
    if (d->before && d->after)
        return g_strdup_printf("%s: \"%s\" became \"%s\"", what, d->before, d->after);
    return d->after ? g_strdup_printf("%s is new: \"%s\"", what, d->after) : g_strdup_printf("%s is gone", what);
}

/* "1 of 312 files changed: src/app.js", or NULL. */
static char *files_line(const KilnDifferences *d)
{
    guint n = 0, gone = 0;
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < d->list->len; i++) {
        const KilnDifference *one = kiln_differences_get(d, i);
        if (!is_file(one))
            continue;
        if (n++ < LINE_FILES)
            g_string_append_printf(names, "%s%s%s", names->len ? ", " : "", one->name,
                                   !one->before ? " (new)" : !one->after ? " (gone)" : "");
        gone += !one->after;
    }
    if (n == 0)
        return NULL;
    return g_strdup_printf("%u of %u file%s changed: %s%s", n, d->n_files + gone, d->n_files + gone == 1 ? "" : "s",
                           names->str, n > LINE_FILES ? ", …" : "");
}

char *kiln_differences_line(const KilnDifferences *d)
{
    GString *line = g_string_new(NULL);
    g_autofree char *files = files_line(d);
    for (guint i = 0; i < d->list->len; i++) {
        const KilnDifference *one = kiln_differences_get(d, i);
        if (is_file(one) || strcmp(one->what, "input") == 0)
            continue;
        g_autofree char *text = kiln_difference_text(one);
        g_string_append_printf(line, "%s%s", line->len ? "; " : "", text);
    }
    if (files)
        g_string_append_printf(line, "%s%s", line->len ? "; " : "", files);
    if (line->len)
        return g_string_free(line, FALSE);
    g_string_free(line, TRUE);
    return NULL;
}

/* --- Words ----------------------------------------------------------------------------------------------------- */

/* Appends what is left of a run of words that only one side has. */
static void close_run(GString *out, GString *run, const char *open, const char *close)
{
    if (run->len)
        g_string_append_printf(out, "%s%s%s%s", out->len ? " " : "", open, run->str, close);
    g_string_set_size(run, 0);
}

static void append_word(GString *to, const char *word)
{
    g_string_append_printf(to, "%s%s", to->len ? " " : "", word);
}

/* Lengths of the longest common subsequences of all ends. */
static guint16 *subsequences(char **a, guint n, char **b, guint m)
{
    guint16 *table = g_new0(guint16, (n + 1) * (m + 1));
    for (guint i = n; i-- > 0;)
        for (guint k = m; k-- > 0;)
            table[i * (m + 1) + k] =
                strcmp(a[i], b[k]) == 0
                    ? (guint16)(table[(i + 1) * (m + 1) + k + 1] + 1)
                    : MAX(table[(i + 1) * (m + 1) + k], table[i * (m + 1) + k + 1]);
    return table;
}

char *kiln_word_diff(const char *before, const char *after)
{
    g_auto(GStrv) a = g_strsplit_set(before, " \t\n", -1), b = g_strsplit_set(after, " \t\n", -1);
    guint n = g_strv_length(a), m = g_strv_length(b);
    if (n > MOST_WORDS || m > MOST_WORDS)
        return g_strdup_printf("[-%s-] {+%s+}", before, after);
    g_autofree guint16 *common = subsequences(a, n, b, m);
    GString *out = g_string_new(NULL);
    g_autoptr(GString) removed = g_string_new(NULL), added = g_string_new(NULL);
    for (guint i = 0, k = 0; i < n || k < m;) {
        if (i < n && k < m && strcmp(a[i], b[k]) == 0) {
            close_run(out, removed, "[-", "-]");
            close_run(out, added, "{+", "+}");
            append_word(out, a[i]);
            i++, k++;
        } else if (k == m || (i < n && common[(i + 1) * (m + 1) + k] >= common[i * (m + 1) + k + 1])) {
            append_word(removed, a[i++]);
        } else {
            append_word(added, b[k++]);
        }
    }
    close_run(out, removed, "[-", "-]");
    close_run(out, added, "{+", "+}");
    return g_string_free(out, FALSE);
}

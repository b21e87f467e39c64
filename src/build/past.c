#include "build/past.h"

#include <string.h>

/* So many builds back a step is looked for. */
#define MOST_BUILDS 10

typedef struct {
    gint64 id;
    GPtrArray *steps; /* KilnBuildStepRow* */
} Build;

struct KilnPast {
    KilnStore *store;
    char *project;
    gint64 before;
    GMutex lock;
    GPtrArray *builds; /* Build*, newest first; NULL: not read yet */
};

KilnPast *kiln_past_new(KilnStore *store, const char *project, gint64 before)
{
    KilnPast *p = g_new0(KilnPast, 1);
    p->store = store;
    p->project = g_strdup(project);
    p->before = before;
    g_mutex_init(&p->lock);
    return p;
}

static void build_free(gpointer data)
{
    Build *b = data;
    g_clear_pointer(&b->steps, g_ptr_array_unref);
    g_free(b);
}

void kiln_past_free(KilnPast *p)
{
    g_clear_pointer(&p->builds, g_ptr_array_unref);
    g_mutex_clear(&p->lock);
    g_free(p->project);
    g_free(p);
}

static GPtrArray *read_builds(KilnPast *p)
{
    GPtrArray *builds = g_ptr_array_new_with_free_func(build_free);
    g_autoptr(GPtrArray) rows = kiln_builds_list(p->store, p->project, p->before ? 0 : MOST_BUILDS, NULL);
    for (guint i = 0; rows && i < rows->len && builds->len < MOST_BUILDS; i++) {
        const KilnBuildRow *row = rows->pdata[i];
        if (p->before && row->id >= p->before)
            continue;
        Build *b = g_new(Build, 1);
        *b = (Build){row->id, kiln_build_steps(p->store, row->id, NULL)};
        g_ptr_array_add(builds, b);
    }
    return builds;
}

static GPtrArray *get_builds(KilnPast *p)
{
    g_mutex_lock(&p->lock);
    if (!p->builds)
        p->builds = read_builds(p);
    g_mutex_unlock(&p->lock);
    return p->builds;
}

bool kiln_past_is_empty(KilnPast *p)
{
    return get_builds(p)->len == 0;
}

/* --- The same step ----------------------------------------------------------------------------------------------- */

/* "[builder 2/5] RUN npm ci": stage "builder", number "2", text "RUN npm ci". */
typedef struct {
    const char *stage, *number, *text;
    int stage_length, number_length;
} Name;

static Name parse_name(const char *name)
{
    const char *end = *name == '[' ? strstr(name, "] ") : NULL;
    const char *slash = end ? memrchr(name, '/', (size_t)(end - name)) : NULL;
    if (!slash)
        return (Name){.stage = name, .number = name, .text = name};
    const char *number = slash;
    while (number > name + 1 && g_ascii_isdigit(number[-1]))
        number--;
    int stage = (int)(number - name) - 1;
    while (stage > 0 && name[stage] == ' ') /* numbers are as wide as the total */
        stage--;
    return (Name){name + 1, number, end + 2, stage, (int)(slash - number)};
}

static bool same_piece(const char *a, int n, const char *b, int m)
{
    return n == m && strncmp(a, b, (size_t)n) == 0;
}

static bool same_stage(const Name *a, const Name *b)
{
    return same_piece(a->stage, a->stage_length, b->stage, b->stage_length);
}

static bool same_place(const Name *a, const Name *b)
{
    size_t keyword = strcspn(a->text, " ");
    return same_stage(a, b) && same_piece(a->number, a->number_length, b->number, b->number_length) &&
           strncmp(a->text, b->text, keyword + 1) == 0;
}

static const KilnBuildStepRow *find_in(const Build *b, const Name *name)
{
    const KilnBuildStepRow *same = NULL, *near = NULL;
    for (guint i = 0; b->steps && i < b->steps->len; i++) {
        const KilnBuildStepRow *row = b->steps->pdata[i];
        Name other = parse_name(row->name);
        if (!row->key)
            continue;
        bool text = same_stage(name, &other) && strcmp(name->text, other.text) == 0, place = same_place(name, &other);
        if (text && place)
            return row;
        if (text && !same)
            same = row;
        if (place)
            near = row;
    }
    return same ? same : near;
}

const KilnBuildStepRow *kiln_past_find(KilnPast *p, const char *name, gint64 *build)
{
    Name parsed = parse_name(name);
    GPtrArray *builds = get_builds(p);
    for (guint i = 0; i < builds->len; i++) {
        const Build *b = builds->pdata[i];
        const KilnBuildStepRow *row = find_in(b, &parsed);
        if (build)
            *build = b->id;
        if (row)
            return row;
    }
    return NULL;
}

/* --- Why --------------------------------------------------------------------------------------------------------- */

void kiln_why_free(KilnWhy *w)
{
    while (w) {
        KilnWhy *first = w->first;
        g_clear_pointer(&w->differences, kiln_differences_free);
        g_clear_pointer(&w->before, kiln_key_parts_free);
        g_clear_pointer(&w->after, kiln_key_parts_free);
        g_free(w->line);
        g_free(w->input);
        g_free(w);
        w = first;
    }
}

void kiln_past_note_input(KilnKey *k, guint number, const char *key, gint64 layer, const char *name)
{
    g_autofree char *which = g_strdup_printf("%u", number);
    g_autofree char *value = g_strdup_printf("%s@%" G_GINT64_FORMAT " %s", key, layer, name);
    kiln_key_note(k, "input", which, value);
}

/* The first input that is another; of one that is only called otherwise (its number has changed) it is no matter. */
static const KilnDifference *input_difference(const KilnDifferences *d)
{
    for (guint i = 0; d && i < kiln_differences_length(d); i++) {
        const KilnDifference *one = kiln_differences_get(d, i);
        if (strcmp(one->what, "input") != 0 || !one->after || !strchr(one->after, ' '))
            continue;
        gsize length = strcspn(one->after, " ") + 1;
        if (!one->before || strncmp(one->before, one->after, length) != 0)
            return one;
    }
    return NULL;
}

static KilnWhy *why(KilnPast *p, const char *name, const char *key, GBytes *parts, bool follows);

/* What it stands on or reads is another: that one's cause is its. */
static void follow_input(KilnPast *p, KilnWhy *w, bool follows)
{
    const KilnDifference *d = input_difference(w->differences);
    if (!d)
        return;
    w->input = g_strdup(strchr(d->after, ' ') + 1);
    g_autofree char *key = g_strndup(d->after, strcspn(d->after, "@ "));
    w->first = follows ? why(p, w->input, key, NULL, true) : NULL;
}

static char *input_line(const KilnWhy *w)
{
    const KilnWhy *last = w;
    while (last->first && last->first->input)
        last = last->first;
    const char *text = last->first && last->first->line ? last->first->line : NULL;
    return text ? g_strdup_printf("%s is another: %s", last->input, text) : g_strdup_printf("%s is another", last->input);
}

static char *no_difference(const KilnBuildStepRow *row, const char *key)
{
    if (g_strcmp0(row->key, key) != 0)
        return g_strdup("something that is not recorded has changed");
    if (strcmp(row->verdict, "error") == 0 || strcmp(row->verdict, "canceled") == 0)
        return g_strdup_printf("it did not come to its end last time (%s)", row->verdict);
    return g_strdup("nothing has changed; its layer is not in the store any more");
}

/* The step of the name that had another key, or none. */
static KilnWhy *why(KilnPast *p, const char *name, const char *key, GBytes *parts, bool follows)
{
    KilnWhy *w = g_new0(KilnWhy, 1);
    gint64 build = 0;
    const KilnBuildStepRow *row = kiln_past_find(p, name, &build);
    if (!row) {
        w->line = g_strdup("no earlier build had this step");
        return w;
    }
    w->since = build;
    g_autoptr(GBytes) then = kiln_key_parts(p->store, row->key);
    g_autoptr(GBytes) now = parts ? g_bytes_ref(parts) : key ? kiln_key_parts(p->store, key) : NULL;
    w->before = then ? kiln_key_parts_read(then) : NULL;
    w->after = now ? kiln_key_parts_read(now) : NULL;
    if (w->before && w->after && g_strcmp0(row->key, key) != 0)
        w->differences = kiln_differences_new(w->before, w->after);
    w->line = w->differences ? kiln_differences_line(w->differences) : NULL;
    if (!w->line)
        follow_input(p, w, follows);
    if (!w->line)
        w->line = w->input ? input_line(w) : no_difference(row, key);
    return w;
}

KilnWhy *kiln_past_why(KilnPast *p, const char *name, const char *key, GBytes *parts, bool follows)
{
    return kiln_past_is_empty(p) ? NULL : why(p, name, key, parts, follows);
}

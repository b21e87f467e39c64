#include "plan/outline.h"

#include <string.h>

#include "plan/plan-private.h"

static void item_free(gpointer data)
{
    KilnOutlineItem *item = data;
    g_free(item->name);
    g_free(item->value);
    g_free(item->description);
    g_array_unref(item->used);
    g_free(item);
}

KilnOutline *kiln_outline_new(void)
{
    KilnOutline *o = g_new0(KilnOutline, 1);
    GPtrArray **lists[] = {&o->arguments, &o->secrets, &o->ssh, &o->caches};
    for (guint n = 0; n < G_N_ELEMENTS(lists); n++)
        *lists[n] = g_ptr_array_new_with_free_func(item_free);
    return o;
}

void kiln_outline_free(KilnOutline *o)
{
    g_ptr_array_unref(o->arguments);
    g_ptr_array_unref(o->secrets);
    g_ptr_array_unref(o->ssh);
    g_ptr_array_unref(o->caches);
    g_free(o);
}

/* An empty comment cuts off what is above it (BuildKit, parser/parser.go). */
char *kiln_outline_description(const KilnDockerfile *file, const KilnInstruction *i, const char *name)
{
    gsize length = name ? strlen(name) : 0;
    const char *found = NULL;
    for (guint n = i->place.line - 1; length > 0 && n > 0; n--) {
        const char *line = file->lines[n - 1];
        while (g_ascii_isspace(*line))
            line++;
        if (*line != '#' && *line != '\0')
            break;
        if (*line == '\0')
            continue;
        line++;
        while (g_ascii_isspace(*line))
            line++;
        if (*line == '\0')
            break;
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            found = line + length + 1; /* the topmost counts */
    }
    return found ? g_strchomp(g_strdup(found)) : NULL;
}

/* --- Arguments -------------------------------------------------------------------------------------- */

typedef struct {
    KilnPlanner *p;
    KilnOutline *outline;
    GHashTable *items; /* name → KilnOutlineItem: of several ARGs of a name the one nearest to the target */
} Outline;

static KilnOutlineItem *item_add(GPtrArray *list, const char *name, const KilnPlace *place)
{
    KilnOutlineItem *item = g_new0(KilnOutlineItem, 1);
    item->name = g_strdup(name);
    item->place = *place;
    item->used = g_array_new(FALSE, FALSE, sizeof(guint));
    g_ptr_array_add(list, item);
    return item;
}

static const char *declared_value(const KilnScope *scope, const char *name)
{
    gsize length = strlen(name);
    for (guint n = scope->arguments->len; n-- > 0;) {
        const char *text = g_ptr_array_index(scope->arguments, n);
        if (strncmp(text, name, length) == 0 && text[length] == '=')
            return text + length + 1;
    }
    return NULL;
}

typedef void (*NameFunc)(Outline *o, const char *name, gpointer data);

/* Calls it for each $name and ${name…} of a text; what quotes do to them does not matter here. */
static void each_name(Outline *o, const char *text, NameFunc func, gpointer data)
{
    while (text && (text = strchr(text, '$'))) {
        text += text[1] == '{' ? 2 : 1;
        gsize length = 0;
        while (g_ascii_isalnum(text[length]) || text[length] == '_')
            length++;
        g_autofree char *name = g_strndup(text, length);
        if (length > 0)
            func(o, name, data);
        text += length;
    }
}

/* The last ARG of the name before the first FROM, and its default. */
static const KilnInstruction *global_argument(const KilnDockerfile *file, const char *name,
                                              const char **text)
{
    const KilnInstruction *found = NULL;
    for (guint n = 0; n < file->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(file->instructions, n);
        if (i->kind != KILN_INST_ARG)
            break;
        for (guint k = 0; k + 1 < i->args->len; k += 2)
            if (strcmp(g_ptr_array_index(i->args, k), name) == 0) {
                found = i;
                *text = g_ptr_array_index(i->args, k + 1);
            }
    }
    return found;
}

/* One that a FROM reads, or another of these. */
static void add_global(Outline *o, const char *name, gpointer data)
{
    const char *text = NULL;
    const KilnInstruction *arg = global_argument(o->p->file, name, &text);
    (void)data;
    if (!arg || g_hash_table_contains(o->items, name))
        return;
    KilnOutlineItem *item = item_add(o->outline->arguments, name, &arg->place);
    g_hash_table_insert(o->items, item->name, item);
    item->value = g_strdup(declared_value(o->p->globals, name));
    item->description = kiln_outline_description(o->p->file, arg, name);
    each_name(o, text, add_global, NULL);
}

static void add_stage_argument(Outline *o, const KilnStage *s, const KilnInstruction *arg, guint n)
{
    const char *name = g_ptr_array_index(arg->args, n);
    bool given = g_hash_table_contains(o->p->build_args, name);
    if (g_hash_table_contains(o->items, name))
        return;
    if (!g_ptr_array_index(arg->args, n + 1) && !given && declared_value(o->p->globals, name)) {
        add_global(o, name, NULL); /* it says nothing but that the other is wanted */
        return;
    }
    KilnOutlineItem *item = item_add(o->outline->arguments, name, &arg->place);
    g_hash_table_insert(o->items, item->name, item);
    item->value = g_strdup(declared_value(s->scope, name));
    item->description = kiln_outline_description(o->p->file, arg, name);
    each_name(o, g_ptr_array_index(arg->args, n + 1), add_global, NULL);
}

static void add_stage(Outline *o, const KilnStage *s)
{
    for (guint n = s->instructions->len; n-- > 0;) {
        const KilnInstruction *i = g_ptr_array_index(s->instructions, n);
        for (guint k = 0; i->kind == KILN_INST_ARG && k + 1 < i->args->len; k += 2)
            add_stage_argument(o, s, i, k);
    }
    each_name(o, g_ptr_array_index(s->from->args, 0), add_global, NULL);
    each_name(o, kiln_instruction_flag(s->from, "platform"), add_global, NULL);
}

static void add_use(Outline *o, const char *name, gpointer data)
{
    const KilnInstruction *i = data;
    KilnOutlineItem *item = g_hash_table_lookup(o->items, name);
    guint before = item && item->used->len ? g_array_index(item->used, guint, item->used->len - 1) : 0;
    if (item && before != i->place.line)
        g_array_append_val(item->used, i->place.line);
}

static void add_uses(Outline *o, const KilnInstruction *i)
{
    each_name(o, i->original, add_use, (gpointer)i);
    for (guint n = 0; n < i->heredocs->len; n++)
        each_name(o, ((KilnHeredoc *)g_ptr_array_index(i->heredocs, n))->content, add_use,
                  (gpointer)i);
}

/* --- Mounts ----------------------------------------------------------------------------------------- */

static void add_mount(GPtrArray *list, const KilnStep *step, const KilnMount *m)
{
    for (guint n = 0; n < list->len; n++)
        if (strcmp(((KilnOutlineItem *)g_ptr_array_index(list, n))->name, m->id) == 0)
            return;
    item_add(list, m->id, &step->place)->required = m->required;
}

static void add_mounts(Outline *o, const KilnStep *step)
{
    for (guint n = 0; step->mounts && n < step->mounts->len; n++) {
        const KilnMount *m = &g_array_index(step->mounts, KilnMount, n);
        if (m->type == KILN_MOUNT_CACHE)
            add_mount(o->outline->caches, step, m);
    }
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const KilnPlace *x = &(*(KilnOutlineItem *const *)a)->place;
    const KilnPlace *y = &(*(KilnOutlineItem *const *)b)->place;
    return x->line < y->line ? -1 : x->line > y->line;
}

void kiln_planner_outline(KilnPlanner *p, KilnOutline *outline)
{
    g_autoptr(GHashTable) items = g_hash_table_new(g_str_hash, g_str_equal);
    Outline o = {p, outline, items};
    outline->from = p->target->from;
    for (guint n = p->target->index + 1; n-- > 0;) {
        const KilnStage *s = g_ptr_array_index(p->stages, n);
        if (s->needed && !s->context)
            add_stage(&o, s);
    }
    bool global = true, wanted = true;
    for (guint n = 0, stage = 0; n < p->file->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(p->file->instructions, n);
        if (i->kind == KILN_INST_FROM)
            wanted = ((KilnStage *)g_ptr_array_index(p->stages, stage++))->needed;
        global = global && i->kind == KILN_INST_ARG;
        if (global || wanted)
            add_uses(&o, i);
    }
    for (guint n = 0; n < p->plan->steps->len; n++)
        add_mounts(&o, g_ptr_array_index(p->plan->steps, n));
    g_ptr_array_sort(outline->arguments, by_place);
}

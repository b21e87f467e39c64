/* States: what a step came to, and how the steps that stand on it or read it know it. */
#include "build/engine.h"

#include <string.h>

#define NOTHING "scratch" /* the id of an empty file system */

void kiln_state_free(KilnState *s)
{
    if (!s)
        return;
    g_clear_pointer(&s->base, g_array_unref);
    g_free(s->key);
    g_free(s->operation);
    g_free(s->id);
    g_free(s->cause);
    g_free(s);
}

KilnState *kiln_state_new(const KilnStep *parent)
{
    KilnState *s = g_new0(KilnState, 1);
    s->below = kiln_step_state(parent);
    s->depth = s->below ? s->below->depth : 0;
    return s;
}

void kiln_state_set_base(KilnState *s, const gint64 *layers, guint n)
{
    s->below = NULL;
    s->base = g_array_sized_new(FALSE, FALSE, sizeof(gint64), n);
    if (n)
        g_array_append_vals(s->base, layers, n);
    s->depth = n;
}

GArray *kiln_state_chain(const KilnState *s)
{
    guint n = s ? s->depth : 0;
    GArray *chain = g_array_sized_new(FALSE, FALSE, sizeof(gint64), n);
    g_array_set_size(chain, n);
    for (; s; s = s->below) { /* from the top down */
        if (s->layer)
            g_array_index(chain, gint64, --n) = s->layer;
        if (s->base && s->base->len)
            memcpy(chain->data, s->base->data, s->base->len * sizeof(gint64));
    }
    return chain;
}

void kiln_state_finish(KilnState *s, const KilnStep *step, const KilnRecord *record)
{
    g_autoptr(GArray) below = step->link || strcmp(record->key, s->key) == 0 ? NULL : kiln_record_chain(record, 0);
    if (below) { /* one that stands for this one, on layers of its own */
        kiln_state_set_base(s, (const gint64 *)(void *)below->data, below->len);
        g_free(s->key);
        s->key = g_strdup(record->key);
    }
    s->layer = record->layer;
    s->created = record->created;
    s->depth++;

    g_autoptr(KilnHash) hash = kiln_hash_new();
    kiln_hash_string(hash, s->key);
    kiln_hash_update(hash, &s->layer, sizeof s->layer);
    if (step->link) /* whose key says nothing of what it stands on */
        kiln_hash_string(hash, kiln_step_id(step->parent));
    s->id = kiln_hash_finish_text(hash);
}

const char *kiln_step_id(const KilnStep *step)
{
    const KilnState *state = kiln_step_state(step);
    return state ? state->id : NOTHING;
}

/* --- Inputs ---------------------------------------------------------------------------------------------------- */

/* How many of the inputs come before step->needs. */
static guint n_parents(const KilnStep *step)
{
    return step->link ? 0 : 1;
}

guint kiln_step_n_inputs(const KilnStep *step)
{
    return n_parents(step) + step->needs->len;
}

const KilnStep *kiln_step_get_input(const KilnStep *step, guint index)
{
    return index < n_parents(step) ? step->parent : step->needs->pdata[index - n_parents(step)];
}

gint kiln_step_input(const KilnStep *step, const KilnStep *other)
{
    guint index;
    return other && g_ptr_array_find(step->needs, other, &index) ? (gint)(n_parents(step) + index) : -1;
}

static void append_range(GString *text, gint64 first, gint64 last)
{
    g_string_append_printf(text, "%s%" G_GINT64_FORMAT, text->len ? "," : "", first);
    if (last != first)
        g_string_append_printf(text, "-%" G_GINT64_FORMAT, last);
}

static void append_input(GString *text, const KilnStep *step)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(step));
    g_autoptr(GString) ranges = g_string_new(NULL);
    for (guint i = 0, first = 0; i < chain->len; i++) {
        gint64 layer = g_array_index(chain, gint64, i);
        if (i + 1 < chain->len && g_array_index(chain, gint64, i + 1) == layer + 1)
            continue;
        append_range(ranges, g_array_index(chain, gint64, first), layer);
        first = i + 1;
    }
    g_string_append_printf(text, "%s %s\n", kiln_step_id(step), ranges->len ? ranges->str : "-");
}

char *kiln_step_inputs(const KilnStep *step)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kiln_step_n_inputs(step); i++)
        append_input(text, kiln_step_get_input(step, i));
    return g_string_free(text, FALSE);
}

/* The ranges of a chain, up to the end of the line; false if it is none. */
static bool parse_chain(const char *text, GArray *chain)
{
    if (*text == '-')
        return text[1] == '\n';
    for (char *end;; text = end + 1) {
        gint64 first = g_ascii_strtoll(text, &end, 10), last = first;
        if (end == text || first <= 0)
            return false;
        if (*end == '-')
            last = g_ascii_strtoll(end + 1, &end, 10);
        if (last < first || last - first > KILN_CHAIN_MOST)
            return false;
        for (gint64 layer = first; layer <= last; layer++)
            g_array_append_val(chain, layer);
        if (*end != ',')
            return *end == '\n';
    }
}

GArray *kiln_record_chain(const KilnRecord *record, guint input)
{
    const char *line = record->inputs;
    for (guint i = 0; i < input && line; i++) {
        line = strchr(line, '\n');
        line += line ? 1 : 0;
    }
    const char *space = line && *line ? strchr(line, ' ') : NULL;
    g_autoptr(GArray) chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    return space && parse_chain(space + 1, chain) ? g_steal_pointer(&chain) : NULL;
}

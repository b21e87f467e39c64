#include "build/imports.h"

#include "image/export.h"
#include "image/load.h"
#include "tree/pieces.h"

#include <string.h>

#define UNKNOWN (-2)

/* A step that was found in a cache. */
typedef struct {
    KilnEngine *engine;
    KilnStep *step;
    const KilnCacheSource *source;
    const KilnCacheNode *node;
    KilnRecord record;
    GMutex lock;
    enum { AWAY, PACKED, HERE } where;
} Imported;

/* One cache, and which steps of the plan are which nodes of it. */
typedef struct {
    const KilnCacheSource *source;
    GHashTable *by_operation; /* → GArray of node indices */
    gint *nodes;              /* by step index; UNKNOWN: not looked for yet; -1: none */
} Cache;

struct KilnImports {
    KilnEngine *engine;
    GArray *caches;     /* Cache */
    GMutex lock;        /* of nodes and what follows */
    GHashTable *layers; /* gint64 → Imported */
    GPtrArray *distrusted; /* digests of blobs */
};

static void imported_free(gpointer data)
{
    Imported *i = data;
    kiln_record_clear(&i->record);
    g_mutex_clear(&i->lock);
    g_free(i);
}

static void index_operations(Cache *c)
{
    const GPtrArray *nodes = kiln_cache_source_config(c->source)->nodes;
    for (guint i = 0; i < nodes->len; i++) {
        const KilnCacheNode *n = nodes->pdata[i];
        if (!n->operation)
            continue;
        GArray *list = g_hash_table_lookup(c->by_operation, n->operation);
        if (!list) {
            list = g_array_new(FALSE, FALSE, sizeof(guint));
            g_hash_table_insert(c->by_operation, n->operation, list);
        }
        g_array_append_val(list, i);
    }
}

static void cache_clear(gpointer data)
{
    Cache *c = data;
    g_hash_table_unref(c->by_operation);
    g_free(c->nodes);
}

static bool provide(KilnStore *s, gint64 layer, void *imports, GError **error);

KilnImports *kiln_imports_new(KilnEngine *e)
{
    const GPtrArray *sources = e->options->cache_sources;
    if (!sources || sources->len == 0)
        return NULL;
    KilnImports *m = g_new0(KilnImports, 1);
    m->engine = e;
    m->caches = g_array_new(FALSE, TRUE, sizeof(Cache));
    g_array_set_clear_func(m->caches, cache_clear);
    m->layers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, imported_free);
    m->distrusted = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&m->lock);
    for (guint i = 0; i < sources->len; i++) {
        guint n = e->options->plan->steps->len;
        Cache c = {.source = sources->pdata[i],
                   .by_operation = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_array_unref),
                   .nodes = g_new(gint, n + 1)};
        for (guint k = 0; k <= n; k++)
            c.nodes[k] = UNKNOWN;
        index_operations(&c);
        g_array_append_val(m->caches, c);
    }
    kiln_store_set_provider(e->options->store, provide, m);
    return m;
}

void kiln_imports_free(KilnImports *m)
{
    kiln_store_set_provider(m->engine->options->store, kiln_layer_unpack, NULL);
    g_hash_table_unref(m->layers);
    g_ptr_array_unref(m->distrusted);
    g_array_unref(m->caches);
    g_mutex_clear(&m->lock);
    g_free(m);
}

/* --- Which node a step is ------------------------------------------------------------------------------- */

static gint node_of(KilnImports *m, Cache *c, const KilnStep *step);

static Imported *imported_as(KilnImports *m, gint64 layer)
{
    g_mutex_lock(&m->lock);
    Imported *i = g_hash_table_lookup(m->layers, &layer);
    g_mutex_unlock(&m->lock);
    return i;
}

static bool has_inputs(KilnImports *m, Cache *c, const KilnStep *step, const KilnCacheNode *n)
{
    if (n->n_inputs != kiln_step_n_inputs(step))
        return false;
    for (guint i = 0; i < n->n_inputs; i++) {
        const KilnStep *input = kiln_step_get_input(step, i);
        if (input ? n->inputs[i] < 0 || node_of(m, c, input) != n->inputs[i] : n->inputs[i] != -1)
            return false;
    }
    return true;
}

/* What was made on a layer is not put on another one that the same step came to, when it ran again. */
static bool has_content(KilnImports *m, Cache *c, const KilnState *state, const KilnCacheNode *n)
{
    const Imported *imported = imported_as(m, state->layer);
    if (imported && imported->source == c->source)
        return imported->node == n;
    if (!n->has_layer)
        return true;
    if (imported)
        return imported->node->has_layer && strcmp(imported->node->layer.diff_id, n->layer.diff_id) == 0;
    g_autofree char *diff_id = kiln_layer_digest(m->engine->options->store, state->layer, n->clamp, NULL, NULL);
    return g_strcmp0(diff_id, n->layer.diff_id) == 0;
}

static bool is_base(KilnImports *m, const KilnState *state, const KilnCacheNode *n)
{
    if (n->operation || g_strv_length(n->diff_ids) != state->depth)
        return false;
    g_autoptr(GArray) chain = kiln_state_chain(state);
    for (guint i = 0; i < chain->len; i++) {
        gint64 layer = g_array_index(chain, gint64, i);
        g_autofree char *diff_id = kiln_layer_digest(m->engine->options->store, layer, -1, NULL, NULL);
        if (g_strcmp0(diff_id, n->diff_ids[i]) != 0)
            return false;
    }
    return true;
}

static gint look_for(KilnImports *m, Cache *c, const KilnStep *step)
{
    const KilnState *state = kiln_step_state(step);
    const GPtrArray *nodes = kiln_cache_source_config(c->source)->nodes;
    if (step->kind == KILN_STEP_FROM) {
        for (guint i = 0; i < nodes->len; i++)
            if (is_base(m, state, nodes->pdata[i]))
                return (gint)i;
        return -1;
    }
    const GArray *list = g_hash_table_lookup(c->by_operation, state->operation);
    for (guint i = 0; list && i < list->len; i++) {
        guint index = g_array_index(list, guint, i);
        const KilnCacheNode *n = nodes->pdata[index];
        if (has_inputs(m, c, step, n) && has_content(m, c, state, n))
            return (gint)index;
    }
    return -1;
}

/* Of a step that is done. */
static gint node_of(KilnImports *m, Cache *c, const KilnStep *step)
{
    g_mutex_lock(&m->lock);
    gint node = c->nodes[step->index];
    g_mutex_unlock(&m->lock);
    if (node != UNKNOWN)
        return node;
    node = look_for(m, c, step);
    g_mutex_lock(&m->lock);
    c->nodes[step->index] = node;
    g_mutex_unlock(&m->lock);
    return node;
}

/* --- Finding -------------------------------------------------------------------------------------------- */

/* Times that were cut in another way would make another image. */
static bool is_usable(const KilnEngine *e, const KilnCacheNode *n)
{
    return !n->has_layer || n->clamp < 0 || n->clamp == e->options->epoch;
}

/* Better one with a layer. */
static const KilnCacheNode *choose(KilnImports *m, const KilnStep *step, const char *operation,
                                   const KilnCacheSource **source)
{
    const KilnCacheNode *best = NULL;
    for (guint k = 0; k < m->caches->len; k++) {
        Cache *c = &g_array_index(m->caches, Cache, k);
        const GArray *list = g_hash_table_lookup(c->by_operation, operation);
        for (guint i = 0; list && i < list->len; i++) {
            const KilnCacheNode *n =
                kiln_cache_source_config(c->source)->nodes->pdata[g_array_index(list, guint, i)];
            if ((best && (best->has_layer || !n->has_layer)) || !is_usable(m->engine, n) ||
                !has_inputs(m, c, step, n))
                continue;
            best = n;
            *source = c->source;
        }
    }
    return best;
}

static void fill_record(const KilnStep *step, const KilnState *state, const KilnCacheNode *n, gint64 layer,
                        KilnRecord *r)
{
    *r = (KilnRecord){.key = g_strdup(state->key),
                      .operation = g_strdup(state->operation),
                      .inputs = kiln_step_inputs(step),
                      .layer = layer,
                      .created = n->created,
                      .duration = n->duration,
                      .name = g_strdup(step->created_by)};
}

bool kiln_imports_find(KilnEngine *e, KilnStep *step, const KilnState *state, KilnRecord *out)
{
    KilnImports *m = e->imports;
    const KilnCacheSource *source = NULL;
    const KilnCacheNode *n = m ? choose(m, step, state->operation, &source) : NULL;
    if (!n)
        return false;
    gint64 stored = n->has_layer ? kiln_cache_source_layer(source, &n->layer) : 0;
    gint64 layer = stored ? stored : kiln_layer_reserve(e->options->store, NULL);
    if (!layer)
        return false;
    fill_record(step, state, n, layer, out);
    if (stored)
        return kiln_record_put(e->options->store, out, NULL, NULL);
    Imported *i = g_new0(Imported, 1);
    *i = (Imported){.engine = e, .step = step, .source = source, .node = n};
    fill_record(step, state, n, layer, &i->record);
    g_mutex_init(&i->lock);
    g_mutex_lock(&m->lock);
    g_hash_table_insert(m->layers, g_memdup2(&layer, sizeof layer), i);
    g_mutex_unlock(&m->lock);
    return true;
}

/* --- Bringing ------------------------------------------------------------------------------------------- */

static bool fetch(Imported *i, bool unpack)
{
    g_autoptr(GError) failure = NULL;
    KilnEngine *e = i->engine;
    if (!i->node->has_layer)
        return false;
    if (kiln_cache_source_fetch(i->source, &i->node->layer, i->record.layer, i->node->clamp, unpack, &failure))
        return true;
    g_autofree char *text = g_strdup_printf("a layer of the cache is not used, and its step runs again: %s",
                                            failure->message);
    kiln_emit_warning(e->options->emitter, NULL, text);
    kiln_imports_distrust(e, i->source, i->node->layer.blob);
    return false;
}

/* When the step ran is now another time than the cache said. */
static bool execute(Imported *i, GError **error)
{
    KilnEngine *e = i->engine;
    if (!kiln_step_execute_as(e, i->step, i->record.layer, &i->record.duration, error))
        return false;
    i->record.created = g_get_real_time() / G_USEC_PER_SEC;
    g_mutex_lock(&e->lock);
    for (guint k = 0; k < e->options->plan->steps->len; k++) {
        KilnState *state = ((KilnStep *)e->options->plan->steps->pdata[k])->state;
        if (state && state->layer == i->record.layer)
            state->created = i->record.created;
    }
    g_mutex_unlock(&e->lock);
    return true;
}

static bool bring(Imported *i, bool unpack, GError **error)
{
    KilnStore *store = i->engine->options->store;
    if (i->where == HERE || (i->where == PACKED && !unpack))
        return true;
    if (i->where == PACKED) {
        i->where = HERE;
        return kiln_layer_unpack(store, i->record.layer, NULL, error);
    }
    bool fetched = fetch(i, unpack);
    if (!fetched && !execute(i, error))
        return false;
    i->where = fetched && !unpack ? PACKED : HERE;
    return kiln_record_put(store, &i->record, NULL, error);
}

static bool bring_locked(Imported *i, bool unpack, GError **error)
{
    g_mutex_lock(&i->lock);
    bool ok = bring(i, unpack, error);
    g_mutex_unlock(&i->lock);
    return ok;
}

static bool provide(KilnStore *s, gint64 layer, void *imports, GError **error)
{
    Imported *i = imported_as(imports, layer);
    return i ? bring_locked(i, true, error) : kiln_layer_unpack(s, layer, NULL, error);
}

typedef struct {
    KilnEngine *engine;
    const GArray *chain;
} Result;

static bool bring_some(KilnPieces *pieces, gpointer data, GError **error)
{
    Result *r = data;
    guint from, to;
    while (kiln_pieces_take(pieces, &from, &to)) {
        Imported *i = imported_as(r->engine->imports, g_array_index(r->chain, gint64, from));
        if (i && (kiln_cancel_check(r->engine->options->cancel, error) || !bring_locked(i, false, error)))
            return false;
    }
    return true;
}

bool kiln_imports_bring_result(KilnEngine *e, GError **error)
{
    if (!e->imports)
        return true;
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(e->options->plan->target));
    Result r = {e, chain};
    return kiln_pieces_run(chain->len, 1, g_get_num_processors(), bring_some, &r, error);
}

bool kiln_imports_is_away(KilnEngine *e, gint64 layer, const KilnCacheSource **source, const KilnCacheNode **node)
{
    Imported *i = e->imports ? imported_as(e->imports, layer) : NULL;
    if (!i)
        return false;
    *source = i->source;
    *node = i->node;
    g_mutex_lock(&i->lock);
    bool away = i->where == AWAY;
    g_mutex_unlock(&i->lock);
    return away;
}

void kiln_imports_distrust(KilnEngine *e, const KilnCacheSource *source, guint blob)
{
    const char *digest = kiln_cache_source_digest(source, blob);
    if (!digest)
        return;
    g_mutex_lock(&e->imports->lock);
    g_ptr_array_add(e->imports->distrusted, g_strdup(digest));
    g_mutex_unlock(&e->imports->lock);
}

const GPtrArray *kiln_imports_distrusted(const KilnEngine *e)
{
    return e->imports ? e->imports->distrusted : NULL;
}

const KilnCacheMount *kiln_imports_mount(KilnEngine *e, const char *name, const KilnCacheSource **source)
{
    for (guint k = 0; e->imports && k < e->imports->caches->len; k++) {
        const Cache *c = &g_array_index(e->imports->caches, Cache, k);
        const KilnCacheMount *m = kiln_cache_config_mount(kiln_cache_source_config(c->source), name);
        if (m) {
            *source = c->source;
            return m;
        }
    }
    return NULL;
}

#include "tree/layer-tree.h"

#include <string.h>

/* The path of removed entries until the manifest is sorted, which leaves one of them. No path of a
 * tree looks like that. */
#define TOMBSTONE "//"

static KilnNode *attach(KilnLayerTree *t, KilnNode *parent, const char *path)
{
    KilnNode *node = g_new0(KilnNode, 1);
    node->path = path;
    node->parent = parent;
    if (parent) {
        node->next = parent->child;
        if (node->next)
            node->next->previous = node;
        parent->child = node;
    }
    g_hash_table_insert(t->nodes, (gpointer)node->path, node);
    return node;
}

KilnNode *kiln_layer_tree_ensure(KilnLayerTree *t, const char *path)
{
    KilnNode *node = g_hash_table_lookup(t->nodes, path);
    if (node)
        return node;
    node = t->root;
    for (const char *p = path; *p;) {
        const char *end = strchrnul(p, '/');
        g_autofree char *part = g_strndup(path, (gsize)(end - path));
        KilnNode *child = g_hash_table_lookup(t->nodes, part);
        node = child ? child : attach(t, node, kiln_manifest_string(t->manifest, part));
        p = *end ? end + 1 : end;
    }
    return node;
}

void kiln_layer_tree_init(KilnLayerTree *t, KilnManifest *m)
{
    t->manifest = m;
    t->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    t->scratch = g_string_new(NULL);
    t->buried = false;
    t->root = attach(t, NULL, "");
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        KilnEntry *e = kiln_manifest_get(m, i);
        kiln_layer_tree_ensure(t, e->path)->entry = e;
    }
}

void kiln_layer_tree_clear(KilnLayerTree *t)
{
    g_hash_table_unref(t->nodes);
    g_string_free(t->scratch, TRUE);
}

static const char *path_in(KilnLayerTree *t, const KilnNode *dir, const char *name)
{
    g_string_assign(t->scratch, dir->path);
    if (t->scratch->len)
        g_string_append_c(t->scratch, '/');
    g_string_append(t->scratch, name);
    return t->scratch->str;
}

KilnNode *kiln_layer_tree_find(KilnLayerTree *t, KilnNode *dir, const char *name)
{
    return g_hash_table_lookup(t->nodes, path_in(t, dir, name));
}

KilnNode *kiln_layer_tree_add(KilnLayerTree *t, KilnNode *dir, const char *name)
{
    KilnEntry *e = kiln_manifest_add(t->manifest, path_in(t, dir, name));
    KilnNode *node = attach(t, dir, e->path);
    node->entry = e;
    return node;
}

KilnEntry *kiln_layer_tree_reset(KilnLayerTree *t, KilnNode *node)
{
    if (node->entry)
        *node->entry = (KilnEntry){.path = node->path};
    else
        node->entry = kiln_manifest_add(t->manifest, node->path);
    return node->entry;
}

/* The depth is bounded by that of a path. */
void kiln_layer_tree_bury(KilnLayerTree *t, KilnNode *node)
{
    for (KilnNode *child = node->child, *next; child; child = next) {
        next = child->next;
        kiln_layer_tree_bury(t, child);
        if (child->entry) {
            t->buried = true;
            child->entry->path = TOMBSTONE;
        }
        g_hash_table_remove(t->nodes, child->path);
    }
    node->child = NULL;
}

void kiln_layer_tree_finish(KilnLayerTree *t)
{
    kiln_manifest_sort(t->manifest);
    if (t->buried && kiln_manifest_lookup(t->manifest, TOMBSTONE))
        kiln_manifest_remove(t->manifest, kiln_manifest_lower_bound(t->manifest, TOMBSTONE));
    t->buried = false;
}

bool kiln_node_is_dir(const KilnNode *node)
{
    return !node->entry || node->entry->type == KILN_TYPE_DIR;
}

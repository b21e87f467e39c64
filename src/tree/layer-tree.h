/* The paths of a layer while a tar is being unpacked into it: which exist, as what, below what. For
 * tar-read.c only. Entries of the manifest hang on nodes; replacing a directory takes all below it
 * out at once. */
#pragma once

#include "tree/manifest.h"

typedef struct KilnNode KilnNode;
struct KilnNode {
    const char *path; /* in the manifest's memory */
    KilnEntry *entry; /* NULL: a directory that was there before and that the manifest lacks */
    KilnNode *parent; /* NULL for the root */
    KilnNode *child, *next, *previous;
};

typedef struct {
    KilnManifest *manifest; /* borrowed */
    GHashTable *nodes;      /* path → KilnNode */
    KilnNode *root;
    GString *scratch;
    bool buried; /* whether the manifest holds entries of removed paths */
} KilnLayerTree;

/* The tree of what the manifest lists, the root and their parents. */
void kiln_layer_tree_init(KilnLayerTree *t, KilnManifest *m);
void kiln_layer_tree_clear(KilnLayerTree *t);

/* The node of a resolved path; it and its parents are made, without entries, where missing. */
KilnNode *kiln_layer_tree_ensure(KilnLayerTree *t, const char *path);

/* What is called name in directory dir, or NULL. */
KilnNode *kiln_layer_tree_find(KilnLayerTree *t, KilnNode *dir, const char *name);

/* A new path, with an entry that is zero but for the path. */
KilnNode *kiln_layer_tree_add(KilnLayerTree *t, KilnNode *dir, const char *name);

/* The node's entry, zero but for the path. */
KilnEntry *kiln_layer_tree_reset(KilnLayerTree *t, KilnNode *node);

/* Takes all below the node out of the tree and the manifest. */
void kiln_layer_tree_bury(KilnLayerTree *t, KilnNode *node);

/* Sorts the manifest, without what was taken out. */
void kiln_layer_tree_finish(KilnLayerTree *t);

/* Whether the path can have others below it. */
bool kiln_node_is_dir(const KilnNode *node);

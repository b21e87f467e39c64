/* Whether what a step reads has the content that it had for an earlier one: names, types, modes, owners, xattrs, link
 * targets, devices and bytes are the same; times and hard links are not looked at. */
#pragma once

#include "build/engine.h"

/* Files of a list, of a source: what is below `base`. */
typedef struct {
    const KilnManifest *entries;
    const char *base;
    KilnSource *tree;
} KilnContentSide;
bool kiln_content_same_lists(const KilnContentSide *a, const KilnContentSide *b);

/* The file systems of two chains, at path (symlinks in it are followed) and below. False also if one of them cannot
 * be read any more. */
bool kiln_content_same(KilnEngine *e, const GArray *a, const GArray *b, const char *path);

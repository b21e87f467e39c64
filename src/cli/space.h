/* What `kiln du` and `kiln prune` have in common: filters, sizes, and how what takes space is shown. */
#pragma once

#include "cli/command.h"

/* Adds --filter KEY=VALUE as the request has them. */
bool kiln_space_add_filters(KilnRequest *r, const GPtrArray *filters, GError **error);
/* Adds a size, if there is one; where: the flag. */
bool kiln_space_add_size(KilnRequest *r, const char *key, const char *where, const char *size, GError **error);

typedef struct {
    bool json, verbose, full; /* full: nothing is shortened */
} KilnSpaceStyle;
/* --format. */
bool kiln_space_style(KilnSpaceStyle *style, const char *format, GError **error);
void kiln_space_print_items(const KilnSpaceStyle *style, json_object *items);

/* Fields of a result; 0 and false if they are not there. */
gint64 kiln_space_number(json_object *o, const char *key);
bool kiln_space_flag(json_object *o, const char *key);
/* "2 hours ago"; g_free(). */
char *kiln_space_age(gint64 seconds);

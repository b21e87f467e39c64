/* A table for a terminal: columns as wide as their widest cell, three spaces between, as Docker
 * prints them. And what stands in its cells. */
#pragma once

#include <glib.h>

typedef struct KilnTable KilnTable;
KilnTable *kiln_table_new(const char *const *headings); /* NULL-terminated */
/* One cell a heading; copied, as kiln_printable() has them. */
void kiln_table_add(KilnTable *t, const char *const *cells);
char *kiln_table_text(const KilnTable *t); /* g_free() */
void kiln_table_free(KilnTable *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnTable, kiln_table_free)

/* One line of text that is fit for a terminal, whatever a Dockerfile says: what cannot be printed is "?", white
 * space a space. g_free(). */
char *kiln_printable(const char *text);
/* "4.26MB": three figures, decimal units. g_free(). */
char *kiln_human_size(gint64 bytes);
/* "Less than a second", "5 minutes", "2 weeks": Docker's words. g_free(). */
char *kiln_human_duration(gint64 seconds);

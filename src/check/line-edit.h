/* Changes of a text's lines, and the unified diff that makes them: `patch` takes it. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct KilnLineEdit KilnLineEdit;
/* The text must outlive it. */
KilnLineEdit *kiln_line_edit_new(const char *text, gsize size);
void kiln_line_edit_free(KilnLineEdit *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnLineEdit, kiln_line_edit_free)

/* Lines count from 1. No line may be removed twice. */
void kiln_line_edit_remove(KilnLineEdit *e, guint first, guint last);
/* Puts a new line (without its end, which is that of the text's lines) behind a line of the text. */
void kiln_line_edit_insert(KilnLineEdit *e, guint behind, const char *line);
/* Puts lines of the text there. */
void kiln_line_edit_copy(KilnLineEdit *e, guint behind, guint first, guint last);

/* "--- NAME", "+++ NAME" and hunks with three lines around each; NULL without a change. g_free(). */
char *kiln_line_edit_diff(const KilnLineEdit *e, const char *name);

/* .dockerignore: the patterns of moby/patternmatcher, and its rules about parents and "!". */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct KilnIgnore KilnIgnore;

#define KILN_IGNORE_ERROR (kiln_ignore_error_quark())
GQuark kiln_ignore_error_quark(void);

/* Parses the text of an ignore file (comments, blank lines, BOM, CRLF, leading and trailing slashes
 * as Docker does). name is for error messages: "file:line: …". NULL on a malformed pattern. */
KilnIgnore *kiln_ignore_parse(const char *text, gsize size, const char *name, GError **error);
/* The same of patterns that stand for themselves (--exclude): no comments, and a leading slash
 * stays. name is for error messages. NULL on a malformed pattern. */
KilnIgnore *kiln_ignore_new(const char *const *patterns, const char *name, GError **error);
void kiln_ignore_free(KilnIgnore *ignore);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnIgnore, kiln_ignore_free)

/* Whether a path (relative to the context, no leading slash) is excluded: the last pattern that
 * matches it or one of its parents decides. Thread-safe. */
bool kiln_ignore_matches(const KilnIgnore *ignore, const char *path);

/* For a message why a path is excluded: the pattern that decides, and where it stands. NULL if it
 * is not excluded. */
char *kiln_ignore_explain(const KilnIgnore *ignore, const char *path);

/* Whether there is a "!" pattern. */
bool kiln_ignore_has_exceptions(const KilnIgnore *ignore);

/* Whether an excluded directory can be skipped whole: no "!" pattern could match below it. */
bool kiln_ignore_prunes(const KilnIgnore *ignore, const char *dir);

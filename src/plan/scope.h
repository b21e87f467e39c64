/* The variables in force at an instruction: ENV and ARG of the stage, or the ARGs before the first
 * FROM. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    GPtrArray
        *variables; /* "NAME=value"; what was set last is last, as BuildKit passes them to RUN */
    GPtrArray
        *arguments; /* ARGs in order of declaration: "NAME=value", or "NAME" without a value */
    GHashTable *by_name; /* the entries of variables … */
    GHashTable *declared; /* … and of arguments, found by a name or by another entry of the name */
    bool open; /* the base is unknown: what is not here may be set there */
} KilnScope;

KilnScope *kiln_scope_new(void);
KilnScope *kiln_scope_copy(const KilnScope *s);
void kiln_scope_free(KilnScope *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnScope, kiln_scope_free)

/* NULL if it is not set. Borrowed until the variable is set again. */
const char *kiln_scope_get(const KilnScope *s, const char *name);
void kiln_scope_set(KilnScope *s, const char *name, const char *value);
void kiln_scope_unset(KilnScope *s, const char *name);
void kiln_scope_set_all(KilnScope *s, char *const *list); /* "NAME=value" strings */
/* Records an ARG of the stage; value NULL: none. Does not set the variable. */
void kiln_scope_declare(KilnScope *s, const char *name, const char *value);
bool kiln_scope_declares(const KilnScope *s, const char *name);
char **kiln_scope_environ(const KilnScope *s); /* g_strfreev() */
/* What stands before the command in the history of a RUN: "|2 A=1 B=2 ", "" without ARGs. An ENV of
 * the same name gives the value. g_free(). */
char *kiln_scope_prefix(const KilnScope *s);
GPtrArray *kiln_scope_names(const KilnScope *s); /* char*, owned by the array */

/* The keys of steps, and what they are made of.
 *
 * An *operation key* stands for everything that a step does and reads from outside of the build, and says nothing of
 * a store: it is the same on every machine. A *definition key* stands for an operation on certain inputs, which are
 * the states of other steps: their ids have numbers of layers in them, so it is of use in one store alone.
 *
 * Whoever feeds a key names each part. The parts are what `kiln why` compares; they are only kept if that is asked
 * for, since most keys are made to find a record that is there. */
#pragma once

#include "tree/digest.h"

typedef struct KilnKey KilnKey;

/* Part of every key: changes when the meaning of keys or the making of layers does. */
#define KILN_KEY_FORMAT "kiln-step-3"

/* keeps_parts: they are wanted from kiln_key_finish(). */
KilnKey *kiln_key_new(bool keeps_parts);
void kiln_key_free(KilnKey *k);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnKey, kiln_key_free)

/* A part: `what` is a word for its kind ("command", "env", "owner"); name tells parts of one kind apart, or is NULL;
 * value NULL differs from "". */
void kiln_key_text(KilnKey *k, const char *what, const char *name, const char *value);
void kiln_key_number(KilnKey *k, const char *what, const char *name, gint64 value);
/* A part for each string of a NULL-terminated list (NULL: empty). */
void kiln_key_list(KilnKey *k, const char *what, char *const *list);
/* "NAME=value" each: a part is named as the variable. */
void kiln_key_variables(KilnKey *k, const char *what, char *const *list);
/* Bytes that nobody wants to read: of the part only their digest is kept. */
void kiln_key_bytes(KilnKey *k, const char *what, const void *bytes, gsize size);
/* A file that is read, at its path below `base`: kiln_entry_feed(). */
void kiln_key_entry(KilnKey *k, const KilnEntry *e, const char *base);

/* A part that is kept, and no part of the key. */
void kiln_key_note(KilnKey *k, const char *what, const char *name, const char *value);

/* The key, "sha256:…"; g_free(). *parts, if not NULL: kiln_key_parts_each() reads them; g_bytes_unref(). The key can
 * only be freed afterwards. */
char *kiln_key_finish(KilnKey *k, GBytes **parts);

/* The definition key of an operation on n inputs; g_free(). */
char *kiln_key_definition(const char *operation, const char *const *ids, guint n);

/* --- Parts ----------------------------------------------------------------------------------------------------- */
typedef struct {
    const char *what, *name, *value; /* name and value may be NULL; they may be of any encoding */
} KilnKeyPart;
typedef struct KilnKeyParts KilnKeyParts;

/* NULL if the bytes are no parts. */
KilnKeyParts *kiln_key_parts_read(GBytes *bytes);
void kiln_key_parts_free(KilnKeyParts *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnKeyParts, kiln_key_parts_free)
guint kiln_key_parts_length(const KilnKeyParts *p);
/* In the order in which they were fed; borrowed. */
const KilnKeyPart *kiln_key_parts_get(const KilnKeyParts *p, guint index);

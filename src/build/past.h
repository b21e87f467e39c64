/* The kept builds of a project, to hold a step of a build against: which earlier step it was, and what of its key
 * has changed since. The builds are read when they are first asked for. May be used by several threads. */
#pragma once

#include "build/difference.h"
#include "store/store.h"

typedef struct KilnPast KilnPast;

/* before: the number of a build; those older than it count. 0: all of them. */
KilnPast *kiln_past_new(KilnStore *store, const char *project, gint64 before);
void kiln_past_free(KilnPast *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnPast, kiln_past_free)
bool kiln_past_is_empty(KilnPast *p);

/* The step in the newest build that has it: the same text in the same stage, else the same instruction at the same
 * place of it. name: as the output calls the step. NULL if none has. Borrowed; *build: in which one. */
const KilnBuildStepRow *kiln_past_find(KilnPast *p, const char *name, gint64 *build);

/* Why a step was done that is called so and has this key. */
typedef struct KilnWhy {
    char *line;                   /* in one line, for people */
    gint64 since;                 /* build that it was held against; 0: none had the step */
    KilnKeyParts *before, *after; /* NULL: not known */
    KilnDifferences *differences; /* NULL: none are known */
    char *input;                  /* the first step that it stands on or reads and that is another; or NULL */
    struct KilnWhy *first;        /* why that one is */
} KilnWhy;
/* parts: of the key; NULL: as the store has them. follows: if the step itself is the same, its input's cause is looked
 * for, and so on to the first; else only `input` says so. NULL if no earlier build is known. */
KilnWhy *kiln_past_why(KilnPast *p, const char *name, const char *key, GBytes *parts, bool follows);
void kiln_why_free(KilnWhy *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnWhy, kiln_why_free)

/* Notes an input of a step, by its number, in that step's key (kiln_key_note()): its key, layer and name. */
void kiln_past_note_input(KilnKey *k, guint number, const char *key, gint64 layer, const char *name);

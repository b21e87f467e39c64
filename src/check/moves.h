/* Instructions that could stand lower without a change of the result, so that what is above them stays cached:
 * kiln advise proposes those that the history shows to be worth it.
 *
 * Unlike the order rules (order.h), which may only hint, this is for text that is changed: it says nothing where it
 * is not sure, or says why not. What stays an assumption is named. */
#pragma once

#include "check/line-edit.h"
#include "check/order.h"

typedef struct {
    const KilnInstruction *moved;  /* a COPY or ADD of sources, or an ARG */
    guint stage;                   /* which FROM of the file, 0 the first */
    GPtrArray *runs;               /* const KilnInstruction*: the RUNs that it moves below */
    GPtrArray *ahead;              /* char*: instructions that take its place, for what the RUNs read */
    GPtrArray *files;              /* char*: what those bring, by paths below the first source of the COPY; "requirements/":
                                      with all that is in there */
    GPtrArray *assumptions;        /* char*: what must hold for the result to be the same */
    char *refusal;                 /* why it is not moved after all; NULL: it is */
    char *variable;                /* the ARG's */
} KilnMove;
void kiln_move_free(KilnMove *m);

/* KilnMove*, of all stages; g_ptr_array_unref(). The context must be at hand, or nothing is found but ARGs. */
GPtrArray *kiln_check_moves(const KilnDockerfile *d, const KilnCheckContext *context);
void kiln_move_apply(const KilnMove *m, KilnLineEdit *e);

/* What can be given to a build of one target: its build arguments, secrets, ssh agents and caches. As
 * BuildKit's subrequest "outline" (dockerfile2llb/outline.go). */
#pragma once

#include "plan/plan.h"

typedef struct {
    char *name;        /* of an argument, or the id of a mount */
    char *value;       /* arguments: the default, or what was given; NULL: none */
    char *description; /* the comment ahead of it that begins with its name; NULL: none */
    bool required;     /* secrets and ssh */
    KilnPlace place;   /* of the instruction that declares it */
    GArray *used;      /* guint: arguments: lines of the instructions that read it, ascending */
} KilnOutlineItem;

struct KilnOutline {
    GPtrArray *arguments, *secrets, *ssh, *caches; /* KilnOutlineItem*, in the order of the file */
    const KilnInstruction *from;                   /* of the target */
};

KilnOutline *kiln_outline_new(void);
void kiln_outline_free(KilnOutline *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnOutline, kiln_outline_free)

/* What the comments ahead of an instruction say of a name: the rest of the line that begins with it. NULL if
 * none does. g_free(). */
char *kiln_outline_description(const KilnDockerfile *file, const KilnInstruction *i, const char *name);

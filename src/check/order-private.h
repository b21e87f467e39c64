/* What the files of the order rules share. */
#pragma once

#include "check/order.h"
#include "check/tools.h"

/* A stage, and what was seen of it so far. */
typedef struct {
    const KilnDockerfile *d;
    const KilnCheckContext *context;
    GPtrArray *warnings;
    bool infos;
    bool only;                   /* the file has no other stage */
    bool final;                  /* it is in the image: the last one, or what that stands on */
    guint from, to;              /* its instructions: indices of FROM and of what follows it */
    const KilnInstruction *wide; /* the first COPY of sources; NULL: none yet */
    GPtrArray *fetched;          /* const KilnTool*: have fetched their packages ahead of `wide` */
    GPtrArray *late;             /* KilnCheckRun*: RUNs behind it that should stand ahead of it */
    bool mount_told, build_told;
} KilnCheckStage;

/* A RUN with its commands. */
typedef struct {
    const KilnInstruction *run;
    GPtrArray *commands;        /* KilnCommand* */
    const KilnCommand *install; /* in `late`: what installs, */
    const KilnTool *tool;       /* and with what */
} KilnCheckRun;

/* Adds a warning at the instruction, unless it is not wanted. fix may be NULL and is taken over. */
void kiln_check_tell(const KilnCheckStage *s, const KilnInstruction *at, const char *rule,
                     char **fix, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* Whether a cache or tmpfs mount of the RUN lies at this path, above it or below it. */
bool kiln_check_has_mount(const KilnInstruction *run, const char *path);
/* "--mount=… --network=… ", the flags of a RUN as they go into a line; g_free(). */
char *kiln_check_flags(const KilnInstruction *i);

/* copies.c */
/* Whether a COPY or ADD brings sources that change often: the context, or a directory of sources in
 * it. */
bool kiln_check_is_wide(const KilnCheckContext *context, const KilnInstruction *copy);
bool kiln_check_is_whole(const KilnInstruction *copy); /* the context, no directory of it */
/* The first source of a COPY without "./" and with "/" at its end: "backend/"; "" for the context;
 * g_free(). */
char *kiln_check_directory(const KilnInstruction *copy);
/* Names in a directory of the context ("" or "backend/") that match one of the patterns and are not
 * ignored; without a context the patterns. *found: whether something is there. g_ptr_array_unref().
 */
GPtrArray *kiln_check_files(const KilnCheckContext *context, const char *directory,
                            const char *const *patterns, bool *found);
/* Whether the context has this path, and .dockerignore does not exclude it. */
bool kiln_check_there(const KilnCheckContext *context, const char *path);
void kiln_check_context(KilnCheckStage *s, const KilnInstruction *copy);

/* install.c */
/* Notes what a RUN installs; tells of all that came too late, at the end of the stage. */
void kiln_check_install(KilnCheckStage *s, const KilnCheckRun *run);
void kiln_check_late(KilnCheckStage *s);
/* The commands of a RUN on one line, without those that do nothing. g_free(). */
char *kiln_check_command(const KilnCheckRun *run);
/* "COPY package*.json ./": what the RUN's tool reads, as s->wide would copy it. g_free(). */
char *kiln_check_narrow_copy(const KilnCheckStage *s, const KilnCheckRun *run);
void kiln_check_run_free(KilnCheckRun *run);

/* Reads a Dockerfile: text to instructions with their place. The reference is moby/buildkit's
 * frontend/dockerfile/docs/reference.md and, where it is silent, BuildKit's behaviour.
 *
 * This module knows nothing of images, stages' meaning or disks. Words are not expanded here:
 * expand.h does that later, with the variables in force at the instruction. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "arena/arena.h"

#define KILN_DOCKERFILE_ERROR (kiln_dockerfile_error_quark())
GQuark kiln_dockerfile_error_quark(void);
typedef enum {
    KILN_DOCKERFILE_ERROR_SYNTAX,
    KILN_DOCKERFILE_ERROR_UNKNOWN_INSTRUCTION,
    KILN_DOCKERFILE_ERROR_FLAG,
    KILN_DOCKERFILE_ERROR_ARGUMENT,
    KILN_DOCKERFILE_ERROR_FRONTEND, /* "# syntax=" names a frontend that is not the built-in one */
    KILN_DOCKERFILE_ERROR_EXPANSION,
} KilnDockerfileError;

typedef enum {
    KILN_INST_FROM,
    KILN_INST_RUN,
    KILN_INST_CMD,
    KILN_INST_LABEL,
    KILN_INST_MAINTAINER,
    KILN_INST_EXPOSE,
    KILN_INST_ENV,
    KILN_INST_ADD,
    KILN_INST_COPY,
    KILN_INST_ENTRYPOINT,
    KILN_INST_VOLUME,
    KILN_INST_USER,
    KILN_INST_WORKDIR,
    KILN_INST_ARG,
    KILN_INST_ONBUILD,
    KILN_INST_STOPSIGNAL,
    KILN_INST_HEALTHCHECK,
    KILN_INST_SHELL,
} KilnInstructionKind;

typedef struct {
    guint line, column;         /* 1-based; of the first byte */
    guint end_line, end_column; /* of the last byte */
} KilnPlace;

/* A list that is made once; g_ptr_array_index() reads it. */
typedef struct {
    guint len;
    void *pdata[];
} KilnList;

typedef struct {
    char *name;  /* without "--": "from", "chown", "mount" … */
    char *value; /* unexpanded; NULL when there was no "=" ("--link") */
    KilnPlace place;
} KilnFlag;

typedef struct {
    char *name;    /* the word after "<<" without quotes and "-" */
    char *content; /* line ends as in the file, the last one included */
    char *written; /* with "<<-": the content before its tabs were removed; else NULL */
    bool expand;   /* the word was not quoted */
    bool chomp;    /* "<<-": leading tabs are already removed from content */
    KilnPlace place;
} KilnHeredoc;

/* clang-format off */
/* One instruction. Arguments are unexpanded; what they are depends on the kind:
 *
 *   FROM          image [, stage name]; the name is lower-cased: stages are found in any case
 *   RUN, CMD, ENTRYPOINT
 *                 json: the strings; else one string, the shell command line (may be empty)
 *   SHELL         the strings, it is always json
 *   VOLUME        json: the strings; else words
 *   COPY, ADD     sources …, destination (json form or words)
 *   ENV, LABEL    name, value, name, value …; the old "ENV name value" gives one pair and sets legacy
 *   ARG           name, value, …; a NULL value: declared without default
 *   EXPOSE        words, in the order written
 *   USER, WORKDIR, STOPSIGNAL, MAINTAINER
 *                 one string
 *   HEALTHCHECK   "NONE", or "CMD" and then as RUN (json tells)
 *   ONBUILD       one string, the text of the trigger as it goes into the image's configuration, with
 *                 its heredocs as written; `trigger` is the same parsed, or NULL if it is no known
 *                 instruction: BuildKit does not judge triggers where they are declared, so what is
 *                 wrong with one is a warning here, and an error of those who build on the image
 *
 * In word form quotes and escapes are still there (kiln_expand_word() removes them). In json form the
 * quotes of JSON are gone; BuildKit still expands the strings of COPY, ADD and VOLUME as words. Values
 * of flags have lost one level of quotes and escapes already, as in BuildKit, and are then expanded as
 * words. A flag is here only if the instruction takes it and its value is of the right type; what
 * depends on variables is for the caller to judge. */
/* clang-format on */
typedef struct KilnInstruction KilnInstruction;
struct KilnInstruction {
    KilnInstructionKind kind;
    char *keyword;  /* as written */
    char *original; /* the whole instruction, continuations joined as in Docker's history */
    const KilnList *flags; /* KilnFlag* */
    const KilnList *args;  /* char*, may hold NULL (ARG); they may be parts of `original` */
    bool json;
    bool legacy;
    const KilnList *heredocs; /* KilnHeredoc*, in order of appearance */
    KilnPlace place;
    KilnPlace *arg_places;    /* one for each of args */
    KilnInstruction *trigger; /* ONBUILD only, else NULL */
    char **comments; /* the comment lines ahead of it, without "#"; NULL: none */
};

typedef struct {
    char *text;
    KilnPlace place;
    const char *rule; /* BuildKit's rule name: "StageNameCasing", "FromAsCasing" … */
    char **fix;       /* lines that could stand there instead; NULL: none are known */
} KilnDockerfileWarning;

typedef struct {
    char *name;              /* as given, for messages: "Dockerfile" */
    char escape;             /* '\\' or '`' */
    char *syntax;            /* value of the syntax directive, or NULL */
    char *check;             /* value of the check directive ("skip=…;error=true"), or NULL */
    guint directives;        /* how many lines of directives there are at the top */
    GPtrArray *instructions; /* KilnInstruction* */
    GPtrArray *warnings;     /* KilnDockerfileWarning* */
    char **lines;            /* the source, for quoting in messages; NULL-terminated */
    guint line_count;
    KilnArena *arena; /* the memory of the instructions and of what they point to */
} KilnDockerfile;

/* Parses a whole file. Errors are one message that begins with "NAME:LINE:COLUMN: ", says what is
 * wrong and what to try ("unknown instruction: RUM (did you mean RUN?)"), and quotes the line
 * beneath. When several instructions are wrong the message holds one such block for each, in the
 * order of the file; the code is that of the first. A heredoc is read for RUN, COPY and ADD. At
 * most 16 MiB, and as in BuildKit 65,535 bytes in a line. */
KilnDockerfile *kiln_dockerfile_parse(const char *text, gsize size, const char *name,
                                      GError **error);
/* The same, for those who want to see what could be read of a file that is wrong. Never NULL; each
 * thing that is wrong is added to `errors` (GError*), in the order of the file. check: stands in for
 * the file's check directive (BUILDKIT_DOCKERFILE_CHECK); NULL: that one counts. */
KilnDockerfile *kiln_dockerfile_parse_all(const char *text, gsize size, const char *name,
                                          const char *check, GPtrArray *errors);
void kiln_dockerfile_free(KilnDockerfile *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnDockerfile, kiln_dockerfile_free)

/* Parses one instruction as it stands in an ONBUILD trigger of a base image. `name` is for messages
 * ("ONBUILD of node:14"). Only what comes from here is freed by itself. */
KilnInstruction *kiln_instruction_parse(const char *text, const char *name, GError **error);
void kiln_instruction_free(KilnInstruction *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnInstruction, kiln_instruction_free)

/* The value of a flag: NULL if it was not given, "" if it was given without a value. For a flag
 * given several times the last; kiln_instruction_flags() gives all (free the array, not the
 * strings). */
const char *kiln_instruction_flag(const KilnInstruction *i, const char *name);
GPtrArray *kiln_instruction_flags(const KilnInstruction *i, const char *name);
const char *kiln_instruction_keyword(KilnInstructionKind kind); /* upper case */
/* A flag that is on or off: "--link" and "--link=true" are on; absent and "--link=false" are off.
 */
bool kiln_instruction_flag_on(const KilnInstruction *i, const char *name);

/* Where a part of the flag's value stands: `part` is text of it as in the file. The whole flag if it
 * cannot be told, because of quotes, escapes or continued lines in the flag, or if `part` is NULL. */
KilnPlace kiln_flag_place(const KilnFlag *flag, const char *part);

/* The text that a shell-form RUN, CMD, ENTRYPOINT or HEALTHCHECK hands to the shell as the argument
 * after
 * "-c", heredocs included, as BuildKit forms it (dockerfile2llb, dispatchRun):
 *   - no heredoc: the command line;
 *   - nothing but one heredoc ("RUN <<EOF"): its body, whatever the shell is;
 *   - else the command line followed by the bodies and their end words, for the shell to read.
 * NULL for json form and for other instructions. Free with g_free(). */
char *kiln_instruction_shell_command(const KilnInstruction *i);
/* A RUN that is nothing but one heredoc whose body begins with "#!". BuildKit makes a read-only
 * file /dev/pipes/NAME (mode 0755; NAME and body: heredocs[0]) and hands that path to the shell,
 * after "-c", as the whole command, so the kernel reads the shebang.
 * kiln_instruction_shell_command() gives the body all the same. */
bool kiln_instruction_is_script(const KilnInstruction *i);
/* The heredoc that args[n] of a COPY or ADD stands for (its file name in the destination is the
 * heredoc's name), or NULL if it is an ordinary source. */
const KilnHeredoc *kiln_instruction_heredoc(const KilnInstruction *i, guint n);

/* Where an error of kiln_dockerfile_parse_all() is, and its text without the place before and the
 * quoted line beneath (borrowed). */
const char *kiln_dockerfile_error_text(const GError *error, KilnPlace *place);

/* Makes an error of this module's form at a place of the file: prefix, message, quoted line. */
void kiln_dockerfile_error(GError **error, const KilnDockerfile *d, const KilnPlace *place,
                           KilnDockerfileError code, const char *format, ...) G_GNUC_PRINTF(5, 6);

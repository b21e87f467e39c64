/* Programs that install what an image depends on, and programs that build: a table of what they are
 * called, what they read, and where they keep what they have fetched. */
#pragma once

#include "check/shell.h"

typedef enum {
    KILN_TOOL_PACKAGES, /* of a language: reads a list of them in the context */
    KILN_TOOL_SYSTEM,   /* of the distribution: reads nothing of the context */
    KILN_TOOL_BUILD,    /* fetches packages and builds the sources: those are needed, but not for
                           fetching */
} KilnToolKind;

typedef struct {
    const char *name;
    KilnToolKind kind;
    const char *programs[6];
    const char *verbs[10];  /* that install; "": none is needed ("yarn") */
    const char *valued[8];  /* flags whose value is a word of its own, ahead of the verb */
    const char *files[6];   /* what it reads, most needed first; with wildcards */
    const char *fetch;      /* BUILD: the command that only fetches; PACKAGES that would install the
                               project, too:      the flags with which they do not */
    const char *fetches[4]; /* verbs or words that show that fetching is a step of its own */
    const char *after;      /* what is left to do once the sources are there; NULL: nothing */
    const char *caches[2];  /* targets of cache mounts, with their options */
    const char *no_cache[3]; /* words with which no cache is kept */
} KilnTool;

/* The tool that a command installs with; NULL if it installs nothing. */
const KilnTool *kiln_tool_of(const KilnCommand *c);
/* The BUILD tool whose program the command runs, whatever it does; NULL if it is of none. */
const KilnTool *kiln_tool_program(const KilnCommand *c);
/* Whether the command fetches packages for a BUILD tool and builds nothing ("go mod download"). */
bool kiln_tool_only_fetches(const KilnTool *t, const KilnCommand *c);
/* Whether it installs the project itself or a path of it ("pip install .", "npm install ./lib"):
 * that needs the sources. */
bool kiln_tool_needs_sources(const KilnTool *t, const KilnCommand *c);
/* Whether it installs packages by name alone ("pip install flask"), and reads no file. */
bool kiln_tool_by_name(const KilnTool *t, const KilnCommand *c);
/* Whether the command prepares or tidies up and reads no sources: cd, rm, mkdir, set … */
bool kiln_command_is_harmless(const KilnCommand *c);

/* Compilers and the like, in a command that installs system packages or builds: what to call it, or
 * NULL. */
const char *kiln_build_tool_of(const KilnCommand *c, const KilnTool *t);

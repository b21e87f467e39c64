/* Events: what a running operation tells. Modules emit them, renderers and callers only read them. */
#ifndef KILN_EVENT_H
#define KILN_EVENT_H

#include <stdint.h>

typedef enum {
    KILN_EVENT_STEP_START, /* step, name */
    KILN_EVENT_STEP_LOG,   /* step, text: one line of output without its newline; seconds since start */
    KILN_EVENT_STEP_PROGRESS, /* step, text (what), done, total (bytes or items; total 0: unknown) */
    KILN_EVENT_STEP_DONE,  /* step, name, verdict, seconds; text: the error if KILN_VERDICT_ERROR */
    KILN_EVENT_WARNING,    /* text; rule where it comes from a Dockerfile rule, else NULL */
    KILN_EVENT_CONSOLE,    /* a command gets the user's streams or terminal until the operation ends, or the next
                              event; text: what there is to say before, may have several lines, or NULL */
    KILN_EVENT_ERROR,      /* text (may have several lines), exit_code; the operation ends */
    KILN_EVENT_RESULT,     /* data: a JSON document, see kiln.h for each operation; the operation ends */
} KilnEventType;

typedef enum {
    KILN_VERDICT_NONE,
    KILN_VERDICT_DONE,
    KILN_VERDICT_CACHED,
    KILN_VERDICT_ERROR,
    KILN_VERDICT_CANCELED,
} KilnVerdict;

/* Strings are valid until the next event. Unused fields are 0 or NULL. Text may hold any bytes that a
 * command printed, made valid UTF-8. */
typedef struct {
    KilnEventType type;
    unsigned step; /* 1, 2, … in order of appearance: the "#N" of plain output */
    const char *name; /* "[builder 2/5] RUN npm install" */
    const char *text;
    const char *rule;
    KilnVerdict verdict;
    double seconds;
    int64_t done, total;
    int exit_code; /* 1 build failed, 2 usage, 3 a host that cannot run it, 130 interrupted */
    const char *data;
} KilnEvent;

#endif

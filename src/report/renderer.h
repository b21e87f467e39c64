/* What the renderers share: the state of each step, and text made fit for a terminal. Private to
 * src/report/render*.c. */
#pragma once

#include "report/render.h"

#include <glib.h>

/* Something that a step transfers: "sha256:…", "context". */
typedef struct {
    char *what;
    int64_t done, total;
    double seconds;
    gint64 shown; /* plain: when a line of it was last printed, monotonic µs */
} KilnRenderProgress;

typedef struct {
    unsigned number;
    char *name; /* fit for one line of a terminal */
    KilnVerdict verdict;
    bool started, ended;
    gint64 start;        /* monotonic, µs */
    double seconds;      /* valid once ended */
    GQueue tail;         /* char *: the last lines of its output, as "0.412 text" */
    GPtrArray *progress; /* KilnRenderProgress *, in order of appearance */
    GString *held;       /* plain: text that waits for its turn */
    gint64 held_since;   /* monotonic, µs; 0: nothing waits */
} KilnRenderStep;

struct KilnRenderer {
    FILE *out;
    bool color;
    bool terminal; /* out is one */
    const char *title;
    GPtrArray *steps;    /* KilnRenderStep * by number; NULL where there is none (yet) */
    GPtrArray *warnings; /* char *: shown at the end */
    gint64 start;        /* monotonic, µs */
    void (*event)(KilnRenderer *r, const KilnEvent *e);
    void (*tick)(KilnRenderer *r);
    void (*finish)(
        KilnRenderer *r); /* before the result, the error or the free; may be called again */

    /* plain */
    KilnRenderStep *current; /* has the floor, or NULL */
    gint64 current_since, current_active;
    bool printed; /* a step was, so the next one is set off by an empty line */

    /* tty */
    guint drawn; /* lines on the screen that the next painting replaces */
    gint64 painted;
    bool finished;
    bool paused; /* the screen is a command's */
};

void kiln_render_plain_setup(KilnRenderer *r);
void kiln_render_tty_setup(KilnRenderer *r);

/* Brings the state of the event's step up to date and returns the step; NULL for an event without
 * one. */
KilnRenderStep *kiln_render_update(KilnRenderer *r, const KilnEvent *e);

/* Writes text with one call. */
void kiln_render_write(KilnRenderer *r, const GString *text);

/* Warnings that were kept, then, on an error, the last output of the failed steps and the error
 * itself. */
void kiln_render_end(KilnRenderer *r, const KilnEvent *e);

/* What a command that gets the terminal is announced with. */
void kiln_render_console(KilnRenderer *r, const KilnEvent *e);

/* Text of unknown origin as one line for a terminal: escape sequences and control characters are
 * left out, but for colours and tabs if `style`; what a carriage return overwrote is left out.
 * g_free(). */
char *kiln_render_line(const char *text, bool style);

/* "512B", "20.31MB": decimal units, as Docker's tools print sizes. */
void kiln_render_size(GString *to, int64_t bytes);
/* "WHAT 1.05MB / 20.31MB 0.3s", then "WHAT 20.31MB 0.9s done". */
void kiln_render_progress(GString *to, const KilnRenderProgress *p);

/* What modules use to tell: events go out over the wire, numbered in order of appearance. Thread-safe. */
#pragma once

#include "report/wire.h"

typedef struct KilnEmitter KilnEmitter;
KilnEmitter *kiln_emitter_new(KilnWire *wire); /* wire is borrowed */
void kiln_emitter_free(KilnEmitter *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnEmitter, kiln_emitter_free)

/* Keeps what is sent of steps and warnings from now on, as JSON lines, for kiln_emitter_kept(). Beyond so many
 * bytes lines of output are left out. */
void kiln_emitter_keep(KilnEmitter *e, gsize limit);
/* What was kept up to now; keeps no more. NULL if nothing was to be kept. */
GBytes *kiln_emitter_kept(KilnEmitter *e);

void kiln_emit_warning(KilnEmitter *e, const char *rule, const char *text);
/* A command gets the user's terminal or streams; text (may be NULL) is shown before. */
void kiln_emit_console(KilnEmitter *e, const char *text);
void kiln_emit_error(KilnEmitter *e, int exit_code, const char *text);
void kiln_emit_result(KilnEmitter *e, json_object *document); /* borrowed */

/* A step as people see it, from its start event to its done event. */
typedef struct KilnTask KilnTask;
KilnTask *kiln_task_start(KilnEmitter *e, const char *name);
/* Output of a command, in any pieces: sent line by line, made valid UTF-8. A NULL buffer sends what is left
 * of a last line. */
void kiln_task_output(KilnTask *t, const char *buffer, gsize size);
/* One line of our own. */
void kiln_task_log(KilnTask *t, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* At most one event every 100 ms passes, besides the last (done == total). */
void kiln_task_progress(KilnTask *t, const char *what, gint64 done, gint64 total);
gint64 kiln_task_elapsed(const KilnTask *t); /* microseconds */
/* Ends and frees it. text: the error, or NULL. */
void kiln_task_end(KilnTask *t, KilnVerdict verdict, const char *text);

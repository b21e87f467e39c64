/* A source of ADD that is fetched: a URL's file, or the files of a git repository. */
#pragma once

#include "build/engine.h"

typedef struct KilnCopySource KilnCopySource;
typedef struct KilnAddRemote KilnAddRemote;

/* Whether the step's source of this number is one. */
bool kiln_step_fetches(const KilnStep *step, guint source);

/* Whether a server must be asked before the step has a key; otherwise a checksum, a commit or what the store
 * remembers of the URL is enough. */
bool kiln_step_must_ask(KilnEngine *e, const KilnStep *step);

/* Asks what the source is now, unless a checksum says it: then nothing is asked. Without a fetcher what is
 * known is believed. NULL on error. */
KilnAddRemote *kiln_add_remote_new(KilnEngine *e, const KilnStep *step, guint source, GError **error);
void kiln_add_remote_free(KilnAddRemote *r);

/* Adds to a key what decides on the outcome: content, name and time of a file; commit and what is taken of
 * it. Never where from or when. */
void kiln_add_remote_feed(const KilnAddRemote *r, KilnKey *key);

/* Whether it is a URL's one file. */
bool kiln_add_remote_is_file(const KilnAddRemote *r);

/* Fetches it, into the work folder if need be. NULL on error. */
KilnCopySource *kiln_add_remote_fetch(KilnAddRemote *r, KilnEngine *e, KilnStep *step, KilnWork *work,
                                      GError **error);

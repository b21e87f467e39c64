/* Writes the layer of a COPY, ADD or WORKDIR: entries go to disk and into the manifest together, with
 * the parent directories that a layer must repeat from the chain below. */
#pragma once

#include "build/engine.h"

typedef struct KilnLayerWriter KilnLayerWriter;

/* below and upperfd are borrowed. Directories that do not exist below get this owner, mode 0755 and the
 * time `now` (seconds). */
KilnLayerWriter *kiln_layer_writer_new(const KilnView *below, int upperfd, KilnOwners owners,
                                       guint32 uid, guint32 gid, gint64 now);
/* Another mode for directories that do not exist below. */
enum { KILN_LAYER_WRITER_DIRECTORY_MODE = 0755 };
void kiln_layer_writer_set_directory_mode(KilnLayerWriter *w, uint16_t mode);
void kiln_layer_writer_free(KilnLayerWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnLayerWriter, kiln_layer_writer_free)

/* What is at a resolved path now: in this layer or below. */
const KilnEntry *kiln_layer_writer_lookup(KilnLayerWriter *w, const char *path);

/* Makes the directory and its parents exist in the layer (path resolved). Fails where something else than a
 * directory is in the way. */
bool kiln_layer_writer_directory(KilnLayerWriter *w, const char *path, GError **error);

/* Puts an entry (a deep copy) at path, whose parent was made before. A directory over a directory gives it
 * the new attributes; a file over a directory or the reverse is an error. content_fd as
 * kiln_placer_put(). */
bool kiln_layer_writer_put(KilnLayerWriter *w, const KilnEntry *e, const char *path, int content_fd,
                           GError **error);
/* The same, but only in the manifest: the caller puts the entry that is returned on disk, before
 * kiln_layer_writer_finish(). NULL on error. */
const KilnEntry *kiln_layer_writer_record(KilnLayerWriter *w, const KilnEntry *e, const char *path, GError **error);
/* Whether the layer itself has something at path already that is no directory. */
bool kiln_layer_writer_holds(const KilnLayerWriter *w, const char *path);
/* A number for the link_group of entries that are hard links of each other in this layer. */
guint32 kiln_layer_writer_new_group(KilnLayerWriter *w);

/* Adds what something else (kiln_untar) has put on disk; its link groups get numbers of their own. */
void kiln_layer_writer_adopt(KilnLayerWriter *w, const KilnManifest *m);

/* To be called when all is recorded: the whole manifest, sorted and borrowed, which kiln_layer_writer_finish() will
 * return unchanged. */
KilnManifest *kiln_layer_writer_complete(KilnLayerWriter *w, GError **error);

/* Applies deferred attributes and returns the sorted manifest. */
KilnManifest *kiln_layer_writer_finish(KilnLayerWriter *w, GError **error);

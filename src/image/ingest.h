/* Takes one layer of a layout in: checks it against its digests, keeps its blob, unpacks it. For
 * src/image/ and src/cache/ alone. */
#pragma once

#include "image/layout.h"

typedef struct {
    const KilnLayout *layout; /* borrowed, as all that goes in */
    const KilnLayoutLayer *layer;
    const char *diff_id;
    bool unpack; /* else only the blob is wanted */

    KilnWork *work;         /* holds "upper" if unpacked, and the file "blob" if keep */
    int upper_fd;           /* of "upper", the work's */
    KilnManifest *manifest; /* if unpacked; implicit directories are still marked */
    KilnLayerBlob blob;
    bool keep; /* the blob is not in the store yet */
} KilnIngest;

/* Does the work; may run in any thread. DIGEST if the blob or its content is not what the digests
 * say, whatever else is wrong with it then; FORMAT if it is, but cannot be unpacked. */
bool kiln_ingest_run(KilnIngest *i, GError **error);
/* Puts the blob into the store and says that it carries the layer. */
bool kiln_ingest_commit_blob(KilnIngest *i, GError **error);
/* Puts what was unpacked into the store as the layer of this number; of directories that its tar only implies nobody
 * knows what they are like. */
bool kiln_ingest_commit_layer(KilnIngest *i, gint64 layer, GError **error);
void kiln_ingest_clear(KilnIngest *i);

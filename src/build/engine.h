/* Inside the build engine: what the scheduler and the kinds of steps share. */
#pragma once

#include "build/build.h"
#include "build/copy-digest.h"
#include "build/key.h"
#include "build/snapshotter.h"
#include "tree/digest.h"
#include "tree/source.h"

/* What a step came to. Written by the thread that ran it, read by those that need it, later. */
typedef struct KilnState KilnState;
struct KilnState {
    const KilnState *below; /* what it stands on, whose layers come first; or NULL: */
    GArray *base;           /* gint64 layer numbers, bottom first, that come first */
    guint depth;            /* how many layers there are with its own; kiln_state_chain() lists them */
    gint64 layer;   /* the step's own, 0 for FROM */
    char *key;      /* definition key; of a layer made by one that stands for this step that one's */
    char *operation; /* operation key; NULL for FROM */
    char *id;       /* what those that stand on it or read it know it by */
    gint64 created; /* seconds: when the layer was made */
    char *cause;    /* why it was executed, in a line; or NULL */
    bool inherits_cause; /* it is that of a step that it stands on or reads */
    bool executed;  /* by this build, not found in the records */
};

typedef struct KilnEtc KilnEtc;                 /* etc.h */
typedef struct KilnBuildLimits KilnBuildLimits; /* step-limits.h */
typedef struct KilnImports KilnImports;         /* imports.h */
typedef struct KilnNetworks KilnNetworks;       /* network.h */
typedef struct KilnShell KilnShell;             /* shell.h */

typedef struct {
    const KilnBuildOptions *options;
    KilnEtc *etc; /* made for the first RUN */
    KilnBuildLimits *limits; /* likewise, if RUNs are limited */
    KilnNetworks *networks;  /* likewise */
    KilnSnapshotter snapshotter; /* AUTO until the first RUN: step-root.h */
    GPtrArray *rootfses;         /* KilnRootfsCopy that no step has: rootfs-copy.c; NULL: none */
    bool isolation_warned;       /* isolation.c */
    KilnImports *imports; /* NULL: no caches are read */
    KilnStatIndex *index; /* of the context */
    char *index_name;

    GMutex lock;
    GCond changed;         /* signalled when a key is released that a thread waits for */
    guint key_waiters;     /* how many do */
    GCond over;            /* signalled when nothing is left to do */
    GPtrArray *witnesses;  /* paths: content.c */
    bool dry;              /* keys alone are wanted: nothing is executed, fetched or written */
    GHashTable *outcomes;  /* by key: what build.c knows of it */
    GHashTable *odd_owners; /* by layer: what emulate.c knows of it; NULL: nothing yet */
    guint *waiting_for;    /* by step index: how many needed steps are not done */
    GPtrArray **readers;   /* by step index: the steps that need it */
    guint unfinished;      /* steps that are not done */
    KilnShell *shell;      /* what is kept of the first failed RUN, if a shell is to be opened in it */
    GError *error;         /* the first failure; nothing new starts after it */
    GThreadPool *workers;   /* run steps */
    GHashTable *digests;    /* KilnManifest → KilnCopyDigest: under way for layers that no digester has got to yet */
    GThreadPool *digesters; /* make digests and blobs of finished layers */
    GThreadPool *sweepers;  /* remove work folders */
} KilnEngine;

/* A kind of step. */
typedef struct {
    /* Opens what the step reads from outside. *prepared: what the others want. May be NULL. */
    bool (*prepare)(KilnEngine *e, KilnStep *step, gpointer *prepared, GError **error);
    /* Adds to the operation key all that the step does and reads, but for its inputs. */
    bool (*feed)(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error);
    /* Whether what the step reads of an input that is not its parent is the same in another chain. NULL: all of it
     * must be. */
    bool (*same_input)(KilnEngine *e, KilnStep *step, gpointer prepared, const KilnStep *input, const GArray *chain);
    /* Fills the work's "upper" directory (upperfd) and returns its manifest. */
    KilnManifest *(*execute)(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                             int upperfd, KilnTask *task, GError **error);
    /* Whether so much is fed that it takes a while, and may be fed once more by another thread while the step is
     * executed. May be NULL. */
    bool (*feeds_much)(gpointer prepared);
    void (*release)(gpointer prepared); /* may be NULL */
} KilnStepKindOps;

extern const KilnStepKindOps kiln_step_run, kiln_step_copy, kiln_step_workdir;

static inline const KilnState *kiln_step_state(const KilnStep *step)
{
    return step ? step->state : NULL;
}

/* The context that a COPY or a mount reads; NULL: a stage or an image. */
static inline const KilnContext *kiln_origin_context(const KilnEngine *e, const KilnOrigin *from)
{
    return from->kind == KILN_ORIGIN_CONTEXT ? e->options->context
           : from->kind == KILN_ORIGIN_NAMED ? g_hash_table_lookup(e->options->contexts, from->name)
                                             : NULL;
}

/* Its files. NULL also where nothing is built and it would have to be fetched or unpacked. */
KilnSource *kiln_origin_source(const KilnEngine *e, const KilnOrigin *from, GError **error);

/* The file system that a step left (NULL: empty). Free it. */
KilnView *kiln_step_view(KilnEngine *e, const KilnStep *step, GError **error);

/* The layers to mount for a state (NULL: none), bottom first: see kiln_layer_lowers(). */
GArray *kiln_state_lowers(KilnEngine *e, const KilnState *state, GError **error);

/* A small text file of it, symlinks followed inside; NULL without error if there is none. */
char *kiln_step_read_file(KilnEngine *e, const KilnStep *step, const KilnView *view, const char *path,
                          GError **error);

/* state.c: on the layers of parent; those of the step itself come with kiln_state_finish(). */
KilnState *kiln_state_new(const KilnStep *parent);
void kiln_state_free(KilnState *s);
/* In the place of the parent's layers. */
void kiln_state_set_base(KilnState *s, const gint64 *layers, guint n);
/* Its layers (NULL: none), bottom first: gint64; g_array_unref(). Made when asked for: a list for each of a thousand
 * steps would be half a million numbers. */
GArray *kiln_state_chain(const KilnState *s);
/* What the step's record says: its layer and, if it is another step's that stands for it, that one's chain and key. */
void kiln_state_finish(KilnState *s, const KilnStep *step, const KilnRecord *record);
/* Borrowed. */
const char *kiln_step_id(const KilnStep *step);
/* What the step stands on (not with --link) and reads, in this order. */
guint kiln_step_n_inputs(const KilnStep *step);
const KilnStep *kiln_step_get_input(const KilnStep *step, guint index);
/* Which one of those it reads, by index; -1: an empty file system. */
gint kiln_step_input(const KilnStep *step, const KilnStep *other);
/* KilnRecord.inputs; g_free(). */
char *kiln_step_inputs(const KilnStep *step);
/* The chain of an input of a record; NULL if it has none such. g_array_unref(). */
GArray *kiln_record_chain(const KilnRecord *record, guint input);
#define KILN_CHAIN_MOST 1000000 /* layers: more is none that kiln wrote */

/* lookup.c: what was made before. */
bool kiln_step_ignores_cache(const KilnEngine *e, const KilnStep *step);
bool kiln_step_find(KilnEngine *e, KilnStep *step, const KilnState *state, gpointer prepared, KilnRecord *out);
/* Waits while another process is at the same step. */
bool kiln_step_lock(KilnEngine *e, const KilnStep *step, const KilnState *state, KilnTask *task, GError **error);
void kiln_step_unlock(KilnEngine *e, const KilnStep *step, const KilnState *state);

/* explain.c: the parts of the step's key, its inputs among them; and why the step is done, which is put into the
 * state, and told where it begins. */
GBytes *kiln_step_parts(KilnEngine *e, KilnStep *step, gpointer prepared);
void kiln_step_explain(KilnEngine *e, KilnStep *step, KilnState *state, GBytes *parts, KilnTask *task);

/* build.c, for those that look ahead (foresee.c). */
/* Key and chain of a FROM. */
bool kiln_step_from(KilnEngine *e, KilnStep *step, KilnState *state, GError **error);
/* Feeds all that the step does and reads, apart from its inputs. */
bool kiln_step_feed(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error);
const KilnStepKindOps *kiln_step_ops(KilnStepKind kind); /* NULL for FROM */
/* Keys of any other step, whose needed steps have their state. *prepared: for execute; free it with
 * kiln_step_release(), also after an error. */
bool kiln_step_key(KilnEngine *e, KilnStep *step, KilnState *state, gpointer *prepared, GError **error);
void kiln_step_release(const KilnStep *step, gpointer prepared);
/* Executes a step that was found in a cache, which does not have its layer, as the layer of this number. */
bool kiln_step_execute_as(KilnEngine *e, KilnStep *step, gint64 layer, gint64 *duration, GError **error);
/* What is known of the context's files from earlier builds. */
void kiln_engine_open_index(KilnEngine *e);

/* Puts "FILE:LINE:COLUMN: " and the quoted line around *error, which must be set. */
void kiln_step_prefix_error(const KilnStep *step, const KilnPlace *place, GError **error);

/* While a step waits for something that another one holds, a further one may run in its place. */
void kiln_engine_lend_place(KilnEngine *e);
void kiln_engine_take_place(KilnEngine *e);

/* The image: digests, configuration, record. Called when all steps are done. */
KilnBuilt *kiln_build_assemble(KilnEngine *e, GError **error);
bool kiln_step_feeds_target(const KilnEngine *e, const KilnStep *step);
/* Whether it is of use to digest the layer of a step before it is in the store. */
bool kiln_build_wants_digest(const KilnEngine *e, const KilnStep *step);
/* Takes over a digest that is under way for the layer with this manifest. */
void kiln_build_take_digest(KilnEngine *e, const KilnManifest *manifest, KilnCopyDigest *digest);
/* A GThreadPool function: computes the digest (and blob) of the layer of this number ahead of need. */
void kiln_build_digest_ahead(gpointer layer, gpointer engine);

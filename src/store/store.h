/* The store: layers, blobs, images and step records of one user, under one directory. docs/store.md
 * says what lies where, and the rules of durability, locking and versions; this is its only code.
 *
 *     version, store.db (SQLite), lock         layers/N (directories), manifests/N
 *     blobs/sha256/HEX                         tmp/… (work in progress, one folder a unit of work)
 *     index/… (stat indexes)                   stub (the lowest layer of every RUN: empty mount
 * points)
 *
 * A KilnStore may be used by several threads. */
#pragma once

#include "tree/place.h"
#include "tree/tar-limits.h"
#include "tree/view.h"

#define KILN_STORE_ERROR (kiln_store_error_quark())
GQuark kiln_store_error_quark(void);
typedef enum {
    KILN_STORE_ERROR_IO,         /* the file system refused; message names the path */
    KILN_STORE_ERROR_SPACE,      /* disk or quota full */
    KILN_STORE_ERROR_PERMISSION, /* the store's directory cannot be written by this user */
    KILN_STORE_ERROR_MISMATCH,   /* made by another user, id map or ownership mode */
    KILN_STORE_ERROR_VERSION,    /* made by a newer kiln */
    KILN_STORE_ERROR_CORRUPT,
    KILN_STORE_ERROR_NOT_FOUND,
    KILN_STORE_ERROR_BUSY, /* exclusive access while another kiln runs */
} KilnStoreError;

typedef struct KilnStore KilnStore;

typedef enum {
    KILN_STORE_SHARED,    /* builds and everything else */
    KILN_STORE_EXCLUSIVE, /* reset, collection */
    KILN_STORE_READ,      /* what explains: makes, changes and cleans nothing, and needs no id map */
} KilnStoreAccess;

/* Opens the store at root, creating it (mode 0700) if need be. The ownership mode is found from the
 * caller's id map (one id: RECORDED) and must be that of the store. Removes work in progress that
 * dead processes left (each unit of work holds an OFD lock), and step records of another boot that
 * no syncfs confirmed.
 *
 * With KILN_STORE_READ: NOT_FOUND if there is none, PERMISSION if it is not the calling user's (the
 * map may be any: the caller may be outside the namespace that the store was made in, so of layers
 * only the manifests are of use). What would write fails. */
KilnStore *kiln_store_open(const char *root, KilnStoreAccess access, GError **error);
void kiln_store_close(KilnStore *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnStore, kiln_store_close)
int kiln_store_fd(const KilnStore *s);
const char *kiln_store_root(const KilnStore *s);
KilnOwners kiln_store_owners(const KilnStore *s);
/* How much one archive that comes into the store may unpack to; KILN_TAR_LIMITS_DEFAULT unless they were set, before
 * the store is used by a second thread. */
KilnTarLimits kiln_store_limits(const KilnStore *s);
void kiln_store_set_limits(KilnStore *s, KilnTarLimits limits);
/* Flushes the file system once and confirms this boot's records. Takes as long as the disk does. */
bool kiln_store_confirm(KilnStore *s, GError **error);
/* Whether it pays after a build: not if all was cached, and what this process wrote is history alone. */
bool kiln_store_needs_confirming(KilnStore *s);

/* Whether anything has been written to it through this. */
bool kiln_store_has_written(KilnStore *s);

/* Removes this process's folder in tmp/ and ends its leases ahead of kiln_store_close(), where no work is in
 * progress any more. */
void kiln_store_tidy(KilnStore *s);

/* --- Leases: what a store's lookups gave is not removed by a collector before the store is tidied or closed
 * (docs/store.md, "Collection"). Lookups of records, images, chains and blobs lease what they give. -------- */
/* From here until kiln_store_looked() everything is leased together and lookups see the store as it is now: of a build
 * that is all cached no step needs a lock of its own. Changes nothing while a collector is deleting. */
void kiln_store_look(KilnStore *s);
/* Ends that, before anything is executed or waited for; what lookups gave stays leased. No harm if it was ended. */
void kiln_store_looked(KilnStore *s);
/* Leases layers that are known from elsewhere, such as a record's inputs. False if one is not there (any more).
 * May wait for a collector that is deleting it, so not to be called in a transaction. */
bool kiln_layer_lease(KilnStore *s, const gint64 *layers, guint n);
/* Writes down that all that was leased has been used now: one transaction, or none if that is known to the hour. */
bool kiln_store_touch(KilnStore *s, GError **error);

/* --- Work in progress: a folder in tmp/, removed by kiln_work_free() unless committed
 * ---------------- */
typedef struct KilnWork KilnWork;
KilnWork *kiln_work_new(KilnStore *s, GError **error);
void kiln_work_free(KilnWork *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnWork, kiln_work_free)
int kiln_work_fd(const KilnWork *w);
const char *kiln_work_path(const KilnWork *w); /* absolute */
/* Creates a subdirectory, mode 0755, and returns an fd (O_RDONLY|O_DIRECTORY) that the work owns;
 * -1 on error. "upper" is what kiln_layer_commit() takes. */
int kiln_work_mkdir(KilnWork *w, const char *name, GError **error);

/* --- Layers
 * ------------------------------------------------------------------------------------------ */
/* Renames the work's "upper" to layers/N and writes its manifest. Returns N, or 0 on error. */
gint64 kiln_layer_commit(KilnStore *s, KilnWork *w, KilnManifest *manifest, GError **error);
/* Layers that are not here yet (docs/store.md, "Packed layers"). reserve: a number of which nothing is known; 0 on
 * error. commit_as: as commit, but gives the layer this number, unless it is there by now. put_packed: the layer's
 * tar (kiln_layer_set_tar_diff_id()) is a blob of this size. */
gint64 kiln_layer_reserve(KilnStore *s, GError **error);
bool kiln_layer_commit_as(KilnStore *s, KilnWork *w, KilnManifest *manifest, gint64 layer, GError **error);
bool kiln_layer_put_packed(KilnStore *s, gint64 layer, guint64 size, GError **error);
/* Called when directory or manifest of a layer are wanted that is not there: makes them, by commit_as. May be called
 * by several threads at once, also for one layer. */
typedef bool (*KilnProvideFunc)(KilnStore *s, gint64 layer, void *data, GError **error);
void kiln_store_set_provider(KilnStore *s, KilnProvideFunc provide, void *data);
/* The manifest, read once and kept; unref it. NULL on error. */
KilnManifest *kiln_layer_manifest(KilnStore *s, gint64 layer, GError **error);
/* An O_PATH fd of the directory, borrowed, kept until the store is closed; -1 on error. */
int kiln_layer_fd(KilnStore *s, gint64 layer, GError **error);
/* A view over a chain (layer numbers, bottom first). */
KilnView *kiln_layer_view(KilnStore *s, const gint64 *chain, guint n, GError **error);
/* The layers to mount in the place of a chain, bottom first: overlayfs takes 500 at most, and each costs. In a
 * long chain runs of layers are replaced by one that merges them, made when first asked for and kept. Such a
 * layer is never part of an image. NULL on error; g_array_unref() (of gint64). */
GArray *kiln_layer_lowers(KilnStore *s, const gint64 *chain, guint n, GError **error);
/* O_PATH fd of layers/, and of the stub layer; borrowed. */
int kiln_store_layers_fd(const KilnStore *s);
int kiln_store_stub_fd(const KilnStore *s);

/* Whether the layer's directory is there and its manifest of the length that it says: what a crash of the machine or
 * another hand would leave otherwise. Costs a few microseconds; contents are not read (kiln fsck does). */
bool kiln_layer_is_usable(KilnStore *s, gint64 layer);
/* Says that a layer was found to be not as it was made: from now on it is not usable, records of it count for
 * nothing, and its chainID finds it no more. The manifest and directory functions above do so by themselves. */
void kiln_layer_condemn(KilnStore *s, gint64 layer);
/* A layer that was condemned since this was last asked, or 0: what failed by it can be tried again. */
gint64 kiln_layer_newly_condemned(KilnStore *s);

/* The diffID of a layer ("sha256:…" of its uncompressed tar), NULL if not computed yet; g_free().
 * Set it only for a layer that came with an image; what kiln_layer_digest() computes is recorded
 * below. */
char *kiln_layer_diff_id(KilnStore *s, gint64 layer);
bool kiln_layer_set_diff_id(KilnStore *s, gint64 layer, const char *diff_id, GError **error);
/* The same for the tar that kiln_tar_write() makes of a layer with this clamp (-1: none). A layer
 * whose diffID was set above came in a tar of its own and has that one, whatever the clamp. NULL if
 * not known. */
char *kiln_layer_tar_diff_id(KilnStore *s, gint64 layer, gint64 clamp);
bool kiln_layer_set_tar_diff_id(KilnStore *s, gint64 layer, gint64 clamp, const char *diff_id,
                                GError **error);
/* Any of these. */
char *kiln_layer_any_diff_id(KilnStore *s, gint64 layer);
/* With which clamp the layer's tar has this diffID; false if none is known to. */
bool kiln_layer_tar_clamp(KilnStore *s, gint64 layer, const char *diff_id, gint64 *clamp);
/* What is known of n layers: diff_ids[i] as kiln_layer_tar_diff_id() gives it, chain_ids[i] as it was set; NULL
 * what is not. g_free() each. */
void kiln_layer_ids(KilnStore *s, const gint64 *layers, guint n, gint64 clamp, char **diff_ids, char **chain_ids);
/* Layers of images, by chainID (image-spec config.md): 0 if not there. */
gint64 kiln_layer_by_chain(KilnStore *s, const char *chain_id);
bool kiln_layer_set_chain(KilnStore *s, gint64 layer, const char *chain_id, GError **error);

/* --- Blobs
 * ------------------------------------------------------------------------------------------- */
/* A read-only fd, or -1 with NOT_FOUND. *size may be NULL. */
int kiln_blob_open(KilnStore *s, const char *digest, guint64 *size, GError **error);
bool kiln_blob_exists(KilnStore *s, const char *digest);
/* The absolute path of blobs/sha256 (kiln-remote --have); borrowed. */
const char *kiln_blob_directory(const KilnStore *s);
/* Puts a file of the work folder in place as the blob of this digest (known to be right). */
bool kiln_blob_commit(KilnStore *s, KilnWork *w, const char *name, const char *digest,
                      GError **error);
bool kiln_blob_put_bytes(KilnStore *s, const void *bytes, gsize size, char **digest,
                         GError **error);

/* Which blob carries a layer: by diffID. */
typedef struct {
    char *digest, *media_type;
    guint64 size;
} KilnLayerBlob;
void kiln_layer_blob_clear(KilnLayerBlob *b);
bool kiln_layer_blob_lookup(KilnStore *s, const char *diff_id,
                            KilnLayerBlob *out); /* and it exists */
bool kiln_layer_blob_set(KilnStore *s, const char *diff_id, const KilnLayerBlob *b, GError **error);

/* --- Images
 * ------------------------------------------------------------------------------------------ */
typedef struct {
    char *id;       /* digest of the config blob: the image ID */
    char **names;   /* canonical: "docker.io/library/busybox:latest"; may be empty */
    gint64 created; /* when it came into the store, seconds */
    gint64 *chain;  /* layers, bottom first */
    guint n_chain;
    char *source_digest; /* what a registry called it (index or manifest), or NULL */
} KilnImage;
void kiln_image_free(KilnImage *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnImage, kiln_image_free)
/* Records an image (its config is a blob already) and moves name (may be NULL) to it. */
bool kiln_image_put(KilnStore *s, const char *id, const char *name, const gint64 *chain, guint n,
                    const char *source_digest, GError **error);
bool kiln_image_tag(KilnStore *s, const char *id, const char *name, GError **error);
/* By canonical name, image ID, or an ID prefix of 4 hex digits or more (ambiguous: error).
 * NOT_FOUND. */
KilnImage *kiln_image_lookup(KilnStore *s, const char *name_or_id, GError **error);
/* By "NAME@sha256:…": an image whose source digest this is. */
KilnImage *kiln_image_by_source(KilnStore *s, const char *digest);
GPtrArray *kiln_image_list(KilnStore *s, GError **error); /* KilnImage*, newest first */
bool kiln_image_untag(KilnStore *s, const char *name, GError **error);
bool kiln_image_remove(KilnStore *s, const char *id,
                       GError **error); /* with all names; config blob too */

/* --- Step records: docs/store.md, "Records" -------------------------------------------------------------- */
typedef struct {
    char *key;       /* definition key, "sha256:…" */
    char *operation; /* "sha256:…": what the step does, whatever it is done to */
    char *inputs;    /* a line for each step that it reads, its parent first: that one's key, a space, and its
                        chain ("1-7,12"; "-": empty) */
    char *same_as;   /* key of the record that stands for this one, whose inputs have the same content; or NULL */
    gint64 layer;
    gint64 created;  /* seconds */
    gint64 duration; /* microseconds that the step took when it ran */
    char *name;      /* "RUN npm install" */
} KilnRecord;
void kiln_record_clear(KilnRecord *r);
/* True if there is one whose layer exists and is usable. One that has same_as gives that one. */
bool kiln_record_lookup(KilnStore *s, const char *key, KilnRecord *out);
/* KilnRecord*, those of an operation that stand for themselves and are usable, newest first; g_ptr_array_unref(). */
GPtrArray *kiln_records_of(KilnStore *s, const char *operation, guint most);
/* Takes the lock under which the step of this key is done, so that other processes wait for it instead of doing it
 * too; never waits itself. False without an error if another process has it. To be taken by one thread at a time. */
bool kiln_record_lock(KilnStore *s, const char *key, GError **error);
void kiln_record_unlock(KilnStore *s, const char *key);
/* gint64: the newest layers of steps of this name, at most `most`, that hold roughly so many files;
 * g_array_unref(). Of records that were made long ago nothing is found. */
GArray *kiln_record_layers_named(KilnStore *s, const char *name, guint files, guint most);
/* parts: what the key was made of, for kiln why (src/build/key.h); or NULL. */
bool kiln_record_put(KilnStore *s, const KilnRecord *r, GBytes *parts, GError **error);
/* The same alone, of a step that has not been done. */
bool kiln_key_parts_put(KilnStore *s, const char *key, GBytes *parts, GError **error);
/* NULL if they are not known. */
GBytes *kiln_key_parts(KilnStore *s, const char *key);

/* --- Kept builds: docs/store.md, "Builds" ----------------------------------------------------------------- */
typedef struct {
    gint64 id;       /* counted up, never given again */
    gint64 started;  /* microseconds since 1970 */
    gint64 duration; /* microseconds */
    char *status;    /* "built", "failed" or "canceled" */
    char *project;   /* the same for builds of the same thing: src/build/history.h */
    char *context;   /* path or URL; NULL: none */
    char *dockerfile, *target;
    char *names; /* that the image was given, with spaces between them */
    char *image; /* its ID; NULL: none was recorded */
    char *error; /* NULL: none */
} KilnBuildRow;
typedef struct {
    gint64 position; /* index in the plan */
    char *stage;     /* name, or number of one without */
    char *name;      /* as the output calls the step */
    gint64 line;     /* in the Dockerfile, from 1; 0: it does not stand there */
    char *verdict;   /* "cached", "done", "error" or "canceled" */
    char *key;       /* NULL: the step did not come so far */
    gint64 layer;    /* 0: none */
    gint64 size;     /* of it in bytes, when read; -1: it is not there (any more) */
    gint64 started, duration; /* microseconds: after the build's start, and what it took */
    char *cause;              /* why it was not cached, in a line; NULL: it was, or that is not known */
} KilnBuildStepRow;
void kiln_build_row_free(KilnBuildRow *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnBuildRow, kiln_build_row_free)
void kiln_build_step_row_free(KilnBuildStepRow *s);
/* Keeps a build (its id is ignored) with its steps and what they wrote (log may be NULL), and drops builds beyond
 * the newest `keep`, all in one transaction. Returns its id, 0 on error. */
gint64 kiln_build_put(KilnStore *s, const KilnBuildRow *b, const KilnBuildStepRow *steps, guint n, GBytes *log,
                      guint keep, GError **error);
/* KilnBuildRow*, newest first, at most `limit` (0: all); of one project, or of all if it is NULL. NULL on error;
 * g_ptr_array_unref(). */
GPtrArray *kiln_builds_list(KilnStore *s, const char *project, guint limit, GError **error);
/* "17"; "last" or "^0", the newest of all; "^1", the one before it … NOT_FOUND. */
KilnBuildRow *kiln_build_get(KilnStore *s, const char *which, GError **error);
/* KilnBuildStepRow*, in the plan's order; g_ptr_array_unref(). */
GPtrArray *kiln_build_steps(KilnStore *s, gint64 build, GError **error);
/* NULL if there is none. */
GBytes *kiln_build_log(KilnStore *s, gint64 build);
bool kiln_build_remove(KilnStore *s, gint64 build, GError **error);

/* --- URLs
 * -------------------------------------------------------------------------------------------- */
/* What a URL gave when it was last fetched: a blob, and what the server calls that version of it. */
typedef struct {
    char *digest;    /* of the blob */
    char *etag;      /* or NULL */
    char *name;      /* of the file, as the server or the URL says; or NULL */
    gint64 modified; /* Last-Modified in seconds; -1: not said */
} KilnUrlRecord;
void kiln_url_clear(KilnUrlRecord *r);
/* True if there is one whose blob exists. */
bool kiln_url_lookup(KilnStore *s, const char *url, KilnUrlRecord *out);
bool kiln_url_put(KilnStore *s, const char *url, const KilnUrlRecord *r, GError **error);

/* --- Cache mounts: directories that outlive builds, by a name of lower-case hex digits and dots
 * -------------------------- */
/* Takes the lock that the directory is used under: with others, or alone. Never waits. Returns an fd
 * that holds it until it is closed; -1 without an error if another one has it, in this process or
 * elsewhere. */
int kiln_cache_lock(KilnStore *s, const char *name, bool exclusive, GError **error);
/* An O_PATH fd of the directory; -1 without an error if there is none yet. */
int kiln_cache_open(KilnStore *s, const char *name, GError **error);
/* Notes that it has been used, by a mount of this id, for kiln_store_touch(). */
void kiln_cache_used(KilnStore *s, const char *name, const char *id);
/* Makes a directory of the work folder the cache's first content, unless there is one by now. */
bool kiln_cache_commit(KilnStore *s, KilnWork *w, const char *directory, const char *name,
                       GError **error);

/* Deletes everything in the store's directory that is kiln's, and the directory. Refuses one that
 * has no `version` file of kiln. */
bool kiln_store_reset(const char *root, GError **error);

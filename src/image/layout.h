/* Images as others hand them over: an OCI layout (image-spec image-layout.md) or a docker-archive
 * (`docker save`), as a directory or as a tar of it. For src/image/ alone.
 *
 * A tar is unpacked to a work folder of the store first. All documents are hostile: names cannot
 * lead out of the layout, sizes are limited, digests are checked. */
#pragma once

#include "image/config.h"
#include "store/store.h"

typedef struct KilnLayout KilnLayout;

/* Opens the directory or the archive (plain, gzip, zstd) at path; "-" is standard input. */
KilnLayout *kiln_layout_open(KilnStore *s, const char *path, GError **error);
void kiln_layout_free(KilnLayout *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnLayout, kiln_layout_free)
KilnStore *kiln_layout_store(const KilnLayout *l);
/* Whether its files may be hard linked into the store: they lie in it, and nobody writes to them.
 */
bool kiln_layout_is_ours(const KilnLayout *l);

/* Opens a regular file of the layout for reading, symlinks followed within it. -1 with NOT_FOUND if
 * there is none, or another error. */
int kiln_layout_open_file(const KilnLayout *l, const char *path, guint64 *size, GError **error);
bool kiln_layout_has(const KilnLayout *l, const char *path);
/* A whole small file (KILN_DOCUMENT_MAX); g_free(). */
char *kiln_layout_read_file(const KilnLayout *l, const char *path, gsize *size, GError **error);

/* A blob by digest: from the layout, else from the store (a download leaves out what the store
 * has). */
int kiln_layout_open_blob(const KilnLayout *l, const char *digest, guint64 *size, GError **error);
/* A whole document, its size (-1: unknown) and digest checked. `what` names it in errors. */
char *kiln_layout_read_blob(const KilnLayout *l, const char *digest, gint64 size, const char *what,
                            gsize *length, GError **error);

typedef struct {
    char *path;   /* in the layout: docker-archives name files, OCI layouts (NULL here) blobs by
                     digest */
    char *digest; /* of the blob, NULL if not known */
    gint64 size;  /* bytes, -1 if not known */
} KilnLayoutLayer;

typedef struct {
    GPtrArray *names; /* char*, canonical */
    char *config;
    gsize config_size;
    GPtrArray *layers; /* KilnLayoutLayer*, bottom first */
} KilnLayoutImage;
void kiln_layout_image_free(KilnLayoutImage *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnLayoutImage, kiln_layout_image_free)
KilnLayoutImage *kiln_layout_image_new(void);
/* Adds the canonical form of a reference; one that is none is left out (names in a file are hints).
 */
void kiln_layout_image_add_name(KilnLayoutImage *i, const char *name);
/* Takes the image. False with FORMAT when there are more than can be kept in memory. */
bool kiln_layout_images_add(GPtrArray *images, KilnLayoutImage *image, GError **error);

/* The images that ref (NULL: all) and platform choose; KilnLayoutImage*, at least one. NULL on
 * error. */
GPtrArray *kiln_layout_images(const KilnLayout *l, const char *ref, const KilnPlatform *platform,
                              GError **error);
/* The two kinds of it: by index.json, by manifest.json. */
GPtrArray *kiln_layout_oci_images(const KilnLayout *l, const char *ref,
                                  const KilnPlatform *platform, GError **error);
GPtrArray *kiln_layout_docker_images(const KilnLayout *l, const char *ref, GError **error);

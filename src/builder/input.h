/* Bytes from outside: standard input, a file or a pipe. Their beginning tells what they are before anybody takes
 * them: an archive to be unpacked, or a text. Hostile and bounded. */
#pragma once

#include "build/context.h"
#include "builder/operation.h"

typedef struct KilnInput KilnInput;

typedef enum {
    KILN_INPUT_EMPTY,
    KILN_INPUT_ARCHIVE, /* a tar, plain or compressed (gzip, bzip2, xz, zstd) */
    KILN_INPUT_TEXT,    /* anything else */
} KilnInputKind;

/* BuildKit reads no larger Dockerfile either. */
#define KILN_TEXT_MAX (16 * 1024 * 1024)

/* Takes fd over; "the archive" and the like for messages is `name`. NULL if it cannot be read. */
KilnInput *kiln_input_new(KilnOperation *op, int fd, const char *name, GError **error);
/* The caller's standard input. */
KilnInput *kiln_input_new_standard(KilnOperation *op, GError **error);
void kiln_input_free(KilnInput *i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnInput, kiln_input_free)

KilnInputKind kiln_input_kind(const KilnInput *i);
/* All of it, at most KILN_TEXT_MAX bytes, with a NUL behind; g_free(). */
char *kiln_input_text(KilnInput *i, gsize *size, GError **error);
/* Unpacks the archive to a work folder of the store: a context of this name. */
KilnContext *kiln_input_unpack(KilnInput *i, const char *name, GError **error);

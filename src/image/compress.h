/* Compressed streams: gzip (by ISA-L) and zstd, in and out. For src/image/ and src/cache/ alone. */
#pragma once

#include "tree/tar.h"

typedef enum {
    KILN_COMPRESSION_NONE,
    KILN_COMPRESSION_GZIP,
    KILN_COMPRESSION_ZSTD,
} KilnCompression;

/* The compression that a stream's first bytes announce (RFC 1952, RFC 8878). */
KilnCompression kiln_compression_detect(const void *bytes, size_t size);
/* The media type of a layer so compressed (image-spec layer.md). */
const char *kiln_compression_media_type(KilnCompression c);

/* Decompresses what `read` gives, as it announces itself; anything unknown is passed through.
 * `read` must give at least 4 bytes in its first piece, unless the stream is shorter. Several gzip
 * members or zstd frames in a row are one stream. */
typedef struct KilnDecompressor KilnDecompressor;
KilnDecompressor *kiln_decompressor_new(KilnReadFunc read, void *data);
void kiln_decompressor_free(KilnDecompressor *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnDecompressor, kiln_decompressor_free)
/* A KilnReadFunc. A stream that is damaged or ends early gives KILN_IMAGE_ERROR_FORMAT. */
ssize_t kiln_decompressor_read(void *decompressor, const void **buffer, GError **error);
/* Known once something was read. */
KilnCompression kiln_decompressor_kind(const KilnDecompressor *d);

/* Compresses to a single gzip member: ISA-L level 1, no name, time 0. The same bytes in give the
 * same bytes out, however they are cut into writes, and on every CPU (ISA-L's levels 0 to 2; level
 * 3 is not so). */
typedef struct KilnGzip KilnGzip;
KilnGzip *kiln_gzip_new(KilnWriteFunc write, void *data);
void kiln_gzip_free(KilnGzip *z);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnGzip, kiln_gzip_free)
bool kiln_gzip_write(void *gzip, const void *bytes, size_t size,
                     GError **error); /* a KilnWriteFunc */
/* Ends the stream; nothing may be written after it. */
bool kiln_gzip_finish(KilnGzip *z, GError **error);

/* Compresses to a stream of any kind: gzip as above, a zstd frame of this level (0: zstd's default), or not at
 * all. The same bytes in give the same bytes out, as long as libzstd is the same. */
typedef struct KilnCompressor KilnCompressor;
KilnCompressor *kiln_compressor_new(KilnCompression kind, int level, KilnWriteFunc write, void *data);
void kiln_compressor_free(KilnCompressor *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCompressor, kiln_compressor_free)
bool kiln_compressor_write(void *compressor, const void *bytes, size_t size,
                           GError **error); /* a KilnWriteFunc */
/* Ends the stream; nothing may be written after it. */
bool kiln_compressor_finish(KilnCompressor *c, GError **error);

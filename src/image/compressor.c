/* Compression of any kind behind one interface. */
#include "image/compress.h"
#include "image/config.h"

#include <zstd.h>

struct KilnCompressor {
    KilnWriteFunc write;
    void *data;
    KilnGzip *gzip;
    ZSTD_CCtx *zstd;
    void *output;
};

KilnCompressor *kiln_compressor_new(KilnCompression kind, int level, KilnWriteFunc write, void *data)
{
    KilnCompressor *c = g_new0(KilnCompressor, 1);
    c->write = write;
    c->data = data;
    if (kind == KILN_COMPRESSION_GZIP)
        c->gzip = kiln_gzip_new(write, data);
    if (kind == KILN_COMPRESSION_ZSTD) {
        c->zstd = ZSTD_createCCtx();
        c->output = g_malloc(ZSTD_CStreamOutSize());
        ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
    }
    return c;
}

void kiln_compressor_free(KilnCompressor *c)
{
    if (c == NULL)
        return;
    kiln_gzip_free(c->gzip);
    ZSTD_freeCCtx(c->zstd);
    g_free(c->output);
    g_free(c);
}

static bool pass_zstd(KilnCompressor *c, const void *bytes, size_t size, ZSTD_EndDirective end, GError **error)
{
    ZSTD_inBuffer in = {bytes, size, 0};
    while (true) {
        ZSTD_outBuffer out = {c->output, ZSTD_CStreamOutSize(), 0};
        size_t left = ZSTD_compressStream2(c->zstd, &out, &in, end);
        if (ZSTD_isError(left)) {
            g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "zstd compression failed: %s",
                        ZSTD_getErrorName(left));
            return false;
        }
        if (out.pos > 0 && !c->write(c->data, out.dst, out.pos, error))
            return false;
        if (end == ZSTD_e_end ? left == 0 : in.pos == in.size)
            return true;
    }
}

bool kiln_compressor_write(void *compressor, const void *bytes, size_t size, GError **error)
{
    KilnCompressor *c = compressor;
    if (c->zstd != NULL)
        return pass_zstd(c, bytes, size, ZSTD_e_continue, error);
    return c->gzip != NULL ? kiln_gzip_write(c->gzip, bytes, size, error) : c->write(c->data, bytes, size, error);
}

bool kiln_compressor_finish(KilnCompressor *c, GError **error)
{
    if (c->zstd != NULL)
        return pass_zstd(c, NULL, 0, ZSTD_e_end, error);
    return c->gzip == NULL || kiln_gzip_finish(c->gzip, error);
}

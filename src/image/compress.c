#include "image/compress.h"

#include "image/config.h"

#include <isa-l.h>
#include <string.h>
#include <zstd.h>

enum { PIECE = 256 * 1024 };

KilnCompression kiln_compression_detect(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    if (size >= 3 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8)
        return KILN_COMPRESSION_GZIP;
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (size >= 4 && memcmp(b, frame, 4) == 0)
        return KILN_COMPRESSION_ZSTD;
    /* a skippable frame, as zstd:chunked may begin with */
    if (size >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18)
        return KILN_COMPRESSION_ZSTD;
    return KILN_COMPRESSION_NONE;
}

const char *kiln_compression_media_type(KilnCompression c)
{
    static const char *const types[] = {
        [KILN_COMPRESSION_NONE] = "application/vnd.oci.image.layer.v1.tar",
        [KILN_COMPRESSION_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
        [KILN_COMPRESSION_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    return types[c];
}

struct KilnDecompressor {
    KilnReadFunc read;
    void *data;
    const uint8_t *input; /* what is left of the source's last piece */
    size_t n_input;
    bool ended;           /* the source */
    bool started, inside; /* inside: of a member or frame */
    KilnCompression kind;
    struct inflate_state *inflate;
    ZSTD_DStream *zstd;
    uint8_t *output;
};

KilnDecompressor *kiln_decompressor_new(KilnReadFunc read, void *data)
{
    KilnDecompressor *d = g_new0(KilnDecompressor, 1);
    d->read = read;
    d->data = data;
    return d;
}

void kiln_decompressor_free(KilnDecompressor *d)
{
    if (d == NULL)
        return;
    ZSTD_freeDStream(d->zstd);
    g_free(d->inflate);
    g_free(d->output);
    g_free(d);
}

KilnCompression kiln_decompressor_kind(const KilnDecompressor *d)
{
    return d->kind;
}

/* Gets the next piece if there is none left. False on error. */
static bool fill(KilnDecompressor *d, GError **error)
{
    if (d->n_input > 0 || d->ended)
        return true;
    const void *piece;
    ssize_t n = d->read(d->data, &piece, error);
    if (n < 0)
        return false;
    d->input = piece;
    d->n_input = (size_t)n;
    d->ended = n == 0;
    return true;
}

static ssize_t damaged(GError **error, const char *what, const char *why)
{
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "damaged %s stream: %s", what,
                why);
    return -1;
}

/* Between two members: another one, the end, or padding with zeros as tape drives and gzip(1) know
 * it. */
static int next_member(KilnDecompressor *d, GError **error)
{
    while (true) {
        if (!fill(d, error))
            return -1;
        if (d->n_input == 0)
            return 0;
        if (*d->input != 0)
            break;
        d->input++;
        d->n_input--;
    }
    if (*d->input != 0x1f)
        return (int)damaged(error, "gzip", "there is something else after its end");
    isal_inflate_reset(d->inflate);
    d->inflate->crc_flag = ISAL_GZIP;
    d->inside = true;
    return 1;
}

static ssize_t read_gzip(KilnDecompressor *d, GError **error)
{
    struct inflate_state *z = d->inflate;
    while (true) {
        int more = d->inside ? 1 : next_member(d, error);
        if (more <= 0)
            return more;
        if (!fill(d, error))
            return -1;
        z->next_in = (uint8_t *)d->input;
        z->avail_in = (uint32_t)d->n_input;
        z->next_out = d->output;
        z->avail_out = PIECE;
        int result = isal_inflate(z);
        d->input = z->next_in;
        d->n_input = z->avail_in;
        if (result == ISAL_INCORRECT_CHECKSUM)
            return damaged(error, "gzip", "its checksum is wrong");
        if (result < 0)
            return damaged(error, "gzip", "it cannot be decompressed");
        d->inside = z->block_state != ISAL_BLOCK_FINISH;
        size_t n = PIECE - z->avail_out;
        if (n > 0)
            return (ssize_t)n;
        if (d->inside && d->ended)
            return damaged(error, "gzip", "it is truncated");
    }
}

static ssize_t read_zstd(KilnDecompressor *d, GError **error)
{
    while (true) {
        if (!fill(d, error))
            return -1;
        if (d->n_input == 0 && !d->inside)
            return 0;
        ZSTD_inBuffer in = {d->input, d->n_input, 0};
        ZSTD_outBuffer out = {d->output, PIECE, 0};
        size_t result = ZSTD_decompressStream(d->zstd, &out, &in);
        d->input += in.pos;
        d->n_input -= in.pos;
        if (ZSTD_isError(result))
            return damaged(error, "zstd", ZSTD_getErrorName(result));
        d->inside = result != 0;
        if (out.pos > 0)
            return (ssize_t)out.pos;
        if (d->inside && d->ended)
            return damaged(error, "zstd", "it is truncated");
    }
}

static void start(KilnDecompressor *d)
{
    d->started = true;
    d->kind = kiln_compression_detect(d->input, d->n_input);
    if (d->kind == KILN_COMPRESSION_NONE)
        return;
    d->output = g_malloc(PIECE);
    d->inside = true;
    if (d->kind == KILN_COMPRESSION_GZIP) {
        d->inflate = g_new(struct inflate_state, 1);
        isal_inflate_init(d->inflate);
        d->inflate->crc_flag = ISAL_GZIP;
    } else {
        d->zstd = ZSTD_createDStream();
    }
}

ssize_t kiln_decompressor_read(void *decompressor, const void **buffer, GError **error)
{
    KilnDecompressor *d = decompressor;
    if (!d->started) {
        if (!fill(d, error))
            return -1;
        start(d);
    }
    if (d->kind == KILN_COMPRESSION_NONE) {
        if (!fill(d, error))
            return -1;
        ssize_t n = (ssize_t)d->n_input;
        *buffer = d->input;
        d->n_input = 0;
        return n;
    }
    *buffer = d->output;
    return d->kind == KILN_COMPRESSION_GZIP ? read_gzip(d, error) : read_zstd(d, error);
}

/* ISA-L's output depends on where its input is cut, so it is collected to pieces of one size. */
struct KilnGzip {
    KilnWriteFunc write;
    void *data;
    struct isal_zstream stream;
    uint8_t *level;
    uint8_t *input, *output;
    size_t n_input;
};

KilnGzip *kiln_gzip_new(KilnWriteFunc write, void *data)
{
    KilnGzip *z = g_new0(KilnGzip, 1);
    z->write = write;
    z->data = data;
    z->level = g_malloc(ISAL_DEF_LVL1_DEFAULT);
    z->input = g_malloc(PIECE);
    z->output = g_malloc(PIECE);
    isal_deflate_init(&z->stream);
    z->stream.level = 1;
    z->stream.level_buf = z->level;
    z->stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    z->stream.gzip_flag = IGZIP_GZIP;
    z->stream.flush = NO_FLUSH;
    return z;
}

void kiln_gzip_free(KilnGzip *z)
{
    if (z == NULL)
        return;
    g_free(z->level);
    g_free(z->input);
    g_free(z->output);
    g_free(z);
}

static bool deflate_piece(KilnGzip *z, bool end, GError **error)
{
    z->stream.next_in = z->input;
    z->stream.avail_in = (uint32_t)z->n_input;
    z->stream.end_of_stream = end;
    do {
        z->stream.next_out = z->output;
        z->stream.avail_out = PIECE;
        if (isal_deflate(&z->stream) != COMP_OK) {
            g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "gzip compression failed");
            return false;
        }
        size_t n = PIECE - z->stream.avail_out;
        if (n > 0 && !z->write(z->data, z->output, n, error))
            return false;
    } while (z->stream.avail_out == 0 || (end && z->stream.internal_state.state != ZSTATE_END));
    z->n_input = 0;
    return true;
}

bool kiln_gzip_write(void *gzip, const void *bytes, size_t size, GError **error)
{
    KilnGzip *z = gzip;
    const uint8_t *from = bytes;
    while (size > 0) {
        size_t n = MIN(size, PIECE - z->n_input);
        memcpy(z->input + z->n_input, from, n);
        z->n_input += n;
        from += n;
        size -= n;
        if (z->n_input == PIECE && !deflate_piece(z, false, error))
            return false;
    }
    return true;
}

bool kiln_gzip_finish(KilnGzip *z, GError **error)
{
    return deflate_piece(z, true, error);
}

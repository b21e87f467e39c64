/* Tars made by hand, byte for byte, and what comes of them when they are unpacked. */
#pragma once

#include "scratch.h"
#include "tree/tar.h"

static inline void pad(GByteArray *tar)
{
    static const guint8 zeros[512];
    g_byte_array_append(tar, zeros, (512 - tar->len % 512) % 512);
}

/* A ustar header with its checksum, and the content. */
static inline void raw_entry(GByteArray *tar, char type, const char *name, const char *link,
                      const void *bytes, gsize size)
{
    char h[512] = "";
    memcpy(h, name, MIN(strlen(name), 100));
    memcpy(h + 100, "0000751", 7);
    memcpy(h + 108, "0000041", 7); /* uid 33 */
    memcpy(h + 116, "0000004", 7);
    g_snprintf(h + 124, 12, "%011o", (unsigned)size);
    memcpy(h + 136, "07346545000", 11); /* 1000000000 */
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 157, link, MIN(strlen(link), 100));
    memcpy(h + 257, "ustar\00000", 8);
    memcpy(h + 329, "0000010", 7); /* device 8:3 */
    memcpy(h + 337, "0000003", 7);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)h[i];
    g_snprintf(h + 148, 8, "%06o", sum);
    g_byte_array_append(tar, (guint8 *)h, 512);
    if (size)
        g_byte_array_append(tar, bytes, (guint)size);
    pad(tar);
}

static inline void entry(GByteArray *tar, char type, const char *name, const char *link)
{
    raw_entry(tar, type, name, link, NULL, 0);
}

static inline void file(GByteArray *tar, const char *name, const char *text)
{
    raw_entry(tar, '0', name, "", text, strlen(text));
}

/* "LENGTH KEY=VALUE\n", where the length counts itself: pax(1). */
static inline void pax(GByteArray *tar, const char *key, const void *value, gsize size)
{
    gsize rest = strlen(key) + size + 3, length = 0, before;
    do {
        before = length;
        g_autofree char *digits = g_strdup_printf("%zu", before);
        length = rest + strlen(digits);
    } while (length != before);
    g_autoptr(GString) record = g_string_new(NULL);
    g_string_printf(record, "%zu %s=", length, key);
    g_string_append_len(record, value, (gssize)size);
    g_string_append_c(record, '\n');
    raw_entry(tar, 'x', "PaxHeaders/x", "", record->str, record->len);
}

static inline void end(GByteArray *tar)
{
    static const guint8 zeros[1024];
    g_byte_array_append(tar, zeros, sizeof(zeros));
}

/* --- Reading them --- */

typedef struct {
    const GByteArray *bytes;
    gsize offset, step;
} Feed;

static inline ssize_t feed(void *data, const void **buffer, GError **error)
{
    Feed *f = data;
    (void)error;
    gsize n = MIN(f->step, f->bytes->len - f->offset);
    if (n)
        *buffer = f->bytes->data + f->offset;
    f->offset += n;
    return (ssize_t)n;
}

static const KilnUntarOptions layer_options = {
    .owners = KILN_OWNERS_RECORDED, .whiteouts = true, .uid = -1, .gid = -1};

static inline bool untar(const GByteArray *tar, const Scratch *s, const KilnUntarOptions *options,
                  KilnManifest *out, GError **error)
{
    Feed f = {.bytes = tar, .step = 700}; /* no multiple of a block */
    bool ok = kiln_untar(feed, &f, s->fd, options, out, error);
    if (ok)
        g_assert_cmpuint(f.offset, ==, tar->len); /* all of it belongs to the digest */
    return ok;
}

static inline KilnManifest *good(GByteArray *tar, const Scratch *s)
{
    GError *error = NULL;
    KilnManifest *m = kiln_manifest_new();
    end(tar);
    untar(tar, s, &layer_options, m, &error);
    g_assert_no_error(error);
    return m;
}

/* The message with which the tar is refused. */
static inline char *refused(GByteArray *tar)
{
    Scratch s = scratch_open();
    GError *error = NULL;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_assert_false(untar(tar, &s, &layer_options, m, &error));
    g_assert_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_FORMAT);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    char *message = g_strdup(error->message);
    g_clear_error(&error);
    scratch_close(&s);
    return message;
}

/* "LETTER:PATH " for each entry; upper case: implicit or opaque. */
static inline char *shape(const KilnManifest *m)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_string_append_printf(text, "%s%s%c:%s ", e->implicit ? "i" : "", e->opaque ? "o" : "",
                               (int)e->type, e->path);
    }
    return g_string_free(text, FALSE);
}

static inline void assert_shape(const KilnManifest *m, const char *expected)
{
    g_autofree char *actual = shape(m);
    g_assert_cmpstr(actual, ==, expected);
}

static inline void assert_text(const Scratch *s, const char *path, const char *expected)
{
    g_autofree char *text = scratch_read(s, path);
    g_assert_cmpstr(text, ==, expected);
}

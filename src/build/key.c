#include "build/key.h"

#include <string.h>
#include <zstd.h>

/* Small pieces are gathered before they are hashed: a context has ten thousand files of ten pieces each. */
#define BUFFER_SIZE 512
#define COMPRESSION_LEVEL 1
/* More than the parts of any context that could be copied (docs/store.md). */
#define MOST_PARTS_SIZE (1 << 30)

struct KilnKey {
    KilnHash *hash;
    GByteArray *parts; /* NUL-terminated strings, three a part; NULL: not wanted */
    gsize buffered;
    uint8_t buffer[BUFFER_SIZE];
};

KilnKey *kiln_key_new(bool keeps_parts)
{
    KilnKey *k = g_new(KilnKey, 1);
    k->hash = kiln_hash_new();
    k->parts = keeps_parts ? g_byte_array_new() : NULL;
    k->buffered = 0;
    return k;
}

void kiln_key_free(KilnKey *k)
{
    kiln_hash_free(k->hash);
    g_clear_pointer(&k->parts, g_byte_array_unref);
    g_free(k);
}

static void flush(KilnKey *k)
{
    if (k->buffered)
        kiln_hash_update(k->hash, k->buffer, k->buffered);
    k->buffered = 0;
}

static void append(void *key, const void *bytes, size_t size)
{
    KilnKey *k = key;
    if (size > BUFFER_SIZE - k->buffered)
        flush(k);
    if (size > BUFFER_SIZE) {
        kiln_hash_update(k->hash, bytes, size);
        return;
    }
    memcpy(k->buffer + k->buffered, bytes, size);
    k->buffered += size;
}

/* As kiln_hash_string(). */
static void append_string(KilnKey *k, const char *s)
{
    size_t length = s ? strlen(s) : 0;
    uint64_t prefix = GUINT64_TO_LE(s ? (uint64_t)length : UINT64_MAX);
    append(k, &prefix, sizeof prefix);
    append(k, s ? s : "", length);
}

/* A first byte tells a string from none. */
static void keep_string(KilnKey *k, const char *s)
{
    if (s)
        g_byte_array_append(k->parts, (const guint8 *)"=", 1);
    g_byte_array_append(k->parts, (const guint8 *)(s ? s : ""), (guint)(s ? strlen(s) : 0) + 1);
}

static void keep(KilnKey *k, const char *what, const char *name, const char *value)
{
    if (!k->parts)
        return;
    keep_string(k, what);
    keep_string(k, name);
    keep_string(k, value);
}

void kiln_key_note(KilnKey *k, const char *what, const char *name, const char *value)
{
    keep(k, what, name, value);
}

void kiln_key_text(KilnKey *k, const char *what, const char *name, const char *value)
{
    append_string(k, what);
    append_string(k, name);
    append_string(k, value);
    keep(k, what, name, value);
}

void kiln_key_number(KilnKey *k, const char *what, const char *name, gint64 value)
{
    char text[24];
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
    kiln_key_text(k, what, name, text);
}

void kiln_key_list(KilnKey *k, const char *what, char *const *list)
{
    for (; list && *list; list++)
        kiln_key_text(k, what, NULL, *list);
    append_string(k, NULL); /* ends it: no part begins so */
}

void kiln_key_variables(KilnKey *k, const char *what, char *const *list)
{
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '=');
        g_autofree char *name = equals ? g_strndup(*list, (gsize)(equals - *list)) : g_strdup(*list);
        kiln_key_text(k, what, name, equals ? equals + 1 : NULL);
    }
    append_string(k, NULL);
}

void kiln_key_bytes(KilnKey *k, const char *what, const void *bytes, gsize size)
{
    g_autofree char *digest = kiln_digest_of_bytes(bytes, size);
    kiln_key_text(k, what, NULL, digest);
}

static char *describe(const KilnEntry *e)
{
    g_autofree char *content = e->type == KILN_TYPE_FILE ? kiln_digest_text(e->digest) : NULL;
    bool device = e->type == KILN_TYPE_CHAR || e->type == KILN_TYPE_BLOCK;
    g_autofree char *numbers = device ? g_strdup_printf(" %u:%u", e->major, e->minor) : g_strdup("");
    return g_strdup_printf("%c %04o %u:%u %s%s%s", (char)e->type, e->mode, e->uid, e->gid,
                           content ? content : "", e->target ? e->target : "", numbers);
}

void kiln_key_entry(KilnKey *k, const KilnEntry *e, const char *base)
{
    kiln_entry_feed(e, base, append, k);
    if (!k->parts)
        return;
    const char *name = e->path + strlen(base);
    g_autofree char *value = describe(e);
    keep(k, "file", name + (*base && *name == '/'), value);
}

static GBytes *compress(const GByteArray *parts)
{
    gsize bound = ZSTD_compressBound(parts->len);
    void *out = g_malloc(bound);
    gsize size = ZSTD_compress(out, bound, parts->data, parts->len, COMPRESSION_LEVEL);
    if (!ZSTD_isError(size))
        return g_bytes_new_take(g_realloc(out, size), size);
    g_free(out); /* for want of memory */
    return g_bytes_new(NULL, 0);
}

char *kiln_key_finish(KilnKey *k, GBytes **parts)
{
    flush(k);
    if (parts)
        *parts = k->parts ? compress(k->parts) : NULL;
    return kiln_hash_finish_text(k->hash);
}

char *kiln_key_definition(const char *operation, const char *const *ids, guint n)
{
    g_autoptr(KilnHash) hash = kiln_hash_new();
    kiln_hash_string(hash, KILN_KEY_FORMAT);
    kiln_hash_string(hash, operation);
    for (guint i = 0; i < n; i++)
        kiln_hash_string(hash, ids[i]);
    return kiln_hash_finish_text(hash);
}

/* --- Parts ----------------------------------------------------------------------------------------------------- */

struct KilnKeyParts {
    char *text;
    GArray *parts; /* KilnKeyPart, pointing into text */
};

void kiln_key_parts_free(KilnKeyParts *p)
{
    g_free(p->text);
    g_array_unref(p->parts);
    g_free(p);
}

/* The uncompressed text, with a NUL after it; NULL if it is none. */
static char *decompress(GBytes *bytes, gsize *size)
{
    gsize n;
    const void *data = g_bytes_get_data(bytes, &n);
    unsigned long long length = ZSTD_getFrameContentSize(data, n);
    if (length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN || length > MOST_PARTS_SIZE)
        return NULL;
    g_autofree char *text = g_try_malloc((gsize)length + 1);
    if (!text)
        return NULL;
    *size = ZSTD_decompress(text, (gsize)length, data, n);
    if (ZSTD_isError(*size))
        return NULL;
    text[*size] = '\0';
    return g_steal_pointer(&text);
}

static const char *next_string(char **at, const char *end)
{
    char *s = *at;
    if (s >= end)
        return NULL;
    *at = s + strlen(s) + 1;
    return *s == '=' ? s + 1 : NULL;
}

KilnKeyParts *kiln_key_parts_read(GBytes *bytes)
{
    gsize size = 0;
    char *text = decompress(bytes, &size);
    if (!text)
        return NULL;
    KilnKeyParts *p = g_new(KilnKeyParts, 1);
    p->text = text;
    p->parts = g_array_new(FALSE, FALSE, sizeof(KilnKeyPart));
    for (char *at = text; at < text + size;) {
        KilnKeyPart part;
        part.what = next_string(&at, text + size);
        part.name = next_string(&at, text + size);
        part.value = next_string(&at, text + size);
        if (part.what)
            g_array_append_val(p->parts, part);
    }
    return p;
}

guint kiln_key_parts_length(const KilnKeyParts *p)
{
    return p->parts->len;
}

const KilnKeyPart *kiln_key_parts_get(const KilnKeyParts *p, guint index)
{
    return &g_array_index(p->parts, KilnKeyPart, index);
}

/* Of OpenSSL's interfaces the plain one, which is deprecated since 3.0 in favour of EVP: linked as an archive it is
 * 25 KB. EVP brings all of libcrypto along, whose loading and lookups cost a cached build more than all its hashing. */
#define OPENSSL_API_COMPAT 10100
#include "tree/digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

struct KilnHash {
    SHA256_CTX context;
};

enum { READ_SIZE = 64 * 1024 };

KilnHash *kiln_hash_new(void)
{
    KilnHash *h = g_new(KilnHash, 1);
    SHA256_Init(&h->context);
    return h;
}

void kiln_hash_free(KilnHash *h)
{
    g_free(h);
}

void kiln_hash_update(KilnHash *h, const void *bytes, size_t size)
{
    SHA256_Update(&h->context, bytes, size);
}

void kiln_hash_string(KilnHash *h, const char *s)
{
    /* No string is UINT64_MAX bytes long, so that length can stand for "none". */
    size_t length = s ? strlen(s) : 0;
    uint64_t prefix = GUINT64_TO_LE(s ? (uint64_t)length : UINT64_MAX);
    kiln_hash_update(h, &prefix, sizeof(prefix));
    if (length)
        kiln_hash_update(h, s, length);
}

void kiln_hash_finish(KilnHash *h, uint8_t digest[KILN_SHA256_SIZE])
{
    SHA256_Final(digest, &h->context);
    SHA256_Init(&h->context);
}

char *kiln_hash_finish_text(KilnHash *h)
{
    uint8_t digest[KILN_SHA256_SIZE];
    kiln_hash_finish(h, digest);
    return kiln_digest_text(digest);
}

char *kiln_digest_text(const uint8_t digest[KILN_SHA256_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *text = g_malloc(KILN_DIGEST_TEXT_SIZE);
    char *p = g_stpcpy(text, KILN_DIGEST_PREFIX);
    for (int i = 0; i < KILN_SHA256_SIZE; i++) {
        *p++ = hex[digest[i] >> 4];
        *p++ = hex[digest[i] & 15];
    }
    *p = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool kiln_digest_parse(const char *text, uint8_t digest[KILN_SHA256_SIZE])
{
    if (!text || strlen(text) != KILN_DIGEST_TEXT_SIZE - 1 ||
        !g_str_has_prefix(text, KILN_DIGEST_PREFIX))
        return false;
    uint8_t bytes[KILN_SHA256_SIZE];
    const char *p = text + strlen(KILN_DIGEST_PREFIX);
    for (int i = 0; i < KILN_SHA256_SIZE; i++, p += 2) {
        int high = hex_value(p[0]), low = hex_value(p[1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(digest, bytes, sizeof(bytes));
    return true;
}

char *kiln_digest_of_bytes(const void *bytes, size_t size)
{
    g_autoptr(KilnHash) h = kiln_hash_new();
    if (size)
        kiln_hash_update(h, bytes, size);
    return kiln_hash_finish_text(h);
}

int kiln_digest_fd(int fd, uint8_t digest[KILN_SHA256_SIZE], uint64_t *size)
{
    g_autoptr(KilnHash) h = kiln_hash_new();
    char buffer[READ_SIZE];
    off_t offset = 0;
    for (;;) {
        ssize_t n = pread(fd, buffer, sizeof(buffer), offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        kiln_hash_update(h, buffer, (size_t)n);
        offset += n;
    }
    kiln_hash_finish(h, digest);
    if (size)
        *size = (uint64_t)offset;
    return 0;
}

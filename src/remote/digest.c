#include "remote/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "remote/error.h"

struct RemoteHash {
    EVP_MD_CTX *context;
};

bool remote_digest_check(const char *digest, GError **error)
{
    if (g_str_has_prefix(digest, "sha256:")) {
        const char *hex = digest + strlen("sha256:");
        if (strlen(hex) == REMOTE_DIGEST_HEX &&
            strspn(hex, "0123456789abcdef") == REMOTE_DIGEST_HEX) {
            return true;
        }
    }
    g_autofree char *shown = remote_printable(digest, 150);
    if (g_str_has_prefix(digest, "sha512:") || g_str_has_prefix(digest, "sha384:")) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "the digest '%s' is not SHA-256, the only kind that kiln verifies", shown);
    } else {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "'%s' is not a digest ('sha256:' and 64 lower-case hexadecimal digits)", shown);
    }
    return false;
}

const char *remote_digest_hex(const char *digest)
{
    return digest + strlen("sha256:");
}

RemoteHash *remote_hash_new(void)
{
    RemoteHash *h = g_new0(RemoteHash, 1);
    h->context = EVP_MD_CTX_new();
    remote_hash_restart(h);
    return h;
}

void remote_hash_restart(RemoteHash *h)
{
    if (!h->context || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1) {
        g_error("libcrypto has no SHA-256"); /* aborts: nothing can be verified */
    }
}

void remote_hash_update(RemoteHash *h, const void *data, gsize size)
{
    if (EVP_DigestUpdate(h->context, data, size) != 1) {
        g_error("SHA-256 fails");
    }
}

char *remote_hash_finish(RemoteHash *h)
{
    guint8 sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_DigestFinal_ex(h->context, sum, &length) != 1) {
        g_error("SHA-256 fails");
    }
    GString *text = g_string_new("sha256:");
    for (unsigned i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", sum[i]);
    }
    return g_string_free(text, FALSE);
}

void remote_hash_free(RemoteHash *h)
{
    EVP_MD_CTX_free(h->context);
    g_free(h);
}

char *remote_digest_of(const void *data, gsize size)
{
    g_autoptr(RemoteHash) h = remote_hash_new();
    remote_hash_update(h, data, size);
    return remote_hash_finish(h);
}

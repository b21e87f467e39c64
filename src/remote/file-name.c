#include "remote/file-name.h"

#include <curl/curl.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define NAME_BYTES 255 /* NAME_MAX of Linux's file systems */

/* The last component of a path, if a file can have it for its name. */
static char *last_component(const char *path)
{
    gsize end = strlen(path);
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    gsize start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    g_autofree char *name = g_strndup(path + start, end - start);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_BYTES ||
        !g_utf8_validate(name, -1, NULL)) {
        return NULL;
    }
    for (const guchar *p = (const guchar *)name; *p; p++) {
        if (*p < ' ' || *p == 0x7f) {
            return NULL;
        }
    }
    return g_steal_pointer(&name);
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* A quoted string or a token; *p stands behind it. */
static char *read_value(const char **p)
{
    GString *value = g_string_new(NULL);
    if (**p != '"') {
        gsize n = strcspn(*p, "; \t");
        g_string_append_len(value, *p, (gssize)n);
        *p += n;
        return g_string_free(value, FALSE);
    }
    for ((*p)++; **p && **p != '"'; (*p)++) {
        if (**p == '\\' && (*p)[1]) {
            (*p)++;
        }
        g_string_append_c(value, **p);
    }
    *p += **p == '"';
    return g_string_free(value, FALSE);
}

/* UTF-8''percent-encoded (RFC 8187). */
static char *decode_extended(const char *value)
{
    const char *quote = strchr(value, '\'');
    const char *second = quote ? strchr(quote + 1, '\'') : NULL;
    if (!second || g_ascii_strncasecmp(value, "utf-8'", 6) != 0) {
        return NULL;
    }
    return g_uri_unescape_string(second + 1, NULL);
}

/* The "filename" parameter of RFC 6266, its extended form first. */
static char *disposition_name(const char *header)
{
    g_autofree char *plain = NULL, *extended = NULL;
    const char *p = header + strcspn(header, ";");
    while (*p == ';') {
        p = skip_blanks(p + 1);
        gsize n = strcspn(p, "=; \t");
        g_autofree char *name = g_ascii_strdown(p, (gssize)n);
        p = skip_blanks(p + n);
        if (*p == '=') {
            p = skip_blanks(p + 1);
            g_autofree char *value = read_value(&p);
            if (!plain && strcmp(name, "filename") == 0) {
                plain = g_steal_pointer(&value);
            } else if (!extended && strcmp(name, "filename*") == 0) {
                extended = decode_extended(value);
            }
        }
        p += strcspn(p, ";");
    }
    return extended ? g_steal_pointer(&extended) : g_steal_pointer(&plain);
}

static char *url_path(const char *url)
{
    CURLU *u = curl_url();
    char *raw = NULL, *path = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PATH, &raw, 0) == CURLUE_OK) {
        path = g_uri_unescape_string(raw, NULL);
        curl_free(raw);
    }
    curl_url_cleanup(u);
    return path;
}

char *remote_file_name(const char *url, const char *disposition)
{
    g_autofree char *said = disposition ? disposition_name(disposition) : NULL;
    char *name = said && !g_str_has_suffix(said, "/") ? last_component(said) : NULL;
    g_autofree char *path = name ? NULL : url_path(url);
    return name || !path ? name : last_component(path);
}

/* URLs, by libcurl's parser, so that what is judged is what is then fetched. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The host, with the port if one is written: "localhost:5000". "?" if it cannot be parsed.
 * g_free(). */
char *remote_url_host(const char *url);

/* Whether scheme, host and port agree (RFC 6454): credentials for one then are for the other. */
bool remote_url_same_origin(const char *a, const char *b);

/* Whether a URL may be asked: https, or, if `plain`, http on a loopback host. REMOTE_ERROR_NETWORK.
 */
bool remote_url_permitted(const char *url, bool plain, GError **error);

/* Whether it is one of http or https, of any host. REMOTE_ERROR_NETWORK. */
bool remote_url_is_http(const char *url, GError **error);

/* The URL as it may be shown: without a password, and without anything that a terminal would obey.
 * g_free(). */
char *remote_url_shown(const char *url);

/* An http or https URL without the user and password before its host; any other as it is. g_free(). */
char *remote_url_without_login(const char *url);

/* `url` with "name=value" added to its query, escaped. NULL if it cannot be parsed. g_free(). */
char *remote_url_add_query(const char *url, const char *name, const char *value);
